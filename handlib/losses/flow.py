"""How wrong optical flow is, where the right one is known: on rendered pairs."""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d


def end_point_error(
    flow: Float[Tensor, "batch height width 2"],
    true_flow: Float[Tensor, "batch height width 2"],
    counted: Bool[Tensor, "batch height width"],
) -> Float[Tensor, "batch"]:
    """Mean distance (px) between flow and true flow over the pixels that count; 0 where none does.

    The field's EPE of flow (Barron et al., IJCV 1994). ``counted`` is what :func:`handlib.render.render_flow` calls
    visible in both pictures, or that and the background, where the true flow is 0.
    """
    # The floor (a thousandth of a pixel) gives a perfect pixel a gradient of zero instead of NaN.
    distance = (flow - true_flow).square().sum(-1).clamp(min=1e-6).sqrt()
    return torch.where(counted, distance, 0.0).sum((1, 2)) / counted.sum((1, 2)).clamp(min=1)


def pyramid_flow_loss(
    flows: Sequence[Float[Tensor, "batch _rows _columns 2"]],
    true_flow: Float[Tensor, "batch height width 2"],
    counted: Bool[Tensor, "batch height width"],
) -> Float[Tensor, "batch"]:
    """Sum of the errors (px) at all sizes, each half as heavy as the next coarser one.

    A coarse pixel is held against the mean flow of the pixels under it that count. The coarse predictions come first
    and are leant on by all others: they weigh most, 1, 1/2, 1/4, ... (FlowNet's own are .32, .08, .02, .01, .005).

    Args:
        flows: of :meth:`handlib.models.flow_net.FlowNetS.pyramid`, coarse to fine.
        true_flow: px, at full size.
        counted: as for :func:`end_point_error`.
    """
    mask = counted[:, None].to(true_flow)
    weighted = true_flow.permute(0, 3, 1, 2) * mask
    total = true_flow.new_zeros(len(true_flow))
    for level, flow in enumerate(flows):
        size = (flow.shape[1], flow.shape[2])
        share = adaptive_avg_pool2d(mask, size)
        mean = adaptive_avg_pool2d(weighted, size) / share.clamp(min=1e-6)
        total = total + 0.5**level * end_point_error(flow, mean.permute(0, 2, 3, 1), share[:, 0] > 0)
    return total
