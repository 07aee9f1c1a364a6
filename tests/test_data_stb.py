"""STB's format: left hands, a palm for a wrist, three cameras; what was written is read, and damage is named."""

import os

import numpy as np
import pytest
import scipy.io
from worker_copies import sent_to_worker

from handlib.data.clips import clips
from handlib.data.stb import BASELINE_M, STB, STB_K
from handlib.errors import BadInputError, MissingFileError
from handlib.metrics import stb

SOME = ("B2Counting", "B2Random")


@pytest.fixture(scope="module")
def written(format_fixture):
    return format_fixture("stb")


@pytest.fixture
def copy(written, copy_fixture):
    return copy_fixture(written)


@pytest.mark.parametrize("camera", ["BB_left", "BB_right", "SK"])
def test_a_sample_is_what_was_drawn_for_each_camera(written, camera):
    root, drawn = written
    dataset = STB(root, "test", camera=camera)
    assert (
        len(dataset) == 4 and dataset.sample_name(3).startswith("B1Random/") and dataset.sample_name(3).endswith("_1")
    )
    sample, truth = dataset[1], drawn[f"B1Counting-{camera[:2]}"]
    assert sample.side == "left" and sample.sequence == "B1Counting" and sample.frame == 1
    assert np.array_equal(sample.K, STB_K[camera])
    if camera == "BB_left":
        assert np.allclose(sample.joints_m, truth.joints_m[1], atol=1e-6)
        assert np.array_equal(sample.image, truth.rgb[1])
    if camera == "BB_right":
        assert np.allclose(sample.joints_m + [BASELINE_M, 0, 0], truth.joints_m[1], atol=1e-6)
    # Every camera sees a skin-coloured hand where the labels say that its joints are.
    u, v = np.rint(sample.joints_2d_px[1:]).astype(int).T
    assert (sample.image[v, u, 0] > sample.image[v, u, 2]).mean() > 0.8


def test_the_depth_camera_has_its_own_frame(written):
    root, drawn = written
    dataset = STB(root, "test", camera="SK")
    depth, joints = dataset.depth_view(1)
    truth = drawn["B1Counting-SK"]
    assert np.allclose(joints, truth.joints_m[1], atol=1e-6)
    assert np.abs(depth - truth.depth_m[1]).max() <= 0.0005 + 1e-6
    # The colour camera stands some 24 mm to the side: the published vector moves points of its frame by about that.
    moved = dataset[1].joints_m - joints
    assert np.allclose(moved.mean(0), [0.024 + 0.012 * 0.6, 0.003, 0], atol=0.005)
    with pytest.raises(BadInputError, match="only the frames of camera='SK'"):
        STB(root, "test").depth_view(0)


def test_the_wrist_is_extrapolated_in_either_published_way(written):
    root, drawn = written
    palm = STB(root, "test", wrist="palm")[0].joints_m
    ring, middle = STB(root, "test", wrist="ring")[0].joints_m, STB(root, "test", wrist="middle")[0].joints_m
    assert np.allclose(ring[0], 2 * palm[0] - palm[13], atol=1e-6)
    assert np.allclose(middle[0], palm[9] + 2.2 * (palm[0] - palm[9]), atol=1e-6)
    assert np.array_equal(palm[1:], ring[1:]) and np.array_equal(palm[1:], middle[1:])
    assert np.allclose(ring[0], drawn["B1Counting-BB"].joints_m[0, 0], atol=1e-6)


def test_both_versions_of_the_auc_are_named(written):
    dataset = STB(written[0], "test")
    truth = np.stack([sample.joints_m for sample in dataset])
    keys = stb(truth + np.random.default_rng(0).normal(0, 0.02, truth.shape), truth)
    assert {"root_auc_j_20_50mm_hand3d", "root_auc_j_20_50mm_linspace", "root_auc_j_0_50mm"} <= keys.keys()
    assert keys["root_auc_j_20_50mm_hand3d"] > keys["root_auc_j_20_50mm_linspace"]


