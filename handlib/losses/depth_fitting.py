"""The data terms of training by fitting (Wan et al., CVPR 2019, Sec. 3.4): spheres that a network says, against depth.

Spheres and crops are in a cube frame (metres, see ``handlib.data.depth_cube``). Losses are returned for each hand of a
batch, in millimetres or square millimetres, in which the released weights are meant. The paper writes sums over pixels
and views; these are means, whose factor is part of a term's weight.

Two ways to measure: ``form="paper"`` takes what is printed, ``form="released"`` what the authors' code computes.
"""

from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from handlib.data.depth_cube import FEWEST_PIXELS
from handlib.data.depth_views import CubeFrames
from handlib.errors import BadInputError
from handlib.render.spheres import (
    BACKGROUND_M,
    check_spheres,
    crop_camera,
    pixel_rays_m,
    render_spheres,
    sees_something,
)

Form = Literal["paper", "released"]
Average = Literal["median", "mean"]

MM_PER_M = 1e3
FARTHEST_PULL_M = 0.05
"""Beyond this distance a point of the depth map pulls at nothing any more (released code)."""

FEWEST_VIEWS = 3
"""The median of two views is one of them; with fewer than three there is no consistency to ask for (Sec. 4.2)."""


def model_to_data_loss(
    rendered_m: Float[Tensor, "*batch height width"],
    depth_m: Float[Tensor, "*batch height width"],
    form: Form = "paper",
) -> Float[Tensor, "*batch"]:
    """L_m2d (Eq. 5): how far the rendered spheres are from the depth map, the mean over its pixels.

    It pulls at what is rendered only. A point of the map before which no sphere lies counts, but has no gradient.

    Args:
        rendered_m: from :func:`handlib.render.render_spheres`.
        depth_m: what was measured, the background at the renderer's ``background_m``.
        form: "paper": absolute differences, mm, which forgive the holes of a depth map. "released": squares, mm^2.
    """
    difference = MM_PER_M * (rendered_m - depth_m)
    return (difference.square() if form == "released" else difference.abs()).mean((-2, -1))


def point_sphere_distance_m(
    points_m: Float[Tensor, "*#batch 3"], centres_m: Float[Tensor, "*#batch 3"], radii_m: Float[Tensor, "*#batch"]
) -> Float[Tensor, "*batch"]:
    """Distance of points from the surface of spheres (Eq. 10), inside or outside."""
    # At a sphere's centre the norm has no gradient: the floor (10 nm) keeps it finite there.
    from_centre = (points_m - centres_m).square().sum(-1).clamp(min=1e-16).sqrt()
    return (from_centre - radii_m).abs()


def point_model_distance_m(
    points_m: Float[Tensor, "batch points 3"],
    centres_m: Float[Tensor, "batch spheres 3"],
    radii_m: Float[Tensor, "batch spheres"],
) -> Float[Tensor, "batch points"]:
    """Distance of points from the nearest of a model's surfaces (Eq. 11): the minimum of Eq. 10 over the spheres.

    The surface of a sphere is meant, even where another sphere covers it. Which one is nearest is found without
    gradients; only its distance has them.
    """
    with torch.no_grad():
        nearest = (torch.cdist(points_m, centres_m) - radii_m[:, None]).abs().argmin(-1)
    chosen = centres_m.gather(1, nearest[..., None].expand(-1, -1, 3))
    return point_sphere_distance_m(points_m, chosen, radii_m.gather(1, nearest))


def data_to_model_loss(
    centres_m: Float[Tensor, "batch spheres 3"],
    radii_m: Float[Tensor, "_rows spheres"],
    depth_m: Float[Tensor, "batch size size"],
    *,
    farthest_m: float = FARTHEST_PULL_M,
    background_m: float = BACKGROUND_M,
) -> Float[Tensor, "batch"]:
    """L_d2m (Eq. 9): how far the points of the depth map are from the spheres, mm; it reaches unexplained points.

    The mean over all pixels, where the background counts 0, so that it is the paper's sum but for a factor. A map
    without a surface costs nothing.

    Args:
        centres_m: cube frame.
        radii_m: one row for all, or one a batch row.
        depth_m: crops (cube frame) as :func:`handlib.data.depth_cube.crop_cube` makes them.
        farthest_m: distances are cut off here, with their gradients.
        background_m: depth from which on a pixel shows nothing.

    Raises:
        BadInputError: NaN, wrong shapes, or lengths that are no metres.
    """
    radii_m = check_spheres(centres_m, radii_m)
    require_crops(depth_m)
    size = depth_m.shape[-1]
    seen = sees_something(depth_m, background_m).flatten(1)
    # Surfaces fill a small part of a crop: move their points to the front, and look at no more than the fullest needs.
    rows, pixels = seen.nonzero(as_tuple=True)
    counts = seen.sum(1)
    if not len(rows):
        return (centres_m * 0).sum((1, 2))
    slots = torch.arange(len(rows), device=rows.device) - (counts.cumsum(0) - counts)[rows]
    points = depth_m.new_zeros(len(depth_m), int(counts.max()), 3)
    rays = pixel_rays_m(crop_camera(size, depth_m), size).flatten(0, 2)
    points[rows, slots] = torch.cat([rays[pixels], depth_m.flatten(1)[rows, pixels, None]], dim=-1)
    distance = point_model_distance_m(points, centres_m, radii_m)[rows, slots]
    pull = MM_PER_M * distance.clamp(max=farthest_m)
    return pull.new_zeros(len(depth_m)).index_add(0, rows, pull) / seen.shape[1]


