"""Crops, turns and flips that carry the picture, its camera, the 2D joints and the 3D joints along together.

One object says what happened to a picture: an affine ``A`` (2, 3) that sends *old pixels to new pixels*,
``A (u, v, 1)``, with the pixel convention of ``handlib.camera``. What follows it:

===========  ========================================  ==========================================
what         shift and scale                           in-plane turn
===========  ========================================  ==========================================
picture      ``warp_image``                            ``warp_image``
2D joints    ``transform_pixels``                      ``transform_pixels``
camera       ``camera.transform``                      ``camera.transform``, then
3D joints    unchanged                                 ``split_in_plane_rotation`` turns them too
===========  ========================================  ==========================================

Flips change the hand's side and are their own functions (``mirror_*``), so that no crop can mirror a hand by accident.
"""

from typing import TypeVar

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from handlib.errors import BadInputError

# The underscores exempt height and width from matching: a warp changes them and keeps the channels.
Image = UInt8[np.ndarray, "_height _width *channels"] | Float[np.ndarray, "_height _width *channels"]
Points = TypeVar("Points", np.ndarray, Tensor)


def square_box(
    pixels: Float[Tensor, "batch points 2"],
    enlarge: int | float = 1.5,
    visible: Bool[Tensor, "batch points"] | None = None,
) -> tuple[Float[Tensor, "batch 2"], Float[Tensor, "batch"]]:
    """Centre (px) and side (px) of a square around each set of points: ``enlarge`` times the longer edge of their box.

    Points that are NaN or not ``visible`` do not count. SeqHAND and Boukhayma et al. crop with ``enlarge = 2.2``.
    Raises ``BadInputError`` for a frame with fewer than two points left, or with all of them in one place.
    """
    counts = torch.isfinite(pixels).all(-1) if visible is None else visible & torch.isfinite(pixels).all(-1)
    low = torch.where(counts[..., None], pixels, torch.inf).amin(1)
    high = torch.where(counts[..., None], pixels, -torch.inf).amax(1)
    # A frame without a usable point is left with high = -inf and low = inf, which the next test catches.
    side = (high - low).amax(-1)
    if not bool((torch.isfinite(side) & (side > 0)).all()):
        frame = int((~(torch.isfinite(side) & (side > 0))).nonzero()[0])
        raise BadInputError(
            f"pixels[{frame}]: {int(counts[frame].sum())} usable points and no extent, expected two different points. "
            "Drop the frame, or pass the detector's own box to crop_affine."
        )
    return (low + high) / 2, enlarge * side


def crop_affine(
    centre_px: Float[Tensor, "batch 2"],
    size_px: Float[Tensor, "batch"],
    output_px: int,
    rotation_rad: Float[Tensor, "batch"] | None = None,
) -> Float[Tensor, "batch 2 3"]:
    """Affine that cuts a square of side ``size_px`` around ``centre_px`` and resizes it to ``output_px`` pixels.

    A positive ``rotation_rad`` turns what is seen clockwise on the screen (from u towards v), about the crop's centre.
    The square is measured edge to edge: a crop of ``size_px = output_px = W`` around ``(W - 1) / 2`` is the identity.
    Raises ``BadInputError`` for a size that is not positive.
    """
    if not bool((size_px > 0).all()) or output_px < 1:
        raise BadInputError(f"size_px, output_px: must be positive, met {size_px[:4].tolist()} and {output_px}.")
    angle = torch.zeros_like(size_px) if rotation_rad is None else rotation_rad
    linear = (output_px / size_px)[:, None, None] * _rotation_2d(angle)
    # The offset that puts the crop's centre on the middle of the new picture, (output_px - 1) / 2.
    offset = (output_px - 1) / 2 - (linear @ centre_px[..., None])[..., 0]
    return torch.cat([linear, offset[..., None]], dim=-1)


def resize_affine(input_hw: tuple[int, int], output_hw: tuple[int, int]) -> Float[Tensor, "1 2 3"]:
    """Affine of a resize of the whole picture, (height, width) to (height, width), edges onto edges.

    Note the half pixel: ``u' = r (u + 1/2) - 1/2``. Multiplying ``K`` by ``r``, as is often done, is off by
    ``(r - 1) / 2`` pixels.
    """
    if min(*input_hw, *output_hw) < 1:
        raise BadInputError(f"input_hw, output_hw: must be positive, met {input_hw} and {output_hw}.")
    ratio = torch.tensor([output_hw[1] / input_hw[1], output_hw[0] / input_hw[0]])
    return torch.cat([ratio.diag(), ((ratio - 1) / 2)[:, None]], dim=-1)[None]


def compose_affines(
    second: Float[Tensor, "#batch 2 3"], first: Float[Tensor, "#batch 2 3"]
) -> Float[Tensor, "#batch 2 3"]:
    """The affine that does ``first`` and then ``second``."""
    linear = second[:, :, :2] @ first[:, :, :2]
    offset = second[:, :, :2] @ first[:, :, 2:] + second[:, :, 2:]
    return torch.cat([linear, offset], dim=-1)


def invert_affine(affine: Float[Tensor, "batch 2 3"]) -> Float[Tensor, "batch 2 3"]:
    """New pixels back to old pixels. Raises ``BadInputError`` for an affine that flattens the image."""
    determinant = torch.linalg.det(affine[:, :, :2])
    if not bool((determinant.abs() > 1e-12).all()):
        frame = int(determinant.abs().nan_to_num(0.0).argmin())
        raise BadInputError(f"affine[{frame}]: {affine[frame].tolist()} is singular and cannot be undone.")
    inverse = torch.linalg.inv(affine[:, :, :2])
    return torch.cat([inverse, -inverse @ affine[:, :, 2:]], dim=-1)


