"""The packaged hands' shape spaces against the survey they were calibrated to, and the pose correctives' effect."""

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import roma
import torch
from torch import Tensor

from handlib.hand.files import ASSETS, read_hand_file
from handlib.hand.model import HandModel

DATA_SCRIPTS = Path(__file__).parent.parent / "data_scripts"
HANDS = ("open", "generic")
FLEXION = (1, 4, 7, 10)  # the knuckles, in model order; a positive rotation about z bends a finger


@pytest.fixture(scope="module", autouse=True)
def scripts() -> Iterator[None]:
    """Lets a test import the modules beside the build scripts."""
    sys.path.insert(0, str(DATA_SCRIPTS))
    yield
    sys.path.remove(str(DATA_SCRIPTS))


def arrays_of(name: str) -> dict[str, np.ndarray]:
    """The arrays of a packaged hand."""
    with np.load(ASSETS / f"{name}_hand_right.npz", allow_pickle=False) as file:
        return {key: file[key] for key in file.files}


def measured_adults(name: str, count: int = 3000) -> np.ndarray:
    """Five measurements (count, 5), millimetres, of shapes drawn from the standard normal distribution."""
    from hand_anthropometry import place_measures

    hand = arrays_of(name)
    points = np.concatenate([hand["v_template"], hand["J_rest"]])
    joint_directions = np.einsum("jv,vck->jck", hand["J_regressor"], hand["shapedirs"])
    directions = np.concatenate([hand["shapedirs"], joint_directions])
    measures = place_measures(points, hand["faces"], hand["weights"], hand["tip_vertices"][2])
    beta = np.random.default_rng(0).normal(size=(count, 10))
    return measures.measure_mm(points + np.einsum("pck,bk->bpc", directions, beta))


def test_pooled_survey_numbers() -> None:
    from hand_anthropometry import MEASURES, adult_covariance_mm2, adult_mean_mm

    # Law of total variance by hand for hand length: (9.95^2 + 10.06^2) / 2 + ((193.28 - 181.08) / 2)^2.
    assert adult_mean_mm()[MEASURES.index("hand_length")] == pytest.approx(187.18)
    assert adult_covariance_mm2()[0, 0] == pytest.approx((9.95**2 + 10.06**2) / 2 + 6.1**2)
    assert np.linalg.eigvalsh(adult_covariance_mm2()).min() > 0


@pytest.mark.parametrize("name", HANDS)
def test_random_shapes_have_the_surveys_mean_and_spread(name: str) -> None:
    from hand_anthropometry import adult_covariance_mm2, adult_mean_mm

    measured, spread = measured_adults(name), np.sqrt(np.diag(adult_covariance_mm2()))
    np.testing.assert_allclose(measured.mean(0), adult_mean_mm(), rtol=0.01)
    np.testing.assert_allclose(measured.std(0), spread, rtol=0.05)
    wanted = adult_covariance_mm2() / np.outer(spread, spread)
    np.testing.assert_allclose(np.corrcoef(measured.T), wanted, atol=0.04)


@pytest.mark.parametrize("name", HANDS)
def test_template_breadth_by_an_independent_section(name: str) -> None:
    import trimesh

    hand = arrays_of(name)
    mesh = trimesh.Trimesh(hand["v_template"], hand["faces"], process=False)
    length = -hand["v_template"][hand["tip_vertices"][2], 0]
    assert length == pytest.approx(0.1872, abs=0.003)
    section = mesh.section(plane_origin=[-0.44 * length, 0, 0], plane_normal=[1, 0, 0])
    # The thumb may be cut by the same plane: the palm is the longest outline.
    palm = max(section.discrete, key=lambda outline: np.linalg.norm(np.diff(outline, axis=0), axis=1).sum())
    assert np.ptp(palm[:, 2]) == pytest.approx(0.0832, abs=0.003)


@pytest.mark.parametrize("name", HANDS)
def test_shape_directions_are_ordered_and_not_one_size_slider(name: str) -> None:
    shapedirs = arrays_of(name)["shapedirs"]
    power = (shapedirs**2).sum((0, 1))
    assert (np.diff(power) < 1e-9).all()
    assert 0.6 < power[0] / power.sum() < 0.92
    flat = shapedirs.reshape(-1, 10) / np.sqrt(power)
    assert np.linalg.matrix_rank(flat, tol=1e-3) == 10


