"""Where a hand of known shape is: the translation that brings its joints nearest to their keypoints.

A network's own placement is a guess from features; where the keypoints are known, a linear equation does better. With
``(a, b)`` the keypoint's ray, ``a = (u - c_x) / f_x``, a joint ``(x, y, z)`` that is moved by ``t`` is on its ray where
``x + t_x = a (z + t_z)`` and ``y + t_y = b (z + t_z)``: two equations a joint, linear in ``t``.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from handlib.camera import PerspectiveCamera

NEAREST_M = 0.1
"""A hand nearer than this is none: the equation has been led astray by keypoints that no hand has."""


def place_on_keypoints(
    joints: Float[Tensor, "batch 21 3"],
    keypoints_px: Float[Tensor, "batch 21 2"],
    weight: Float[Tensor, "batch 21"],
    K: Float[Tensor, "batch 3 3"],
) -> Float[Tensor, "batch 1 3"]:
    """How far (m) each hand has to be moved.

    Args:
        joints: m, camera frame.
        keypoints_px: where they are seen.
        weight: how much each counts.
        K: intrinsics, px.

    Returns:
        the move; zero for a hand that it would bring behind the camera or nearer than :data:`NEAREST_M`.
    """
    rays = PerspectiveCamera(K).unproject(keypoints_px, torch.ones_like(weight))
    # The distance that an equation is off by grows with z: without it, far joints would count more than near ones.
    importance = (weight / joints[..., 2].clamp(min=NEAREST_M)).unsqueeze(-1)
    one, zero = torch.ones_like(weight), torch.zeros_like(weight)
    rows = torch.cat([torch.stack([one, zero, -rays[..., 0]], -1), torch.stack([zero, one, -rays[..., 1]], -1)], dim=1)
    off = rays[..., :2] * joints[..., 2:] - joints[..., :2]
    right = torch.cat([off[..., 0], off[..., 1]], dim=1)[..., None]
    scale = torch.cat([importance, importance], dim=1)
    # A trace of the identity, so that keypoints which all lie in one place have an answer, too.
    normal = (scale * rows).mT @ (scale * rows) + 1e-9 * torch.eye(3)
    move = torch.linalg.solve(normal, (scale * rows).mT @ (scale * right)).mT
    good = torch.isfinite(move).all(-1) & ((joints[..., 2] + move[..., 2]).amin(1, keepdim=True) > NEAREST_M)
    return torch.where(good[..., None], move, torch.zeros_like(move))
