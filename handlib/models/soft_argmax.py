"""Integral regression: where a heatmap's mass lies on average, a position that has a gradient."""

import torch
from jaxtyping import Float
from torch import Tensor


def soft_argmax_2d(
    heatmaps: Float[Tensor, "batch keypoints height width"], image_px: int, temperature: float = 1.0
) -> Float[Tensor, "batch keypoints 2"]:
    """Expected position of each heatmap, in pixels of a square picture.

    The scores become probabilities by a softmax over the whole map; the position is the mean of the cells' centres
    under them (Sun et al., ECCV 2018, Eq. 2, https://arxiv.org/abs/1711.08229): never outside the outermost centres.

    Args:
        heatmaps: scores of any scale; half precision is widened.
        image_px: width and height of the picture that the map covers edge to edge.
        temperature: divides the scores; below 1 the sharpest peak counts for more.

    Returns:
        ``(u, v)`` px, the centre of the top-left pixel being (0, 0). Cell j of w has its centre at
        ``(j + 1/2) image_px / w - 1/2``.
    """
    scores = heatmaps.to(torch.promote_types(heatmaps.dtype, torch.float32)) / temperature
    probability = scores.flatten(2).softmax(-1).unflatten(2, heatmaps.shape[2:])
    rows, columns = (cell_centres_px(size, image_px, scores) for size in heatmaps.shape[2:])
    # Not a matrix product, which autocast would round to three digits.
    return torch.stack([(probability.sum(2) * columns).sum(-1), (probability.sum(3) * rows).sum(-1)], dim=-1)


def cell_centres_px(cells: int, image_px: int, like: Tensor) -> Float[Tensor, "cells"]:
    """Centres (px) of ``cells`` equal cells that cover a picture of ``image_px`` edge to edge."""
    index = torch.arange(cells, dtype=like.dtype, device=like.device)
    return (index + 0.5) * (image_px / cells) - 0.5