@pytest.mark.parametrize("name", HANDS)
def test_extreme_shapes_stay_hands(name: str) -> None:
    hand = arrays_of(name)
    faces, tips = hand["faces"], hand["tip_vertices"]

    def normals(vertices: np.ndarray) -> np.ndarray:
        corner = vertices[faces]
        normal = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
        return normal / np.linalg.norm(normal, axis=1, keepdims=True)

    rest = normals(hand["v_template"])
    for component in range(10):
        for beta in (-3.0, 3.0):
            vertices = hand["v_template"] + beta * hand["shapedirs"][..., component]
            assert ((normals(vertices) * rest).sum(1) > 0).mean() > 0.995, "no face turns over"
            assert (vertices[tips[1:], 0] < -0.09).all(), "fingers keep pointing along -x"


def bend(angles_deg: dict[int, float]) -> Tensor:
    """A pose (1, 45): rotations about z, degrees, of joints given in model order."""
    pose = torch.zeros(1, 15, 3)
    for joint, angle in angles_deg.items():
        pose[0, joint - 1, 2] = np.radians(angle)
    return pose.flatten(1)


BENDS = {
    "knuckles": {joint: 80.0 for joint in FLEXION},
    "middle joints": {joint + 1: 95.0 for joint in FLEXION},
    "end joints": {joint + 2: 65.0 for joint in FLEXION},
    "one finger": {1: 75.0, 2: 95.0, 3: 60.0},
    "fist": {joint + k: angle for joint in FLEXION for k, angle in enumerate((75.0, 95.0, 60.0))},
    "half a fist": {joint + k: angle for joint in FLEXION for k, angle in enumerate((40.0, 50.0, 30.0))},
}


def posed(pose: Tensor) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The open hand at rest, posed without and posed with its pose correctives: vertices (778, 3) each."""
    file = read_hand_file("open")
    bare = HandModel(replace(file, posedirs=np.zeros_like(file.posedirs)), dtype=torch.float64)
    full, shape = HandModel(file, dtype=torch.float64), torch.zeros(1, 10, dtype=torch.float64)
    pose = pose.double()
    return tuple(
        model(angles, shape).vertices[0].numpy()
        for model, angles in ((bare, torch.zeros_like(pose)), (bare, pose), (full, pose))
    )


@pytest.mark.parametrize("name", BENDS)
def test_correctives_give_back_volume_at_bent_joints(name: str) -> None:
    from pose_correctives import enclosed_volume

    faces = arrays_of("open")["faces"]
    rest, bare, corrected = (enclosed_volume(vertices, faces) for vertices in posed(bend(BENDS[name])))
    assert bare < rest, "linear blend skinning loses volume at a bent joint"
    assert abs(corrected - rest) < 0.75 * abs(bare - rest)


def test_correctives_keep_a_bent_knuckle_from_caving_in() -> None:
    hand = arrays_of("open")
    joint, angle = 2, 90.0  # the index finger's middle joint
    rest, bare, corrected = posed(bend({joint: angle}))
    outer = hand["weights"][:, joint : joint + 2].sum(1)
    back = (outer > 0.3) & (outer < 0.7) & (rest[:, 1] > hand["J_rest"][joint, 1])
    centre = hand["J_rest"][joint]
    reach = np.linalg.norm(rest[back] - centre, axis=1)
    kept_bare = np.linalg.norm(bare[back] - centre, axis=1) / reach
    kept_corrected = np.linalg.norm(corrected[back] - centre, axis=1) / reach
    assert kept_bare.min() < 0.75, "without correctives the skin over the knuckle sinks in"
    assert kept_corrected.min() > kept_bare.min() + 0.15


def test_correctives_vanish_at_rest_and_on_rigid_skin() -> None:
    rest, _, corrected = posed(torch.zeros(1, 45))
    np.testing.assert_array_equal(rest, corrected)
    hand = arrays_of("open")
    for joint in range(1, 16):
        outer = hand["weights"][:, joint : (joint - 1) // 3 * 3 + 4].sum(1)
        beyond = hand["weights"][:, joint] > 0.999
        directions = hand["posedirs"].reshape(-1, 3, 15, 9)[:, :, joint - 1]
        assert np.abs(directions[beyond]).max(initial=0) < 1e-5
        far = (outer < 1e-6) & (hand["weights"][:, 0] > 0.999)
        assert np.abs(directions[far]).max(initial=0) < 1e-5


def test_correctives_stay_bounded_at_impossible_poses() -> None:
    axes = np.random.default_rng(0).normal(size=(200, 15, 3))
    axes *= np.radians(120) / np.linalg.norm(axes, axis=2, keepdims=True)
    change = roma.rotvec_to_rotmat(torch.from_numpy(axes)).numpy() - np.eye(3)
    displacement = np.einsum("vcf,bf->bvc", arrays_of("open")["posedirs"], change.reshape(200, 135))
    assert np.linalg.norm(displacement, axis=-1).max() < 0.03


def test_generic_hand_has_no_correctives() -> None:
    assert not arrays_of("generic")["posedirs"].any()
