"""Hand model files: one dataclass for all of them, every array checked on the way in, written back for smplx.

Three formats are read: the packaged hands and other ``.npz`` (never with pickled objects), and MANO's own ``.pkl``
through :mod:`handlib.hand.safe_pickle`. MANO's key names are used: ``v_template``, ``f``, ``weights``, ``J_regressor``,
``shapedirs``, ``posedirs``, ``kintree_table``, ``hands_components``, ``hands_mean``.
"""

import io
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from jaxtyping import Float, Int

from handlib.errors import BadInputError, MissingFileError, UnsafeFileError
from handlib.files import atomic_write
from handlib.hand.pickled_arrays import to_array
from handlib.hand.safe_pickle import check_size, printable, read_pickle
from handlib.skeleton import MODEL_PARENTS

ASSETS = Path(__file__).parent / "assets"
PACKAGED: dict[str, Path] = {name: ASSETS / f"{name}_hand_right.npz" for name in ("open", "generic")}
# Pose spaces of packaged hands, kept apart because they come from a sampler that needs the hand first.
PACKAGED_POSE_SPACES = {"open": ASSETS / "open_hand_pose_pca.npz"}

Side = Literal["right", "left"]
Topology = Literal["mano", "own"]
TipConvention = Literal["freihand", "smplx", "manopth", "manopth_left"]

# MANO has no fingertip joints; every project picks five vertices, thumb to little, and they differ by millimetres.
# FreiHAND and S2HAND: https://github.com/lmb-freiburg/freihand; smplx: its vertex_ids; manopth: its layer's output,
# which picks another middle fingertip on MANO_LEFT.
FINGERTIP_VERTICES: dict[str, tuple[int, int, int, int, int]] = {
    "freihand": (744, 320, 443, 555, 672),
    "smplx": (744, 320, 443, 554, 671),
    "manopth": (745, 317, 444, 556, 673),
    "manopth_left": (745, 317, 445, 556, 673),
}
MANO_VERTICES = 778


