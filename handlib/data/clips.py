"""Videos as runs of consecutive frames, cut where frames are missing or the hand jumps."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Bool, Float, Int

from handlib.data.official import OfficialDataset
from handlib.errors import BadInputError

# A hand that moves by more than half its own size between two frames of a video has not moved: the film was cut, or
# the detector changed to another hand. S2HAND(V) filters by the same idea and does not say its threshold.
MAX_STEP_IN_BOXES = 0.5
MAX_SIZE_RATIO = 1.5


def continuous_runs(
    sequence: np.ndarray, frame: Int[np.ndarray, "samples"], starts: Bool[np.ndarray, "samples"] | None = None
) -> list[Int[np.ndarray, "_frames"]]:
    """Indices of the samples of each run of consecutive frames of one video, in order of video and frame.

    Args:
        sequence: (samples,) name of each sample's video.
        frame: number of each sample in its video; a gap ends the run, a frame that comes twice counts once.
        starts: samples that begin a run of their own, whatever their number: see :func:`discontinuities`.
    """
    order = np.lexsort((frame, sequence))
    same_video = sequence[order][1:] == sequence[order][:-1]
    step = np.diff(frame[order])
    order = order[np.r_[True, ~(same_video & (step == 0))]]
    follows = (sequence[order][1:] == sequence[order][:-1]) & (np.diff(frame[order]) == 1)
    if starts is not None:
        follows &= ~starts[order][1:]
    return np.split(order, np.flatnonzero(~follows) + 1)


def discontinuities(
    joints_2d_px: Float[np.ndarray, "frames 21 2"],
    confidence: Float[np.ndarray, "frames 21"],
    *,
    max_step: float = MAX_STEP_IN_BOXES,
    max_size_ratio: float = MAX_SIZE_RATIO,
) -> Bool[np.ndarray, "frames"]:
    """Where a video's hand does not follow from the frame before: a cut, another hand, or no hand at all.

    S2HAND(V), section 4.1, filters YouTube-3D-Hands "according to the detected 2D keypoints"; the measure is ours: the
    mean keypoint moves by more than ``max_step`` of the hand's box, or the box changes by more than ``max_size_ratio``.

    Args:
        joints_2d_px: detections in consecutive frames.
        confidence: 0 for keypoints that were not found; a frame with fewer than two found has no hand.
        max_step: in sides of the hand's box.
        max_size_ratio: at least 1.

    Returns:
        True for each frame that begins a new run; the first always does.
    """
    if not (max_step > 0 and max_size_ratio >= 1):
        raise BadInputError(f"max_step={max_step}, max_size_ratio={max_size_ratio}: expected over 0, and at least 1")
    found = confidence > 0
    has_hand = found.sum(1) > 1
    both = found[1:] & found[:-1]
    low = np.where(found[..., None], joints_2d_px, np.inf).min(1)
    high = np.where(found[..., None], joints_2d_px, -np.inf).max(1)
    side = np.where(has_hand, np.where(has_hand[:, None], high - low, 0).max(1), np.nan)
    # The same keypoints in both frames: one that is lost must not look like a movement.
    moved = (
        np.where(both[..., None], joints_2d_px[1:] - joints_2d_px[:-1], 0).sum(1) / np.maximum(both.sum(1), 1)[:, None]
    )
    step = np.linalg.norm(moved, axis=-1) / np.fmin(side[1:], side[:-1])
    ratio = np.fmax(side[1:], side[:-1]) / np.fmin(side[1:], side[:-1])
    follows = has_hand[1:] & has_hand[:-1] & both.any(1) & (step <= max_step) & (ratio <= max_size_ratio)
    return np.r_[True, ~follows]


def clips(dataset: OfficialDataset, length: int, stride: int | None = None) -> list[Int[np.ndarray, "_length"]]:
    """Clips of ``length`` consecutive frames: for each, the indices of its samples in the data set.

    Args:
        dataset: one with videos.
        length: frames a clip.
        stride: frames from the start of a clip to the start of the next; ``length`` by default, so that none overlap.

    Raises:
        BadInputError: the data set has no videos, or the length is not positive.
    """
    stride = length if stride is None else stride
    if length < 1 or stride < 1:
        raise BadInputError(f"length={length}, stride={stride}: expected at least 1")
    runs = videos(dataset).values()
    return [run[i : i + length] for parts in runs for run in parts for i in range(0, len(run) - length + 1, stride)]


def videos(dataset: OfficialDataset) -> Mapping[str, list[Int[np.ndarray, "_frames"]]]:
    """The data set's videos by name, each as its runs of consecutive frames (indices of samples)."""
    sequence, frame = dataset.sequence_labels()
    found: dict[str, list[np.ndarray]] = {}
    for run in continuous_runs(sequence, frame, dataset.run_starts()):
        found.setdefault(str(sequence[run[0]]), []).append(run)
    return found
