"""The NYU reader, on a tiny data set in NYU's own format."""

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import torch
from PIL import Image

from handlib.data.nyu import NYU_K, Nyu, encode_nyu_depth, nearest_part, read_nyu_depth, xyz_to_uvd
from handlib.errors import BadInputError, MissingFileError
from handlib.metrics import nyu
from handlib.metrics.protocols.nyu import uvd_to_xyz_mm


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    scripts = str(Path(__file__).parent.parent / "data_scripts")
    sys.path.insert(0, scripts)
    import fixture_nyu

    root = tmp_path_factory.mktemp("nyu") / "dataset"
    joints = fixture_nyu.write_nyu(root)
    sys.path.remove(scripts)
    return root, joints, fixture_nyu.nyu_rig()


@pytest.fixture
def copy(written, tmp_path):
    return Path(shutil.copytree(written[0], tmp_path / "copy", ignore=shutil.ignore_patterns(".handlib")))


def test_samples_are_what_was_written(written):
    root, joints, _ = written
    dataset = Nyu(root, "test")
    assert len(dataset) == 2
    sample = dataset[1]
    assert sample.name == "test/depth_1_0000002" and sample.frame == 1
    assert np.allclose(sample.joints_m, joints["test"][1], atol=1e-6)
    assert sample.depth_m.shape == (480, 640) and sample.image[0, 0].tolist() == [11, 120, 200]
    pixels = sample.joints_m @ sample.K.T
    assert np.allclose(pixels[:, :2] / pixels[:, 2:], sample.joints_2d_px, atol=1e-2)


def test_depth_and_joints_belong_together(written):
    for sample in Nyu(written[0], "train", view="all"):
        column, row = np.rint(sample.joints_2d_px).astype(int).T
        behind = sample.joints_m[:, 2] - sample.depth_m[row, column]
        # The skin lies before a joint, another finger further before it; a tip's pixel may show what is beside it.
        assert (behind > -0.008).mean() > 0.8


def test_views_follow_one_another(written):
    dataset = Nyu(written[0], "train", view="all")
    assert [dataset[k].name[-9:] for k in range(6)] == [f"{v}_000000{f}" for v in (1, 2, 3) for f in (1, 2)]
    assert dataset[2].image.std() > 0, "no colour there: grey from depth"
    assert len(Nyu(written[0], "train", view="2")) == 2


def test_the_cameras_are_found_from_the_labels(written):
    root, _, rig = written
    found = Nyu(root, "train").rig()
    assert torch.allclose(found.rotation, rig.rotation, atol=1e-5)
    assert torch.allclose(found.translation_m, rig.translation_m, atol=1e-5)


def test_three_views_are_cropped_around_the_hand(written):
    root, joints, _ = written
    batch = Nyu(root, "train").multi_view([0, 1])
    assert batch.usable.all() and batch.depth.shape == (2, 3, 64, 64)
    assert np.allclose(batch.joints_m, joints["train"], atol=1e-6)
    in_cubes = batch.frames.from_world(batch.joints_m[:, None])
    assert in_cubes.abs().max() < 0.15
    share = (batch.depth < 1).float().mean((-2, -1))
    assert share.min() > 0.05 and share.max() < 0.3, "the hand, and not the person behind it"


def test_the_protocol_takes_the_labels(written):
    uvd = Nyu(written[0], "test").uvd()
    assert uvd.shape == (2, 36, 3)
    assert nyu(uvd, uvd) == {"mean_error": 0.0, "success_20mm": 1.0, "success_40mm": 1.0}
    further = uvd + np.array([0, 0, 10.0])
    assert nyu(further, uvd)["mean_error"] == pytest.approx(10.0, abs=0.5)


def test_uvd_and_xyz_are_inverse():
    points = np.random.default_rng(0).uniform([-0.3, -0.3, 0.4], [0.3, 0.3, 1.5], (50, 3))
    uvd = xyz_to_uvd(points)
    assert np.allclose(uvd_to_xyz_mm(uvd) / 1000, points, atol=1e-12)
    pixels = points @ NYU_K.astype(np.float64).T
    assert np.allclose(uvd[:, :2], pixels[:, :2] / pixels[:, 2:], atol=1e-3)
    assert uvd_to_xyz_mm(np.array([320.0, 240.0, 700.0])).tolist() == [0, 0, 700]


