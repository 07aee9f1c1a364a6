"""Runs on official data sets: what a chapter writes so that ``handlib run CHAPTER --data NAME --root DIR`` does it.

A chapter that is a package has a module ``official.py`` with a tuple ``OFFICIAL`` of experiments, like ``EXPERIMENTS``
in its ``__init__.py``::

    OFFICIAL: tuple[Experiment, ...] = (
        Experiment(recipe=OfficialS2HandRecipe(name="s2hand-full@freihand", data="freihand", ...), work=train_official),
    )

- The recipe is an :class:`OfficialRecipe`: ``class R(ChapterRecipe, OfficialRecipe)``, in this order, so that the
  chapter's own defaults hold. Its name is the ``recipe`` of the published row, ``@``, and the data set; its ``dataset``
  is the paper's name of the set, as ``datasets`` of the published table has it ("FreiHAND", "HO-3D v2", "STB", "NYU"),
  so that its numbers stand beside the paper's. Its fields hold the protocol; never the folder.
- The folder is what HANDLIB_<NAME> names, which ``--root`` sets for the command: readers, digest and work all find it
  there (:func:`open_split`). Damaged samples are left out where HANDLIB_SKIP_BAD is 1, which ``--skip-bad`` sets.
- The work is a function of a module, as ever. It trains on ``train_split`` and scores the whole of ``test_split`` with
  the official protocol (:mod:`handlib.metrics`). Runs that it builds on (``context.left_by``) bear names with the same
  ``@NAME``, or are recipes of the open data exactly as registered: another recipe of the same name would overwrite its
  result.
- A folder that does not hold the published numbers of samples, or is a fixture, gives results in the cache only, whose
  ``dataset`` says so: they never stand beside published numbers.
- On the fixtures of ``data_scripts/make_format_fixtures.py`` all of it runs in the profile ``smoke``, in seconds.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from handlib.data.label_cache import cached_labels
from handlib.data.official import OfficialDataset, OnBad
from handlib.data.official_crops import OfficialCrops, read_crops, write_crops
from handlib.data.official_index import shortfall, split_index
from handlib.data.official_sets import official_set, open_official
from handlib.reproduce.closure import code_digest
from handlib.reproduce.digest import digest_json
from handlib.reproduce.recipe import Recipe

SKIP_BAD_VARIABLE = "HANDLIB_SKIP_BAD"


@dataclass(frozen=True, kw_only=True)
class OfficialRecipe(Recipe):
    """Anything that is scored on an official data set.

    Attributes:
        data: the set, a key of :data:`handlib.data.official_sets.OFFICIAL_SETS`.
        train_split, test_split: its parts to learn from and to be scored on; "" for none.
    """

    data: str
    train_split: str = ""
    test_split: str = ""

    @property
    def splits(self) -> tuple[str, ...]:
        """The parts that it reads, each once."""
        return tuple(dict.fromkeys(filter(None, (self.train_split, self.test_split))))

    def data_digest(self) -> str:
        """Digest of the labels of the folder's splits.

        Raises:
            MissingFileError: no folder is known; the message says how to name one.
            BadInputError: labels that are damaged.
        """
        return digest_json({split: split_index(self.data, split, on_bad=on_bad()).digest for split in self.splits})

    def shortfall(self) -> str:
        """What the folder lacks of the published set, in words; empty where it is all there."""
        return shortfall(self.data, self.train_split, self.test_split, on_bad=on_bad())


def on_bad() -> OnBad:
    """What is done about damaged samples: "skip" where HANDLIB_SKIP_BAD is 1."""
    return "skip" if os.environ.get(SKIP_BAD_VARIABLE) == "1" else "raise"


def open_split(data: str, split: str, **options: Any) -> OfficialDataset:
    """A reader of the folder that HANDLIB_<NAME> names; options as :func:`handlib.data.official_sets.open_official`.

    Raises:
        BadInputError, MissingFileError: as the reader does.
    """
    return open_official(data, None, split, on_bad=on_bad(), **options)


def spread(total: int, count: int | None) -> np.ndarray:
    """The numbers of ``count`` of ``total`` samples, spread evenly; of all where there are no more, or for None."""
    count = total if count is None else min(count, total)
    return np.linspace(0, total - 1, count).round().astype(np.int64)


def crops_of(
    dataset: OfficialDataset,
    image_px: int,
    *,
    enlarge: float | int | None = 1.5,
    meshes: bool = False,
    chosen: Sequence[int] | np.ndarray | None = None,
) -> OfficialCrops:
    """Crops of a reader's samples, all right hands, made once and kept in the data set's cache.

    Args:
        dataset: from :func:`open_split`.
        image_px, enlarge, meshes: see :func:`handlib.data.official_crops.write_crops`.
        chosen: numbers of samples; all by default.

    Raises:
        BadInputError, MissingFileError: a picture is missing or damaged, or the cache cannot be written.
    """
    source = official_set(dataset.name)
    numbers = np.arange(len(dataset)) if chosen is None else np.asarray(chosen, np.int64)
    rows = dataset.rows[numbers].tolist()
    code = code_digest(["handlib.data.official_crops", type(dataset).__module__])
    labels = split_index(source.name, dataset.split, dataset.root, dataset.on_bad).digest
    key = digest_json([labels, rows, _settings(dataset), image_px, enlarge, meshes, code])
    arrays = cached_labels(
        dataset.root,
        f"{dataset.name}-{dataset.split}-crops-{image_px}px-{key[:12]}",
        [],
        lambda out: write_crops(out, dataset, numbers.tolist(), image_px, enlarge=enlarge, meshes=meshes),
        remedy=dataset.remedy,
    )
    return read_crops(arrays)


def _settings(dataset: OfficialDataset) -> list[Any]:
    """What a reader was opened with, as far as it decides what a sample holds: camera, wrist, version, hand."""
    plain = {name: value for name, value in vars(dataset).items() if isinstance(value, str | int | tuple)}
    hand = getattr(dataset, "hand", None)
    return [plain | {"on_bad": None}, None if hand is None else hand.v_template.double().sum(0).tolist()]
