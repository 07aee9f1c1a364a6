"""Hands Without Labels: models, losses, renderers and metrics for learning 3D hands without 3D labels.

The front doors are imported on first use, so that ``import handlib`` stays quick and needs no optional package.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_FRONT_DOORS = {
    "HandModel": "handlib.hand",
    "HandMesh": "handlib.hand",
    "reconstruct": "handlib.reconstruction",
    "HandReconstruction": "handlib.reconstruction",
}

__all__ = ["__version__", *_FRONT_DOORS]


def __getattr__(name: str) -> Any:
    """Import a front door on first use (PEP 562)."""
    if name not in _FRONT_DOORS:
        raise AttributeError(f"module 'handlib' has no attribute {name!r}")
    return getattr(import_module(_FRONT_DOORS[name]), name)
