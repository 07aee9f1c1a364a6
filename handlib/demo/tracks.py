"""Hands of a film from frame to frame: how much they tremble, measured, and a filter for who asks for it.

Each frame is reconstructed by itself. The network is trained so; a filter afterwards is another thing, and said to be.
"""

from dataclasses import dataclass, field, replace

import numpy as np
import torch
from jaxtyping import Float

from handlib.fitting.one_euro import OneEuroFilter
from handlib.metrics.errors import MM_PER_M
from handlib.reconstruction import HandReconstruction

SMOOTHINGS = ("none", "one-euro")
# A hand is the same one as in the frame before if it has the same side and moved less than this many of its own sizes.
_REACH = 1.0


@dataclass
class Trembling:
    """Mean acceleration of wrist-relative joints, mm per squared frame, as in the tables of S2HAND(V)."""

    total_mm: float = 0.0
    count: int = 0

    def add(self, second_m: Float[np.ndarray, "21 3"]) -> None:
        """Take in the second difference of a hand's joints."""
        self.total_mm += MM_PER_M * float(np.linalg.norm(second_m, axis=-1).mean())
        self.count += 1

    @property
    def mean_mm(self) -> float | None:
        """The mean; None where no hand was seen in three frames on end."""
        return round(self.total_mm / self.count, 2) if self.count else None


@dataclass(eq=False)
class Track:
    """One hand, as far as it has been followed."""

    side: str
    joints_2d: Float[np.ndarray, "21 2"]
    joints_filter: OneEuroFilter
    vertices_filter: OneEuroFilter
    seen: list[np.ndarray] = field(default_factory=list)
    given: list[np.ndarray] = field(default_factory=list)


class HandTracks:
    """Follows the hands of one film, measures them, and filters them if asked to."""

    def __init__(self, frames_per_second: int | float, smoothing: str) -> None:
        """Nothing is followed yet; ``smoothing`` is one of :data:`SMOOTHINGS`."""
        self.rate, self.filtered = float(frames_per_second), smoothing == "one-euro"
        self.tracks: list[Track] = []
        self.as_seen, self.as_given = Trembling(), Trembling()

    def follow(self, result: HandReconstruction, indices: list[int]) -> HandReconstruction:
        """Take in a frame's hands: rows ``indices`` of a reconstruction, which is given back with these filtered."""
        before, self.tracks = self.tracks, []
        joints, vertices, flat = (array.copy() for array in (result.joints, result.vertices, result.joints_2d))
        for index in indices:
            track = self._continue(before, result, index)
            _measure(self.as_seen, track.seen, result.joints[index])
            if self.filtered:
                joints[index] = track.joints_filter(torch.from_numpy(result.joints[index])).numpy()
                vertices[index] = track.vertices_filter(torch.from_numpy(result.vertices[index])).numpy()
                image = joints[index] @ result.intrinsics[index].T
                flat[index] = image[:, :2] / image[:, 2:]
            _measure(self.as_given, track.given, joints[index])
            self.tracks.append(track)
        return replace(result, joints=joints, vertices=vertices, joints_2d=flat) if self.filtered else result

    def report(self) -> dict[str, float | None]:
        """What was measured: hands as each frame shows them, and as they are given."""
        found = {"acceleration_mm_per_frame2": self.as_given.mean_mm}
        return {**found, "unfiltered_mm_per_frame2": self.as_seen.mean_mm} if self.filtered else found

    def _continue(self, before: list[Track], result: HandReconstruction, index: int) -> Track:
        """The track that a hand belongs to, taken out of ``before``; a new one if it is near none."""
        here, side = result.joints_2d[index], result.sides[index]
        size = float(np.ptp(here, axis=0).max())
        same = [track for track in before if track.side == side]
        nearest = min(same, key=lambda track: np.abs(track.joints_2d - here).mean(), default=None)
        if nearest is None or float(np.linalg.norm((nearest.joints_2d - here).mean(0))) > _REACH * size:
            return Track(side, here, OneEuroFilter(self.rate), OneEuroFilter(self.rate))
        before.remove(nearest)
        nearest.joints_2d = here
        return nearest


def _measure(trembling: Trembling, last: list[np.ndarray], joints_m: Float[np.ndarray, "21 3"]) -> None:
    """Add a frame's joints to the last two, and their second difference to what was measured."""
    last.append(joints_m - joints_m[:1])
    if len(last) == 3:
        trembling.add(last[2] - 2 * last[1] + last[0])
        last.pop(0)
