"""Motion in feature maps without optical flow: a map less the shifted map of the frame before.

Lee et al., "Motion feature network: fixed motion filter for action recognition", ECCV 2018.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import pad, relu

_REDUCTION = 4
_SHIFTS = 9


class MotionBlock(nn.Module):
    """Adds to features what changed since the frame before: narrow, :func:`shifted_differences`, mix.

    The filters are those of MFNet (Lee et al., ECCV 2018, https://arxiv.org/abs/1807.10037); the sizes are ours.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        narrow = channels // _REDUCTION
        self.narrow = nn.Sequential(nn.Conv2d(channels, narrow, 1, bias=False), nn.BatchNorm2d(narrow), nn.ReLU())
        self.mix = nn.Sequential(nn.Conv2d(_SHIFTS * narrow, channels, 1, bias=False), nn.BatchNorm2d(channels))

    def forward(
        self, features: Float[Tensor, "batch frames channels rows columns"]
    ) -> Float[Tensor, "batch frames channels rows columns"]:
        """The features of each frame, with its motion."""
        return relu(features + self.motion(features))

    def motion(
        self, features: Float[Tensor, "batch frames channels rows columns"]
    ) -> Float[Tensor, "batch frames channels rows columns"]:
        """What is added to the features."""
        narrow = self.narrow(features.flatten(0, 1)).unflatten(0, features.shape[:2])
        return self.mix(shifted_differences(narrow).flatten(0, 1)).unflatten(0, features.shape[:2])


def shifted_differences(
    features: Float[Tensor, "batch frames channels rows columns"],
) -> Float[Tensor, "batch frames shifted rows columns"]:
    """MFNet's fixed motion filters: ``F_t(p) - F_{t-1}(p + d)`` for the nine shifts d of at most a cell.

    What moved by d leaves nothing in the map of -d. MFNet takes the frame after; the frame before makes it fit for
    streams. The first frame is compared with itself. Shifts are row by row; all channels of a shift lie together.
    """
    rows, columns = features.shape[3:]
    before = torch.cat([features[:, :1], features[:, :-1]], dim=1)
    around = pad(before.flatten(0, 1), (1, 1, 1, 1), mode="replicate").unflatten(0, features.shape[:2])
    shifted = [around[..., y : y + rows, x : x + columns] for y in range(3) for x in range(3)]
    return torch.cat([features - other for other in shifted], dim=2)
