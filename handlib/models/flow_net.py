"""Optical flow: where each pixel of one picture is in the next, by a small network or by search.

TASSN (Chen et al., WACV 2021, section 3.2) takes FlowNet. :class:`FlowNetS` is that idea at a size for a CPU: both
pictures stacked, convolutions down to 1/32 of the size, and flow predicted from coarse to fine on the way up
(Dosovitskiy et al., "FlowNet: Learning Optical Flow with Convolutional Networks", ICCV 2015,
https://arxiv.org/abs/1504.06852, Figure 2 and 3). It learns from the exact flow of :func:`handlib.render.render_flow`.
"dis" needs no training: dense inverse search (Kroeger et al., ECCV 2016, https://arxiv.org/abs/1603.03590), in OpenCV.
"""

from collections.abc import Callable
from typing import Literal

import cv2
import numpy as np
import torch
from jaxtyping import Float, Num
from torch import Tensor, nn
from torch.nn.functional import interpolate

from handlib.errors import BadInputError
from handlib.models.images import normalise_images

FlowMethod = Literal["dis"] | Callable[[Tensor, Tensor], Tensor]

FLOW_UNIT_PX = 20.0
"""The network's outputs are in this unit, as in FlowNet's released training."""

SMALLEST_DIS_PX = 16


def estimate_flow(
    frames_a: Num[Tensor, "batch height width 3"],
    frames_b: Num[Tensor, "batch_b height_b width_b 3"],
    method: FlowMethod = "dis",
) -> Float[Tensor, "batch height width 2"]:
    """Flow (px) from pictures a to pictures b, on the pixels of a: what is at p in a is at ``p + flow[p]`` in b.

    Args:
        frames_a: RGB, uint8 0..255 or floats 0..1.
        frames_b: as many, of the same size.
        method: "dis"; or a network that was trained for it, :class:`FlowNetS`; or any function of two such batches
            that gives such flow. RAFT with your own weights is one, for whoever installs torchvision (128 px or more,
            multiples of 8)::

                raft = torchvision.models.optical_flow.raft_small().eval()
                raft.load_state_dict(torch.load("raft_small.pth", weights_only=True))

                def method(a, b):
                    # uint8 or floats 0..1, to -1..1
                    a, b = (x / 255 if x.dtype == torch.uint8 else x for x in (a, b))
                    return raft(*(2 * x.permute(0, 3, 1, 2) - 1 for x in (a, b)))[-1].permute(0, 2, 3, 1)

    Returns:
        flow; "dis" has no gradient.

    Raises:
        BadInputError: pictures of different shapes, an unknown method, flow of another shape than the pictures, or
            pictures under 16 px for "dis".
    """
    if frames_a.shape != frames_b.shape:
        raise BadInputError(
            f"frames_b: shape {tuple(frames_b.shape)}, expected that of frames_a, {tuple(frames_a.shape)}; crop both "
            "frames by one box"
        )
    if callable(method):
        flow = method(frames_a, frames_b)
        expected = (*frames_a.shape[:3], 2)
        if flow.shape != expected:
            raise BadInputError(
                f"method: its flow has the shape {tuple(flow.shape)}, expected {expected}: channels last"
            )
        return flow
    if method != "dis":
        raise BadInputError(f'method: {method!r}, expected "dis" or a function of two batches of pictures')
    return _dense_inverse_search(frames_a, frames_b)


def _dense_inverse_search(frames_a: Tensor, frames_b: Tensor) -> Tensor:
    """OpenCV's flow, pair by pair, since it takes no batches."""
    if min(frames_a.shape[1:3]) < SMALLEST_DIS_PX:
        raise BadInputError(
            f'frames_a: {tuple(frames_a.shape[1:3])} px, but "dis" compares patches and needs {SMALLEST_DIS_PX} px; '
            "enlarge the pictures"
        )
    search = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    pairs = zip(_grey(frames_a), _grey(frames_b), strict=True)
    flows = [search.calc(a, b, None) for a, b in pairs]
    flow = np.stack(flows) if flows else np.zeros((*frames_a.shape[:3], 2), np.float32)
    return torch.from_numpy(flow).to(frames_a.device)


def _grey(frames: Tensor) -> np.ndarray:
    """Luminance (BT.601) as OpenCV wants it, 8-bit."""
    eight_bit = frames if frames.dtype == torch.uint8 else 255 * frames
    luminance = eight_bit.detach().float() @ eight_bit.new_tensor([0.299, 0.587, 0.114], dtype=torch.float32)
    return luminance.round().clamp(0, 255).byte().cpu().numpy()


class FlowNetS(nn.Module):
    """FlowNetS with narrow layers: 0.6 million parameters at the default widths instead of 39 million.

    Upsampling is by nearest neighbour and a convolution, where FlowNet has a deconvolution, whose overlaps leave a
    chequered pattern; so that any size of picture will do.
    """

    def __init__(self, widths: tuple[int, ...] = (16, 32, 64, 96, 128)) -> None:
        """Build a network of ``len(widths)`` halvings (at least 3); flow is predicted at all but the first one."""
        super().__init__()
        if len(widths) < 3:
            raise BadInputError(f"widths: {widths}, expected the channels after each of at least 3 halvings")
        kernels = (7, 5, 5, *(3,) * (len(widths) - 3))
        self.down = nn.ModuleList(
            _convolution(width_in, width, kernel, stride=2)
            for width_in, width, kernel in zip((6, *widths), widths, kernels, strict=False)
        )
        # On the way up each size sees the skip branch, what comes from below, and the flow from below.
        self.up = nn.ModuleList(
            _convolution(coarse + fine + 2, fine, 3) for fine, coarse in zip(widths[1:-1], widths[2:], strict=True)
        )
        self.predict = nn.ModuleList(nn.Conv2d(width, 2, 3, padding=1) for width in widths[1:])

    def forward(
        self, frames_a: Num[Tensor, "batch height width 3"], frames_b: Num[Tensor, "batch height width 3"]
    ) -> Float[Tensor, "batch height width 2"]:
        """Flow (px) as :func:`estimate_flow` says: the finest prediction, enlarged to the pictures' size."""
        finest = self.pyramid(frames_a, frames_b)[-1].permute(0, 3, 1, 2)
        size = (frames_a.shape[1], frames_a.shape[2])
        return interpolate(finest, size=size, mode="bilinear", align_corners=False).permute(0, 2, 3, 1)

    def pyramid(
        self, frames_a: Num[Tensor, "batch height width 3"], frames_b: Num[Tensor, "batch height width 3"]
    ) -> list[Float[Tensor, "batch _rows _columns 2"]]:
        """Flow at all sizes, coarse (1/32) to fine (1/4), each in px of the full picture; all are supervised."""
        features = torch.cat([normalise_images(frames_a), normalise_images(frames_b)], dim=1)
        skips = []
        for layer in self.down:
            features = layer(features)
            skips.append(features)
        flow = self.predict[-1](features)
        flows = [flow]
        for layer, predict, skip in zip(self.up[::-1], self.predict[-2::-1], skips[-2:0:-1], strict=True):
            coarse = torch.cat([features, flow], dim=1)
            features = layer(torch.cat([skip, interpolate(coarse, size=skip.shape[2:], mode="nearest")], dim=1))
            flow = predict(features)
            flows.append(flow)
        return [FLOW_UNIT_PX * flow.permute(0, 2, 3, 1) for flow in flows]


def _convolution(channels_in: int, channels_out: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """With FlowNet's leaky rectifier."""
    return nn.Sequential(nn.Conv2d(channels_in, channels_out, kernel, stride, kernel // 2), nn.LeakyReLU(0.1))
