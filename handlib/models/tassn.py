"""TASSN's estimator: from two frames of a video to flow, heatmaps, a mesh and joints; and a clip, read both ways.

Chen et al., "Temporal-Aware Self-Supervised Learning for 3D Hand Pose and Mesh Estimation in Videos" (WACV 2021),
section 3.2 and Figure 3; there is no public code. What the paper leaves open is as in Ge et al. (CVPR 2019,
https://arxiv.org/abs/1903.00812), from whom it takes its mesh: the features that the mesh is made of, and all widths.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float, Int, Num
from torch import Tensor, nn
from torch.nn.functional import interpolate

from handlib.errors import BadInputError
from handlib.models.flow_net import FLOW_UNIT_PX, FlowMethod, estimate_flow
from handlib.models.hourglass import Residual, StackedHourglass
from handlib.models.images import normalise_images
from handlib.models.mesh_gcn import MeshDecoder, PoseFromMesh, from_wrist
from handlib.models.mesh_hierarchy import mesh_hierarchy
from handlib.models.soft_argmax import soft_argmax_2d
from handlib.skeleton import JOINT_NAMES

NUM_KEYPOINTS = len(JOINT_NAMES)
NUM_STACKS = 2
STRIDE = 4
"""Pixels of the picture a cell of the heatmaps."""

SMALLEST_MAP = 4
"""The features are halved until they are this small."""

HEATMAP_POWER = 4
"""A Gaussian to the fourth power has half the width and the same middle; 4096 cells of noise of 0.05 weigh nothing."""


@dataclass(frozen=True)
class TassnConfig:
    """What the estimator is made of; the defaults are the paper's, as far as it or Ge et al. tell them.

    Attributes:
        image_px: width and height of the pictures: 32, 64, 128, 256, ...
        channels: of the hourglasses.
        num_modules: residual modules at each size of an hourglass.
        depth: how often an hourglass halves its maps.
        terms: Chebyshev polynomials of a graph convolution.
    """

    image_px: int = 256
    channels: int = 256
    num_modules: int = 2
    depth: int = 4
    terms: int = 3

    def __post_init__(self) -> None:
        """Refuse sizes of pictures that cannot be halved down to the smallest map."""
        smallest = STRIDE * SMALLEST_MAP
        if self.image_px < 2 * smallest or self.image_px & (self.image_px - 1):
            raise BadInputError(f"image_px: {self.image_px}, expected a power of two, {2 * smallest} or more")

    @property
    def map_px(self) -> int:
        """Width and height of the heatmaps."""
        return self.image_px // STRIDE


class TassnEstimate(NamedTuple):
    """What is said of a frame; ``...`` is (batch,) for one frame, (batch, time) for a clip.

    ``heatmaps`` (..., stacks, 21, h, w), height 1 where a keypoint is, the last stack's the best; ``flow`` (..., H, W,
    2) px from the frame read before; ``vertices`` (..., V, 3) and ``joints`` (..., 21, 3) metres, camera axes, from the
    wrist.
    """

    heatmaps: Tensor
    flow: Tensor
    vertices: Tensor
    joints: Tensor


class FeatureHead(nn.Module):
    """Heatmaps and features of all stacks to one vector: summed, then two residual modules and a pool a halving.

    The way from the hourglass to the graph in Ge et al.: 64 x 64 maps are halved four times, 256 channels of 4 x 4 are
    4096 features. Smaller maps are halved less often.
    """

    def __init__(self, channels: int, map_px: int) -> None:
        super().__init__()
        self.from_heatmaps = nn.ModuleList(nn.Conv2d(NUM_KEYPOINTS, channels, 1) for _ in range(NUM_STACKS))
        self.from_features = nn.ModuleList(nn.Conv2d(channels, channels, 1) for _ in range(NUM_STACKS))
        halvings = (map_px // SMALLEST_MAP).bit_length() - 1
        self.halve = nn.Sequential(
            *(
                nn.Sequential(Residual(channels, channels), Residual(channels, channels), nn.MaxPool2d(2))
                for _ in range(halvings)
            ),
            nn.Flatten(),
        )
        self.num_features = channels * SMALLEST_MAP**2

    def forward(self, heatmaps: list[Tensor], features: list[Tensor]) -> Float[Tensor, "batch features"]:
        """One vector a picture, from what each stack says (B, 21, h, w) and sees (B, channels, h, w)."""
        parts = zip(self.from_heatmaps, heatmaps, self.from_features, features, strict=True)
        return self.halve(sum(to_sum(h) + also(f) for to_sum, h, also, f in parts))


class TassnEstimator(nn.Module):
    """The pose and mesh estimation module (PME), Figure 3.

    The mesh's graph is no part of the ``state_dict``; the flow estimator is, if it is a network.
    """

    def __init__(
        self,
        faces: Int[Tensor, "faces 3"],
        num_vertices: int,
        config: TassnConfig | None = None,
        flow: FlowMethod = "dis",
    ) -> None:
        """Build the estimator.

        Args:
            faces: triangles of the hand whose mesh is to be estimated, such as ``HandModel.faces``.
            num_vertices: of that hand.
            config: its sizes; None for the paper's.
            flow: see :func:`handlib.models.flow_net.estimate_flow`.
        """
        super().__init__()
        self.config = config = config or TassnConfig()
        self.flow = flow
        self.hourglass = StackedHourglass(NUM_KEYPOINTS, NUM_STACKS, config.num_modules, config.channels, config.depth)
        # The picture, its flow and the heatmaps of the frame before, where the hourglass by itself sees a picture.
        first = self.hourglass.stem[0]
        self.hourglass.stem[0] = nn.Conv2d(
            3 + 2 + NUM_KEYPOINTS, first.out_channels, first.kernel_size, first.stride, first.padding
        )
        for to_heatmaps in self.hourglass.heatmaps:
            # Maps begin empty, as most cells are to be; from random ones, the first hundred steps would empty them.
            nn.init.zeros_(to_heatmaps.weight)
            nn.init.zeros_(to_heatmaps.bias)
        self.features = FeatureHead(config.channels, config.map_px)
        hierarchy = mesh_hierarchy(faces, num_vertices)
        self.mesh = MeshDecoder(hierarchy, self.features.num_features, config.terms)
        self.pose = PoseFromMesh(hierarchy, NUM_KEYPOINTS, config.terms)

    def forward(
        self,
        before: Num[Tensor, "batch size size 3"],
        frames: Num[Tensor, "batch size size 3"],
        heatmaps_before: Float[Tensor, "batch 21 cells cells"] | None = None,
        flow: Float[Tensor, "batch size size 2"] | None = None,
    ) -> TassnEstimate:
        """Estimate the hands of ``frames``, given the frames before (or, read backwards, after) them.

        Args:
            before: RGB, uint8 0..255 or floats 0..1; ``frames`` themselves where there are none.
            frames: as many.
            heatmaps_before: the last stack's of the estimate before; None where there is none (zeros).
            flow: px from ``before`` to ``frames``, where it is known already; None estimates it.

        Raises:
            BadInputError: pictures that are not of the configuration's size.
        """
        size = self.config.image_px
        if frames.shape[1:3] != (size, size):
            raise BadInputError(f"frames: {tuple(frames.shape[1:3])} px, expected {size} x {size}, as configured")
        if flow is None:
            flow = estimate_flow(before, frames, self.flow)
        pictures = normalise_images(frames)
        if heatmaps_before is None:
            seen_before = pictures.new_zeros(len(frames), NUM_KEYPOINTS, size, size)
        else:
            seen_before = interpolate(heatmaps_before, size=(size, size), mode="bilinear", align_corners=False)
        inputs = torch.cat([pictures, flow.permute(0, 3, 1, 2) / FLOW_UNIT_PX, seen_before], dim=1)
        heatmaps, features = stack_outputs(self.hourglass, inputs)
        mesh = self.mesh(self.features(heatmaps, features))
        vertices, joints = from_wrist(mesh, self.pose(mesh))
        return TassnEstimate(torch.stack(heatmaps, dim=1), flow, vertices, joints)

    def read_clip(
        self,
        clip: Num[Tensor, "batch time size size 3"],
        flow: Float[Tensor, "batch steps size size 2"] | None = None,
        start: Float[Tensor, "batch 21 cells cells"] | None = None,
    ) -> TassnEstimate:
        """Estimate each frame of a clip in the order given, handing on the heatmaps from frame to frame.

        The first frame has none before it: it stands still. The paper does not say which heatmaps it is given.

        Args:
            clip: consecutive frames, cropped by one box.
            flow: px from each frame to the next (time - 1 of them), where known already.
            start: heatmaps for the first frame, such as a detector's; None for empty ones.
        """
        still = clip.new_zeros((*clip.shape[:1], *clip.shape[2:4], 2), dtype=torch.float32)
        estimates = [self(clip[:, 0], clip[:, 0], start, still)]
        for time in range(1, clip.shape[1]):
            known = None if flow is None else flow[:, time - 1]
            estimates.append(self(clip[:, time - 1], clip[:, time], estimates[-1].heatmaps[:, -1], known))
        return TassnEstimate(*(torch.stack(field, dim=1) for field in zip(*estimates, strict=True)))

    def read_both_ways(
        self,
        clip: Num[Tensor, "batch time size size 3"],
        flow: Float[Tensor, "batch steps size size 2"] | None = None,
        reversed_flow: Float[Tensor, "batch steps size size 2"] | None = None,
        ends: Float[Tensor, "batch 2 21 cells cells"] | None = None,
    ) -> tuple[TassnEstimate, TassnEstimate]:
        """Estimate a clip forwards and backwards: the reversed temporal measurement of section 3.3.

        The same module reads the same frames in the other order. Both readings are one batch, so that in training the
        normalisation over the batch is the same for both.

        Args:
            clip: consecutive frames, cropped by one box.
            flow: px from frame i to frame i + 1, at i; None estimates both flows.
            reversed_flow: px from frame i + 1 to frame i, at i; given together with ``flow``.
            ends: heatmaps that the readings begin with, at the first frame and at the last; None for empty ones.

        Returns:
            two estimates, each in the clip's own order: item i of both is about frame i.

        Raises:
            BadInputError: one flow without the other.
        """
        if (flow is None) != (reversed_flow is None):
            raise BadInputError("flow, reversed_flow: one is None; give both, or neither")
        known = None if flow is None or reversed_flow is None else torch.cat([flow, reversed_flow.flip(1)])
        start = None if ends is None else ends.transpose(0, 1).flatten(0, 1)
        both = self.read_clip(torch.cat([clip, clip.flip(1)]), known, start)
        forwards, backwards = zip(*(field.chunk(2) for field in both), strict=True)
        return TassnEstimate(*forwards), TassnEstimate(*(field.flip(1) for field in backwards))


def stack_outputs(
    hourglass: StackedHourglass, inputs: Float[Tensor, "batch channels height width"]
) -> tuple[list[Tensor], list[Tensor]]:
    """Heatmaps of each stack, and the features that each hands on: those of the last are its own."""
    state = hourglass.stem(inputs.contiguous(memory_format=torch.channels_last))
    heatmaps, handed_on = [], []
    for index, stack in enumerate(hourglass.stacks):
        features = stack(state)
        heatmaps.append(hourglass.heatmaps[index](features))
        if index + 1 < len(hourglass.stacks):
            state = state + hourglass.from_features[index](features) + hourglass.from_heatmaps[index](heatmaps[-1])
            features = state
        handed_on.append(features)
    return heatmaps, handed_on


def read_keypoints(
    heatmaps: Float[Tensor, "batch keypoints rows columns"], image_px: int
) -> Float[Tensor, "batch keypoints 2"]:
    """Keypoints (px) of heatmaps that are 1 at a keypoint and fall to 0 around it: their centre of mass, as a power.

    Exact for Gaussians of any width, with a gradient; the middle of the picture where a map is empty.
    """
    return soft_argmax_2d(HEATMAP_POWER * heatmaps.clamp(min=1e-3).log(), image_px)
