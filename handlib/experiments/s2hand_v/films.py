"""The films of the experiments, and what may be known of them: pictures and cameras here, labels by another function.

The films of a number of seeds are the same, as filmed ones are.
"""

from functools import cache
from pathlib import Path

import numpy as np
from jaxtyping import Int

from handlib.data.film_cache import FilmsName
from handlib.data.stills_cache import StillLabels, StillPictures, draw_stills, read_labels, read_pictures
from handlib.experiments.s2hand_v.effort import Effort
from handlib.reproduce.closure import code_digest
from handlib.reproduce.places import cache_folder


def films_name(effort: Effort, split: str) -> FilmsName:
    """Which films an effort asks for: those to learn from and the extra ones in one set, or the test films."""
    count = effort.test_films if split == "test" else effort.train_films + effort.extra_films
    return FilmsName.of(films=count, split=split, image_px=effort.image_px, num_frames=effort.film_frames)


@cache
def films_folder(effort: Effort, split: str) -> Path:
    """Their folder in the cache, drawn if it is not there: some minutes for a hundred films, once."""
    # Films that older code drew lie in another folder, and are never taken for these.
    root = cache_folder() / "films" / code_digest(["handlib.data.film_cache"])[:12]
    return draw_stills(films_name(effort, split), root)


@cache
def pictures(effort: Effort, split: str) -> StillPictures:
    """All frames, film after film, and their cameras; opens no label."""
    return read_pictures(films_folder(effort, split))


@cache
def labels(effort: Effort, split: str) -> StillLabels:
    """The answers, for scoring alone: nothing in these experiments learns from them."""
    return read_labels(films_folder(effort, split))


def runs(effort: Effort, split: str, films: int | None = None) -> list[Int[np.ndarray, "_frames"]]:
    """The rows of each film's frames, of the first ``films`` films."""
    return list(films_name(effort, split).runs[:films])


def film_of_rows(effort: Effort, rows: int) -> Int[np.ndarray, "rows"]:
    """Which film each of the first ``rows`` frames belongs to, as the temporal metrics want it."""
    return np.arange(rows) // effort.film_frames
