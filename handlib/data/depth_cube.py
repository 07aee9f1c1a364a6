"""The cube around a hand: from a depth camera's picture to the 64 x 64 orthographic crop that a depth network sees.

The *cube frame* has its origin in the middle of the cube and its axes along the camera's (x right, y down, z forward),
metres. A crop holds, for each of its pixels, the depth z of the nearest surface there, and
:data:`~handlib.render.spheres.BACKGROUND_M` where nothing is. Networks see it *normalised*, in units of
:data:`DEPTH_UNIT_M`. Sizes and units are those that Wan et al. (CVPR 2019) released: a 300 mm cube, 64 x 64 pixels,
depth / 100 mm, background at 100 mm.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from handlib.camera import unproject_perspective
from handlib.errors import BadInputError
from handlib.render.spheres import BACKGROUND_M, CUBE_M, crop_camera, sees_something

CROP_PX = 64
DEPTH_UNIT_M = 0.1
FEWEST_PIXELS = 30
"""With fewer measured pixels a picture shows no hand that could be found."""

_FARTHEST_M = 20.0


def normalise_depth(cube_depth_m: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
    """Depth in the cube (m) as networks see it: the front face is -1.5, the background 1, and nothing lies outside."""
    return cube_depth_m.clamp(-CUBE_M / 2, BACKGROUND_M) / DEPTH_UNIT_M


def denormalise_depth(depth: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
    """Inverse of :func:`normalise_depth`, metres."""
    return depth * DEPTH_UNIT_M


def crop_points_m(
    cube_depth_m: Float[Tensor, "batch size size"],
) -> tuple[Float[Tensor, "batch pixels 3"], Bool[Tensor, "batch pixels"]]:
    """One point a pixel of crops (cube frame, m), and which of them lie on a surface, not on the background."""
    batch, size, _ = cube_depth_m.shape
    grid = pixel_grid(size, size).to(cube_depth_m)[None]
    points = crop_camera(size, cube_depth_m).unproject(grid, cube_depth_m.flatten(1))
    return points, sees_something(cube_depth_m).flatten(1)


def depth_points_m(
    depth_m: Float[Tensor, "batch height width"], K: Float[Tensor, "batch 3 3"]
) -> tuple[Float[Tensor, "batch pixels 3"], Bool[Tensor, "batch pixels"]]:
    """One point a pixel of perspective depth pictures (camera frame, m), and which of them were measured (not 0)."""
    grid = pixel_grid(*depth_m.shape[1:]).to(depth_m)[None]
    return unproject_perspective(grid, depth_m.flatten(1), K), depth_m.flatten(1) > 0


def pixel_grid(height: int, width: int) -> Float[Tensor, "pixels 2"]:
    """The centres (u, v) of a picture's pixels, row by row."""
    v, u = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return torch.stack([u, v], dim=-1).flatten(0, 1).float()


def usable_pictures(depth_m: Float[Tensor, "batch height width"]) -> Bool[Tensor, " batch"]:
    """Which depth pictures (m, 0 = nothing measured) have enough pixels to be cropped; the others are to be skipped.

    Raises:
        BadInputError: depths that are no metres, negative, NaN or infinite.
    """
    require_metres(depth_m)
    return (depth_m > 0).flatten(1).sum(1) >= FEWEST_PIXELS


def require_metres(depth_m: Float[Tensor, "batch height width"]) -> None:
    """Refuse depth that is not finite, is negative, or is in millimetres (``BadInputError``)."""
    if not bool(torch.isfinite(depth_m).all()) or bool((depth_m < 0).any()):
        raise BadInputError("depth_m holds NaN, infinity or negative depths: a hole in a depth picture is the number 0")
    if depth_m.numel() and float(depth_m.max()) > _FARTHEST_M:
        raise BadInputError(
            f"depth_m reaches {float(depth_m.max()):.4g}: expected metres, at most {_FARTHEST_M:g}. Divide millimetres "
            "by 1000"
        )


def centre_of_mass(
    depth_m: Float[Tensor, "batch height width"], K: Float[Tensor, "batch 3 3"], rounds: int = 3
) -> Float[Tensor, "batch 3"]:
    """Where the hand is (camera frame, m): the mean of the measured points, then of those in the cube around it.

    The usual way to crop a depth picture without a detector (Oberweger et al. 2015, https://arxiv.org/abs/1502.06807);
    the hand must be what is nearest and most of what is measured.

    Raises:
        BadInputError: a picture with fewer than :data:`FEWEST_PIXELS` measured pixels (:func:`usable_pictures` finds
            them), or depths that are no metres.
    """
    usable = usable_pictures(depth_m)
    if not bool(usable.all()):
        raise BadInputError(
            f"depth_m[{int((~usable).nonzero()[0])}] has {FEWEST_PIXELS - 1} measured pixels or fewer (empty, or all "
            f"holes; {int((~usable).sum())} such): skip pictures where usable_pictures(depth_m) is False"
        )
    points, measured = depth_points_m(depth_m, K)
    inside = measured
    for _ in range(rounds):
        weight = inside.to(points)[..., None]
        centre = (points * weight).sum(1) / weight.sum(1).clamp(min=1)
        near = measured & ((points - centre[:, None]).abs() < CUBE_M / 2).all(-1)
        # A cube in which nothing lies (two surfaces, the mean between them) would lose the hand: keep what there was.
        inside = torch.where(near.any(1, keepdim=True), near, inside)
    return centre


def crop_cube(
    depth_m: Float[Tensor, "batch height width"],
    K: Float[Tensor, "batch 3 3"],
    centre_m: Float[Tensor, "batch 3"],
    crop_px: int = CROP_PX,
) -> Float[Tensor, "batch size size"]:
    """The orthographic crop (cube frame, m) of perspective depth pictures.

    Every measured pixel becomes a point, and every pixel of the crop takes the nearest point that falls into it. So the
    perspective is gone from the crop: a hand has the same size anywhere in the cube, and a point that three cameras see
    is the same point in their three crops. The camera's pixels should be finer than the crop's (4.7 mm), or gaps
    stay.

    Args:
        depth_m: depth (m) along the optical axis, 0 where nothing was measured.
        K: intrinsics, px.
        centre_m: the cube's middle, camera frame.
        crop_px: side of the crop.

    Raises:
        BadInputError: depths that are no metres.
    """
    require_metres(depth_m)
    points, measured = depth_points_m(depth_m, K)
    points = points - centre_m[:, None]
    column, row = crop_camera(crop_px, points).project(points).round().long().unbind(-1)
    inside = measured & (column >= 0) & (column < crop_px) & (row >= 0) & (row < crop_px)
    inside &= (points[..., 2] >= -CUBE_M / 2) & (points[..., 2] < BACKGROUND_M)
    # Points outside write the background's own depth into pixel 0, which changes nothing.
    target = torch.where(inside, row * crop_px + column, 0)
    depth = torch.where(inside, points[..., 2], BACKGROUND_M)
    crop = depth.new_full((len(depth), crop_px * crop_px), BACKGROUND_M)
    return crop.scatter_reduce(1, target, depth, "amin").unflatten(1, (crop_px, crop_px))
