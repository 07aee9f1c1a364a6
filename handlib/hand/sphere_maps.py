"""From spheres to joints and back: linear maps, fitted over poses that hands take.

Each joint is a fixed mix of sphere centres, and each centre a mix of joints; the weights of a mix sum to one, so the
maps move and turn along with the hand. Nothing more is needed to score a network that says spheres on joints (the paper
evaluates 14 of its spheres as the joints that they are nearest to).
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from handlib.errors import BadInputError
from handlib.hand.anatomy import AnatomicalPose
from handlib.hand.sampler import PoseSampler
from handlib.hand.sphere_hand import SphereHand

_RIDGE_M2 = 1e-7  # (0.3 mm)^2: without, weights up to 2 would carry the noise of far-away spheres


class SphereJointMaps(nn.Module):
    """The two linear maps of one sphere hand.

    Attributes:
        joints_from_spheres: (21, 41), rows sum to one.
        spheres_from_joints: (41, 21), rows sum to one.
    """

    joints_from_spheres: Tensor
    spheres_from_joints: Tensor

    def __init__(self, spheres: SphereHand, poses: int = 300, seed: int = 0) -> None:
        super().__init__()
        centres, joints = sample_pairs(spheres, poses, seed)
        self.register_buffer("joints_from_spheres", fit_mixes(centres, joints), persistent=False)
        self.register_buffer("spheres_from_joints", fit_mixes(joints, centres), persistent=False)

    def to_joints(self, centres_m: Float[Tensor, "*batch 41 3"]) -> Float[Tensor, "*batch 21 3"]:
        """The 21 joints (``handlib.skeleton.JOINT_NAMES``) of sphere centres, in the same frame."""
        return self.joints_from_spheres.to(centres_m) @ centres_m

    def to_spheres(self, joints_m: Float[Tensor, "*batch 21 3"]) -> Float[Tensor, "*batch 41 3"]:
        """Sphere centres of the 21 joints, in the same frame."""
        return self.spheres_from_joints.to(joints_m) @ joints_m


def sample_pairs(
    spheres: SphereHand, count: int, seed: int = 0, start: int = 0
) -> tuple[Float[Tensor, "count 41 3"], Float[Tensor, "count 21 3"]]:
    """Sphere centres and joints of sampled poses (and shapes, where the model has any), metres, model frame.

    Samples ``start``, ..., ``start + count - 1`` of a seed are poses of their own.

    Raises:
        BadInputError: the model takes PCA coefficients or adds a mean pose; sampled poses are neither.
    """
    model = spheres.model
    if model.pose_space != "axis_angle" or bool(model.pose_mean.any()):
        raise BadInputError(
            "spheres: their model takes PCA coefficients or adds its mean pose to every pose; load it with "
            "pose_space='axis_angle' and flat_hand_mean=True."
        )
    angles = PoseSampler(model, seed).sample(count, start).to(model.v_template)
    pose = AnatomicalPose(model).to_axis_angle(angles)
    generator = torch.Generator().manual_seed(seed + start)
    shape = torch.randn(count, model.num_shape, generator=generator).to(pose)
    return spheres(pose, shape).centres_m, model.joints(pose, shape)


def fit_mixes(
    given_m: Float[Tensor, "count given 3"], wanted_m: Float[Tensor, "count wanted 3"], ridge_m2: float = _RIDGE_M2
) -> Float[Tensor, "wanted given"]:
    """Weights, summing to one in each row, with which the given points mix into the wanted ones: least squares.

    Measured from the given points' middle, a mix is a plain linear map, and the middle takes what is left of the sum.

    Args:
        given_m: the same points of many hands.
        wanted_m: what is to be mixed from them.
        ridge_m2: how much smaller the mean squared error (m^2) must get for a sum of squared weights of one.
    """
    middle = given_m.mean(1, keepdim=True)
    columns = (given_m - middle).mT.flatten(0, 1).double()  # (count * 3, given)
    target = (wanted_m - middle).mT.flatten(0, 1).double()
    gram = columns.mT @ columns + ridge_m2 * len(columns) * torch.eye(columns.shape[1]).to(columns)
    weights = torch.linalg.solve(gram, columns.mT @ target).mT
    return (weights + (1 - weights.sum(1, keepdim=True)) / weights.shape[1]).to(given_m)
