"""Losses against 3D labels: for rendered hands, whose labels are free, and for the upper bound that uses real ones."""

import torch
from jaxtyping import Float
from torch import Tensor


def joints_3d_loss(
    joints: Float[Tensor, "batch points 3"], true_joints: Float[Tensor, "batch points 3"], root: int = 0
) -> Float[Tensor, "batch"]:
    """Mean distance between predicted and true joints after both roots are moved to the origin, metres.

    Without the root's place, which one picture does not tell: that is left to the 2D losses and to E_s.

    Args:
        joints: metres, camera frame; vertices will do as well.
        true_joints: the labels, in the same frame.
        root: the joint that is moved to the origin: 0, the wrist.
    """
    difference = (joints - joints[:, root, None]) - (true_joints - true_joints[:, root, None])
    return torch.linalg.vector_norm(difference, dim=-1).mean(-1)


def parameter_loss(
    parameters: Float[Tensor, "batch parameters"], true_parameters: Float[Tensor, "batch parameters"]
) -> Float[Tensor, "batch"]:
    """Mean squared difference of pose or shape coefficients, in the square of their unit."""
    return (parameters - true_parameters).square().mean(-1)


def rotation_loss(
    rotation: Float[Tensor, "batch 3 3"], true_rotation: Float[Tensor, "batch 3 3"]
) -> Float[Tensor, "batch"]:
    """``1 - cos`` of the angle between two rotations: 0 where equal, at most 2.

    Equal to a quarter of the squared Frobenius norm of their difference, so it needs no inverse cosine and its gradient
    is finite everywhere. Source: Huynh 2009, https://doi.org/10.1007/s10851-009-0161-2.
    """
    return (rotation - true_rotation).square().sum((1, 2)) / 4