def data_terms(
    centres_m: Float[Tensor, "batch views spheres 3"],
    radii_m: Float[Tensor, "spheres"],
    depth_m: Float[Tensor, "batch views size size"],
    frames: CubeFrames | None = None,
    usable: Bool[Tensor, "batch views"] | None = None,
    form: Form = "paper",
) -> tuple[Float[Tensor, "batch"], Float[Tensor, "batch"]]:
    """Both data terms of every frame, model to data and data to model: the mean over pairs of views (Sec. 3.4.1).

    Args:
        centres_m: what each view says, in its own cube.
        radii_m: of the spheres.
        depth_m: the views' crops.
        frames: where the cubes are; then what one view says is held against the crop of every view. None: against its
            own only (the paper's single view).
        usable: views to count, see :func:`usable_crops`; None takes all. Others give and get nothing.
        form: how model to data measures.
    """
    batch, views = depth_m.shape[:2]
    if frames is None:
        said, shown = centres_m, depth_m
        counts = torch.ones_like(depth_m[:, :, 0, 0], dtype=torch.bool) if usable is None else usable
    else:
        said = frames.between(centres_m).flatten(1, 2)
        shown = depth_m[:, None].expand(-1, views, -1, -1, -1).flatten(1, 2)
        usable = torch.ones(batch, views, dtype=torch.bool, device=depth_m.device) if usable is None else usable
        counts = (usable[:, :, None] & usable[:, None]).flatten(1)
    # Pairs that do not count are left out before rendering: what they hold may be anything.
    rows, pairs = counts.nonzero(as_tuple=True)
    said, shown = said[rows, pairs], shown[rows, pairs]
    require_crops(shown)
    size = depth_m.shape[-1]
    rendered = render_spheres(said, radii_m[None], crop_camera(size, depth_m), size)
    terms = (model_to_data_loss(rendered, shown, form), data_to_model_loss(said, radii_m[None], shown))
    share = 1 / counts.sum(1).clamp(min=1)
    return tuple(term.new_zeros(batch).index_add(0, rows, term) * share for term in terms)


def multi_view_average_m(
    world_m: Float[Tensor, "batch views spheres 3"],
    usable: Bool[Tensor, "batch views"],
    average: Average = "median",
    variance: Float[Tensor, "batch views spheres"] | None = None,
) -> Float[Tensor, "batch spheres 3"]:
    """What several views together say of each sphere, in the world: the average of Eq. 12.

    Args:
        world_m: what each view says, brought to the world.
        usable: views to count; NaN where a frame has none.
        average: "median" (the paper's choice, of each coordinate: one wrong view cannot move it far) or "mean".
        variance: if given, each sphere is taken from the view whose heatmap is narrowest, the paper's other choice.
    """
    counted = torch.where(usable[:, :, None, None], world_m, torch.nan)
    if variance is not None:
        best = torch.where(usable[:, :, None], variance, torch.inf).argmin(1)
        return counted.gather(1, best[:, None, :, None].expand(-1, -1, -1, 3))[:, 0]
    return counted.nanmedian(1).values if average == "median" else counted.nanmean(1)


def multi_view_loss(
    centres_m: Float[Tensor, "batch views spheres 3"],
    frames: CubeFrames,
    usable: Bool[Tensor, "batch views"] | None = None,
    average: Average = "median",
    variance: Float[Tensor, "batch views spheres"] | None = None,
) -> Float[Tensor, "batch"]:
    """L_multiview (Eq. 12): squared distance of every view's spheres from their robust average in the world, mm^2.

    The mean over usable views, spheres and coordinates. The average is a target without gradient: what disagrees is to
    move, not what it is measured by. (In the released code the gradient also runs through the median, and so pulls the
    view in the middle toward the wrong one.) A frame of fewer than three usable views costs nothing. Arguments as for
    :func:`data_terms` and :func:`multi_view_average_m`.
    """
    if usable is None:
        usable = torch.ones(centres_m.shape[:2], dtype=torch.bool, device=centres_m.device)
    enough = usable & (usable.sum(1, keepdim=True) >= FEWEST_VIEWS)
    world = frames.to_world(centres_m)
    target = multi_view_average_m(world.detach(), enough, average, variance)
    # Masked before squaring: a NaN that is masked afterwards comes back in the backward pass.
    astray = torch.where(enough[:, :, None, None], MM_PER_M * (world - target[:, None]), 0)
    return astray.square().mean((-2, -1)).sum(1) / enough.sum(1).clamp(min=1)


def usable_crops(
    depth_m: Float[Tensor, "*batch size size"], fewest_pixels: int = FEWEST_PIXELS, background_m: float = BACKGROUND_M
) -> Bool[Tensor, "*batch"]:
    """Which crops show enough of a surface to be fitted. An empty one, or one that is all holes, is to be skipped: held
    against it, every rendered sphere is wrong.

    Raises:
        BadInputError: crops that are no metres or hold NaN.
    """
    require_crops(depth_m)
    return sees_something(depth_m, background_m).sum((-2, -1)) >= fewest_pixels


def require_crops(depth_m: Float[Tensor, "*batch size size"]) -> None:
    """Refuse crops (``BadInputError``) that hold NaN or infinity, or depths that are no metres around a cube."""
    if not depth_m.numel():
        return
    farthest = float(depth_m.detach().abs().amax())
    # NaN compares false with everything, so the comparison is written the way that NaN fails.
    if not farthest <= 1.0:
        raise BadInputError(
            f"depth_m reaches {farthest:.4g}, expected crops in metres around the middle of the cube (-0.15 to "
            f"{BACKGROUND_M:g}), without NaN. Divide millimetres by 1000; fill holes with the background's depth; undo "
            "normalise_depth by denormalise_depth."
        )