def test_splits_sequences_and_clips(written):
    root, _ = written
    two = STB(root, "train", sequences=SOME)
    assert {s.sequence for s in two} == set(SOME)
    assert [clip.tolist() for clip in clips(two, 2)] == [[0, 1], [2, 3]]
    assert np.array_equal(sent_to_worker(two)[3].joints_m, two[3].joints_m)
    assert len(STB(root, "train")) == 12 and len(STB(root, "all", camera="SK")) == 16


def save(path, hand_para):
    scipy.io.savemat(path, {"handPara": hand_para})


def with_nan(values):
    values[1, 3, 0] = np.nan
    return values


BAD = [
    (with_nan, "1 of 4 labels are bad.*B1Counting/BB_left_0: a joint is NaN"),
    (lambda x: x / 1000, "the unit is another"),
    (lambda x: x * [[[1]], [[1]], [[-1]]], "behind the camera"),
    (lambda x: x[:, :20], r"shape \(3, 20, 2\), expected \(3, 21, any\)"),
    (lambda x: x.transpose(2, 1, 0), r"shape \(2, 21, 3\), expected \(3, 21, any\)"),
    (lambda x: x[..., :1], "labels for 1 frames, but there is a picture .*BB_left_1.png"),
    (lambda x: np.array(["text"]), "expected numbers"),
]


@pytest.mark.parametrize(
    ("change", "reason"), BAD, ids=["NaN", "unit", "axes", "joints", "transposed", "count", "text"]
)
def test_bad_labels_are_named_with_a_remedy(copy, change, reason):
    path = copy / "labels/B1Counting_BB.mat"
    save(path, change(scipy.io.loadmat(path)["handPara"]))
    with pytest.raises(BadInputError, match=f"{reason}.*unpack images.zip"):
        STB(copy, "test")


def test_missing_and_damaged_files_are_named(copy):
    (copy / "images/B1Counting/BB_left_1.png").unlink()
    with pytest.raises(MissingFileError, match=r"no picture at .*B1Counting/BB_left_1\.png"):
        STB(copy, "test")[1]
    assert [s.name for s in STB(copy, "test", on_bad="skip")] == [
        "B1Counting/BB_left_0",
        "B1Random/BB_left_0",
        "B1Random/BB_left_1",
    ]
    (copy / "labels/B3Counting_BB.mat").unlink()
    with pytest.raises(MissingFileError, match=r"B3Counting_BB\.mat: unpack images\.zip and labels\.zip"):
        STB(copy, "train")
    path = copy / "labels/B1Random_BB.mat"
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(BadInputError, match=r"B1Random_BB\.mat is damaged.*unpack"):
        STB(copy, "test")
    scipy.io.savemat(path, {"other": np.zeros(3)})
    with pytest.raises(BadInputError, match=r"B1Random_BB\.mat has no array 'handPara' but other: unpack"):
        STB(copy, "test")


def test_arguments_are_checked(written):
    for bad in ({"camera": "SK_depth"}, {"wrist": "elbow"}, {"sequences": ("B7Random",)}):
        with pytest.raises(BadInputError, match=f"{next(iter(bad))} is .* expected one of"):
            STB(written[0], "test", **bad)


@pytest.mark.data
@pytest.mark.skipif("HANDLIB_DATA" not in os.environ, reason="needs HANDLIB_DATA")
def test_real_labels_are_of_a_left_hand_in_our_axes(tmp_path):
    """The one label file of STB that development has: B1Counting as its authors ship it."""
    from handlib.data.archives import read_arrays
    from handlib.data.label_checks import handedness_mm
    from handlib.data.photos import require_data

    raw = read_arrays(require_data("stb_joint_poses.npz"), ("b1counting_bb_raw_mm",), "fetch it again")
    (tmp_path / "labels").mkdir()
    save(tmp_path / "labels/B1Counting_BB.mat", raw["b1counting_bb_raw_mm"].transpose(2, 1, 0))
    dataset = STB(tmp_path, "test", sequences=("B1Counting",))
    assert len(dataset) == 1500 and not dataset.skipped
    joints = np.stack([dataset._joints(row, "BB_left") for row in range(0, 1500, 50)])
    assert np.median(handedness_mm(joints)) < -5
