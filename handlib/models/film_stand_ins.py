"""Stand-ins for the encoders of SeqHAND's Table 2 that a CPU can train, all around EfficientNet-Lite0.

What tells the paper's encoders apart is added between the last stage and the head: nothing (ResNet-50), more blocks
(ResNet-101), filters through time (I3D), differences of shifted frames (MFNet). A stand-in shows what a structure is
good for on a tenth of the parameters; it says nothing of the networks themselves, which
:mod:`handlib.models.film_encoders` has.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from handlib.errors import BadInputError
from handlib.models.efficientnet_lite import HEAD_CHANNELS, STAGES, EfficientNetLite0, InvertedResidual
from handlib.models.motion_filters import MotionBlock
from handlib.models.resnet import FilmConv3d

STAND_INS = {
    "resnet50": "efficientnet_lite0",
    "resnet101": "lite0_deep",
    "i3d": "lite0_inflated",
    "mfnet": "lite0_motion",
}
"""Encoder of Table 2 to its stand-in."""

NUM_STAGES = len(STAGES)
_LAST = STAGES[-1][-1]
_MORE_BLOCKS, _EXPANSION, _TIME = 2, 3, 3


class LiteEncoder(nn.Module):
    """EfficientNet-Lite0 over films, cut in two wherever wanted: stages that are kept, and the rest, which learns."""

    channels = HEAD_CHANNELS

    def __init__(self, network: EfficientNetLite0, kind: str = "efficientnet_lite0") -> None:
        """Build the encoder.

        Args:
            network: the frames' own network.
            kind: a value of :data:`STAND_INS`.
        """
        super().__init__()
        self.network = network
        self.added = {
            "efficientnet_lite0": nn.Identity,
            "lite0_deep": DeeperBlocks,
            "lite0_inflated": TimeBlocks,
            "lite0_motion": ShiftBlock,
        }[kind]()

    def begin(
        self, films: Float[Tensor, "batch frames 3 height width"], stages: int
    ) -> Float[Tensor, "batch frames channels rows columns"]:
        """What the first ``stages`` of seven, 1 at least, say of every frame.

        Raises:
            BadInputError: no such number of stages.
        """
        if not 1 <= stages <= NUM_STAGES:
            raise BadInputError(f"stages is {stages}: expected 1 to {NUM_STAGES}, the stages of EfficientNet-Lite0")
        # Depthwise convolutions run half as fast again on a CPU when the channels of a pixel lie together.
        features = self.network.stem(films.flatten(0, 1).contiguous(memory_format=torch.channels_last))
        for stage in self.network.stages[:stages]:
            features = stage(features)
        return features.unflatten(0, films.shape[:2])

    def go_on(
        self, features: Float[Tensor, "batch frames channels rows columns"], stages: int
    ) -> Float[Tensor, "batch frames 1280 rows32 columns32"]:
        """Features of stride 32 of what :meth:`begin` has said after as many stages."""
        flat = features.flatten(0, 1).contiguous(memory_format=torch.channels_last)
        for stage in self.network.stages[stages:]:
            flat = stage(flat)
        flat = self.added(flat.unflatten(0, features.shape[:2])).flatten(0, 1)
        return self.network.head(flat).unflatten(0, features.shape[:2])

    def forward(
        self, films: Float[Tensor, "batch frames 3 height width"]
    ) -> Float[Tensor, "batch frames 1280 rows32 columns32"]:
        """Features of stride 32 of pictures."""
        return self.go_on(self.begin(films, NUM_STAGES), NUM_STAGES)


class DeeperBlocks(nn.Module):
    """More residual blocks, frame by frame, which begin as nothing: what ResNet-101 has over ResNet-50."""

    def __init__(self) -> None:
        super().__init__()
        blocks = [InvertedResidual(_LAST, _LAST, 3, 1, _EXPANSION) for _ in range(_MORE_BLOCKS)]
        for block in blocks:
            nn.init.zeros_(block.layers[-1].weight)
        self.blocks = nn.Sequential(*blocks)

    def forward(
        self, features: Float[Tensor, "batch frames channels rows columns"]
    ) -> Float[Tensor, "batch frames channels rows columns"]:
        """The features, reworked."""
        return self.blocks(features.flatten(0, 1)).unflatten(0, features.shape[:2])


class TimeBlocks(nn.Module):
    """Two filters over three frames each, added to their input, which begin as nothing: I3D's 3 x 1 x 1 filters."""

    def __init__(self) -> None:
        super().__init__()
        self.filters = nn.ModuleList(FilmConv3d(_LAST, _LAST, 1, 1, _TIME) for _ in range(2))
        self.norms = nn.ModuleList(nn.BatchNorm3d(_LAST) for _ in range(2))
        for norm in self.norms:
            nn.init.zeros_(norm.weight)

    def forward(
        self, features: Float[Tensor, "batch frames channels rows columns"]
    ) -> Float[Tensor, "batch frames channels rows columns"]:
        """The features of each frame, with what is two frames away at most."""
        film = features.transpose(1, 2)
        for conv, norm in zip(self.filters, self.norms, strict=True):
            film = film + norm(conv(film)).relu()
        return film.transpose(1, 2)


class ShiftBlock(nn.Module):
    """MFNet's motion, added to features that may be negative, so without the rectifier after the sum."""

    def __init__(self) -> None:
        super().__init__()
        self.block = MotionBlock(_LAST)
        nn.init.zeros_(self.block.mix[-1].weight)

    def forward(
        self, features: Float[Tensor, "batch frames channels rows columns"]
    ) -> Float[Tensor, "batch frames channels rows columns"]:
        """The features of each frame, with its motion."""
        return features + self.block.motion(features)
