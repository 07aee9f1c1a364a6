"""Writing, digesting and checking the hand files in ``handlib/hand/assets``.

The digest is taken over the arrays, not over the file: zip headers and compression levels may differ between versions
of numpy and zlib while the hand is the same. Arrays are rounded before they are digested, so that the last bits of
another machine's linear algebra do not change it either.
"""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import typer
from jaxtyping import Float, Int
from joint_regressor import fit_joint_regressor
from mesh_reduction import boundary_edges

from handlib.errors import BadInputError, HandlibError, MissingFileError
from handlib.skeleton import MODEL_JOINT_NAMES, MODEL_PARENTS

ASSETS = Path(__file__).resolve().parent.parent / "handlib" / "hand" / "assets"
DIGESTS = ASSETS / "digests.json"
DECIMALS = 7  # a tenth of a micrometre


def packed(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Floats rounded to ``DECIMALS`` and stored as float32, integers as int32, texts as they are."""
    out = {}
    for name, array in sorted(arrays.items()):
        array = np.asarray(array)
        if array.dtype.kind == "f":
            array = (np.round(array, DECIMALS) + 0.0).astype(np.float32)  # + 0.0 turns -0 into 0
        elif array.dtype.kind in "iu":
            array = array.astype(np.int32)
        out[name] = np.asarray(array, order="C")
    return out


def hand_arrays(
    points: Float[np.ndarray, "points 3"],
    directions: Float[np.ndarray, "points 3 shapes"],
    faces: Int[np.ndarray, "faces 3"],
    weights: Float[np.ndarray, "vertices 16"],
    tips: Int[np.ndarray, "5"],
    license_text: str,
    posedirs: Float[np.ndarray, "vertices 3 135"] | None = None,
) -> dict[str, np.ndarray]:
    """Everything a hand file holds, from a mean hand and its shape directions (skin vertices, then 16 joints).

    The joints become what the regressor makes of the skin, and the hand is moved so that the wrist joint of every shape
    is the origin.
    """
    regressor = fit_joint_regressor(points, directions)
    template = points[:-16] - regressor[0] @ points[:-16]
    return packed(
        {
            "v_template": template,
            "faces": faces,
            "boundary_edges": boundary_edges(faces),
            "weights": weights,
            "parents": np.array(MODEL_PARENTS),
            "joint_names": np.array(MODEL_JOINT_NAMES),
            "J_regressor": regressor,
            "J_rest": regressor @ template,
            "shapedirs": directions[:-16] - np.einsum("v,vck->ck", regressor[0], directions[:-16]),
            "posedirs": np.zeros((len(template), 3, 135)) if posedirs is None else posedirs,
            "tip_vertices": tips,
            "side": np.array("right"),
            "topology": np.array("own"),
            "license": np.array(license_text),
        }
    )


def array_digest(arrays: dict[str, np.ndarray]) -> str:
    """SHA-256 over names, types, shapes and little-endian bytes of the arrays, in the order of their names."""
    digest = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        content = array.astype(array.dtype.newbyteorder("<"))
        digest.update(f"{name} {content.dtype.str} {content.shape}\n".encode())
        digest.update(content.tobytes())
    return digest.hexdigest()


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """All arrays of an ``.npz`` file.

    Raises:
        MissingFileError: there is no such file.
    """
    if not path.is_file():
        raise MissingFileError(f"{path} does not exist; build it by running the script without --check")
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def write_asset(path: Path, arrays: dict[str, np.ndarray], source: str) -> str:
    """Write the file, and its digest and source to ``digests.json`` if it lies among the assets. Returns the digest."""
    np.savez_compressed(path, **arrays)
    digest = array_digest(arrays)
    if path.resolve().parent == ASSETS:
        entries = json.loads(DIGESTS.read_text()) if DIGESTS.is_file() else {}
        entries[path.name] = {"arrays_sha256": digest, "source": source}
        DIGESTS.write_text(json.dumps(dict(sorted(entries.items())), indent=2) + "\n")
    return digest


def check_asset(path: Path, rebuilt: dict[str, np.ndarray]) -> str:
    """Compare a rebuilt hand with the file. Returns the common digest.

    Raises:
        BadInputError: they differ; the message names the first array that does and by how much.
    """
    stored = read_arrays(path)
    if stored.keys() != rebuilt.keys():
        raise BadInputError(f"{path} holds {sorted(stored)}, the rebuilt hand holds {sorted(rebuilt)}")
    for name, array in rebuilt.items():
        if array.shape != stored[name].shape:
            raise BadInputError(f"{path}: {name} has shape {stored[name].shape}, rebuilt {array.shape}")
        if not np.array_equal(array, stored[name]):
            gap = np.abs(array - stored[name]).max() if array.dtype.kind == "f" else "not a number"
            raise BadInputError(f"{path}: {name} differs from the rebuilt hand; largest difference: {gap}")
    return array_digest(rebuilt)


def write_or_check(path: Path, build: Callable[[], dict[str, np.ndarray]], source: str, check: bool) -> None:
    """The end of a build script: build, write or compare, and say so; a deliberate error is one line and exit 1."""
    try:
        arrays = build()
        digest = check_asset(path, arrays) if check else write_asset(path, arrays, source)
    except HandlibError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error
    typer.echo(f"{path.name}: {'unchanged' if check else 'written'}, arrays sha256 {digest}")
