"""The parametric hand: model layer, model files, left hands, poses, and manopth's interface."""

from handlib.hand.anatomy import AnatomicalPose
from handlib.hand.files import HandFile, read_hand_file, write_mano_npz
from handlib.hand.mano_layer import ManoLayer
from handlib.hand.mirror import mirror_points, mirror_rotvec
from handlib.hand.model import HandMesh, HandModel
from handlib.hand.poses import NAMED_POSES, named_pose
from handlib.hand.sampler import PoseSampler
from handlib.hand.sequences import sample_sequence
from handlib.hand.sphere_hand import SphereHand, Spheres
from handlib.hand.sphere_maps import SphereJointMaps

__all__ = [
    "NAMED_POSES",
    "AnatomicalPose",
    "HandFile",
    "HandMesh",
    "HandModel",
    "ManoLayer",
    "PoseSampler",
    "SphereHand",
    "SphereJointMaps",
    "Spheres",
    "mirror_points",
    "mirror_rotvec",
    "named_pose",
    "read_hand_file",
    "sample_sequence",
    "write_mano_npz",
]
