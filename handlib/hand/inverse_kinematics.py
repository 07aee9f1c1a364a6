"""From joints to the numbers of a pose, by geometry: nothing is learnt, nothing iterates."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from handlib.errors import BadInputError
from handlib.hand.anatomy import AnatomicalPose
from handlib.hand.model import HandModel


class InverseKinematics(nn.Module):
    """Pose coefficients of 21 joints: angles read off the bones, then the nearest pose that the components can make.

    The alternative to SeqHAND's learnt encoder (:mod:`handlib.models.pose_encoder`). Flexion and abduction are exact
    for any joints; twist, which joints do not show, is zero. What the first principal components leave out is lost here
    as it is in any pose of the hand.
    """

    def __init__(self, hand: HandModel, within_limits: bool = True) -> None:
        """Prepare for one hand.

        Args:
            hand: loaded with ``pose_space="pca"``.
            within_limits: clamp the angles to those of a living hand first; labelled joints may exceed them.

        Raises:
            BadInputError: the hand's poses are no coefficients of principal components.
        """
        super().__init__()
        if hand.pose_space != "pca":
            raise BadInputError(f"hand: its pose_space is {hand.pose_space!r}, expected 'pca'; see HandModel.load")
        self.anatomy, self.within_limits = AnatomicalPose(hand), within_limits
        self.register_buffer("pose_mean", hand.pose_mean.clone(), persistent=False)
        self.register_buffer("inverse", torch.linalg.pinv(hand.components), persistent=False)

    def forward(self, joints_m: Float[Tensor, "batch 21 3"]) -> Float[Tensor, "batch num_pose"]:
        """Coefficients of joints in any place, turn and unit, of the hand's own side; in the hand's dtype."""
        angles = self.anatomy.from_joints(joints_m)
        if self.within_limits:
            low, high = self.anatomy.limits.unbind(-1)
            angles = angles.clamp(low, high)
        return (self.anatomy.to_axis_angle(angles) - self.pose_mean) @ self.inverse
