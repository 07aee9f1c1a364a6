"""Heatmaps with labels: where a keypoint is, cell by cell, for detectors whose labels cost nothing.

S2HAND's 2D branch is trained through its expected positions alone (Eq. 10). That works, slowly: far from the answer
every cell is told a little. Where a label is exact, naming the right cell teaches several times as fast.
"""

import torch
from jaxtyping import Float
from torch import Tensor


def heatmap_cross_entropy(
    scores: Float[Tensor, "batch keypoints rows columns"],
    keypoints_px: Float[Tensor, "batch keypoints 2"],
    image_px: int,
    sigma_cells: float = 1.0,
) -> Float[Tensor, "batch keypoints"]:
    """Cross-entropy between heatmaps and Gaussians around the true places, less its least value: 0 where both agree.

    Args:
        scores: of each cell, before the softmax over the map.
        keypoints_px: the true places, px of the picture that the map covers edge to edge.
        image_px: side of that picture.
        sigma_cells: of the Gaussians, in cells.

    Returns:
        nats; 0 for a keypoint outside of the picture, of which the map says nothing.
    """
    rows, columns = scores.shape[2:]
    place = (keypoints_px + 0.5) / image_px
    across, down = (
        torch.softmax(-0.5 * ((index + 0.5 - share[..., None] * count) / sigma_cells).square(), dim=-1)
        for count, share, index in (
            (columns, place[..., 0], torch.arange(columns, device=scores.device)),
            (rows, place[..., 1], torch.arange(rows, device=scores.device)),
        )
    )
    target = (down[..., :, None] * across[..., None, :]).flatten(2)
    divergence = (torch.xlogy(target, target) - target * scores.flatten(2).log_softmax(-1)).sum(-1)
    inside = ((place > 0) & (place < 1)).all(-1)
    return torch.where(inside, divergence, 0.0)
