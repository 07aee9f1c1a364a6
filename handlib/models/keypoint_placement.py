"""Where a hand of known size is, from where its joints are seen: in closed form, without a network.

A mesh in metres from the wrist has no place in the picture yet, and a silhouette cannot be drawn of it. TASSN (WACV
2021) does not say how it places its meshes; this takes the 2D keypoints, which are its labels anyway.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from handlib.errors import BadInputError

NEAREST_M = 0.05
"""No hand is nearer to the camera: where the solution is (behind it, say), the hand is put here."""


def translation_from_keypoints(
    joints_m: Float[Tensor, "batch joints 3"],
    keypoints_px: Float[Tensor, "batch joints 2"],
    K: Float[Tensor, "batch 3 3"],
    confidence: Float[Tensor, "batch joints"] | None = None,
) -> Float[Tensor, "batch 3"]:
    """The translation (m) with which joints are seen nearest to their keypoints: the least squares, weighted.

    A joint (x, y, z) that is moved by T lies on the ray (a, b, 1) of its keypoint if ``x + T_x = a (z + T_z)`` and
    ``y + T_y = b (z + T_z)``: two linear equations a joint, solved for all at once. What is made small is therefore
    the distance from the rays at the joints' own depth, in metres. Differentiable in joints and keypoints.

    Args:
        joints_m: in a frame parallel to the camera's; from the wrist, say.
        keypoints_px: where they are seen.
        K: intrinsics (px) of that picture.
        confidence: weights of the joints; None counts all alike.

    Raises:
        BadInputError: a hand with fewer than two joints that count.
    """
    weight = torch.ones_like(joints_m[..., 0]) if confidence is None else confidence
    if bool(((weight > 0).sum(1) < 2).any()):
        raise BadInputError("confidence: a hand with fewer than two joints above 0 cannot be placed; leave it out")
    weight = (weight / weight.sum(1, keepdim=True))[..., None]
    rays = (keypoints_px - K[:, None, :2, 2]) @ torch.linalg.inv(K[:, :2, :2]).mT
    # For a given T_z the best T_x, T_y are means; put in, they leave one equation for T_z.
    offset = rays * joints_m[..., 2:] - joints_m[..., :2]
    mean_ray, mean_offset = ((weight * value).sum(1, keepdim=True) for value in (rays, offset))
    spread = (weight * (rays - mean_ray).square()).sum((1, 2))
    depth = -(weight * (rays - mean_ray) * (offset - mean_offset)).sum((1, 2)) / spread.clamp(min=1e-12)
    depth = depth.clamp(min=NEAREST_M)[:, None]
    return torch.cat([mean_ray[:, 0] * depth + mean_offset[:, 0], depth], dim=1)
