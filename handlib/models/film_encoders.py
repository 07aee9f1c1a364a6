"""From the frames of a film to a feature map each: frame by frame, through time (I3D), or with motion (MFNet).

These are the encoders of SeqHAND's ablation (Yang et al., ECCV 2020, Table 2). All take (batch, frames, 3, height,
width) of :func:`normalise_films` and give (batch, frames, channels, rows, columns), 32 pixels a cell.
"""

from typing import Literal, get_args

from jaxtyping import Float, Num
from torch import Tensor, nn

from handlib.errors import BadInputError
from handlib.models.efficientnet_lite import EfficientNetLite0
from handlib.models.film_stand_ins import STAND_INS, LiteEncoder
from handlib.models.images import normalise_images
from handlib.models.motion_filters import MotionBlock
from handlib.models.resnet import CHANNELS, RESNET50, RESNET101, ResNet

EncoderName = Literal[
    "resnet50",
    "resnet101",
    "i3d",
    "mfnet",
    "efficientnet_lite0",
    "lite0_deep",
    "lite0_inflated",
    "lite0_motion",
]


def normalise_films(
    films: Num[Tensor, "batch frames height width 3"],
) -> Float[Tensor, "batch frames 3 height width"]:
    """:func:`~handlib.models.images.normalise_images` for films."""
    return normalise_images(films.flatten(0, 1)).unflatten(0, films.shape[:2])


class FrameEncoder(nn.Module):
    """Every frame by itself, through one network of pictures."""

    channels = CHANNELS[-1]

    def __init__(self, network: ResNet) -> None:
        super().__init__()
        self.network = network

    def forward(
        self, films: Float[Tensor, "batch frames 3 height width"]
    ) -> Float[Tensor, "batch frames channels rows columns"]:
        """Features of stride 32."""
        return self.network(films.flatten(0, 1)).unflatten(0, films.shape[:2])


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


def make_encoder(name: str, imagenet: bool = True) -> nn.Module:
    """An encoder by its name; it tells its ``channels``.

    Args:
        name: one of :data:`EncoderName`. "efficientnet_lite0" and what begins with "lite0" are the small stand-ins of
            :mod:`handlib.models.film_stand_ins` for a CPU.
        imagenet: whether those begin with ImageNet's weights, which a package carries. No package carries ResNet's: the
            others begin with random ones (see :mod:`handlib.models.resnet` for loading your own).

    Raises:
        BadInputError: no such encoder.
        MissingExtraError: the package with the weights is not installed.
    """
    if name not in get_args(EncoderName):
        raise BadInputError(f"encoder is {name!r}, expected one of {get_args(EncoderName)}")
    if name in STAND_INS.values():
        return LiteEncoder(EfficientNetLite0.imagenet() if imagenet else EfficientNetLite0(), name)
    if name == "i3d":
        return InflatedEncoder()
    if name == "mfnet":
        return MotionEncoder()
    return FrameEncoder(ResNet(RESNET101 if name == "resnet101" else RESNET50))
