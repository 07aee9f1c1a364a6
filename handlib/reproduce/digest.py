"""Digests: what a stored result or an executed notebook depends on, as short strings that change when it changes."""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import handlib
from handlib.errors import MissingFileError

# In these a change of line ends (a Windows checkout) is no change of content.
TEXT_SUFFIXES = {".py", ".yml", ".yaml", ".json", ".js", ".css", ".html", ".md", ".txt", ".toml", ".csv"}
_SKIPPED_FOLDERS = {"__pycache__", ".ipynb_checkpoints"}


def digest_json(value: Any) -> str:
    """SHA-256 of a JSON value, the same whatever the order of its keys.

    Args:
        value: numbers, strings, booleans, None, and lists and dictionaries of these.

    Returns:
        64 hexadecimal digits.
    """
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def digest_files(root: Path, paths: Iterable[Path]) -> str:
    """SHA-256 of the names (below ``root``) and contents of files, in whatever order they are given.

    Line ends of text files count as one newline, so that a checkout on Windows has the digest of one on Linux.

    Raises:
        MissingFileError: one is not there.
    """
    contents = {}
    for path in paths:
        if not path.is_file():
            raise MissingFileError(f"{path}: not there; install handlib again, or put the file back")
        data = path.read_bytes()
        if path.suffix in TEXT_SUFFIXES:
            data = data.replace(b"\r\n", b"\n")
        contents[path.relative_to(root).as_posix()] = hashlib.sha256(data).hexdigest()
    return digest_json(contents)


def library_digest(package: Path | None = None) -> str:
    """Digest of all of handlib's sources and assets: what counts for a run of which nobody can tell what it reaches.

    A stored result is known by :func:`handlib.reproduce.closure.code_digest`, of the code that its run could reach.

    Args:
        package: the package folder; the running handlib by default.
    """
    package = Path(package or Path(handlib.__file__).parent)
    return digest_files(package, files_below(package))


def folder_digest(folder: Path | None) -> str:
    """Digest of the contents of every file below a folder; "none" where there is no folder."""
    if folder is None or not Path(folder).is_dir():
        return "none"
    return digest_files(Path(folder), files_below(Path(folder)))


def folder_fingerprint(folder: Path | None) -> str:
    """Digest of the names, sizes and times of every file below a folder; "none" where there is no folder.

    Data sets run to many gigabytes, which nobody wants read through before a notebook may start; a file that was
    rewritten has another time, which is enough on one machine.
    """
    if folder is None or not Path(folder).is_dir():
        return "none"
    folder = Path(folder)
    stats = {path.relative_to(folder).as_posix(): path.stat() for path in files_below(folder)}
    return digest_json({name: [stat.st_size, stat.st_mtime_ns] for name, stat in stats.items()})


def data_fingerprint() -> str:
    """Fingerprint of the data folder that HANDLIB_DATA names; "none" where it is not set.

    Raises:
        MissingFileError: it is set, and no such folder is there.
    """
    from handlib.data.photos import data_folder

    return folder_fingerprint(data_folder())


def notebook_digest(notebook: Mapping[str, Any]) -> str:
    """Digest of a notebook's source: kind, text and tags of each cell; outputs and counters do not count.

    Args:
        notebook: the parsed ``.ipynb``.
    """
    cells = []
    for cell in notebook["cells"]:
        text = "".join(cell["source"]).replace("\r\n", "\n")
        cells.append([cell["cell_type"], text, sorted(cell.get("metadata", {}).get("tags", []))])
    return digest_json(cells)


def files_below(folder: Path) -> list[Path]:
    """Every file below a folder, without caches, compiled Python and hidden files."""
    found = []
    for parent, folders, names in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if name not in _SKIPPED_FOLDERS and not name.startswith(".")]
        found += [Path(parent, name) for name in names if not name.startswith(".")]
    return [path for path in found if path.suffix not in {".pyc", ".pyo"} and path.is_file()]
