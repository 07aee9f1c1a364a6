"""The frames and crops of the experiments, and what may be known of them."""

from functools import cache
from pathlib import Path

import numpy as np
from jaxtyping import Float

from handlib.data.depth_cache import FramesName, StoredViews, draw_frames, read_frame_joints, read_views
from handlib.errors import BadInputError
from handlib.experiments.training_by_fitting.effort import Effort
from handlib.reproduce.closure import code_digest
from handlib.reproduce.places import cache_folder

SPLITS = ("train", "test", "both")


def frames_folder(effort: Effort, split: str) -> Path:
    """The folder of a split's frames in the cache, drawn if they are not there: a minute for thousands, once.

    The frames are the same for every seed, as a recorded data set is.
    """
    count = effort.test_frames if split == "test" else effort.train_frames
    # Frames that older code drew lie in another folder, and are never taken for these.
    root = cache_folder() / "depth-frames" / code_digest(["handlib.data.depth_cache"])[:12]
    return draw_frames(FramesName(split, count), root)


@cache
def stored_views(effort: Effort, split: str) -> StoredViews:
    """The crops of "train", "test" or "both" splits; opens no label.

    Raises:
        BadInputError: no such split.
    """
    if split not in SPLITS:
        raise BadInputError(f"split {split!r}: expected one of {SPLITS}")
    if split == "both":
        return stored_views(effort, "train").followed_by(stored_views(effort, "test"))
    return read_views(frames_folder(effort, split))


@cache
def true_joints_m(effort: Effort, split: str) -> Float[np.ndarray, "stored 21 3"]:
    """The 21 joints in the world, metres: for scoring only."""
    return read_frame_joints(frames_folder(effort, split))
