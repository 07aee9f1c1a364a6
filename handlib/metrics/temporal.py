"""Smoothness and consistency over a video: acceleration, acceleration error, standard deviation of shape and
texture.

S2HAND(V), section 4.2, reports ACC, ACC-ERR (after Kanazawa et al., "Learning 3D human dynamics from video",
CVPR 2019) and standard deviations. Its unit reads mm/s^2, but the second difference that the field's code
computes is per *frame* squared; at 30 frames a second the two differ by a factor of 900. The frame rate is
therefore an argument without default.
"""

import numpy as np
from jaxtyping import Float64, Int
from torch import Tensor

from handlib.errors import BadInputError
from handlib.metrics.errors import MM_PER_M
from handlib.metrics.inputs import Numbers, Points, check_metres, check_pair, to_float64

Sequences = Int[np.ndarray, "_frames"] | Int[Tensor, "_frames"]


def accelerations_m(
    joints: Points, *, frames_per_second: int | float, sequence_ids: Sequences | None = None
) -> Float64[np.ndarray, "_triples _points _xyz"]:
    """Second differences ``(x[t+1] - 2 x[t] + x[t-1]) * rate^2`` of joints (frames, joints, 3): m/s^2.

    With ``frames_per_second=1`` the unit is m/frame^2. ``sequence_ids`` (frames,) says which video each frame
    belongs to; triples that cross from one to the next are left out. Raises ``BadInputError`` if no triple is
    left.
    """
    positions = to_float64(joints, "joints")
    if frames_per_second <= 0:
        raise BadInputError(f"frames_per_second: {frames_per_second}, expected positive; 1 gives mm/frame^2.")
    ids = _ids(sequence_ids, len(positions))
    # True where the three frames t-1, t, t+1 come from one video.
    inside = (ids[2:] == ids[1:-1]) & (ids[1:-1] == ids[:-2])
    if not inside.any():
        raise BadInputError(
            f"joints: {len(positions)} frames hold no three in a row of one sequence; nothing to measure."
        )
    return (positions[2:] - 2 * positions[1:-1] + positions[:-2])[inside] * float(frames_per_second) ** 2


def mean_acceleration(
    joints: Points, *, frames_per_second: int | float, sequence_ids: Sequences | None = None
) -> float:
    """ACC: mean norm of the acceleration of joints in metres; mm/s^2, or mm/frame^2 with ``frames_per_second=1``."""
    second = accelerations_m(joints, frames_per_second=frames_per_second, sequence_ids=sequence_ids)
    return MM_PER_M * float(np.linalg.norm(second, axis=-1).mean())


def acceleration_error(
    pred_joints: Points,
    true_joints: Points,
    *,
    frames_per_second: int | float,
    sequence_ids: Sequences | None = None,
) -> float:
    """ACC-ERR: mean norm of the difference of predicted and true acceleration, unit as for
    :func:`mean_acceleration`.

    It is blind to a constant offset and to constant velocity, and no alignment is applied.
    """
    pred, true = check_pair(pred_joints, true_joints)
    check_metres(pred, true)
    # Linear in the positions: the acceleration of the difference is the difference of the accelerations.
    return mean_acceleration(pred - true, frames_per_second=frames_per_second, sequence_ids=sequence_ids)


def sequence_std(codes: Numbers, sequence_ids: Sequences | None = None) -> float:
    """Standard deviation over a video of what should not change in it: shape (frames, 10) or texture (frames,
    ...).

    Population standard deviation of each component over the frames of a sequence, then the mean over components
    and over sequences; the unit is that of ``codes``. 0 means that every frame got the same hand.
    """
    values = to_float64(codes, "codes")
    values = values.reshape(len(values), -1)
    ids = _ids(sequence_ids, len(values))
    return float(np.mean([values[ids == sequence].std(axis=0).mean() for sequence in np.unique(ids)]))


def _ids(sequence_ids: Sequences | None, frames: int) -> np.ndarray:
    if sequence_ids is None:
        return np.zeros(frames, dtype=int)
    ids = sequence_ids.cpu().numpy() if isinstance(sequence_ids, Tensor) else sequence_ids
    if ids.shape != (frames,):
        raise BadInputError(f"sequence_ids: shape {ids.shape}, expected one number a frame, ({frames},).")
    return ids
