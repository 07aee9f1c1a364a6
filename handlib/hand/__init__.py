"""The parametric hand: model layer, model files, poses."""

from handlib.hand.model import HandMesh, HandModel

__all__ = ["HandMesh", "HandModel"]
