"""Synthetic depth crops of the open hand, made as training asks for them: the labelled side of Wan et al. (CVPR 2019).

They follow the released sampling (26 degrees of freedom, per-axis scale, focal length, position in the cube, noise), so
that no two crops are alike and none has to be stored. A crop is orthographic, of the 300 mm cube, 64 x 64 pixels.

How hands are turned is not the released code's: it draws angles about x and z from -180 to 180 degrees and about y from
-180 to 0. Ours are rolled about the forearm by up to 150 degrees to each side, and the forearm leans by up to 80
degrees from the vertical (``SOURCE_TURNS``), so that no hand hangs down.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cache

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from handlib.data.depth_cube import CROP_PX, normalise_depth, pixel_grid
from handlib.data.depth_hands import DepthHands, Turns, depth_seed, depth_streams, draw_hands
from handlib.data.hand_scenes import HandStage, hand_stage
from handlib.data.random_streams import pose_seed
from handlib.errors import BadInputError
from handlib.hand.sampler import PoseSampler
from handlib.hand.sphere_hand import SphereHand
from handlib.render import render_depth
from handlib.render.spheres import BACKGROUND_M, crop_camera

DOMAIN = "depth-source"
SOURCE_DEPTH_HAND = "open"
SOURCE_TURNS = Turns(roll_deg=150.0, tilt_deg=80.0)
SCALE, SCALE_SPREAD = 0.9, 0.05
FOCAL = (0.9, 1.1)
# A parallel camera has no near plane to mind, but the renderer's depth 0 stands for nothing: work 1 m in front.
_FRONT_M = 1.0
_BEFORE_CAMERA_M = torch.tensor([0.0, 0.0, _FRONT_M])
# The released ranges (+-15, +-15, -35..15 mm) around another mean: a cube around what a camera sees has the middle of
# the hand behind its own, by 18 mm on average.
SHIFT_M, SHIFT_MEAN_M = np.array([0.015, 0.015, 0.025]), np.array([0.0, 0.0, 0.018])
PIXEL_NOISE_PX, DEPTH_NOISE = 0.5, 0.05
"""Standard deviations: of where a pixel looks, and of the normalised depth that it sees (5 mm)."""


@dataclass(frozen=True, eq=False)
class DepthBatch:
    """Labelled crops: ``depth`` (B, 64, 64), normalised; ``centres_m`` (B, 41, 3) of the spheres and ``joints_m``
    (B, 21, 3), both in the cube frame.
    """

    depth: Float[Tensor, "batch size size"]
    centres_m: Float[Tensor, "batch spheres 3"]
    joints_m: Float[Tensor, "batch 21 3"]

    def __len__(self) -> int:
        return len(self.depth)

    def to(self, device: torch.device | str) -> "DepthBatch":
        """The batch on another device."""
        return DepthBatch(**{field.name: getattr(self, field.name).to(device) for field in fields(self)})


class SyntheticDepth:
    """Labelled synthetic crops; sample ``i`` depends on (seed, split, i) alone, whatever the batch."""

    def __init__(self, *, seed: int = 0, split: str = "train", noise: bool = True) -> None:
        """Name the data set, which has no end; nothing is drawn yet.

        Args:
            seed: names the data set.
            split: "train" or "test".
            noise: whether pixels are displaced and depths disturbed ("synth, aug. with noise" of Table 1). The hands
                are the same without.

        Raises:
            BadInputError: an unknown split or a negative seed.
        """
        self.seed, self.split, self.noise = seed, split, noise
        self._poses = PoseSampler(self.hand.model, pose_seed(depth_seed(seed, DOMAIN), "source", split))

    @property
    def hand(self) -> HandStage:
        """The hand that the crops show."""
        return hand_stage(SOURCE_DEPTH_HAND)

    @property
    def spheres(self) -> SphereHand:
        """The spheres of that hand, whose centres are the labels."""
        return sphere_hand(SOURCE_DEPTH_HAND)

    @torch.no_grad()
    def batch(self, start: int, count: int) -> DepthBatch:
        """Samples ``start``, ..., ``start + count - 1``, on the CPU.

        Raises:
            BadInputError: no samples, or a negative start.
        """
        hands, places = self._hands(start, count)
        depth = render_depth(
            places(hands.vertices_m).float() + _BEFORE_CAMERA_M,
            self.hand.faces,
            crop_camera(CROP_PX),
            CROP_PX,
            background_m=BACKGROUND_M + _FRONT_M,
        )
        depth = normalise_depth(depth - _FRONT_M)
        if self.noise:
            depth = add_pixel_noise(depth, depth_streams(self.seed, DOMAIN, self.split, _range(start, count), "look"))
        return DepthBatch(depth, places(self._centres(hands)).float(), places(hands.joints_m).float())

    def sphere_centres(self, start: int, count: int) -> Float[Tensor, "batch spheres 3"]:
        """The labels alone (cube frame, m), without a picture: what the pose prior is trained on."""
        hands, places = self._hands(start, count)
        return places(self._centres(hands)).float()

    def _centres(self, hands: DepthHands) -> Float[Tensor, "batch spheres 3"]:
        return self.spheres(self.hand.anatomy.to_axis_angle(hands.angles), hands.shape).centres_m

    def _hands(self, start: int, count: int) -> tuple[DepthHands, "Placement"]:
        if count < 1 or start < 0:
            raise BadInputError(f"start {start}, count {count}: expected a start from 0 up and at least one sample")
        streams = depth_streams(self.seed, DOMAIN, self.split, _range(start, count), "view")
        hands = draw_hands(self.hand, self._poses, _range(start, count), streams, SOURCE_TURNS)
        return hands, Placement.draw(streams, hands)


@dataclass(frozen=True, eq=False)
class Placement:
    """How a hand comes to lie in its cube: ``linear @ (point - middle_m) + shift_m``, for surface and labels alike."""

    linear: Float[Tensor, "batch 3 3"]
    middle_m: Float[Tensor, "batch 3"]
    shift_m: Float[Tensor, "batch 3"]

    @classmethod
    def draw(cls, streams: Sequence[np.random.Generator], hands: DepthHands) -> "Placement":
        """Draw the scale along the hand's own axes, the focal length (which stretches x and y of the picture, and so
        of its labels, but no depth), and the place in the cube.
        """
        draws = torch.as_tensor(np.stack([stream.uniform(-1, 1, 7) for stream in streams]))
        scale = SCALE + SCALE_SPREAD * draws[:, :3]
        focal = sum(FOCAL) / 2 + (FOCAL[1] - FOCAL[0]) / 2 * draws[:, 3]
        stretch = torch.stack([focal, focal, torch.ones_like(focal)], dim=-1)
        linear = stretch[:, :, None] * hands.rotation * scale[:, None]
        return cls(
            linear, hands.vertices_m.mean(1), torch.as_tensor(SHIFT_MEAN_M) + torch.as_tensor(SHIFT_M) * draws[:, 4:]
        )

    def __call__(self, points_m: Float[Tensor, "batch points 3"]) -> Float[Tensor, "batch points 3"]:
        """Points of the hand's frame in the cube frame (m)."""
        return (points_m - self.middle_m[:, None]) @ self.linear.mT + self.shift_m[:, None]


