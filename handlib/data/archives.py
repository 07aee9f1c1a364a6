"""Reading the ``.npz`` archives that data sets come in: plain arrays only, and an error that names the file."""

import zipfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from handlib.errors import BadInputError, MissingFileError


def read_arrays(path: Path, required: Iterable[str], remedy: str) -> dict[str, np.ndarray]:
    """Read every array of an archive.

    Args:
        path: the ``.npz`` file.
        required: names of arrays that must be in it.
        remedy: how a reader gets a good file; ends every message.

    Returns:
        name to array.

    Raises:
        MissingFileError: there is no such file.
        BadInputError: it is damaged, no ``.npz``, holds pickled objects (none of which is loaded), or lacks an array.
    """
    if not path.is_file():
        raise MissingFileError(f"no {path}: {remedy}")
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    # A file that is no archive at all gives an array, which is no context manager.
    except (ValueError, OSError, EOFError, TypeError, KeyError, zipfile.BadZipFile) as error:
        raise BadInputError(f"{path} is damaged, or no archive of plain arrays ({error}): {remedy}") from error
    if missing := set(required) - arrays.keys():
        raise BadInputError(f"{path} lacks {', '.join(sorted(missing))}: {remedy}")
    return arrays
