"""What a folder holds of an official data set: how many samples, whether that is all of them, and a digest."""

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from handlib.data.label_cache import file_sha256
from handlib.data.official import FIXTURE_FILE, OnBad, root_folder
from handlib.data.official_sets import official_set, open_official


@dataclass(frozen=True)
class SplitIndex:
    """One split of a data set in a folder.

    Attributes:
        samples: how many can be used.
        found: how many there are, with those that were left out as damaged.
        digest: of all labels and of which samples are used; pictures do not count.
        left_out: name -> why, of the damaged ones.
    """

    samples: int
    found: int
    digest: str
    left_out: dict[str, str]


def split_index(name: str, split: str, root: str | Path | None = None, on_bad: OnBad = "raise") -> SplitIndex:
    """What a folder holds of a split; read once in a process.

    Args:
        name: of the data set, a key of :data:`~handlib.data.official_sets.OFFICIAL_SETS`.
        split: one of its parts.
        root: its folder; by default what HANDLIB_<NAME> names.
        on_bad: see :mod:`handlib.data.official`.

    Raises:
        BadInputError, MissingFileError: as the reader does.
    """
    source = official_set(name)
    return _read_index(source.name, split, root_folder(source.name, root).resolve(), on_bad)


@lru_cache(maxsize=32)
def _read_index(name: str, split: str, root: Path, on_bad: OnBad) -> SplitIndex:
    dataset = open_official(name, root, split, on_bad=on_bad)
    digest = hashlib.sha256(dataset.rows.tobytes())
    for path in sorted(dataset.labels.folder.glob("*.npy")):
        digest.update(f"{path.name} {file_sha256(path)}\n".encode())
    found = len(dataset) + len(dataset.left_out_at_opening)
    return SplitIndex(len(dataset), found, digest.hexdigest(), dict(dataset.skipped))


def shortfall(
    name: str, train_split: str, test_split: str, root: str | Path | None = None, on_bad: OnBad = "raise"
) -> str:
    """What a folder lacks of the published data set, in words; empty where it is all there.

    A test split counts as whole only if every sample of it can be used; of a training split, damaged ones may be left
    out. Of data sets whose authors state no number of samples, a fixture alone is told from the real ones.

    Args:
        name, root, on_bad: see :func:`split_index`.
        train_split, test_split: the parts that are learnt from and scored on; "" for none.
    """
    source = official_set(name)
    if (root_folder(source.name, root) / FIXTURE_FILE).is_file():
        return "a fixture with drawn hands"
    lacks = []
    for split in dict.fromkeys(filter(None, (train_split, test_split))):
        index, published = split_index(name, split, root, on_bad), source.published.get(split, ())
        count = index.samples if split == test_split else index.found
        if published and count not in published:
            lacks.append(f"{count:,} of {published[0]:,} {split} samples")
    return ", ".join(lacks)
