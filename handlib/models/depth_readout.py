"""From heatmaps and latent depth maps to 3D positions: Eqs. 1 and 2 of Wan et al. (CVPR 2019).

A fully convolutional network says *where* a point lies by a heatmap, and *how deep* by a second map that is only read
where the heatmap is high (Iqbal et al., "Hand pose estimation via latent 2.5D heatmap regression", ECCV 2018). Both are
averages over the map's pixels with the same weights, so both are differentiable, and finer than a pixel.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from handlib.data.depth_cube import DEPTH_UNIT_M
from handlib.render.spheres import CUBE_M

ALPHA = 20.0
"""The annealing factor of the released code; the paper prints 10."""


def attention(
    heatmaps: Float[Tensor, "batch points size size"], alpha: float = ALPHA
) -> Float[Tensor, "batch points size size"]:
    """``softmax(alpha h)`` over the pixels of each map: weights that sum to 1 and, as alpha grows, pick the maximum."""
    return (alpha * heatmaps).flatten(2).softmax(-1).view_as(heatmaps)


def position_from_heatmap(
    heatmaps: Float[Tensor, "batch points size size"], alpha: float = ALPHA
) -> Float[Tensor, "batch points 2"]:
    """Eq. 1: the mean of the pixels' places with weights ``softmax(alpha h)``; cube frame, metres."""
    cells_m = _cells_m(heatmaps)
    weights = attention(heatmaps, alpha)
    return torch.stack([weights.sum(-2) @ cells_m, weights.sum(-1) @ cells_m], dim=-1)


def depth_from_latent_map(
    heatmaps: Float[Tensor, "batch points size size"],
    latent_depth: Float[Tensor, "batch points size size"],
    alpha: float = ALPHA,
) -> Float[Tensor, "batch points"]:
    """Eq. 2: the mean of the latent depth map with the weights of Eq. 1; cube frame, metres.

    The map itself is in units of :data:`~handlib.data.depth_cube.DEPTH_UNIT_M`, like the network's input.
    """
    return (attention(heatmaps, alpha) * latent_depth).sum((-2, -1)) * DEPTH_UNIT_M


def centres_from_maps(
    heatmaps: Float[Tensor, "batch points size size"],
    latent_depth: Float[Tensor, "batch points size size"],
    alpha: float = ALPHA,
) -> Float[Tensor, "batch points 3"]:
    """Eqs. 1 and 2 together: points in the cube frame, metres."""
    depth = depth_from_latent_map(heatmaps, latent_depth, alpha)
    return torch.cat([position_from_heatmap(heatmaps, alpha), depth[..., None]], dim=-1)


def heatmap_variance(
    heatmaps: Float[Tensor, "batch points size size"], alpha: float = ALPHA
) -> Float[Tensor, "batch points"]:
    """How wide each heatmap is: the variance of the places that Eq. 1 averages, m^2, summed over x and y.

    Of several views, the one with the least variance is the paper's alternative to their median (Section 3.4.1).
    """
    cells_m, weights = _cells_m(heatmaps), attention(heatmaps, alpha)
    offsets_m = cells_m - position_from_heatmap(heatmaps, alpha)[..., None]  # (batch, points, 2, size)
    marginals = torch.stack([weights.sum(-2), weights.sum(-1)], dim=-2)
    return (marginals * offsets_m.square()).sum((-2, -1))


def _cells_m(heatmaps: Float[Tensor, "batch points size size"]) -> Float[Tensor, " size"]:
    """Where the map's columns lie along x, and its rows along y: cell centres in the cube, edge to edge."""
    size = heatmaps.shape[-1]
    return ((torch.arange(size).to(heatmaps) + 0.5) / size - 0.5) * CUBE_M