def transform_pixels(
    pixels: Float[Tensor, "#batch points 2"], affine: Float[Tensor, "#batch 2 3"]
) -> Float[Tensor, "#batch points 2"]:
    """2D points of the old picture to their place in the new one."""
    return pixels @ affine[:, :, :2].mT + affine[:, None, :, 2]


def split_in_plane_rotation(
    K: Float[Tensor, "batch 3 3"],
) -> tuple[Float[Tensor, "batch 3 3"], Float[Tensor, "batch 3 3"]]:
    """Split the ``K`` of a turned crop into ``K_upper @ R``: turn the 3D points about the optical axis, then project.

    ``project(X, K) == project(X @ R.mT, K_upper)`` exactly, about whatever point the crop was turned: what a turn about
    another point adds is a shift of the principal point. Relative joints and the hand's global rotation must be turned
    by ``R`` too. Not exact any more where a consumer drops the skew ``K_upper[0, 1]`` that turning non-square pixels
    (fx != fy) leaves: wrong by up to ``|fx - fy| / fx`` of the distance to the principal point. (An RQ factorisation;
    Hartley & Zisserman, 2nd ed., section 6.2.4.)
    """
    first, second = K[:, 0, :2], K[:, 1, :2]
    fy = second.norm(dim=-1)
    y_axis = second / fy[:, None]
    # The quarter turn of y_axis that makes (x_axis, y_axis) a rotation, det +1.
    x_axis = torch.stack([y_axis[:, 1], -y_axis[:, 0]], dim=-1)
    zero, one = torch.zeros_like(fy), torch.ones_like(fy)
    fx, skew = (first * x_axis).sum(-1), (first * y_axis).sum(-1)
    upper = torch.stack([fx, skew, K[:, 0, 2], zero, fy, K[:, 1, 2], zero, zero, one], dim=-1)
    rotation = torch.stack([*x_axis.unbind(-1), zero, *y_axis.unbind(-1), zero, zero, zero, one], dim=-1)
    return upper.reshape(-1, 3, 3), rotation.reshape(-1, 3, 3)


def warp_image(
    image: Image,
    affine: Float[Tensor, "2 3"],
    output_px: int | tuple[int, int],
    border: int | float = 0,
    interpolation: str = "linear",
    antialias: bool = True,
) -> Image:
    """The picture (H, W) or (H, W, C), uint8 or float, seen through ``affine``.

    ``output_px`` is a side or (height, width). Pixels that lie outside the old picture get the value ``border``.
    ``interpolation`` is "linear", or "nearest" for masks and labels. A crop that shrinks is low-passed first unless
    ``antialias=False``: bilinear sampling alone would alias. Raises ``BadInputError`` for a picture without pixels or
    of half precision, an affine that flattens it, or an unknown interpolation.
    """
    flags = {"linear": cv2.INTER_LINEAR, "nearest": cv2.INTER_NEAREST}
    if interpolation not in flags:
        raise BadInputError(f"interpolation: {interpolation!r}, expected one of {sorted(flags)}.")
    if image.size == 0 or image.dtype == np.float16:
        raise BadInputError(f"image: {image.shape} of {image.dtype}, expected pixels in uint8, float32 or float64.")
    channels = image.shape[2:]  # cv2 drops an axis of one channel
    matrix = affine.detach().cpu().double().numpy()
    area_scale = abs(float(np.linalg.det(matrix[:, :2])))
    if not np.isfinite(matrix).all() or area_scale < 1e-12:
        raise BadInputError(f"affine: {matrix.tolist()} is singular or not finite; build it with crop_affine.")
    height, width = (output_px, output_px) if isinstance(output_px, int) else output_px
    shrink = area_scale**-0.5
    if antialias and interpolation == "linear" and shrink > 1.0:
        # Sigma of half an output pixel, of which the old pixels already give half of one of theirs.
        sigma = 0.5 * (shrink**2 - 1.0) ** 0.5
        image = cv2.GaussianBlur(image, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
    # cv2 places pixel centres at integers, as we do; it takes four border values, whatever the channels.
    warped = cv2.warpAffine(
        image,
        matrix,
        (width, height),
        flags=flags[interpolation],
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=[border] * 4,
    )
    return warped.reshape(height, width, *channels)


def mirror_image(image: Image) -> Image:
    """The picture flipped left-right: column u becomes column ``width - 1 - u``."""
    # A copy: torch and cv2 refuse the negative strides of a flipped view.
    return np.ascontiguousarray(image[:, ::-1])


def mirror_pixels(pixels: Float[Tensor, "*batch 2"], width_px: int) -> Float[Tensor, "*batch 2"]:
    """2D points of the flipped picture: ``u`` becomes ``width - 1 - u`` (not ``width - u``)."""
    return torch.stack([width_px - 1 - pixels[..., 0], pixels[..., 1]], dim=-1)


def mirror_points(points_m: Points) -> Points:
    """3D points (..., 3) of the flipped picture: ``x`` becomes ``-x``, a left hand becomes a right hand."""
    signs = (-1.0, 1.0, 1.0)
    return points_m * (points_m.new_tensor(signs) if isinstance(points_m, Tensor) else np.array(signs, points_m.dtype))


def opposite_side(side: str) -> str:
    """The side of a hand after a flip: "left" for "right" and the reverse."""
    if side not in ("left", "right"):
        raise BadInputError(f"side: {side!r}, expected 'left' or 'right'.")
    return "left" if side == "right" else "right"


def _rotation_2d(angle_rad: Tensor) -> Tensor:
    cos, sin = torch.cos(angle_rad), torch.sin(angle_rad)
    return torch.stack([cos, -sin, sin, cos], dim=-1).reshape(-1, 2, 2)
