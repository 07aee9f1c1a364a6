"""Arrays out of MATLAB's ``.mat`` files: numbers only, and an error that names the file."""

from pathlib import Path

import numpy as np
import scipy.io

from handlib.errors import BadInputError, MissingFileError


def read_mat_array(path: Path, name: str, remedy: str) -> np.ndarray:
    """One array of a ``.mat`` file of version 4 to 7.2; later ones are HDF5, which none of the hand data sets uses.

    Args:
        path: the file.
        name: the array's name in it.
        remedy: how a reader gets a good file; ends every message.

    Raises:
        MissingFileError: there is no such file.
        BadInputError: it is damaged, or has no such array of numbers.
    """
    if not path.is_file():
        raise MissingFileError(f"no {path}: {remedy}")
    try:
        # Opened here, because scipy hides why a file cannot be.
        with path.open("rb") as stream:
            content = scipy.io.loadmat(stream, variable_names=[name])
    except PermissionError as error:
        raise BadInputError(f"{path} may not be read: check its permissions") from error
    # A damaged file can fail in any way at all inside scipy.
    except Exception as error:
        raise BadInputError(
            f"{path} is damaged, or no .mat file ({type(error).__name__}: {error}): {remedy}"
        ) from error
    if name not in content:
        held = ", ".join(found for found, _, _ in scipy.io.whosmat(path)) or "nothing"
        raise BadInputError(f"{path} has no array {name!r} but {held}: {remedy}")
    if content[name].dtype.kind not in "iuf":
        raise BadInputError(f"{path}: {name} holds {content[name].dtype}, expected numbers: {remedy}")
    return content[name]
