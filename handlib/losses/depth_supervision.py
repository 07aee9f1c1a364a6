"""Supervision of the depth network on synthetic pictures, in the two ways of Wan et al. (CVPR 2019), Section 3.3.

Either the 3D positions are compared, after the read-out; or the maps are, before it. The paper found both alike and
took the second. Lengths are compared in millimetres.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from handlib.data.depth_cube import DEPTH_UNIT_M, pixel_grid
from handlib.losses.depth_fitting import MM_PER_M
from handlib.render.spheres import crop_camera

HEATMAP_SIGMA_PX = 2.5
"""Wide enough that the read-out of a perfect heatmap is right to 0.2 mm; with 1 px it snaps to cells, 5 mm off."""

HEATMAP_FLOOR = 0.02
HEATMAP_WEIGHT, DEPTH_WEIGHT = 1e3, 0.1
"""Released weights: of squared heatmap values, and of squared millimetres."""


def heatmap_target(
    centres_m: Float[Tensor, "batch points 3"], size: int, sigma_px: float = HEATMAP_SIGMA_PX
) -> Float[Tensor, "batch points size size"]:
    """A Gaussian of height 1 around each point's projection, exactly 0 where it falls below :data:`HEATMAP_FLOOR`."""
    pixels = crop_camera(size, centres_m).project(centres_m)
    offsets = pixel_grid(size, size).to(centres_m) - pixels[:, :, None]
    bump = torch.exp(-offsets.square().sum(-1) / (2 * sigma_px**2))
    return bump.where(bump >= HEATMAP_FLOOR, 0).unflatten(-1, (size, size))


def latent_depth_target(
    centres_m: Float[Tensor, "batch points 3"], heatmaps: Float[Tensor, "batch points size size"]
) -> Float[Tensor, "batch points size size"]:
    """Eq. 3: the point's depth wherever its target heatmap is positive, 0 elsewhere; units of ``DEPTH_UNIT_M``."""
    depth = centres_m[..., 2, None, None] / DEPTH_UNIT_M
    return torch.where(heatmaps > 0, depth, 0)


def map_loss(
    heatmaps: Float[Tensor, "batch points size size"],
    latent_depth: Float[Tensor, "batch points size size"],
    centres_m: Float[Tensor, "batch points 3"],
    heatmap_weight: float = HEATMAP_WEIGHT,
    depth_weight: float = DEPTH_WEIGHT,
) -> Float[Tensor, ""]:
    """Supervision of the maps: mean squared distances from the targets of Eq. 3, with the released weights."""
    target = heatmap_target(centres_m, heatmaps.shape[-1])
    depth_mm = MM_PER_M * DEPTH_UNIT_M * (latent_depth - latent_depth_target(centres_m, target))
    return heatmap_weight * (heatmaps - target).square().mean() + depth_weight * depth_mm.square().mean()


def position_loss(
    centres_m: Float[Tensor, "batch points 3"], true_centres_m: Float[Tensor, "batch points 3"]
) -> Float[Tensor, ""]:
    """Supervision of the positions: the mean squared difference of coordinates, mm^2."""
    return (MM_PER_M * (centres_m - true_centres_m)).square().mean()
