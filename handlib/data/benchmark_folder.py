"""The open benchmark in a folder: pictures as PNG files, labels as arrays, read back as the very same samples.

A folder holds ``manifest.json`` and one sub-folder a hundred samples::

    00003/000317.png          the picture, 8-bit RGB
    00003/000317-mask.png     255 where the pixel shows the hand
    00003/000317-depth.png    16-bit, tenths of a millimetre, 0 for nothing
    00003/labels.npz          K, joints_m, joints_2d_px, vertices_m, visible, and the SHA-256 of each picture file

The manifest has the SHA-256 of each ``labels.npz``, so that it vouches for every file. A sub-folder is written under
another name and renamed when it is whole: what bears its final name is complete, and an interrupted run can go on.
"""

import hashlib
import io
import json
import os
import shutil
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from handlib.data.archives import read_arrays
from handlib.data.images import read_image
from handlib.data.labelled_batch import DEPTH_STEP_M
from handlib.data.sample import Sample
from handlib.errors import BadInputError, MissingFileError

FORMAT = 1
SHARD_SIZE = 100
MANIFEST = "manifest.json"
LABELS = ("K", "joints_m", "joints_2d_px", "vertices_m", "visible")
_REMAKE = "delete its numbered folder and run data_scripts/make_open_benchmark.py again as before"


def shard_name(shard: int) -> str:
    """The sub-folder of the samples from ``100 * shard`` on."""
    return f"{shard:05d}"


def write_shard(samples: Sequence[Sample], folder: Path, shard: int) -> None:
    """Write one sub-folder, whole or not at all; one that is there is left alone.

    Args:
        samples: the whole data set, of which this shard's part is drawn.
        folder: the data set's folder, which exists.
        shard: number of the sub-folder.

    Raises:
        OSError: from the disk, for instance when it is full; nothing of the shard is left then.
    """
    final, growing = folder / shard_name(shard), folder / f".{shard_name(shard)}.tmp"
    if final.is_dir():
        return
    shutil.rmtree(growing, ignore_errors=True)
    try:
        growing.mkdir()
        _fill_shard(samples, growing, shard)
        os.replace(growing, final)
    except BaseException:
        shutil.rmtree(growing, ignore_errors=True)
        raise


def _fill_shard(samples: Sequence[Sample], folder: Path, shard: int) -> None:
    labels: dict[str, list] = {name: [] for name in (*LABELS, "name", "sha256")}
    for index in range(shard * SHARD_SIZE, min((shard + 1) * SHARD_SIZE, len(samples))):
        sample = samples[index]
        depth = np.rint(sample.depth_m / DEPTH_STEP_M).astype(np.uint16)
        pictures = {"": sample.image, "-mask": (sample.mask * 255).astype(np.uint8), "-depth": depth}
        labels["sha256"].append([_write_png(folder / f"{index:06d}{end}.png", p) for end, p in pictures.items()])
        labels["name"].append(sample.name)
        for name in LABELS:
            labels[name].append(getattr(sample, name))
    np.savez_compressed(folder / "labels.npz", **{name: np.stack(rows) for name, rows in labels.items()})


def shard_digest(folder: Path, shard: int) -> str:
    """SHA-256 of a shard's labels, which hold those of its pictures."""
    return hashlib.sha256((folder / shard_name(shard) / "labels.npz").read_bytes()).hexdigest()


class BenchmarkFolder(Sequence[Sample]):
    """The samples of a written data set, read when asked for; equal to those that were drawn.

    Attributes:
        folder: where it lies.
        manifest: what it is: ``domain``, ``split``, ``seed``, ``size``, ``image_px``, ``code`` (digest of the
            code that drew it) and ``shards`` (SHA-256 of each).
    """

    def __init__(self, folder: str | Path) -> None:
        """Open a data set.

        Raises:
            MissingFileError: there is no manifest.
            BadInputError: it is unfinished, of another format, or no JSON.
        """
        self.folder = Path(folder)
        self.manifest = read_manifest(self.folder)
        if self.manifest.get("shards") is None:
            raise BadInputError(
                f"{self.folder} is unfinished: run data_scripts/make_open_benchmark.py again as before, and it goes on"
            )

    def __len__(self) -> int:
        return self.manifest["size"]

    def __getitem__(self, index: int) -> Sample:
        if not -len(self) <= index < len(self):
            raise IndexError(f"sample {index} of a data set with {len(self)}")
        index = int(index) % len(self)
        shard, row = divmod(index, SHARD_SIZE)
        labels = _read_labels(self.folder / shard_name(shard) / "labels.npz")
        stem = self.folder / shard_name(shard) / f"{index:06d}"
        depth = _read_grey(Path(f"{stem}-depth.png"))
        return Sample(
            image=read_image(f"{stem}.png"),
            mask=(_read_grey(Path(f"{stem}-mask.png")) > 0).astype(np.float32),
            depth_m=depth.astype(np.float32) * np.float32(DEPTH_STEP_M),
            name=str(labels["name"][row]),
            confidence=np.ones(21, np.float32),
            **{name: labels[name][row].copy() for name in LABELS},
        )

    def damaged(self) -> list[str]:
        """Files that are missing or are not the ones that were written, by their checksums."""
        wrong = []
        for shard, expected in enumerate(self.manifest["shards"]):
            name = shard_name(shard)
            if not (self.folder / name / "labels.npz").is_file() or shard_digest(self.folder, shard) != expected:
                wrong.append(f"{name}/labels.npz")
                continue
            digests = _read_labels(self.folder / name / "labels.npz")["sha256"]
            for row, digest_row in enumerate(digests):
                for end, digest in zip(("", "-mask", "-depth"), digest_row, strict=True):
                    file = self.folder / name / f"{shard * SHARD_SIZE + row:06d}{end}.png"
                    if not file.is_file() or hashlib.sha256(file.read_bytes()).hexdigest() != digest:
                        wrong.append(f"{name}/{file.name}")
        return wrong


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a data set's folder; ``shards`` in it is None until the set is whole.

    Raises:
        MissingFileError: there is none.
        BadInputError: it is no JSON, or of a format that this handlib does not know.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise MissingFileError(f"no {MANIFEST} in {folder}: make a data set with data_scripts/make_open_benchmark.py")
    try:
        manifest = json.loads(path.read_text())
    except ValueError as error:
        raise BadInputError(f"{path} is no JSON ({error}): make the data set again in an empty folder") from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise BadInputError(f"{path} is not of format {FORMAT}: make the data set again in an empty folder")
    return manifest


def _write_png(path: Path, picture: np.ndarray) -> str:
    """Write a picture without loss; the SHA-256 of its file."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, format="png", compress_level=4)
    path.write_bytes(buffer.getvalue())
    return hashlib.sha256(buffer.getvalue()).hexdigest()


def _read_grey(path: Path) -> np.ndarray:
    """A one-channel picture as it was written."""
    if not path.is_file():
        raise MissingFileError(f"no {path}: {_REMAKE}")
    try:
        with Image.open(path) as picture:
            return np.asarray(picture)
    except (OSError, SyntaxError, ValueError) as error:
        raise BadInputError(f"{path} is damaged ({error}): {_REMAKE}") from error


@lru_cache(maxsize=8)
def _read_labels(path: Path) -> dict[str, np.ndarray]:
    return read_arrays(path, (*LABELS, "name", "sha256"), _REMAKE)
