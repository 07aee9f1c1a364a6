"""Posed hands for depth pictures: what both depth domains draw before a camera looks at them.

A hand has 26 degrees of freedom here: 20 in its fingers (:class:`~handlib.hand.sampler.PoseSampler` gives 22, some of
them bound to others), three of rotation, three of translation. Its rest frame has the fingers along -x and the palm
facing -y (:mod:`handlib.hand.model`).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import roma
import torch
from jaxtyping import Float
from torch import Tensor

from handlib.data.hand_scenes import GRID_M, HandStage, draw_poses
from handlib.data.random_streams import sample_stream
from handlib.hand.sampler import PoseSampler

DEPTH_DOMAINS = ("depth-source", "depth-target")

# Fingers up (-y of the camera) and the palm towards the camera (-z): rest -x to camera -y, rest -y to camera -z; the
# thumb (rest +z) then lies to the right.
_UPRIGHT = torch.tensor([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])


@dataclass(frozen=True)
class Turns:
    """Which rotations a domain shows: about the forearm by up to ``roll_deg`` to each side, after which the forearm
    leans away from the vertical by up to ``tilt_deg``, in any direction.
    """

    roll_deg: float
    tilt_deg: float


@dataclass(frozen=True, eq=False)
class DepthHands:
    """Posed hands, about their wrists and not yet turned: ``vertices_m`` (B, V, 3), ``joints_m`` (B, 21, 3), with the
    angles, shapes (B, S) and rotations (B, 3, 3) that were drawn; float64, rounded to a micrometre.
    """

    vertices_m: Float[Tensor, "batch vertices 3"]
    joints_m: Float[Tensor, "batch 21 3"]
    angles: Float[Tensor, "batch 15 3"]
    shape: Float[Tensor, "batch num_shape"]
    rotation: Float[Tensor, "batch 3 3"]


def depth_seed(seed: int, domain: str) -> int:
    """A depth domain's own seed for the streams of :mod:`handlib.data.random_streams`: none is shared with pictures."""
    key = (1000 + DEPTH_DOMAINS.index(domain),)
    return int(np.random.SeedSequence(seed, spawn_key=key).generate_state(1, np.uint32)[0])


def depth_streams(
    seed: int, domain: str, split: str, indices: Sequence[int], purpose: str
) -> list[np.random.Generator]:
    """The random numbers of each sample for one purpose; errors as in :mod:`handlib.data.random_streams`."""
    own = depth_seed(seed, domain)
    return [sample_stream(own, "source", split, index, purpose) for index in indices]


@torch.no_grad()
def draw_hands(
    stage: HandStage,
    sampler: PoseSampler,
    indices: Sequence[int],
    streams: Sequence[np.random.Generator],
    turns: Turns,
) -> DepthHands:
    """Draw the pose, shape and rotation of each sample.

    Args:
        stage: the hand.
        sampler: its poses.
        indices: the samples.
        streams: one generator a sample, used up from where it stands.
        turns: the domain's rotations.
    """
    angles = draw_poses(sampler, indices)
    shape = torch.as_tensor(
        np.stack([stream.standard_normal(stage.model.num_shape).clip(-2.5, 2.5) for stream in streams])
    )
    rotation = turn_rotations(torch.as_tensor(np.stack([stream.random(3) for stream in streams])), turns)
    mesh = stage.model(stage.anatomy.to_axis_angle(angles), shape)
    # Rounding takes out the last bits, which depend on the batch size.
    vertices, joints = ((points / GRID_M).round() * GRID_M for points in (mesh.vertices, mesh.joints))
    return DepthHands(vertices, joints, angles, shape, rotation)


def turn_rotations(draws: Float[Tensor, "batch 3"], turns: Turns) -> Float[Tensor, "batch 3 3"]:
    """Rotations from the rest frame to the camera's axes, from three uniform numbers (0 to 1) each."""
    roll = (2 * draws[:, 0] - 1) * math.radians(turns.roll_deg)
    # Uniform over the cap of directions, not over the angle: that would crowd them around the vertical.
    lean = torch.acos(1 - draws[:, 1] * (1 - math.cos(math.radians(turns.tilt_deg))))
    direction, nothing = 2 * math.pi * draws[:, 2], torch.zeros_like(roll)
    rolled = roma.rotvec_to_rotmat(torch.stack([nothing, roll, nothing], dim=-1))
    leaned = roma.rotvec_to_rotmat(torch.stack([lean * direction.cos(), nothing, lean * direction.sin()], dim=-1))
    return leaned @ rolled @ _UPRIGHT.to(draws)
