"""Hand model files: one dataclass for all of them, with every array checked on the way in."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from handlib.errors import BadInputError, MissingFileError

ASSETS = Path(__file__).parent / "assets"
PACKAGED = {name: ASSETS / f"{name}_hand_right.npz" for name in ("open", "generic")}


@dataclass(frozen=True)
class HandFile:
    """Everything a hand model file holds, as plain arrays (metres, rest pose, wrist at the file's own origin).

    ``posedirs`` multiplies the 135 entries of ``R - I`` of joints 1..15, row-major; ``hands_components`` holds one
    axis-angle principal component a row. ``hands_components`` is None in a file without a pose space.
    """

    v_template: Float[np.ndarray, "vertices 3"]
    faces: Int[np.ndarray, "faces 3"]
    weights: Float[np.ndarray, "vertices 16"]
    J_regressor: Float[np.ndarray, "16 vertices"]
    shapedirs: Float[np.ndarray, "vertices 3 num_shape"]
    posedirs: Float[np.ndarray, "vertices 3 135"]
    parents: Int[np.ndarray, "16"]
    tip_vertices: Int[np.ndarray, "5"]
    hands_mean: Float[np.ndarray, "45"]
    hands_components: Float[np.ndarray, "components 45"] | None = None
    side: str = "right"
    license: str = "unknown"
    extras: dict[str, np.ndarray] = field(default_factory=dict)


def read_hand_file(path: str | Path) -> HandFile:
    """Read a packaged hand ("open", "generic") or a hand model file."""
    path = Path(PACKAGED.get(str(path), path))
    if not path.exists():
        raise MissingFileError(f"hand model file {path} is not there; give the path of a MANO .pkl or .npz")
    if path.suffix != ".npz":
        raise BadInputError(f"{path}: expected a .npz file")
    with np.load(path, allow_pickle=False) as archive:
        raw = {key: archive[key] for key in archive.files}
    num_vertices = len(raw["v_template"])
    return HandFile(
        v_template=raw["v_template"],
        faces=raw["faces"],
        weights=raw["weights"],
        J_regressor=raw["J_regressor"],
        shapedirs=raw["shapedirs"],
        posedirs=raw.get("posedirs", np.zeros((num_vertices, 3, 135))),
        parents=raw["parents"],
        tip_vertices=raw["tip_vertices"],
        hands_mean=raw.get("hands_mean", np.zeros(45)),
        hands_components=raw.get("hands_components"),
    )
