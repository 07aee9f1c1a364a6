"""Files for the official scoring servers of FreiHAND and HO-3D: ``pred.json``, zipped, in the form that they expect.

Both hold ``[joints, vertices]``, a list a sample, in metres. FreiHAND wants our axes and joint order, for its 3,960
evaluation pictures. HO-3D wants OpenGL axes and MANO's joint order, for the lines of ``evaluation.txt``; its own
example script refuses hands in front of the camera's back (z > 0).
"""

import io
import json
import zipfile
from pathlib import Path

import numpy as np
from jaxtyping import Float

from handlib.errors import BadInputError
from handlib.files import atomic_write
from handlib.skeleton import reorder_joints

SAMPLES = {"freihand": 3960, "ho3d_v2": 11_524, "ho3d_v3": 20_137}
"""How many samples each server scores (``db_size`` in the official code)."""

_DECIMALS = 6  # a micrometre
_VERTICES = 778


def write_submission(
    name: str,
    path: str | Path,
    joints_m: Float[np.ndarray, "_samples _joints 3"],
    vertices_m: Float[np.ndarray, "_samples _vertices 3"],
    *,
    samples: int | None = None,
) -> Path:
    """Write the predictions for a data set's evaluation split as the zip file to upload.

    Args:
        name: a key of :data:`SAMPLES`.
        path: the file, for instance ``pred.zip``.
        joints_m: our order, camera frame, OpenCV axes, one row a sample *in the order of the reader's samples*.
        vertices_m: (samples, 778, 3) likewise, or another number of vertices, for which servers give F-scores only.
        samples: how many there must be; those of :data:`SAMPLES` by default.

    Returns:
        the path.

    Raises:
        BadInputError: an unknown name, another number of samples, NaN, or numbers that cannot be metres before the
            camera.
    """
    if name not in SAMPLES:
        raise BadInputError(f"name is {name!r}, expected one of {', '.join(SAMPLES)}")
    wanted = SAMPLES[name] if samples is None else samples
    for what, values, points in (("joints_m", joints_m, 21), ("vertices_m", vertices_m, None)):
        _check(name, what, values, wanted, points)
    if name != "freihand":
        # OpenCV to OpenGL: y and z change sign.
        joints_m, vertices_m = (np.asarray(v) * [1.0, -1.0, -1.0] for v in (joints_m, vertices_m))
        joints_m = reorder_joints(joints_m, "handlib", "ho3d")
    content = json.dumps([np.round(values.astype(float), _DECIMALS).tolist() for values in (joints_m, vertices_m)])
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as packed:
        # A fixed date, so that the same predictions are the same file.
        packed.writestr(zipfile.ZipInfo("pred.json", (1980, 1, 1, 0, 0, 0)), content, zipfile.ZIP_DEFLATED)
    atomic_write(Path(path), buffer.getvalue())
    return Path(path)


def read_submission(name: str, path: str | Path) -> tuple[np.ndarray, np.ndarray]:
    """The joints (our order) and vertices of a zipped ``pred.json``, OpenCV axes, m: to look at, or to score at home.

    Raises:
        BadInputError: no such archive, or of another form.
    """
    if name not in SAMPLES:
        raise BadInputError(f"name is {name!r}, expected one of {', '.join(SAMPLES)}")
    try:
        with zipfile.ZipFile(path) as packed:
            joints, vertices = (np.array(part, np.float64) for part in json.loads(packed.read("pred.json")))
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise BadInputError(f"{path} is no zipped pred.json of [joints, vertices] ({error}): write it again") from error
    if name == "freihand":
        return joints, vertices
    return reorder_joints(joints, "ho3d") * [1, -1, -1], vertices * [1, -1, -1]


def _check(name: str, what: str, values: np.ndarray, samples: int, points: int | None) -> None:
    shape = (samples, _VERTICES if points is None else points, 3)
    fits = values.ndim == 3 and values.shape[0] == samples and values.shape[2] == 3
    if not fits or (points is not None and values.shape[1] != points):
        raise BadInputError(f"{what} has shape {values.shape}, expected {shape}: {name} scores {samples} samples")
    if not np.isfinite(values).all():
        row = int(np.flatnonzero(~np.isfinite(values).all((1, 2)))[0])
        raise BadInputError(f"{what}[{row}] holds NaN or infinity, which the server refuses: predict something for it")
    if np.abs(values).max() > 10:
        raise BadInputError(f"{what} reaches {np.abs(values).max():.0f}, expected metres: divide millimetres by 1000")
    if (values[..., 2] <= 0).all(1).any():
        row = int(np.flatnonzero((values[..., 2] <= 0).all(1))[0])
        raise BadInputError(
            f"{what}[{row}] lies behind the camera: give camera-frame points in OpenCV axes (z forward), not relative "
            "to the wrist; HO-3D's axes are made here"
        )
