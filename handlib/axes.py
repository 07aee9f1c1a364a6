"""Axis conventions of other software, each conversion named at both ends.

==========  =============================  =======================================================
OpenCV      x right, y down, z forward     ours; also FreiHAND, STB and NYU (xyz) after their loaders
OpenGL      x right, y up,   z backward    HO-3D, most viewers, trimesh
pytorch3d   x left,  y up,   z forward     its view coordinates and its NDC
==========  =============================  =======================================================

All three are right-handed: each conversion is a half turn, never a mirror, and is its own inverse. Pixels: pytorch3d's
"screen" and OpenGL's window put the *corner* of the top-left pixel at the origin, so they see ours shifted by one half.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from handlib.errors import BadInputError


def opencv_to_opengl(points: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3"]:
    """``(x, y, z)`` to ``(x, -y, -z)``: a half turn about x."""
    return points * points.new_tensor([1.0, -1.0, -1.0])


def opengl_to_opencv(points: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3"]:
    """``(x, y, z)`` to ``(x, -y, -z)``: a half turn about x."""
    return opencv_to_opengl(points)


def opencv_to_pytorch3d(points: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3"]:
    """``(x, y, z)`` to ``(-x, -y, z)``: a half turn about z."""
    return points * points.new_tensor([-1.0, -1.0, 1.0])


def pytorch3d_to_opencv(points: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3"]:
    """``(x, y, z)`` to ``(-x, -y, z)``: a half turn about z."""
    return opencv_to_pytorch3d(points)


def intrinsics_to_pytorch3d_ndc(
    K: Float[Tensor, "batch 3 3"], image_hw: tuple[int, int]
) -> tuple[Float[Tensor, "batch 2"], Float[Tensor, "batch 2"]]:
    """``focal_length`` and ``principal_point`` for ``pytorch3d.renderer.PerspectiveCameras(..., in_ndc=True)``.

    For points already turned by :func:`opencv_to_pytorch3d`. Its NDC runs from +1 to -1, left to right and top to
    bottom, along the shorter side of the picture (https://pytorch3d.org/docs/cameras). It has no place for a skew or a
    turn: a ``K`` with one raises ``BadInputError``.
    """
    if bool((K[:, [0, 1], [1, 0]].abs() > 1e-6 * K[:, 0, :1].abs()).any()):
        raise BadInputError(
            f"K: {K[0].tolist()} has a skew or a turn, which pytorch3d's cameras cannot hold. "
            "Turn the points instead: handlib.crops.split_in_plane_rotation."
        )
    # The + 0.5 of the corner-based pixels and the minus of x and y pointing left and up, in one line each.
    half_side = min(image_hw) / 2
    middle = K.new_tensor([image_hw[1] / 2, image_hw[0] / 2])
    focal = torch.stack([K[:, 0, 0], K[:, 1, 1]], dim=-1) / half_side
    return focal, (middle - 0.5 - K[:, :2, 2]) / half_side


def intrinsics_to_opengl_projection(
    K: Float[Tensor, "batch 3 3"], image_hw: tuple[int, int], near_m: int | float = 0.01, far_m: int | float = 10.0
) -> Float[Tensor, "batch 4 4"]:
    """OpenGL projection matrix (eye to clip coordinates) of ``K``, for points turned by :func:`opencv_to_opengl`.

    Clip coordinates divided by w: x from -1 to 1 left to right, y from 1 to -1 top to bottom, z from -1 (near) to 1.
    """
    if not 0 < near_m < far_m:
        raise BadInputError(f"near_m, far_m: met {near_m} and {far_m}, expected 0 < near_m < far_m.")
    # Each row is ours in pixels, u = K_0 . (x, y, z) / z, mapped to -1..1; y and z change sign with the axes.
    height, width = image_hw
    matrix = K.new_zeros(len(K), 4, 4)
    matrix[:, 0, 0], matrix[:, 0, 1] = 2 * K[:, 0, 0] / width, -2 * K[:, 0, 1] / width
    matrix[:, 0, 2] = 1 - 2 * (K[:, 0, 2] + 0.5) / width
    matrix[:, 1, 0], matrix[:, 1, 1] = -2 * K[:, 1, 0] / height, 2 * K[:, 1, 1] / height
    matrix[:, 1, 2] = 2 * (K[:, 1, 2] + 0.5) / height - 1
    matrix[:, 2, 2] = -(far_m + near_m) / (far_m - near_m)
    matrix[:, 2, 3] = -2 * far_m * near_m / (far_m - near_m)
    matrix[:, 3, 2] = -1.0
    return matrix
