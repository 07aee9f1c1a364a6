"""Keypoints without pictures: hands of the pose sampler, seen from anywhere, as a detector might report them.

One picture's keypoints have many 3D hands; which of them is likely is what hands can do. These pairs of keypoints and
3D hands are free, exact and endless, and no photograph has a part in them.
"""

from dataclasses import dataclass

import roma
import torch
from jaxtyping import Float
from torch import Tensor

from handlib.data.hand_scenes import NEAREST_M
from handlib.hand.anatomy import AnatomicalPose
from handlib.hand.model import HandModel
from handlib.hand.sampler import PoseSampler
from handlib.models.keypoint_readout import ReadKeypoints

# Focal lengths (in picture widths) and parts of the width that the hand takes: those of the target domain's cameras.
_FOCAL, _FILL, _JITTER = (1.2, 3.6), (0.45, 0.95), 0.03
_LARGEST_SHAPE = 2.5
_BLOCK = 20_000


@dataclass(frozen=True)
class DetectorNoise:
    """How a detector errs, in parts of the hand's longer side.

    Attributes:
        spread: largest standard deviation of the good answers of a hand, each hand having its own.
        wrong: largest share of joints that are simply wrong, likewise.
        wrong_spread: standard deviation of wrong answers.
        trusted: spread at which the reported confidence has fallen to 1/e.
    """

    spread: float = 0.04
    wrong: float = 0.12
    wrong_spread: float = 0.15
    trusted: float = 0.05


@torch.no_grad()
def draw_hands(model: HandModel, count: int, seed: int) -> Float[Tensor, "count 21 3"]:
    """Joints (m, the hand's own frame, wrist at the origin) of sampled poses and shapes, 30,000 a second.

    Args:
        model: a hand whose pose is axis-angle.
        count: how many.
        seed: of poses and shapes; a larger count begins with the hands of a smaller one.
    """
    sampler, anatomy = PoseSampler(model, seed), AnatomicalPose(model)
    blocks = []
    for start in range(0, count, _BLOCK):
        number = min(_BLOCK, count - start)
        generator = torch.Generator().manual_seed(seed * 1_000_003 + start)
        shapes = torch.randn(_BLOCK, model.num_shape, generator=generator).clamp(-_LARGEST_SHAPE, _LARGEST_SHAPE)
        angles = sampler.sample(number, start=start).to(model.v_template)
        joints = model.joints(anatomy.to_axis_angle(angles), shapes[:number].to(model.v_template))
        blocks.append(joints - joints[:, :1])
    return torch.cat(blocks)


@dataclass(frozen=True, eq=False)
class SeenHands:
    """Hands in front of cameras.

    Attributes:
        joints_m: (B, 21, 3) camera frame (OpenCV axes), from the wrist.
        keypoints_px: (B, 21, 2) exact.
        side_px: (B,) longer side of the keypoints' box.
    """

    joints_m: Float[Tensor, "batch 21 3"]
    keypoints_px: Float[Tensor, "batch 21 2"]
    side_px: Float[Tensor, "batch"]


def see_from_anywhere(joints_m: Float[Tensor, "batch 21 3"], image_px: int, generator: torch.Generator) -> SeenHands:
    """Turn hands at random, uniformly over all rotations, and see them in square pictures through random lenses."""
    count = len(joints_m)
    draws = torch.rand(2, count, generator=generator).to(joints_m)
    quaternions = torch.nn.functional.normalize(torch.randn(count, 4, generator=generator), dim=-1).to(joints_m)
    seen = joints_m @ roma.unitquat_to_rotmat(quaternions).mT
    focal = _FOCAL[0] * (_FOCAL[1] / _FOCAL[0]) ** draws[0]
    fill = _FILL[0] + (_FILL[1] - _FILL[0]) * draws[1]
    extent_m = (seen[..., :2].amax(1) - seen[..., :2].amin(1)).amax(1)
    # The wrist's distance; a small view of a hand is taken with a longer lens, not from a hand's breadth away.
    depth = (focal * extent_m / fill).clamp(min=NEAREST_M)
    rays = seen[..., :2] / (seen[..., 2:] + depth[:, None, None])
    low, high = rays.amin(1), rays.amax(1)
    # The crop is cut around the keypoints, a little off their middle.
    side_px = fill * image_px
    zoom = side_px / (high - low).amax(1)
    shift = _JITTER * image_px * torch.randn(count, 1, 2, generator=generator).to(joints_m)
    keypoints = (rays - ((low + high) / 2)[:, None]) * zoom[:, None, None] + (image_px - 1) / 2 + shift
    return SeenHands(seen, keypoints, side_px)


def as_detected(seen: SeenHands, generator: torch.Generator, noise: DetectorNoise | None = None) -> ReadKeypoints:
    """The keypoints with a detector's mistakes, and confidences that tell good from bad answers, though not surely.

    Each hand has its own share and size of mistakes: a network that is shown only clean keypoints trusts every one.
    """
    noise = noise or DetectorNoise()
    count = len(seen.keypoints_px)
    spread = noise.spread * torch.rand(count, 1, generator=generator)
    spread = spread * torch.exp(0.5 * torch.randn(count, 21, generator=generator))
    share_wrong = noise.wrong * torch.rand(count, 1, generator=generator)
    wrong = torch.rand(count, 21, generator=generator) < share_wrong
    spread = torch.where(wrong, noise.wrong_spread + spread, spread)
    doubt = torch.exp(0.2 * torch.randn(count, 21, generator=generator) - spread / noise.trusted)
    offsets = torch.randn(count, 21, 2, generator=generator).to(seen.keypoints_px)
    offsets = offsets * (spread.to(seen.side_px) * seen.side_px[:, None])[..., None]
    return ReadKeypoints(seen.keypoints_px + offsets, doubt.clamp(max=1.0).to(seen.keypoints_px))


def step_generator(seed: int, step: int) -> torch.Generator:
    """The random numbers of one step: whoever resumes there draws them again."""
    return torch.Generator().manual_seed(seed * 1_000_003 + step)
