"""The films of the experiments, and what may be known of them: pictures here, labels by another function."""

from functools import cache
from pathlib import Path

import numpy as np
from jaxtyping import Int

from handlib.data.film_cache import FilmsName
from handlib.data.stills_cache import StillLabels, StillPictures, draw_stills, read_labels, read_pictures
from handlib.experiments.tassn.effort import Effort
from handlib.experiments.tassn.source_films import SourceFilms, stored_source_films
from handlib.reproduce.closure import code_digest
from handlib.reproduce.places import cache_folder


def films_name(effort: Effort, split: str) -> FilmsName:
    """Which films lie in the store; the same for every seed, as filmed ones are."""
    films = effort.drawn_test_films if split == "test" else effort.drawn_films
    return FilmsName.of(films=films, split=split, image_px=effort.drawn_px, num_frames=effort.film_frames)


@cache
def films_folder(effort: Effort, split: str) -> Path:
    """Their folder in the cache, drawn if it is not there: some minutes for a hundred films, once."""
    # Films that older code drew lie in another folder, and are never taken for these.
    root = cache_folder() / "films" / code_digest(["handlib.data.film_cache"])[:12]
    return draw_stills(films_name(effort, split), root)


def runs(effort: Effort, split: str) -> Int[np.ndarray, "films frames"]:
    """The rows of each film's frames, of the films that are used."""
    return films_name(effort, split).runs[: effort.test_films if split == "test" else effort.train_films]


def rows(effort: Effort, split: str) -> int:
    """How many frames of a split are used: the first ones."""
    return runs(effort, split).size


@cache
def pictures(effort: Effort, split: str) -> StillPictures:
    """All frames, film after film, and their cameras; opens no label."""
    return read_pictures(films_folder(effort, split))


@cache
def labels(effort: Effort, split: str) -> StillLabels:
    """The answers of the frames: for scoring, and for rows whose name says that they know them."""
    return read_labels(films_folder(effort, split))


def source_films(effort: Effort, split: str) -> SourceFilms:
    """The labelled films of the source; a twentieth as many for its test split."""
    count = effort.source_films if split == "train" else max(2, effort.source_films // 20)
    return stored_source_films(count, effort.source_frames, effort.interval, effort.drawn_px, split)
