"""Smooth motion of a hand: from one sampled pose to the next, while the whole hand turns.

Each movement is minimum-jerk (Flash & Hogan 1985, https://doi.org/10.1523/JNEUROSCI.05-07-01688.1985): it
starts and ends at rest, moves along a straight line in the angles, and is fastest in the middle, at 1.875
times its mean speed. It takes as long as its fastest joint needs, so that no joint ever exceeds the speed
limit; angles between two poses within the limits are within them too. The hand's shape is constant: give one
to the model.
"""

from dataclasses import dataclass

import numpy as np
import roma
import torch
from jaxtyping import Float, Int
from torch import Tensor

from handlib.errors import BadInputError
from handlib.hand.sampler import PoseSampler

PEAK_TO_MEAN_SPEED = 1.875
"""Peak speed of a minimum-jerk movement over its mean speed: the largest derivative of `minimum_jerk`."""

_SAMPLES_PER_SEQUENCE = 1 << 20


@dataclass(frozen=True)
class PoseSequence:
    """A motion, frame by frame: anatomical angles, axis-angle pose and orientation in radians; frames a
    second."""

    angles: Float[Tensor, "frames 15 3"]
    pose: Float[Tensor, "frames 45"]
    global_orient: Float[Tensor, "frames 3"]
    fps: float


def minimum_jerk(share_of_time: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
    """Share of the way done after a share of the time, both 0..1: 10 t^3 - 15 t^4 + 6 t^5."""
    t = share_of_time
    return t * t * t * (10.0 + t * (6.0 * t - 15.0))


def movement_seconds(
    angles: Float[Tensor, "keys 15 3"],
    turns: Float[Tensor, "moves 3"],
    paces: Float[Tensor, "moves"],
    joint_speed: float,
    turn_speed: float,
) -> Float[Tensor, "moves"]:
    """Duration of each movement: as long as the speed limits (radians a second) ask for, at least its pace
    (s)."""
    joints = (angles[1:] - angles[:-1]).abs().flatten(1).amax(dim=1) * PEAK_TO_MEAN_SPEED / joint_speed
    turning = torch.linalg.vector_norm(turns, dim=1) * PEAK_TO_MEAN_SPEED / turn_speed
    return torch.maximum(torch.maximum(joints, turning), paces)


@torch.no_grad()
def sample_sequence(
    sampler: PoseSampler,
    num_frames: int,
    *,
    fps: float = 30.0,
    index: int = 0,
    joint_speed: float = 6.0,
    turn_speed: float = 1.5,
    mean_turn: float = 0.4,
) -> PoseSequence:
    """Motion number `index` of a sampler: the same numbers give the same motion, whatever its length.

    `joint_speed` and `turn_speed` limit every joint angle and the hand's orientation, radians a second;
    `mean_turn` is how far, in radians, the hand turns during one movement. A pose is taken only if the way to
    it keeps within the sampler's depth of self-penetration, seen at three places.
    """
    if num_frames < 1 or fps <= 0 or index < 0 or min(joint_speed, turn_speed) <= 0:
        raise BadInputError(
            f"sample_sequence: num_frames {num_frames}, fps {fps}, index {index}, joint_speed {joint_speed} and "
            f"turn_speed {turn_speed}: all must be positive, index may be 0."
        )
    # A movement lasts 0.35 s at least, so these are keys enough.
    keys = clear_path(sampler, 2 + int(num_frames / fps / 0.35), start=index * _SAMPLES_PER_SEQUENCE)
    stream = np.random.Generator(np.random.Philox(key=[sampler.seed, index + 1]))
    start = torch.from_numpy(stream.standard_normal(4)).to(keys)
    random = torch.from_numpy(stream.standard_normal((len(keys) - 1, 4))).to(keys)
    turns = mean_turn * random[:, :3] / np.sqrt(8 / np.pi)
    seconds = movement_seconds(keys, turns, 0.35 + 0.25 * random[:, 3].abs(), joint_speed, turn_speed)
    starts = torch.cat((seconds.new_zeros(1), seconds.cumsum(0)))
    times = torch.arange(num_frames, dtype=starts.dtype) / fps
    move = (torch.searchsorted(starts, times, right=True) - 1).clamp(max=len(seconds) - 1)
    done = minimum_jerk(((times - starts[move]) / seconds[move]).clamp(0.0, 1.0))[:, None]
    angles = torch.lerp(keys[move], keys[move + 1], done[..., None])
    orientation = turn_along(start, turns, move, done)
    return PoseSequence(angles, sampler.anatomy.to_axis_angle(angles), orientation, fps)


def clear_path(sampler: PoseSampler, count: int, start: int) -> Float[Tensor, "count 15 3"]:
    """Samples from `start` on, without those to which the straight way from the one before leads through the
    hand."""
    shares = sampler.anatomy.limits.new_tensor([0.25, 0.5, 0.75])[:, None, None]
    kept: list[Tensor] = []
    while len(kept) < count:
        for candidate in sampler.sample(2 * count, start):
            joints = sampler.anatomy.to_joints(torch.lerp(kept[-1] if kept else candidate, candidate, shares))
            if float(sampler.penetration(joints).max()) <= sampler.max_depth_m:
                kept.append(candidate)
        start += 2 * count
    return torch.stack(kept[:count])


def turn_along(
    start: Float[Tensor, "4"],
    turns: Float[Tensor, "moves 3"],
    move: Int[Tensor, "frames"],
    done: Float[Tensor, "frames 1"],
) -> Float[Tensor, "frames 3"]:
    """Orientation in each frame (rotation vector): all turns before its movement, and the share `done` of
    that one.

    `start` is a quaternion of any length. Following one rotation vector at a varying rate is spherical
    interpolation.
    """
    orientation = roma.unitquat_to_rotmat(start / torch.linalg.vector_norm(start))
    before = [orientation]
    for turn in roma.rotvec_to_rotmat(turns):
        before.append(before[-1] @ turn)
    return roma.rotmat_to_rotvec(torch.stack(before)[move] @ roma.rotvec_to_rotmat(turns[move] * done))