@cache
def sphere_hand(source: str) -> SphereHand:
    """The spheres of a packaged hand, in double precision, fitted once a process."""
    return SphereHand(hand_stage(source).model)


def add_pixel_noise(
    depth: Float[Tensor, "batch size size"], streams: Sequence[np.random.Generator]
) -> Float[Tensor, "batch size size"]:
    """Each pixel looks a little beside itself, and what it sees there, if anything, is a little nearer or farther.

    Against "rasterization artifacts on the synthesized depth maps", to which a network trained without noise clings
    (Wan et al., Section 4.1). ``depth`` is normalised.
    """
    batch, size, _ = depth.shape
    normal = torch.as_tensor(
        np.stack([stream.standard_normal((3, size, size), dtype=np.float32) for stream in streams])
    )
    u, v = pixel_grid(size, size).T.unflatten(1, (size, size))
    column = (u + PIXEL_NOISE_PX * normal[:, 0]).round().long().clamp(0, size - 1)
    row = (v + PIXEL_NOISE_PX * normal[:, 1]).round().long().clamp(0, size - 1)
    seen = depth.flatten(1).gather(1, (row * size + column).flatten(1)).unflatten(1, (size, size))
    background = normalise_depth(torch.tensor(BACKGROUND_M))
    disturbed = (seen + DEPTH_NOISE * normal[:, 2]).clamp(max=float(background))
    return torch.where(seen < background, disturbed, seen)


def _range(start: int, count: int) -> list[int]:
    return list(range(start, start + count))
