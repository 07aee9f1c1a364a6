"""Keypoints read off the encoder's own features, for the geometry head to lift. Ours; the paper has nothing like it.

Where S2HAND's 2D branch is a second network that only training sees, this is a light pyramid (Lin et al., CVPR 2017,
https://arxiv.org/abs/1612.03144) on the features that are there anyway. It splits the task in two: the picture says
where the joints are, and the fully connected layers say which 3D hand looks like that.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import interpolate

from handlib.models.efficientnet_lite import HEAD_CHANNELS, STAGES, PyramidFeatures
from handlib.models.soft_argmax import soft_argmax_2d

# Numbers that `lifting_features` makes of 21 keypoints: two coordinates and a confidence each, centre and size.
LIFTING_FEATURES = 21 * 3 + 3


@dataclass(frozen=True, eq=False)
class ReadKeypoints:
    """Keypoints of the picture: ``points_px`` (B, 21, 2), how sure of each the network is, 0..1, and the heatmaps'
    ``scores`` at a quarter of the picture's size, of which they were read."""

    points_px: Float[Tensor, "batch 21 2"]
    confidence: Float[Tensor, "batch 21"]
    scores: Float[Tensor, "batch 21 rows columns"] | None = None


class KeypointReadout(nn.Module):
    """Four scales, summed from the coarsest to stride 4, to 21 heatmaps and their expected positions."""

    def __init__(self, channels: int = 64) -> None:
        super().__init__()
        widths = (STAGES[1][4], STAGES[2][4], STAGES[4][4], HEAD_CHANNELS)
        self.laterals = nn.ModuleList(nn.Conv2d(width, channels, 1) for width in widths)
        self.smooth = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(inplace=True),
        )
        # No bias: neither position nor confidence depends on a constant added to a heatmap.
        self.heatmaps = nn.Conv2d(channels, 21, 1, bias=False)
        # A straight line a joint, from how far its heatmap's peak stands out to the logit of its confidence.
        self.peak_gain = nn.Parameter(torch.full((21,), 0.3))
        self.peak_offset = nn.Parameter(torch.zeros(21))

    def forward(self, features: PyramidFeatures, image_px: int) -> ReadKeypoints:
        """Keypoints in the picture of ``image_px`` pixels a side that the features were made of."""
        scales = (features.stride4, features.stride8, features.stride16, features.stride32)
        total = self.laterals[-1](scales[-1])
        for lateral, scale in zip(self.laterals[-2::-1], scales[-2::-1], strict=True):
            total = lateral(scale) + interpolate(total, size=scale.shape[2:], mode="nearest")
        heatmaps = self.heatmaps(self.smooth(total))
        scores = heatmaps.flatten(2).to(torch.promote_types(heatmaps.dtype, torch.float32))
        peak = scores.amax(-1) - scores.mean(-1)
        confidence = torch.sigmoid(peak * self.peak_gain + self.peak_offset)
        return ReadKeypoints(soft_argmax_2d(heatmaps, image_px), confidence, scores.unflatten(2, heatmaps.shape[2:]))


def lifting_features(keypoints: ReadKeypoints, image_px: int) -> Float[Tensor, "batch 66"]:
    """Keypoints as a network likes them: relative to their own centre and size, then confidence, centre and size.

    Size is the root mean square distance from the centre. Centre and size are fractions of the picture's width, from
    its middle; all numbers are of the order of one.
    """
    points = (keypoints.points_px - (image_px - 1) / 2) / image_px
    centre = points.mean(1, keepdim=True)
    relative = points - centre
    # The offset keeps the gradient finite where all keypoints coincide, as before training they nearly do.
    size = (relative.square().sum(-1).mean(1) + 1e-4).sqrt()
    shape = (relative / size[:, None, None]).flatten(1)
    return torch.cat([shape, keypoints.confidence, centre[:, 0], size[:, None]], dim=1)
