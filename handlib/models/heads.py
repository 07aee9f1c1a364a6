"""From the encoder's features to the two codes of S2HAND: geometry (pose, shape, camera) and texture (skin, light).

Chen et al., CVPR 2021, section 3.1: ``x = (theta, beta, s, R, T)`` and ``y = (C, L)``. The paper leaves the layers
open; their sizes and first values are those of the released code.
"""

import math
from dataclasses import dataclass
from typing import Literal

import roma
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import normalize

from handlib.models.efficientnet_lite import HEAD_CHANNELS, STAGES

RotationCode = Literal["axis_angle", "six_d"]
PlacementCode = Literal["metric", "apparent"]

SHARED_FEATURES = 512
# Released first values: a hand a little below the model's size, 0.65 m in front of the camera.
FIRST_SCALE, FIRST_DEPTH_M = 0.95, 0.65
# An apparent size of 0.3 of the width is that of a hand which fills most of the picture.
FIRST_APPARENT_SIZE = 0.3
# The last layers begin this small, so that every picture is first shown the same mean hand in the same place.
SMALL_DEVIATION = 1e-3
SKIN_RGB = (200 / 256, 150 / 256, 150 / 256)
# Half ambient, half from the camera, white, in the order of `Light.from_vector(..., layout="paper")`.
FIRST_LIGHT = (0.5, 1.0, 1.0, 1.0, 0.5, 1.0, 1.0, 1.0, 0.0, 0.0, -1.0)


@dataclass(frozen=True, eq=False)
class GeometryCode:
    """S2HAND's ``x``.

    Attributes:
        pose: (B, 30) coefficients of the hand model's principal components.
        shape: (B, 10) shape coefficients.
        scale: (B,) of the whole hand, not negative.
        rotation: (B, 3, 3) of the hand at rest about its wrist, into the camera's frame.
        placement: (B, 3) metres from the camera to the wrist ("metric"), or centre and log apparent size
            ("apparent", see :func:`~handlib.models.placement.anchor_from_apparent`).
    """

    pose: Float[Tensor, "batch num_pose"]
    shape: Float[Tensor, "batch num_shape"]
    scale: Float[Tensor, "batch"]
    rotation: Float[Tensor, "batch 3 3"]
    placement: Float[Tensor, "batch 3"]


@dataclass(frozen=True, eq=False)
class TextureCode:
    """S2HAND's ``y``: ``colours`` (B, V, 3) of the skin, 0..1, and ``light`` (B, 11) in the paper's order."""

    colours: Float[Tensor, "batch vertices 3"]
    light: Float[Tensor, "batch 11"]


class CodeHeads(nn.Module):
    """From 512 shared features one small head a quantity: the last layers of every geometry head."""

    def __init__(
        self,
        num_pose: int = 30,
        num_shape: int = 10,
        rotation: RotationCode = "six_d",
        placement: PlacementCode = "apparent",
    ) -> None:
        """Build the heads; see :class:`GeometryHead` for the arguments."""
        super().__init__()
        self.pose = _head((128, num_pose))
        self.shape = _head((128, num_shape))
        self.scale = _head((128, 32, 1), [FIRST_SCALE])
        first_rotation = [0.0] * 3 if rotation == "axis_angle" else [1.0, 0.0, 0.0, 1.0, 0.0, 0.0]
        self.rotation = _head((128, 32, len(first_rotation)), first_rotation)
        apparent = [0.0, 0.0, math.log(FIRST_APPARENT_SIZE)]
        self.placement = _head((128, 32, 3), [0.0, 0.0, FIRST_DEPTH_M] if placement == "metric" else apparent)

    def forward(self, shared: Float[Tensor, "batch 512"]) -> GeometryCode:
        """The code of each hand; at least float32."""
        heads = (self.pose, self.shape, self.scale, self.rotation, self.placement)
        pose, shape, scale, rotation, placement = (_full_precision(head(shared)) for head in heads)
        return GeometryCode(pose, shape, scale[:, 0].abs(), rotation_from_code(rotation), placement)


