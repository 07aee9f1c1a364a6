"""The stacked hourglass and integral regression: 2D keypoints from a picture, each joint by itself.

S2HAND's 2D branch (Chen et al., CVPR 2021, section 3.3), used in training only. The network is that of Newell, Yang and
Deng (ECCV 2016, https://arxiv.org/abs/1603.06937), the read-out that of Sun et al. (ECCV 2018,
https://arxiv.org/abs/1711.08229).
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import interpolate, max_pool2d

from handlib.models.soft_argmax import soft_argmax_2d


class Residual(nn.Module):
    """Pre-activated bottleneck: 1x1, 3x3, 1x1 convolutions through half the channels, added to the input.

    Figure 4 (left) of Newell et al.; order of layers after He et al. 2016, https://arxiv.org/abs/1603.05027.
    """

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        half = channels_out // 2
        self.layers = nn.Sequential(
            *_activated(channels_in, nn.Conv2d(channels_in, half, 1)),
            *_activated(half, nn.Conv2d(half, half, 3, padding=1)),
            *_activated(half, nn.Conv2d(half, channels_out, 1)),
        )
        self.skip = nn.Identity() if channels_in == channels_out else nn.Conv2d(channels_in, channels_out, 1)

    def forward(
        self, features: Float[Tensor, "batch channels_in height width"]
    ) -> Float[Tensor, "batch out height width"]:
        """Features of the same size."""
        return self.skip(features) + self.layers(features)


class Hourglass(nn.Module):
    """Down to ``1 / 2^depth`` of the size and up again, with a branch at each size that skips the way down.

    Figure 3 of Newell et al.; recursive, as the figure is.
    """

    def __init__(self, channels: int, depth: int, num_modules: int) -> None:
        super().__init__()
        self.skip = _residuals(channels, num_modules)
        self.down = _residuals(channels, num_modules)
        self.inner = Hourglass(channels, depth - 1, num_modules) if depth > 1 else _residuals(channels, num_modules)
        self.up = _residuals(channels, num_modules)

    def forward(
        self, features: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch channels height width"]:
        """Features of the same size, each of which has seen the whole picture."""
        inner = self.up(self.inner(self.down(max_pool2d(features, 2))))
        # To the size of the skip branch, which is not twice the inner one where a size was odd.
        return self.skip(features) + interpolate(inner, size=features.shape[2:], mode="nearest")


class StackedHourglass(nn.Module):
    """Hourglasses in a row, each of which corrects the heatmaps of the one before.

    The defaults are S2HAND's: 2 stacks of 2 residual modules and 256 channels at depth 4, 12.58 million parameters.
    """

    def __init__(
        self,
        num_keypoints: int = 21,
        num_stacks: int = 2,
        num_modules: int = 2,
        channels: int = 256,
        depth: int = 4,
    ) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, channels // 4, 7, stride=2, padding=3),
            nn.BatchNorm2d(channels // 4),
            nn.ReLU(inplace=True),
            Residual(channels // 4, channels // 2),
            nn.MaxPool2d(2),
            Residual(channels // 2, channels // 2),
            Residual(channels // 2, channels),
        )
        self.stacks = nn.ModuleList(
            nn.Sequential(
                Hourglass(channels, depth, num_modules),
                _residuals(channels, num_modules),
                nn.Conv2d(channels, channels, 1),
                nn.BatchNorm2d(channels),
                nn.ReLU(inplace=True),
            )
            for _ in range(num_stacks)
        )
        self.heatmaps = nn.ModuleList(nn.Conv2d(channels, num_keypoints, 1) for _ in range(num_stacks))
        # Between two stacks, features and heatmaps are both handed on; after the last there is nobody to hand them to.
        self.from_features = nn.ModuleList(nn.Conv2d(channels, channels, 1) for _ in range(num_stacks - 1))
        self.from_heatmaps = nn.ModuleList(nn.Conv2d(num_keypoints, channels, 1) for _ in range(num_stacks - 1))

    def forward(
        self, images: Float[Tensor, "batch 3 height width"]
    ) -> list[Float[Tensor, "batch keypoints rows columns"]]:
        """One set of heatmaps a stack (scores, not probabilities), at a quarter of the picture's size."""
        state = self.stem(images.contiguous(memory_format=torch.channels_last))
        outputs = []
        for index, (stack, to_heatmaps) in enumerate(zip(self.stacks, self.heatmaps, strict=True)):
            features = stack(state)
            outputs.append(to_heatmaps(features))
            if index + 1 < len(self.stacks):
                state = state + self.from_features[index](features) + self.from_heatmaps[index](outputs[-1])
        return outputs


class KeypointBranch(nn.Module):
    """S2HAND's 2D keypoint estimator: a stacked hourglass, read out as expected positions.

    Takes the arguments of :class:`StackedHourglass`; ``channels=32, depth=3`` trains on a CPU.
    """

    def __init__(
        self,
        num_keypoints: int = 21,
        num_stacks: int = 2,
        num_modules: int = 2,
        channels: int = 256,
        depth: int = 4,
    ) -> None:
        super().__init__()
        self.hourglass = StackedHourglass(num_keypoints, num_stacks, num_modules, channels, depth)

    def forward(self, images: Float[Tensor, "batch 3 size size"]) -> Float[Tensor, "batch stacks keypoints 2"]:
        """Keypoints (px of the picture) by each stack, the last one's the best; pictures as for the encoder."""
        heatmaps = torch.stack(self.hourglass(images), dim=1)
        return soft_argmax_2d(heatmaps.flatten(0, 1), images.shape[3]).unflatten(0, heatmaps.shape[:2])


def _activated(channels: int, convolution: nn.Conv2d) -> tuple[nn.Module, ...]:
    return nn.BatchNorm2d(channels), nn.ReLU(inplace=True), convolution


def _residuals(channels: int, count: int) -> nn.Sequential:
    return nn.Sequential(*(Residual(channels, channels) for _ in range(count)))
