"""Labels in a fast form: large .json, .txt and .pkl files are parsed once and kept as arrays that need no reading.

One folder a data set, one ``.npy`` file an array, opened as memory maps: a sample's labels are read from the disk when
they are asked for, several worker processes share one copy, and a reader travels to a worker as a path. The folder is
made whole or not at all, and remembers the source files it was made from.
"""

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from handlib.errors import BadInputError, DiskFullError, MissingFileError
from handlib.files import atomic_write, disk_full_names

# Raised when the arrays' meaning changes, so that folders of an older handlib are made again.
CACHE_FORMAT = 2
SOURCES_FILE = "sources.json"


class LabelArrays(Mapping[str, np.ndarray]):
    """Named arrays in a folder, as read-only memory maps that are opened when asked for; pickles as the folder's path.

    Attributes:
        folder: where the ``.npy`` files lie.
    """

    def __init__(self, folder: Path) -> None:
        """Look which arrays a folder has; none is read."""
        self.folder = folder
        self._names = tuple(sorted(path.stem for path in folder.glob("*.npy")))
        self._open: dict[str, np.ndarray] = {}

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self._names:
            raise KeyError(name)
        if name not in self._open:
            path = self.folder / f"{name}.npy"
            # An empty file cannot be mapped.
            self._open[name] = np.load(path, mmap_mode="r" if path.stat().st_size > 256 else None, allow_pickle=False)
        return self._open[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __reduce__(self) -> tuple[type, tuple[Path]]:
        return LabelArrays, (self.folder,)


class ArrayWriter:
    """Writes arrays that grow: blocks of rows are appended, and nothing but the newest block is in memory."""

    def __init__(self, folder: Path) -> None:
        """Write into an existing folder."""
        self.folder = folder
        self._rows: dict[str, int] = {}
        self._streams: dict[str, Any] = {}
        self._kinds: dict[str, tuple[np.dtype, tuple[int, ...]]] = {}

    def append(self, name: str, block: np.ndarray) -> None:
        """Add rows to an array; the first block decides its type and the shape of a row.

        Raises:
            BadInputError: the rows are of another shape or type than the first.
        """
        block = np.ascontiguousarray(block)
        kind = (block.dtype, block.shape[1:])
        if name not in self._streams:
            self._streams[name], self._kinds[name] = (self.folder / f"{name}.npy").open("wb+"), kind
            self._rows[name] = 0
            self._write_header(name)
        if kind != self._kinds[name]:
            raise BadInputError(f"{name}: rows of {kind}, after rows of {self._kinds[name]}")
        with disk_full_names(self.folder / f"{name}.npy"):
            self._streams[name].write(block.tobytes())
        self._rows[name] += len(block)

    def rows(self, name: str) -> int:
        """How many rows an array has so far."""
        return self._rows.get(name, 0)

    def close(self) -> None:
        """Write the final lengths, and close the files."""
        for name, stream in self._streams.items():
            with disk_full_names(self.folder / f"{name}.npy"), stream:
                stream.seek(0)
                self._write_header(name)

    def _write_header(self, name: str) -> None:
        # numpy leaves room in the header for a first axis of any length, so the final one fits over the first.
        dtype, shape = self._kinds[name]
        header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False}
        np.lib.format.write_array_header_1_0(self._streams[name], header | {"shape": (self._rows[name], *shape)})


def cache_folder(root: Path) -> Path:
    """Where the cache of a data set goes: ``.handlib`` in its own folder, or below HANDLIB_CACHE where that is set."""
    if named := os.environ.get("HANDLIB_CACHE"):
        return Path(named) / "data" / hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:16]
    return root / ".handlib"


def cached_labels(
    root: Path, name: str, sources: Sequence[Path], write: Callable[[ArrayWriter], None], *, remedy: str
) -> LabelArrays:
    """The arrays that ``write`` makes of the source files, made now or at an earlier call.

    A folder that exists is used as long as the sources have the size and the time of change that they had, or, where
    the time differs, the same SHA-256.

    Args:
        root: the data set's folder.
        name: of this cache, for instance ``"training"``.
        sources: the files that the arrays come from; a folder among them counts by its own time of change.
        write: fills the arrays; whatever it raises leaves nothing behind.
        remedy: what to do when a source is missing.

    Raises:
        MissingFileError: a source is not there.
        BadInputError: the cache cannot be written, or ``write`` refuses a source.
    """
    for source in sources:
        if not source.exists():
            raise MissingFileError(f"no {source}: {remedy}")
    folder = cache_folder(root) / name
    if not _is_current(folder, sources):
        _make(folder, sources, write)
    return LabelArrays(folder)


def _make(folder: Path, sources: Sequence[Path], write: Callable[[ArrayWriter], None]) -> None:
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        growing = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    except OSError as error:
        raise BadInputError(
            f"{folder.parent}: the cache of this data set cannot be written there ({error.strerror}): set "
            "HANDLIB_CACHE to a folder that can be written"
        ) from error
    try:
        writer = ArrayWriter(growing)
        try:
            write(writer)
        finally:
            writer.close()
        record = {"format": CACHE_FORMAT, "sources": [_describe(source) for source in sources]}
        (growing / SOURCES_FILE).write_text(json.dumps(record))
        shutil.rmtree(folder, ignore_errors=True)
        try:
            os.replace(growing, folder)
        except OSError:
            # Another process was faster: what it made from the same sources is the same.
            if not _is_current(folder, sources):
                raise
    finally:
        shutil.rmtree(growing, ignore_errors=True)


def _is_current(folder: Path, sources: Sequence[Path]) -> bool:
    try:
        record = json.loads((folder / SOURCES_FILE).read_text())
    except (OSError, ValueError):
        return False
    if record.get("format") != CACHE_FORMAT or len(record["sources"]) != len(sources):
        return False
    if not all(_is_same(source, old) for source, old in zip(sources, record["sources"], strict=True)):
        return False
    times = [source.stat().st_mtime_ns for source in sources]
    if times != [old["mtime_ns"] for old in record["sources"]]:
        # Files that were only touched need not be read again next time.
        described = [old | {"mtime_ns": time} for old, time in zip(record["sources"], times, strict=True)]
        with contextlib.suppress(OSError, DiskFullError):
            atomic_write(folder / SOURCES_FILE, json.dumps(record | {"sources": described}).encode())
    return True


def _is_same(source: Path, old: dict[str, Any]) -> bool:
    stat = source.stat()
    if old["name"] != source.name or (source.is_file() and old["size"] != stat.st_size):
        return False
    # Reading hundreds of megabytes only to find them unchanged is for files that were copied or touched.
    return old["mtime_ns"] == stat.st_mtime_ns or (source.is_file() and old["sha256"] == file_sha256(source))


def _describe(source: Path) -> dict[str, Any]:
    stat = source.stat()
    digest = file_sha256(source) if source.is_file() else None
    return {"name": source.name, "size": stat.st_size, "mtime_ns": stat.st_mtime_ns, "sha256": digest}


def file_sha256(path: Path) -> str:
    """SHA-256 of a file of any size, as hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