class GeometryHead(nn.Module):
    """Shared layers 1280 -> 1024 -> 512 with batch normalisation, then one small head a quantity."""

    def __init__(
        self,
        num_pose: int = 30,
        num_shape: int = 10,
        rotation: RotationCode = "six_d",
        placement: PlacementCode = "apparent",
    ) -> None:
        """Build the layers.

        Args:
            num_pose: principal components.
            num_shape: shape coefficients.
            rotation: "axis_angle" is the paper's, 3 numbers. It has a jump at half a turn, which no network can follow;
                "six_d" has none (Zhou et al., CVPR 2019, https://arxiv.org/abs/1812.07035).
            placement: "metric" is the released code's; "apparent" leaves the focal length to geometry.
        """
        super().__init__()
        self.shared = nn.Sequential(
            *(nn.Linear(HEAD_CHANNELS, 1024), nn.BatchNorm1d(1024), nn.ReLU(inplace=True)),
            *(nn.Linear(1024, SHARED_FEATURES), nn.BatchNorm1d(SHARED_FEATURES), nn.ReLU(inplace=True)),
        )
        self.heads = CodeHeads(num_pose, num_shape, rotation, placement)

    def forward(self, features: Float[Tensor, "batch 1280 rows columns"]) -> GeometryCode:
        """The code of each picture from the encoder's coarsest features; at least float32."""
        return self.heads(self.shared(features.mean((2, 3))))


class TextureHead(nn.Module):
    """Two convolutions over low-level features, where colours still are, then colours and light.

    The paper's colours are one a vertex (the released code's one a face). They are kept in 0..1 by a sigmoid around a
    mean skin, and the light's direction is a unit vector, so that only the intensity says how bright it is.
    """

    def __init__(self, num_vertices: int) -> None:
        super().__init__()
        # The pools are the released code's for pictures of 224 px (13 -> 6 cells, 4 -> 2), and adapt to others.
        self.convolutions = nn.Sequential(
            *(nn.Conv2d(STAGES[1][4], 48, 10, stride=4, padding=1), nn.ReLU(inplace=True), nn.AdaptiveMaxPool2d(6)),
            *(nn.Conv2d(48, 64, 3), nn.ReLU(inplace=True), nn.AdaptiveMaxPool2d(2), nn.Flatten()),
        )
        skin_logits = torch.logit(torch.tensor(SKIN_RGB)).tolist()
        self.colours = _head((64, num_vertices * 3), skin_logits * num_vertices, features=256)
        self.light = _head((64, 11), list(FIRST_LIGHT), features=256)

    def forward(self, features: Float[Tensor, "batch 24 rows columns"]) -> TextureCode:
        """The code of each picture from the encoder's features of stride 4; at least float32."""
        low = self.convolutions(features)
        colours, light = (_full_precision(head(low)) for head in (self.colours, self.light))
        light = torch.cat([light[:, :8], normalize(light[:, 8:], dim=1)], dim=1)
        return TextureCode(colours.sigmoid().unflatten(1, (-1, 3)), light)


def rotation_from_code(code: Float[Tensor, "batch width"]) -> Float[Tensor, "batch 3 3"]:
    """Rotation matrices of axis-angle (3 numbers, radians) or of the first two columns (6 numbers, row by row).

    A code of zero rotation is not the hand file's own frame but that turned by pi about x, as in the released code.
    """
    axis_angle = code.shape[1] == 3
    turn = roma.rotvec_to_rotmat(code) if axis_angle else roma.special_gramschmidt(code.unflatten(1, (3, 2)))
    return turn * code.new_tensor([1.0, -1.0, -1.0])  # times diag(1, -1, -1) from the right


def _head(widths: tuple[int, ...], first: list[float] | None = None, features: int = SHARED_FEATURES) -> nn.Sequential:
    """Linear layers, one ReLU after the first; the last begins almost constant, at ``first`` or zero."""
    layers: list[nn.Module] = []
    for width_in, width in zip((features, *widths), widths, strict=False):
        layers.append(nn.Linear(width_in, width))
    nn.init.normal_(layers[-1].weight, std=SMALL_DEVIATION)
    with torch.no_grad():
        layers[-1].bias.copy_(torch.tensor(first) if first else torch.zeros(widths[-1]))
    return nn.Sequential(layers[0], nn.ReLU(inplace=True), *layers[1:])


def _full_precision(value: Tensor) -> Tensor:
    """At least float32: in half precision a hand at 0.65 m would be known to half a millimetre only."""
    return value.to(torch.promote_types(value.dtype, torch.float32))
