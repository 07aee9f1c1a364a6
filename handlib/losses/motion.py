"""What frames of one film know of each other: S2HAND(V)'s motion and appearance terms, and their competitors.

All work on a clip of n frames, at whatever interval they were taken, and give one number a clip. The networks that see
the frames share their weights; what is left after training is a network for single pictures.

=====================  ==========================================  ================================================
term                   costs nothing                               costs
=====================  ==========================================  ================================================
``quaternion_loss``    turning about one axis, at any speed        a detour: trembling, turning back
``temporal_loss``      a hand that does not move                   all motion
``smooth_loss``        turning by less than a threshold a frame    what exceeds it
``texture_shape_loss`` one skin and one shape for all frames       their deviation from the clip's mean
=====================  ==========================================  ================================================

A hand that never moves costs nothing under any of them: smooth is not right.

Source: Tu et al., "Consistent 3D Hand Reconstruction in Video via Self-Supervised Learning", section 3.3 and 4.5.2.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from handlib.errors import BadInputError
from handlib.losses.motion_prior import matrix_to_quaternion, rotation_angle, rotvec_to_quaternion

SMOOTH_THRESHOLD_RAD = 0.1
"""Turn between two frames that :func:`smooth_loss` allows; the paper names none. Half of what the fastest joint turns
in a frame of our films: 6 rad/s at 30 frames a second (:mod:`handlib.hand.sequences`)."""

Pose = Float[Tensor, "clips frames joints 4"]


@dataclass(frozen=True, kw_only=True)
class VideoWeights:
    """Weights of Eq. 22: ``quaternion`` of the motion term (w_quat), ``texture_shape`` of the other (w_ts)."""

    quaternion: float = 0.05
    texture_shape: float = 0.01


def pose_to_quaternions(
    pose_axis_angle: Float[Tensor, "*batch 45"], global_orient: Float[Tensor, "*batch 3"]
) -> Float[Tensor, "*batch 16 4"]:
    """``H = Quaternion(Concatenate[theta, R])``: all rotations of a frame's hand, the global one first.

    Args:
        pose_axis_angle: of the 15 joints relative to their parents, radians, mean pose added. Principal components are
            no rotations: decode them first.
        global_orient: rotation vector of the whole hand.

    The paper counts "all 21 hand joints"; MANO turns 15 and the wrist, and the five fingertips follow. Source:
    S2HAND(V) Eq. 18.
    """
    rotvecs = torch.cat([global_orient[..., None, :], pose_axis_angle.unflatten(-1, (15, 3))], dim=-2)
    return rotvec_to_quaternion(rotvecs)


def rotations_to_quaternions(rotations: Float[Tensor, "*batch joints 3 3"]) -> Float[Tensor, "*batch joints 4"]:
    """``H`` of Eq. 18 from matrices, as :class:`~handlib.models.s2hand.HandPrediction` has them."""
    return matrix_to_quaternion(rotations)


def detour(poses: Pose) -> Float[Tensor, "clips joints"]:
    """How much farther each joint turned from frame to frame than from the first frame to the last, radians.

    Never negative, by the triangle inequality, and zero if and only if the frames lie in order on one arc: the axis is
    fixed, the speed is free. Raises ``BadInputError`` for fewer than three frames, of which nothing can be said.
    """
    _check_frames(poses.shape[1], 3, "quaternion_loss")
    return frame_turns(poses).sum(1) - rotation_angle(poses[:, 0], poses[:, -1])


def quaternion_loss(poses: Pose) -> Float[Tensor, "clips"]:
    """E_quat: the :func:`detour` of all joints, mean over joints, radians.

    ``sum_i Psi(H_i, H_i+1) - Psi(H_1, H_n)``. Signs of the quaternions do not matter. The sum over frames is the
    paper's: a longer clip costs more. That the joints' detours are averaged is our reading; printed values of 0.01 to
    0.02 agree with it.

    A turn by more than 180 degrees between the first frame and the last looks like a shorter one the other way round
    and is punished: the interval must not be too long.

    Args:
        poses: unit quaternions of each frame's joints, from :func:`pose_to_quaternions`.

    Raises:
        BadInputError: fewer than three frames.

    Source: S2HAND(V) Eq. 17.
    """
    return detour(poses).mean(-1)


def frame_turns(poses: Pose) -> Float[Tensor, "clips steps joints"]:
    """Angle by which each joint turns from each frame to the next, radians."""
    return rotation_angle(poses[:, :-1], poses[:, 1:])


def temporal_loss(poses: Pose) -> Float[Tensor, "clips"]:
    """The first competitor: neighbouring poses are drawn together, whatever moves; mean squared turn, rad^2.

    "Closing neighboring poses as much as possible" (section 4.5.2), as SeqHAND's Eq. 12 does with the model's
    coefficients; here with rotations, so that only the idea differs from :func:`quaternion_loss` and not what it is
    applied to. The paper's text takes this loss from its reference [32] and the smooth one from [60]; its Tables 4 and
    5 have it the other way round. We go by the names.

    Raises:
        BadInputError: fewer than two frames.
    """
    _check_frames(poses.shape[1], 2, "temporal_loss")
    return frame_turns(poses).square().mean((1, 2))


def smooth_loss(poses: Pose, threshold_rad: int | float = SMOOTH_THRESHOLD_RAD) -> Float[Tensor, "clips"]:
    """The second competitor: turning is free up to a threshold, and what exceeds it costs; mean excess, radians.

    "Limiting neighboring pose variation with a threshold" (section 4.5.2). The same section says that this loss
    "vanishes when the threshold is exceeded", which would let jumps go free and trembling be punished; we read it as
    "unless". For the citation see :func:`temporal_loss`.

    Args:
        poses: as in :func:`quaternion_loss`.
        threshold_rad: turn between two frames of the clip; scale it with their interval.

    Raises:
        BadInputError: fewer than two frames, or a negative threshold.
    """
    _check_frames(poses.shape[1], 2, "smooth_loss")
    if threshold_rad < 0:
        raise BadInputError(f"threshold_rad is {threshold_rad}, expected 0 or more")
    return (frame_turns(poses) - threshold_rad).clamp(min=0).mean((1, 2))


def texture_shape_loss(
    colours: Float[Tensor, "clips frames vertices 3"] | None, shape: Float[Tensor, "clips frames coefficients"]
) -> Float[Tensor, "clips"]:
    """E_T&S: distance of each frame's texture and shape from the clip's means, summed over the frames.

    ``sum_i |C_i - mean C| + sum_i |beta_i - mean beta|``. The norms are lost in our copy of the paper; these are
    2-norms, as in :func:`~handlib.losses.regularisation.shape_prior`. Where all frames agree the gradient is zero.

    Args:
        colours: of the vertices, before lighting, 0..1; None for a network without texture.
        shape: coefficients, standard deviations.

    Source: S2HAND(V) Eq. 21.
    """
    codes = [shape] if colours is None else [colours.flatten(2), shape]
    return sum(torch.linalg.vector_norm(code - code.mean(1, keepdim=True), dim=-1).sum(1) for code in codes)


def video_loss(
    s2hand: Float[Tensor, "clips frames"],
    motion: Float[Tensor, "clips"],
    texture_shape: Float[Tensor, "clips"],
    weights: VideoWeights,
) -> Float[Tensor, "clips"]:
    """E_S2HAND(V) of each clip: what its frames cost one by one, on average, and what they cost together.

    Args:
        s2hand: of each frame, from :func:`~handlib.losses.s2hand.total_loss`.
        motion: :func:`quaternion_loss`, or one of its competitors.
        texture_shape: :func:`texture_shape_loss`.
        weights: the constants.

    Source: S2HAND(V) Eq. 22.
    """
    return s2hand.mean(1) + weights.quaternion * motion + weights.texture_shape * texture_shape


def _check_frames(frames: int, least: int, name: str) -> None:
    if frames < least:
        raise BadInputError(f"poses: {frames} frames a clip, but {name} needs at least {least}; take longer clips")
