"""ResNet-50 and ResNet-101 (He et al., CVPR 2016), for pictures, and inflated to films as in I3D.

Layers bear torchvision's names (``conv1``, ``layer1.0.conv2``, ...), so that weights from there load by
``load_state_dict(weights, strict=False)``. No package carries such weights without a download, so ours are random.

Inflation (Carreira & Zisserman, CVPR 2017, https://arxiv.org/abs/1705.07750) gives some filters a third side, in time.
Which ones follows Wang et al., "Non-local neural networks", CVPR 2018, Table 1: every second 1 x 1 becomes 3 x 1 x 1.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import pad

RESNET50, RESNET101 = (3, 4, 6, 3), (3, 4, 23, 3)
CHANNELS = (256, 512, 1024, 2048)
EXPANSION = 4

I3D_STEM_FRAMES = 5
I3D_FRAMES = ((3, 3, 3), (3, 1, 3, 1), (3, 1, 3, 1, 3, 1), (1, 3, 1))
"""How many frames the first filter of each block of ResNet-50 sees."""


class FilmConv3d(nn.Conv3d):
    """A convolution over ``frames`` x ``kernel`` x ``kernel``, with stride and zeros around in space only.

    In time the first and the last frame are repeated: a film that stands still then looks like one that never ends, and
    a still like a film.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, frames: int) -> None:
        super().__init__(
            inputs,
            outputs,
            (frames, kernel, kernel),
            stride=(1, stride, stride),
            padding=(0, kernel // 2, kernel // 2),
            bias=False,
        )

    def forward(
        self, film: Float[Tensor, "batch inputs frames height width"]
    ) -> Float[Tensor, "batch outputs frames rows columns"]:
        """Convolve; as many frames as came in."""
        around = self.kernel_size[0] // 2
        return super().forward(pad(film, (0, 0, 0, 0, around, around), mode="replicate") if around else film)


def _convolution(inputs: int, outputs: int, kernel: int, stride: int, frames: int) -> nn.Module:
    """Of pictures where ``frames`` is 0, of films where it is 1 or more."""
    if frames:
        return FilmConv3d(inputs, outputs, kernel, stride, frames)
    return nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2, bias=False)


def _norm(channels: int, frames: int) -> nn.Module:
    return nn.BatchNorm3d(channels) if frames else nn.BatchNorm2d(channels)


class Bottleneck(nn.Module):
    """1 x 1 narrows, 3 x 3 looks around, 1 x 1 widens; added to what came in."""

    def __init__(self, inputs: int, width: int, stride: int, frames: int) -> None:
        """Build the block.

        Args:
            inputs: channels that come in; four times ``width`` go out.
            width: channels in the middle.
            stride: of the 3 x 3, as in torchvision (the paper has it in the first 1 x 1).
            frames: what the first filter sees; 0 for pictures.
        """
        super().__init__()
        outputs, still = EXPANSION * width, min(frames, 1)
        self.conv1, self.bn1 = _convolution(inputs, width, 1, 1, frames), _norm(width, frames)
        self.conv2, self.bn2 = _convolution(width, width, 3, stride, still), _norm(width, frames)
        self.conv3, self.bn3 = _convolution(width, outputs, 1, 1, still), _norm(outputs, frames)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(_convolution(inputs, outputs, 1, stride, still), _norm(outputs, frames))

    def forward(self, features: Float[Tensor, "batch inputs *size"]) -> Float[Tensor, "batch outputs *smaller"]:
        """Features of the same size, or of half of it with stride 2."""
        skip = features if self.downsample is None else self.downsample(features)
        out = self.relu(self.bn1(self.conv1(features)))
        out = self.relu(self.bn2(self.conv2(out)))
        return self.relu(self.bn3(self.conv3(out)) + skip)


class ResNet(nn.Module):
    """The network without its classifier, of pictures or of films."""

    def __init__(
        self,
        blocks: tuple[int, ...] = RESNET50,
        frames: tuple[tuple[int, ...], ...] | None = None,
        stem_frames: int = 0,
    ) -> None:
        """Build the network.

        Args:
            blocks: in each of the four stages.
            frames: what the first filter of each block sees in time; None for pictures.
            stem_frames: what the very first filter sees in time; 0 for pictures.
        """
        super().__init__()
        self.conv1, self.bn1 = _convolution(3, 64, 7, 2, stem_frames), _norm(64, stem_frames)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1)) if stem_frames else nn.MaxPool2d(3, 2, 1)
        inputs = 64
        for stage, count in enumerate(blocks):
            width, seen = 64 * 2**stage, frames[stage] if frames else (0,) * count
            layers = [Bottleneck(inputs, width, 1 if stage == 0 else 2, seen[0])]
            inputs = EXPANSION * width
            layers += [Bottleneck(inputs, width, 1, seen[block]) for block in range(1, count)]
            self.add_module(f"layer{stage + 1}", nn.Sequential(*layers))
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Conv3d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(module, Bottleneck):
                # Each block begins as its skip connection (Goyal et al. 2017, section 5.1), which deep stacks need.
                nn.init.zeros_(module.bn3.weight)

    @classmethod
    def inflated(cls) -> "ResNet":
        """The I3D form of ResNet-50: for films, with ResNet-50's layers by name."""
        return cls(RESNET50, I3D_FRAMES, I3D_STEM_FRAMES)

    @property
    def stages(self) -> tuple[nn.Module, ...]:
        """The four stages, whose outputs have :data:`CHANNELS`."""
        return self.layer1, self.layer2, self.layer3, self.layer4

    def stem(self, images: Float[Tensor, "batch 3 *size"]) -> Float[Tensor, "batch 64 *smaller"]:
        """The first filter and the first pool: a quarter of the size."""
        return self.maxpool(self.relu(self.bn1(self.conv1(images))))

    def forward(self, images: Float[Tensor, "batch 3 *size"]) -> Float[Tensor, "batch 2048 *smaller"]:
        """Features of stride 32 of pictures (batch, 3, height, width) or films (batch, 3, frames, height, width)."""
        features = self.stem(images)
        for stage in self.stages:
            features = stage(features)
        return features


@torch.no_grad()
def inflate_weights(film: ResNet, picture: ResNet) -> None:
    """Give a film network the weights of a picture network: each filter repeated in time and divided by its length.

    On a film that stands still both then say the same, frame by frame (Carreira & Zisserman, section 3.1).

    Args:
        film: changed in place; from :meth:`ResNet.inflated`.
        picture: with as many layers.
    """
    weights = picture.state_dict()
    for name, own in film.state_dict().items():
        given = weights[name]
        own.copy_(given[:, :, None].expand_as(own) / own.shape[2] if own.ndim == 5 else given)
