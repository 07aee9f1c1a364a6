"""Renderers behind ``handlib.render``: each module has ``render_silhouette``, ``render_depth`` and ``render_rgb``.

They take a checked :class:`handlib.render.scene.Scene` and answer alike, so that one can stand for another:

* ``pure_torch`` - batched, any device, every gradient; the default;
* ``deodr_cpu`` - deodr's C++ renderer, one mesh at a time on the CPU; an independent judge of the first;
* ``pytorch3d_soft`` - pytorch3d's rasteriser and soft blending, where it is installed.
"""

from importlib import import_module
from types import ModuleType

from handlib.errors import BadInputError

BACKENDS = {
    "torch": "handlib.render.backends.pure_torch",
    "deodr": "handlib.render.backends.deodr_cpu",
    "pytorch3d": "handlib.render.backends.pytorch3d_soft",
}


def load_backend(name: str) -> ModuleType:
    """Import a backend by name; an unknown name raises ``BadInputError`` with the known ones."""
    if name not in BACKENDS:
        raise BadInputError(f"backend: met {name!r}, expected one of {', '.join(map(repr, BACKENDS))}.")
    return import_module(BACKENDS[name])
