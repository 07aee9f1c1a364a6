"""``handlib data prepare``: build a data set's label cache, count its samples, and look at every picture once."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from handlib.data.label_cache import cache_folder
from handlib.data.official import OfficialDataset
from handlib.data.official_sets import OfficialSet, open_official
from handlib.errors import BadInputError, HandlibError, MissingFileError
from handlib.files import atomic_write

SAVE_EVERY = 500
Progress = Callable[[Iterable[int], str], Iterable[int]]


@dataclass(frozen=True)
class Prepared:
    """What was found in one split.

    Attributes:
        split: its name.
        samples: how many can be used.
        found: how many there are.
        published: how many its authors state; empty where they state none.
        skipped: name -> why, of those that were left out.
        missing: why the split is not there at all, or None.
    """

    split: str
    samples: int = 0
    found: int = 0
    published: tuple[int, ...] = ()
    skipped: dict[str, str] | None = None
    missing: str | None = None

    def describe(self) -> str:
        """One line of text."""
        if self.missing is not None:
            return f"{self.split}: not there ({self.missing})"
        text = f"{self.split}: {self.samples:,} samples"
        if self.published:
            if self.found in self.published:
                text += ", all that are published"
            elif self.found < max(self.published):
                text += f", of {self.published[0]:,} that are published"
            else:
                text += f", more than the {self.published[0]:,} that are published: another version, or another split?"
        return text + (f"; {len(self.skipped)} left out" if self.skipped else "")


def prepare_split(
    source: OfficialSet,
    root: str | Path | None,
    split: str,
    *,
    skip_bad: bool = False,
    pictures: bool = True,
    progress: Progress = lambda indices, _: indices,
) -> Prepared:
    """Prepare one split; going on where an interrupted call stopped.

    Args:
        source: the data set.
        root: its folder, or None for what HANDLIB_<NAME> names.
        split: one of its parts.
        skip_bad: leave bad samples out, and remember which; otherwise the first is an error.
        pictures: whether to read every picture, which finds the damaged ones; otherwise only labels are read.
        progress: wraps the indices to be read, with a title; for instance ``tqdm``.

    Raises:
        BadInputError, MissingFileError: the first bad sample, without ``skip_bad``; or the labels cannot be read.
    """
    dataset = _open(source, root, split, skip_bad)
    return _look_through(source, dataset, pictures, progress)


def _open(source: OfficialSet, root: str | Path | None, split: str, skip_bad: bool) -> OfficialDataset:
    dataset = open_official(source.name, root, split, on_bad="skip" if skip_bad else "raise")
    if skip_bad and dataset.left_out_at_opening:
        # Pictures that were damaged when this last ran may have been repaired.
        dataset.forget_unreadable()
        dataset = open_official(source.name, root, split, on_bad="skip")
    return dataset


def _look_through(source: OfficialSet, dataset: OfficialDataset, pictures: bool, progress: Progress) -> Prepared:
    split = dataset.split
    if pictures:
        _read_all(dataset, progress)
    if dataset.on_bad == "skip":
        dataset.remember_unreadable()
    lost = len(dataset.skipped)
    found = len(dataset) + sum(name in dataset.left_out_at_opening for name in dataset.skipped)
    return Prepared(split, found - lost, found, tuple(source.published.get(split, ())), dict(dataset.skipped))


def _read_all(dataset: OfficialDataset, progress: Progress) -> None:
    state_file = cache_folder(dataset.root) / f"{dataset.name}-{dataset.split}-read.json"
    state = _load(state_file, len(dataset))
    dataset.skipped |= state["skipped"]
    for index in progress(range(state["next"], len(dataset)), f"{dataset.name} {dataset.split}"):
        dataset.read(index)
        if (index + 1) % SAVE_EVERY == 0:
            _save(state_file, index + 1, dataset)
    _save(state_file, len(dataset), dataset)


def _load(path: Path, size: int) -> dict[str, Any]:
    fresh = {"size": size, "next": 0, "skipped": {}}
    try:
        state = json.loads(path.read_text())
    except (OSError, ValueError):
        return fresh
    # Another number of samples: the data changed. A finished reading is done again when it is asked for again.
    return state if state.get("size") == size and state.get("next", size) < size else fresh


def _save(path: Path, following: int, dataset: OfficialDataset) -> None:
    content = {"size": len(dataset), "next": following, "skipped": dataset.skipped}
    atomic_write(path, json.dumps(content).encode())


def prepare(
    source: OfficialSet,
    root: str | Path | None,
    splits: Iterable[str] | None = None,
    *,
    skip_bad: bool = False,
    pictures: bool = True,
    progress: Progress = lambda indices, _: indices,
) -> list[Prepared]:
    """Prepare several splits; one whose labels are not there is reported, unless all are missing or it was asked for.

    Arguments and errors as :func:`prepare_split`.
    """
    results: list[Prepared] = []
    errors: list[HandlibError] = []
    for split in source.splits if splits is None else splits:
        try:
            dataset = _open(source, root, split, skip_bad)
        except MissingFileError as error:
            if splits is not None:
                raise
            errors.append(error)
            results.append(Prepared(split, missing=str(error)))
            continue
        # A picture that is missing is no reason to take the split for one that nobody has.
        results.append(_look_through(source, dataset, pictures, progress))
    if results and all(result.missing is not None for result in results):
        raise errors[0]
    if not results:
        raise BadInputError(f"splits: none was named; {source.name} has {', '.join(source.splits)}")
    return results