@dataclass(frozen=True)
class HandFile:
    """Everything a hand model file holds, as plain arrays in metres, in the rest pose.

    ``posedirs`` multiplies the 135 entries of ``R - I`` of joints 1..15, row-major. ``hands_components`` holds one
    axis-angle principal component a row; it is None in a file without a pose space. ``topology`` is "mano" where vertex
    numbers mean what they mean in MANO, else "own".
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
    side: Side = "right"
    topology: Topology = "mano"
    license: str = "unknown"
    extras: dict[str, np.ndarray] = field(default_factory=dict)


def read_hand_file(source: str | Path, *, file_side: Side | None = None, tips: TipConvention = "freihand") -> HandFile:
    """Read a packaged hand or a hand model file, and check it.

    Args:
        source: "open", "generic", or the path of a ``.npz`` or MANO ``.pkl`` file (recognised by content).
        file_side: which hand the file holds. By default the file's own ``side`` entry, else "left" if its name says so
            (``MANO_LEFT.pkl``), else "right".
        tips: which five vertices are MANO's fingertips, see :data:`FINGERTIP_VERTICES`. A file that brings its own
            ``tip_vertices`` keeps them.

    Raises:
        MissingFileError: there is no such file.
        UnsafeFileError: the file asks for code to be run, or hides objects in its arrays; nothing was run.
        BadInputError: the file is truncated or far too large, an array is missing, of the wrong shape, or holds
            impossible values; or an argument is none of its possible values.
    """
    if file_side not in (None, *get_args(Side)):
        raise BadInputError(f"file_side is {file_side!r}, expected one of {get_args(Side)} or None")
    if tips not in FINGERTIP_VERTICES:
        raise BadInputError(f"tips is {tips!r}, expected one of {tuple(FINGERTIP_VERTICES)}")
    path = Path(PACKAGED.get(str(source), source))
    if not path.is_file():
        raise MissingFileError(
            f"hand model file {path} is {'a folder' if path.is_dir() else 'not there'}; "
            f"give {' or '.join(map(repr, PACKAGED))}, or the path of a MANO .pkl or .npz file"
        )
    with path.open("rb") as stream:
        is_zip = stream.read(2) == b"PK"
    raw = _read_npz(path) if is_zip else read_pickle(path)
    pose_space = PACKAGED_POSE_SPACES.get(str(source))
    if pose_space and pose_space.is_file():
        raw |= _read_npz(pose_space)
    return _Reader(path, raw).hand_file(file_side, tips)


def write_mano_npz(hand: HandFile, path: str | Path) -> Path:
    """Write a hand as a MANO-format ``.npz``, which ``smplx.MANO(path, ext="npz")`` and :func:`read_hand_file` read.

    A hand without a pose space is given the identity as its components, so that its PCA coefficients are axis-angle.
    smplx takes the side from the file name: put RIGHT or LEFT into it. The file appears whole or not at all.

    Args:
        hand: the arrays; a :class:`~handlib.hand.model.HandModel` keeps its own in ``model.file``.
        path: where to write; missing folders are made.

    Raises:
        DiskFullError: no room; an older file of that name is untouched.
    """
    components = np.eye(45) if hand.hands_components is None else hand.hands_components
    # MANO marks the root's parent with the largest unsigned integer.
    kintree = np.stack([hand.parents % 2**32, np.arange(16)]).astype(np.uint32)
    arrays = {
        "v_template": hand.v_template,
        "f": hand.faces.astype(np.uint32),
        "weights": hand.weights,
        "J_regressor": hand.J_regressor,
        "J": hand.J_regressor @ hand.v_template,
        "shapedirs": hand.shapedirs,
        "posedirs": hand.posedirs,
        "kintree_table": kintree,
        "hands_components": components,
        "hands_mean": hand.hands_mean,
        "tip_vertices": hand.tip_vertices,
        "side": np.array(hand.side),
        "topology": np.array(hand.topology),
        "license": np.array(hand.license),
    }
    content = io.BytesIO()
    np.savez_compressed(content, **arrays)
    path = Path(path)
    atomic_write(path, content.getvalue())
    return path


def _read_npz(path: Path) -> dict[str, Any]:
    """All arrays of an ``.npz``, refusing pickled ones."""
    arrays: dict[str, Any] = {}
    key = None
    try:
        # The sizes in its directory are those that zipfile lets out: a few packed bytes may claim to be all memory.
        with zipfile.ZipFile(path) as packed:
            check_size(path, sum(member.file_size for member in packed.infolist()))
        with np.load(path, allow_pickle=False) as archive:
            for key in archive.files:
                arrays[key] = archive[key]
    except (BadInputError, OSError):
        raise
    except Exception as error:
        if "allow_pickle" in str(error):
            raise UnsafeFileError(
                f"{path}: key {key!r} holds pickled objects, which can run code; it was refused and nothing was run. "
                "Save plain arrays, for instance with handlib.hand.files.write_mano_npz"
            ) from error
        raise BadInputError(
            f"{path}: cannot be read as .npz ({type(error).__name__}: {error}); it is truncated or damaged: compare "
            "its size with the original and copy it again"
        ) from error
    return arrays


@dataclass(frozen=True)
class _Reader:
    """The checks that turn a dictionary of anything into a :class:`HandFile`."""

    path: Path
    raw: dict[str, Any]

    def hand_file(self, file_side: Side | None, tips: TipConvention) -> HandFile:
        """Check every array against the number of vertices that the template has."""
        template = self.array("v_template", (None, 3))
        size = len(template)
        parents = self.parents()
        own_tips = "tip_vertices" in self.raw
        if not own_tips and size != MANO_VERTICES:
            raise BadInputError(
                f"{self.path}: has {size} vertices and no key 'tip_vertices'; MANO's fingertips are known for its "
                f"{MANO_VERTICES} vertices only: add the five fingertip vertices, thumb to little, as 'tip_vertices'"
            )
        known = {"f", "J", "kintree_table", "side", "topology", "license", *HandFile.__dataclass_fields__}
        return HandFile(
            v_template=template,
            faces=self.array("faces" if "faces" in self.raw else "f", (None, 3), below=size),
            weights=self.array("weights", (size, 16)),
            J_regressor=self.array("J_regressor", (16, size)),
            shapedirs=self.array("shapedirs", (size, 3, None)),
            posedirs=self.array("posedirs", (size, 3, 135), default=own_tips and (lambda: np.zeros((size, 3, 135)))),
            parents=parents,
            tip_vertices=self.array("tip_vertices", (5,), size, default=lambda: np.array(FINGERTIP_VERTICES[tips])),
            hands_mean=self.array("hands_mean", (45,), default=own_tips and (lambda: np.zeros(45))),
            hands_components=self.array("hands_components", (None, 45), default=own_tips and (lambda: None)),
            side=file_side or self.side(),
            topology=self.choice("topology", get_args(Topology), "own" if own_tips else "mano"),
            license=self.text("license") or "unknown",
            extras={k: v for k, v in self.raw.items() if k not in known and isinstance(v, np.ndarray)},
        )

    def array(
        self,
        key: str,
        shape: tuple[int | None, ...],
        below: int | None = None,
        default: Callable[[], np.ndarray | None] | Literal[False] = False,
    ) -> np.ndarray | None:
        """One array, checked: its shape (None = any length), finite float64, or whole numbers in ``[0, below)``."""
        if key not in self.raw:
            if default:
                return default()
            raise BadInputError(
                f"{self.path}: key {key!r} is missing (found {sorted(map(str, self.raw))}); this is not a hand model "
                "file, or only a part of one: get the whole file from its authors"
            )
        try:
            value = to_array(self.raw[key])
        except BadInputError as error:
            raise BadInputError(f"{self.path}: key {key!r} {error}") from error
        if len(value.shape) != len(shape) or any(w not in (None, n) for n, w in zip(value.shape, shape, strict=True)):
            wanted = "(" + ", ".join("any" if n is None else str(n) for n in shape) + ")"
            raise BadInputError(
                f"{self.path}: key {key!r} has shape {value.shape}, expected {wanted}; the file is of another model "
                "or damaged: hand models have 16 joints and one row a vertex of 'v_template'"
            )
        if below is None:
            if not np.isfinite(value).all():
                raise BadInputError(f"{self.path}: key {key!r} holds NaN or infinity; copy the file again")
            return value.astype(np.float64)
        if value.size and not (value.min() >= 0 and value.max() < below and (value == np.floor(value)).all()):
            raise BadInputError(
                f"{self.path}: key {key!r} holds vertex numbers from {value.min()} to {value.max()}, but there are "
                f"vertices 0 to {below - 1}; the file is damaged or its mesh is of another model"
            )
        return value.astype(np.int64)

    def parents(self) -> np.ndarray:
        """The kinematic tree, which must be MANO's: pose vectors have no meaning on another one."""
        key = "parents" if "parents" in self.raw else "kintree_table"
        parents = self.array(key, (16,) if key == "parents" else (2, 16))
        parents = np.where(parents > 2**31, -1, parents).astype(np.int64).reshape(-1, 16)[0]
        if not np.array_equal(parents, MODEL_PARENTS):
            raise BadInputError(
                f"{self.path}: key {key!r} holds the tree {parents.tolist()}, expected MANO's {list(MODEL_PARENTS)}; "
                "reorder the joints of the file to MANO's"
            )
        return parents

    def side(self) -> str:
        """Which hand the file holds: its own word, else its name's, else right."""
        return self.choice("side", get_args(Side), "left" if "left" in self.path.name.lower() else "right")

    def choice(self, key: str, choices: tuple[str, ...], default: str) -> str:
        """One optional word of a few."""
        word = self.text(key) if key in self.raw else default
        if word not in choices:
            met = "no text" if word is None else repr(printable(word))
            raise BadInputError(f"{self.path}: key {key!r} is {met}, expected one of {choices}")
        return word

    def text(self, key: str) -> str | None:
        """One optional string, or None where there is none."""
        value = self.raw.get(key)
        if isinstance(value, np.ndarray) and value.dtype.kind == "U" and value.ndim == 0:
            return str(value)
        return value if isinstance(value, str) else None
