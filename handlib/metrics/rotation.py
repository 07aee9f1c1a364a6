"""Smoothness by what joints turn, not by where they are: S2HAND(V)'s quaternion loss as a metric, and its rivals.

Section 4.5.2 proposes the quaternion loss as a measure of smoothness beside acceleration. Unlike acceleration it has no
unit of time: a film at twice the speed scores the same. Neither measure knows the truth, and a hand that never moves
scores best in both: show them beside an error.
"""

import numpy as np
from jaxtyping import Float, Int
from scipy.spatial.transform import Rotation
from torch import Tensor

from handlib.errors import BadInputError
from handlib.metrics.inputs import to_float64
from handlib.metrics.temporal import Sequences

Rotations = Float[np.ndarray, "frames joints 3 3"] | Float[Tensor, "frames joints 3 3"]


def quaternion_smoothness(
    rotations: Rotations, *, frames: int = 3, interval: int = 1, sequence_ids: Sequences | None = None
) -> float:
    """Mean quaternion loss (S2HAND(V) Eq. 17) of all clips of a film, radians: how far joints turn on detours.

    Every run of ``frames`` frames, ``interval`` apart, that lies within one film is a clip, and clips overlap. The mean
    is over clips and joints. 0 for a motion whose axes do not change within a clip.

    Args:
        rotations: of each joint relative to its parent, the global one among them if it is to count.
        frames: n of Eq. 17; the sum grows with it, so that only values of the same n compare.
        interval: frames from one frame of a clip to the next; the same holds.
        sequence_ids: (frames,) which film each frame belongs to; None for a single film.

    Raises:
        BadInputError: fewer than three frames a clip, no interval, or no film that is long enough for a clip.
    """
    if frames < 3 or interval < 1:
        raise BadInputError(f"frames={frames}, interval={interval}: expected at least 3 frames and an interval of 1")
    clips = clip_rows(len(rotations), frames, interval, sequence_ids)
    matrices = to_float64(rotations, "rotations")
    steps = sum(turn_angles(matrices[clips[:, i]], matrices[clips[:, i + 1]]) for i in range(frames - 1))
    return float((steps - turn_angles(matrices[clips[:, 0]], matrices[clips[:, -1]])).mean())


def clip_rows(
    count: int, frames: int, interval: int, sequence_ids: Sequences | None = None
) -> Int[np.ndarray, "_clips _frames"]:
    """(clips, frames) row numbers of all overlapping clips that do not cross from one film to the next.

    Raises ``BadInputError`` if there is none.
    """
    ids = np.zeros(count, int) if sequence_ids is None else np.asarray(sequence_ids)
    if ids.shape != (count,):
        raise BadInputError(f"sequence_ids: shape {ids.shape}, expected one number a frame, ({count},)")
    starts = np.arange(max(count - (frames - 1) * interval, 0))
    rows = starts[:, None] + interval * np.arange(frames)
    # A film's frames follow one another, so the ends decide; a film that comes back after another would not be seen.
    changes = np.r_[0, np.cumsum(ids[1:] != ids[:-1])] if count else ids
    rows = rows[changes[rows[:, 0]] == changes[rows[:, -1]]]
    if not len(rows):
        raise BadInputError(f"no film of the {count} frames has {(frames - 1) * interval + 1} in a row; take less")
    return rows


def turn_angles(
    first: Float[np.ndarray, "clips joints 3 3"], second: Float[np.ndarray, "clips joints 3 3"]
) -> Float[np.ndarray, "clips joints"]:
    """Angle of the rotation that leads from one to the other, radians in 0..pi."""
    between = np.swapaxes(first, -1, -2) @ second
    return Rotation.from_matrix(between.reshape(-1, 3, 3)).magnitude().reshape(first.shape[:2])
