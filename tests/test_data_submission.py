"""Submission files: order, axes, size, and what a server would refuse."""

import json
import zipfile

import numpy as np
import pytest

from handlib.data.submission import SAMPLES, read_submission, write_submission
from handlib.errors import BadInputError
from handlib.skeleton import JOINT_ORDERS

GENERATOR = np.random.default_rng(0)
JOINTS = GENERATOR.normal(0, 0.05, (4, 21, 3)) + [0, 0, 0.6]
VERTICES = GENERATOR.normal(0, 0.05, (4, 778, 3)) + [0, 0, 0.6]


def content(path):
    with zipfile.ZipFile(path) as packed:
        assert packed.namelist() == ["pred.json"]
        return [np.array(part) for part in json.loads(packed.read("pred.json"))]


def test_freihand_is_written_as_it_is(tmp_path):
    joints, vertices = content(write_submission("freihand", tmp_path / "pred.zip", JOINTS, VERTICES, samples=4))
    assert np.allclose(joints, JOINTS, atol=1e-6) and np.allclose(vertices, VERTICES, atol=1e-6)


@pytest.mark.parametrize("name", ["ho3d_v2", "ho3d_v3"])
def test_ho3d_is_turned_to_opengl_and_manos_order(tmp_path, name):
    joints, vertices = content(write_submission(name, tmp_path / "pred.zip", JOINTS, VERTICES, samples=4))
    assert (joints[..., 2] < 0).all() and np.allclose(vertices, VERTICES * [1, -1, -1], atol=1e-6)
    names = JOINT_ORDERS["ho3d"].joints
    assert names.index("middle_mcp") == 4 and names.index("thumb_tip") == 16
    assert np.allclose(joints[:, 4], JOINTS[:, 9] * [1, -1, -1], atol=1e-6)
    assert np.allclose(joints[:, 16], JOINTS[:, 4] * [1, -1, -1], atol=1e-6)


@pytest.mark.parametrize("name", SAMPLES)
def test_reading_back_gives_the_predictions(tmp_path, name):
    path = write_submission(name, tmp_path / "pred.zip", JOINTS, VERTICES, samples=4)
    joints, vertices = read_submission(name, path)
    assert np.allclose(joints, JOINTS, atol=1e-6) and np.allclose(vertices, VERTICES, atol=1e-6)
    assert path.read_bytes() == write_submission(name, tmp_path / "b.zip", JOINTS, VERTICES, samples=4).read_bytes()


@pytest.mark.parametrize(
    ("joints", "vertices", "reason"),
    [
        (JOINTS[:3], VERTICES, r"joints_m has shape \(3, 21, 3\), expected \(4, 21, 3\): freihand scores 4"),
        (JOINTS, VERTICES[:3], r"vertices_m has shape \(3, 778, 3\), expected \(4, 778, 3\)"),
        (np.where(np.arange(4)[:, None, None] == 2, np.nan, JOINTS), VERTICES, r"joints_m\[2\] holds NaN"),
        (JOINTS * 1000, VERTICES, "expected metres"),
        (JOINTS * [1, -1, -1], VERTICES, r"joints_m\[0\] lies behind the camera.*OpenCV axes"),
    ],
    ids=["joints", "vertices", "NaN", "unit", "axes"],
)
def test_what_a_server_would_refuse_is_refused(tmp_path, joints, vertices, reason):
    with pytest.raises(BadInputError, match=reason):
        write_submission("freihand", tmp_path / "pred.zip", joints, vertices, samples=4)
    assert not (tmp_path / "pred.zip").exists()


def test_published_sizes_and_other_names(tmp_path):
    assert SAMPLES == {"freihand": 3960, "ho3d_v2": 11524, "ho3d_v3": 20137}
    with pytest.raises(BadInputError, match=r"expected \(3960, 21, 3\): freihand scores 3960 samples"):
        write_submission("freihand", tmp_path / "pred.zip", JOINTS, VERTICES)
    for call in (
        lambda: write_submission("stb", tmp_path / "p", JOINTS, VERTICES),
        lambda: read_submission("stb", "p"),
    ):
        with pytest.raises(BadInputError, match="name is 'stb', expected one of"):
            call()
    (tmp_path / "bad.zip").write_bytes(b"PK")
    with pytest.raises(BadInputError, match="bad.zip is no zipped pred.json"):
        read_submission("freihand", tmp_path / "bad.zip")
