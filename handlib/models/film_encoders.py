"""From the frames of a film to a feature map each: frame by frame, through time (I3D), or with motion (MFNet).

These are the encoders of SeqHAND's ablation (Yang et al., ECCV 2020, Table 2). All take (batch, frames, 3, height,
width) of :func:`normalise_films` and give (batch, frames, channels, rows, columns), 32 pixels a cell.
"""

from typing import Literal, get_args

import torch
from jaxtyping import Float, Num
from torch import Tensor, nn
from torch.nn.functional import pad, relu

from handlib.errors import BadInputError
from handlib.models.efficientnet_lite import HEAD_CHANNELS, EfficientNetLite0
from handlib.models.images import normalise_images
from handlib.models.resnet import CHANNELS, RESNET50, RESNET101, ResNet

EncoderName = Literal["resnet50", "resnet101", "i3d", "mfnet", "efficientnet_lite0"]

_REDUCTION = 4
_SHIFTS = 9


def normalise_films(
    films: Num[Tensor, "batch frames height width 3"],
) -> Float[Tensor, "batch frames 3 height width"]:
    """:func:`~handlib.models.images.normalise_images` for films."""
    return normalise_images(films.flatten(0, 1)).unflatten(0, films.shape[:2])


class FrameEncoder(nn.Module):
    """Every frame by itself, through one network of pictures."""

    def __init__(self, network: ResNet | EfficientNetLite0) -> None:
        super().__init__()
        self.network = network
        self.channels = HEAD_CHANNELS if isinstance(network, EfficientNetLite0) else CHANNELS[-1]

    def forward(
        self, films: Float[Tensor, "batch frames 3 height width"]
    ) -> Float[Tensor, "batch frames channels rows columns"]:
        """Features of stride 32."""
        features = self.network(films.flatten(0, 1))
        features = features.stride32 if isinstance(self.network, EfficientNetLite0) else features
        return features.unflatten(0, films.shape[:2])


class InflatedEncoder(nn.Module):
    """I3D with ResNet-50 inside: filters that see some frames before and after. For whole films, not for streams."""

    channels = CHANNELS[-1]

    def __init__(self) -> None:
        super().__init__()
        self.network = ResNet.inflated()

    def forward(
        self, films: Float[Tensor, "batch frames 3 height width"]
    ) -> Float[Tensor, "batch frames channels rows columns"]:
        """Features of stride 32; time keeps its length, because every frame wants a hand."""
        return self.network(films.transpose(1, 2)).transpose(1, 2)


class MotionEncoder(nn.Module):
    """ResNet-50 with a :class:`MotionBlock` after each stage."""

    channels = CHANNELS[-1]

    def __init__(self) -> None:
        super().__init__()
        self.network = ResNet(RESNET50)
        self.motion = nn.ModuleList(MotionBlock(channels) for channels in CHANNELS)

    def forward(
        self, films: Float[Tensor, "batch frames 3 height width"]
    ) -> Float[Tensor, "batch frames channels rows columns"]:
        """Features of stride 32."""
        features = self.network.stem(films.flatten(0, 1))
        for stage, motion in zip(self.network.stages, self.motion, strict=True):
            features = motion(stage(features).unflatten(0, films.shape[:2])).flatten(0, 1)
        return features.unflatten(0, films.shape[:2])


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
        narrow = self.narrow(features.flatten(0, 1)).unflatten(0, features.shape[:2])
        motion = self.mix(shifted_differences(narrow).flatten(0, 1))
        return relu(features + motion.unflatten(0, features.shape[:2]))


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


def make_encoder(name: str, imagenet: bool = True) -> nn.Module:
    """An encoder by its name; it tells its ``channels``.

    Args:
        name: one of :data:`EncoderName`. "efficientnet_lite0" is the small stand-in for a CPU.
        imagenet: whether that one begins with ImageNet's weights, which a package carries. No package carries
            ResNet's: the others begin with random ones (see :mod:`handlib.models.resnet` for loading your own).

    Raises:
        BadInputError: no such encoder.
        MissingExtraError: the package with the weights is not installed.
    """
    if name not in get_args(EncoderName):
        raise BadInputError(f"encoder is {name!r}, expected one of {get_args(EncoderName)}")
    if name == "efficientnet_lite0":
        return FrameEncoder(EfficientNetLite0.imagenet() if imagenet else EfficientNetLite0())
    if name == "i3d":
        return InflatedEncoder()
    if name == "mfnet":
        return MotionEncoder()
    return FrameEncoder(ResNet(RESNET101 if name == "resnet101" else RESNET50))
