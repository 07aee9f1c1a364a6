"""Writing a posed hand for other programs: Wavefront OBJ, with vertex colours."""

from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from handlib.errors import BadInputError
from handlib.files import atomic_write


def write_obj(
    path: str | Path,
    vertices_m: Float[np.ndarray, "vertices 3"],
    faces: Int[np.ndarray, "faces 3"],
    colours: Float[np.ndarray, "vertices 3"] | None = None,
) -> None:
    """Write a mesh as Wavefront OBJ, whole or not at all.

    The camera's y points down and most viewers' points up, so y and z are negated: the hand stands in the viewer as it
    does in the photograph.

    Args:
        path: the file to write; missing parent folders are made.
        vertices_m: (V, 3) camera frame (OpenCV axes), metres.
        faces: (F, 3).
        colours: (V, 3) in 0..1, written behind each vertex, where MeshLab and Blender read them.

    Raises:
        BadInputError: a vertex is not finite, which no viewer reads.
        DiskFullError: no room; an older file of that name is untouched.
    """
    if not np.isfinite(vertices_m).all():
        raise BadInputError(f"{path}: vertices that are not finite cannot be written: check the pose or the fit before")
    upright = vertices_m * np.array([1, -1, -1])
    rows = upright if colours is None else np.concatenate([upright, np.clip(colours, 0, 1)], axis=1)
    lines = ["v " + " ".join(f"{value:.6f}" for value in row) for row in rows]
    lines += [f"f {a} {b} {c}" for a, b, c in np.asarray(faces) + 1]
    atomic_write(Path(path), ("\n".join(lines) + "\n").encode())
