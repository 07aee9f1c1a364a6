"""Writing a posed hand for other programs: Wavefront OBJ, with vertex colours."""

import os
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int


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
        path: the file to write.
        vertices_m: (V, 3) camera frame (OpenCV axes), metres.
        faces: (F, 3).
        colours: (V, 3) in 0..1, written behind each vertex, where MeshLab and Blender read them.
    """
    path = Path(path)
    upright = vertices_m * np.array([1, -1, -1])
    rows = upright if colours is None else np.concatenate([upright, np.clip(colours, 0, 1)], axis=1)
    lines = ["v " + " ".join(f"{value:.6f}" for value in row) for row in rows]
    lines += [f"f {a} {b} {c}" for a, b, c in np.asarray(faces) + 1]
    partial = path.with_name(path.name + ".partial")
    partial.write_text("\n".join(lines) + "\n")
    os.replace(partial, path)
