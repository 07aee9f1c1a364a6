"""The pictures of the experiments, and what may be known of them."""

from functools import cache
from pathlib import Path

from handlib.data.stills_cache import (
    StillLabels,
    StillPictures,
    StillsName,
    read_labels,
    read_pictures,
)
from handlib.experiments.s2hand.effort import Effort
from handlib.experiments.stills import drawn


def stills_name(effort: Effort, domain: str, split: str) -> StillsName:
    """Which stills an effort asks for; the data are the same for every seed, as a photographed data set is."""
    count = effort.train_stills if domain == "target" else effort.source_stills
    return StillsName(domain, split, effort.test_stills if split == "test" else count, effort.image_px)


def stills_folder(effort: Effort, domain: str, split: str) -> Path:
    """The folder of these stills in the cache, drawn if they are not there: minutes for thousands, once."""
    return drawn(stills_name(effort, domain, split))


@cache
def pictures(effort: Effort, domain: str, split: str) -> StillPictures:
    """Pictures and cameras; opens no label."""
    return read_pictures(stills_folder(effort, domain, split))


@cache
def labels(effort: Effort, domain: str, split: str) -> StillLabels:
    """The answers: free to use where the hand is the source's; of the target, for scoring or as a row's name says."""
    return read_labels(stills_folder(effort, domain, split))