def test_depth_bytes(tmp_path):
    depth = np.array([[0.0, 0.255, 0.256, 0.7, 2.0]])
    Image.fromarray(encode_nyu_depth(depth)).save(tmp_path / "d.png")
    pixels = np.array(Image.open(tmp_path / "d.png"))
    assert pixels[0, 3].tolist() == [0, 700 >> 8, 700 & 255]
    assert np.allclose(read_nyu_depth(tmp_path / "d.png"), depth)


def test_what_lies_far_behind_is_left_out():
    depth = torch.full((1, 10, 10), 1.5)
    depth[0, :6, :6] = 0.7
    depth[0, 9, 9] = 0.1
    assert torch.equal(nearest_part(depth) > 0, depth < 1)


def edit_labels(root, change):
    path = root / "train" / "joint_data.mat"
    stored = {k: v for k, v in scipy.io.loadmat(path).items() if not k.startswith("__")}
    scipy.io.savemat(path, change(stored))


def replace_uvd(function):
    return lambda stored: stored | {"joint_uvd": function(stored["joint_uvd"])}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (replace_uvd(lambda uvd: uvd * [1, 1, 0.001]), r"median depth of joint_uvd is 0\.\d+, expected millimetres"),
        (replace_uvd(lambda uvd: uvd[:2]), r"expected \(3, any, 36, 3\)"),
        (replace_uvd(lambda uvd: uvd + np.nan), "expected millimetres"),
        (replace_uvd(lambda uvd: uvd * [1, 1, 2] + [2000, 0, 0]), "2 of 2 labels are bad"),
        (lambda stored: {"joint_xyz": stored["joint_xyz"]}, "has no array 'joint_uvd' but joint_xyz"),
    ],
    ids=["metres", "two views", "NaN", "beside the picture", "no uvd"],
)
def test_bad_labels_are_named(copy, change, reason):
    edit_labels(copy, change)
    with pytest.raises(BadInputError, match=rf"(?s)joint_data\.mat.*{reason}"):
        Nyu(copy, "train")


def test_a_file_that_is_no_matlab_file(copy):
    (copy / "train" / "joint_data.mat").write_bytes(b"MATLAB 5.0 MAT-file" + bytes(200))
    with pytest.raises(BadInputError, match=r"joint_data\.mat is damaged, or no \.mat file"):
        Nyu(copy, "train")
    (copy / "train" / "joint_data.mat").unlink()
    with pytest.raises(MissingFileError, match="joint_data.mat"):
        Nyu(copy, "train")


def test_a_view_that_does_not_fit_has_no_calibration(copy):
    shuffled = np.random.default_rng(0).permutation(36)
    edit_labels(copy, replace_uvd(lambda uvd: np.stack([uvd[0], uvd[1], uvd[2][:, shuffled]])))
    with pytest.raises(BadInputError, match="view 3 has no calibration.*mm from those of view 1"):
        Nyu(copy, "train").rig()


def test_empty_and_damaged_pictures(copy):
    rig = Nyu(copy, "train").rig()
    Image.fromarray(np.zeros((480, 640, 3), np.uint8)).save(copy / "train" / "depth_1_0000001.png")
    with pytest.raises(BadInputError, match=r"depth_1_0000001\.png is empty"):
        Nyu(copy, "train")[0]
    skipping = Nyu(copy, "train", on_bad="skip")
    assert len(list(skipping)) == 1 and "empty" in skipping.skipped["train/depth_1_0000001"]
    assert skipping.multi_view([0], rig).usable.tolist() == [[False, True, True]]
    Image.fromarray(np.zeros((480, 640), np.uint8)).save(copy / "train" / "depth_1_0000001.png")
    with pytest.raises(BadInputError, match="expected 8-bit RGB"):
        Nyu(copy, "train")[0]
