"""The parametric hand: model layer, model files, left hands, and manopth's interface."""

from handlib.hand.files import HandFile, read_hand_file, write_mano_npz
from handlib.hand.mano_layer import ManoLayer
from handlib.hand.mirror import mirror_points, mirror_rotvec
from handlib.hand.model import HandMesh, HandModel

__all__ = [
    "HandFile",
    "HandMesh",
    "HandModel",
    "ManoLayer",
    "mirror_points",
    "mirror_rotvec",
    "read_hand_file",
    "write_mano_npz",
]
