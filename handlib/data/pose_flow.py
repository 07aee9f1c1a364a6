"""Pose flows: from one pose of a database to another, a step a frame (SeqHAND, Yang et al., ECCV 2020, section 3.2).

The three walks differ in what a step ends on:

* ``"snapped"``, the paper's: the nearest pose of the database, from which the next step starts (Eq. 5 to 7). Every
  frame is a pose that somebody took. In a database that is thin around the path, the nearest pose to a small step is
  the one that it started from: the flow then stands still for ever (79 % of the steps among STB's 15,000 poses).
* ``"straight"``, what the released code does: it edits a view of the array that it should have replaced, so that the
  snapped pose is lost and the walk is an exponential approach along a straight line, through poses no hand takes.
* ``"shown"``, ours: the straight walk, each of its poses replaced by the nearest of the database. It may dwell on one,
  and moves on.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float, Int

from handlib.data.pose_database import PoseDatabase
from handlib.errors import BadInputError

Walk = Literal["snapped", "straight", "shown"]

ALPHA = 1.2
"""Update size of the released code; the paper says "empirically chosen"."""

NUM_FRAMES = 10


@dataclass(frozen=True, eq=False)
class PoseFlow:
    """Flows of F frames in the palm frame of the database, metres.

    Attributes:
        joints_m: (B, F, 21, 3) the pose of each frame.
        updated_m: (B, F, 21, 3) before it was snapped (Eq. 6); of the first frame, the pose itself.
        distance_m: (B, F) from a step's joints to those of the nearest pose of the database, mean over the joints,
            before any snapping: how far from anything a hand was seen to do.
        rows: (B, F) which pose of the database is shown; of a straight walk, the one nearest to what is shown.
        ends: (B, 2) rows of the first and the final pose.
    """

    joints_m: Float[np.ndarray, "flows frames 21 3"]
    updated_m: Float[np.ndarray, "flows frames 21 3"]
    distance_m: Float[np.ndarray, "flows frames"]
    rows: Int[np.ndarray, "flows frames"]
    ends: Int[np.ndarray, "flows 2"]

    @property
    def stall_share(self) -> Float[np.ndarray, "flows"]:
        """Share of the steps of each flow that end on the database's pose on which they began."""
        return (self.rows[:, 1:] == self.rows[:, :-1]).mean(1)


def first_pose(
    database: PoseDatabase, streams: Sequence[np.random.Generator]
) -> tuple[Float[np.ndarray, "flows 21 3"], Int[np.ndarray, "flows 2"]]:
    """Eq. 5: ``P_0 = P_initial``, a pose of the database; and the rows of both ends, drawn independently.

    Args:
        database: poses.
        streams: one generator a flow, of which two numbers are used.
    """
    ends = np.stack([stream.integers(len(database), size=2) for stream in streams])
    return database.joints_m[ends[:, 0]], ends


def step_towards(
    current_m: Float[np.ndarray, "*flows 21 3"],
    final_m: Float[np.ndarray, "*flows 21 3"],
    alpha: float = ALPHA,
    num_frames: int = NUM_FRAMES,
) -> Float[np.ndarray, "*flows 21 3"]:
    """Eq. 6: ``P_updated = P_{k-1} - (alpha / n) (P_{k-1} - P_final)``, a fixed share of what is left of the way.

    After n such steps ``(1 - alpha / n)^n``, some ``e^-alpha``, of the way is left: 28 % for n = 10 and alpha = 1.2. A
    flow starts fast, slows down, and does not arrive.
    """
    return current_m - np.float32(alpha / num_frames) * (current_m - final_m)


def snap_to_database(
    updated_m: Float[np.ndarray, "flows 21 3"], database: PoseDatabase
) -> tuple[Float[np.ndarray, "flows 21 3"], Int[np.ndarray, "flows"]]:
    """Eq. 7: the pose of the database nearest to each updated one, Euclidean over all joints; and its row.

    As printed, the minimum is over all poses, that of the frame before among them.
    """
    rows = database.nearest(updated_m)[1][:, 0]
    return database.joints_m[rows], rows


def draw_flows(
    database: PoseDatabase,
    streams: Sequence[np.random.Generator],
    num_frames: int = NUM_FRAMES,
    *,
    alpha: float = ALPHA,
    walk: str = "snapped",
) -> PoseFlow:
    """Draw one flow a stream: Eq. 5, then Eq. 6 and 7 for every frame.

    Args:
        database: poses.
        streams: one generator a flow; a flow depends on its own stream alone.
        num_frames: F, and the n of Eq. 6.
        alpha: update size, over 0, at most ``num_frames``.
        walk: one of :data:`Walk`; see the top of this file.

    Raises:
        BadInputError: another walk, no frames, or an ``alpha`` with which flows overshoot.
    """
    if walk not in get_args(Walk):
        raise BadInputError(f"walk is {walk!r}, expected one of {get_args(Walk)}")
    if num_frames < 1 or not 0 < alpha <= num_frames or not streams:
        raise BadInputError(
            f"num_frames {num_frames}, alpha {alpha}, {len(streams)} streams: expected at least one frame and one "
            "stream, and 0 < alpha <= num_frames"
        )
    pose, ends = first_pose(database, streams)
    final = database.joints_m[ends[:, 1]]
    shown, updates, rows, off = [pose], [pose], [ends[:, 0]], [np.zeros(len(ends))]
    for _ in range(num_frames - 1):
        updated = step_towards(pose, final, alpha, num_frames)
        snapped, row = snap_to_database(updated, database)
        pose = snapped if walk == "snapped" else updated
        shown.append(updated if walk == "straight" else snapped)
        updates.append(updated)
        rows.append(row)
        off.append(np.linalg.norm(snapped - updated, axis=-1).mean(-1))
    joints, updates_m, rows_of, off_m = (np.stack(part, axis=1) for part in (shown, updates, rows, off))
    return PoseFlow(joints, updates_m, off_m, rows_of, ends)
