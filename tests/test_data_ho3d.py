"""HO-3D's format, both versions: what was written is read, in our axes and order, and damage is named."""

import json
import pickle
from multiprocessing.reduction import ForkingPickler

import numpy as np
import pytest
from worker_copies import sent_to_worker

from handlib.data.clips import clips, videos
from handlib.data.depth_codes import join_bytes, split_bytes
from handlib.data.ho3d import DEPTH_STEP_M, HO3D
from handlib.errors import BadInputError, MissingFileError, UnsafeFileError


@pytest.fixture(scope="module", params=["v2", "v3"])
def written(request, format_fixture):
    root, drawn = format_fixture(f"ho3d_{request.param}")
    return root, drawn, request.param


@pytest.fixture(scope="module")
def written_v2(format_fixture):
    return format_fixture("ho3d_v2")


@pytest.fixture
def copy(written_v2, copy_fixture):
    return copy_fixture(written_v2)


def test_a_training_sample_is_what_was_drawn(written, mano_stand_in):
    root, drawn, version = written
    dataset = HO3D(root, version=version, hand=mano_stand_in)
    assert [s.name for s in dataset] == [
        f"train/{n}" for n in ("ABF10/0002", "ABF10/0001", "ABF10/0000", "SM1/0009", "SM1/0007")
    ]
    sample, truth, index = dataset[1], drawn["ABF10"], 1
    assert np.abs(sample.image.astype(int) - truth.rgb[index]).mean() < (1 if version == "v3" else 1e-9)
    assert np.allclose(sample.K, truth.K) and sample.sequence == "ABF10" and sample.frame == 1
    assert np.allclose(sample.joints_m, truth.joints_m[index], atol=1e-6)
    assert np.allclose(sample.joints_2d_px, truth.joints_2d_px[index], atol=1e-3) and sample.confidence.min() == 1
    assert np.abs(sample.vertices_m - truth.vertices_m[index]).max() < 1e-5
    assert np.abs(sample.depth_m - truth.depth_m[index]).max() <= DEPTH_STEP_M
    assert np.mean(sample.mask != truth.mask[index]) < 0.005, "the mask is a quarter of the size"


def test_without_mano_there_are_joints_and_no_mesh(written):
    root, _, version = written
    sample = HO3D(root, version=version, with_depth=False)[0]
    assert sample.vertices_m is None and sample.depth_m is None and sample.joints_m.shape == (21, 3)


def test_evaluation_gives_the_wrist_and_a_box_until_its_labels_are_there(written):
    root, drawn, version = written
    truth = drawn["AP10"]
    sample = HO3D(root, "evaluation", version=version)[1]
    assert np.allclose(sample.joints_m[0], truth.joints_m[0, 0], atol=1e-6)
    pixels = truth.joints_2d_px[0]
    assert np.abs(sample.box_px - [*pixels.min(0), *pixels.max(0)]).max() <= 1
    if version == "v2":
        assert np.isnan(sample.joints_m[1:]).all() and sample.confidence.tolist() == [1] + [0] * 20
        assert np.isfinite(sample.joints_2d_px).all() and sample.vertices_m is None
    else:
        assert np.allclose(sample.joints_m, truth.joints_m[0], atol=1e-6) and sample.confidence.min() == 1
        assert np.allclose(sample.vertices_m, truth.vertices_m[0], atol=1e-6)


def test_published_labels_in_another_order_are_found_out(format_fixture, copy_fixture):
    copy = copy_fixture(format_fixture("ho3d_v3"))
    path = copy / "evaluation_xyz.json"
    far = np.array(json.loads(path.read_text())) + [0.1, 0, 0]
    path.write_text(json.dumps(far.tolist()))
    with pytest.raises(BadInputError, match="evaluation_xyz.json.*wrists lie 100 mm from those in meta"):
        HO3D(copy, "evaluation", version="v3")
    path.write_text(json.dumps(far[:1].tolist()))
    with pytest.raises(BadInputError, match="1 entries for 2 samples of evaluation.txt: take the labels of the same"):
        HO3D(copy, "evaluation", version="v3")


def test_videos_are_runs_without_gaps(written):
    root, _, version = written
    dataset = HO3D(root, version=version)
    found = videos(dataset)
    assert {name: [run.tolist() for run in runs] for name, runs in found.items()} == {
        "ABF10": [[2, 1, 0]],
        "SM1": [[4], [3]],
    }
    assert [clip.tolist() for clip in clips(dataset, 2)] == [[2, 1]]
    assert [clip.tolist() for clip in clips(dataset, 2, stride=1)] == [[2, 1], [1, 0]]


def test_a_reader_travels_to_a_worker(written):
    dataset = HO3D(written[0], version=written[2])
    assert np.array_equal(sent_to_worker(dataset)[0].joints_m, dataset[0].joints_m)


def test_depth_of_two_bytes_is_exact_where_eight_bits_overflow():
    values = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    low, high = split_bytes(values)
    assert np.array_equal(join_bytes(low, high), values)
    with pytest.raises(OverflowError):
        low + high * np.uint8(1) * 256


def rewrite(path, **changed):
    meta = ForkingPickler.loads(path.read_bytes())
    path.write_bytes(pickle.dumps({**meta, **changed}, protocol=2))


BAD = [
    (lambda m: {"handJoints3D": np.full((21, 3), np.nan)}, "1 of 5 labels are bad.*ABF10/0001: a joint is NaN"),
    (lambda m: {"handJoints3D": None}, "ABF10/0001: its label is None"),
    (lambda m: {"handJoints3D": m["handJoints3D"] * [1, -1, -1]}, "ABF10/0001: the hand lies behind the camera"),
    (lambda m: {"handJoints3D": m["handJoints3D"] * 1000}, "ABF10/0001: the hand is .* the unit is another"),
    (
        lambda m: {"handJoints3D": m["handJoints3D"][:20]},
        r"0001\.pkl: handJoints3D has shape \(20, 3\), expected \(21, 3\)",
    ),
    (lambda m: {"handPose": np.zeros(45)}, r"0001\.pkl: handPose has shape \(45,\), expected \(48\)"),
    (lambda m: {"handBeta": np.zeros(10, np.float16)}, r"0001\.pkl: handBeta .*"),
    (lambda m: {"camMat": None}, r"0001\.pkl: camMat is missing"),
]


@pytest.mark.parametrize(("change", "reason"), BAD, ids=["NaN", "None", "axes", "unit", "count", "pose", "dtype", "K"])
def test_bad_labels_are_named_with_a_remedy(copy, change, reason):
    path = copy / "train/ABF10/meta/0001.pkl"
    rewrite(path, **change(ForkingPickler.loads(path.read_bytes())))
    with pytest.raises(BadInputError, match=f"{reason}.*unpack HO3D_v2.zip"):
        HO3D(copy)


def test_a_pickle_that_would_run_code_is_refused(copy):
    class Payload:
        def __reduce__(self):
            return (exit, ("the payload ran",))

    (copy / "train/ABF10/meta/0001.pkl").write_bytes(pickle.dumps({"handPose": Payload()}))
    with pytest.raises(UnsafeFileError, match="0001.pkl.*nothing in the file was run"):
        HO3D(copy)


def test_missing_and_damaged_files_are_named(copy):
    (copy / "train/SM1/depth/0009.png").unlink()
    cut = copy / "train/ABF10/rgb/0002.png"
    cut.write_bytes(cut.read_bytes()[:3000])
    dataset = HO3D(copy)
    with pytest.raises(BadInputError, match="0002.png is damaged or cut off.*copy it again"):
        dataset[0]
    with pytest.raises(MissingFileError, match="no picture at .*SM1/depth/0009.png"):
        dataset[3]
    skipping = HO3D(copy, on_bad="skip")
    assert len(list(skipping)) == 3 and list(skipping.skipped) == ["ABF10/0002", "SM1/0009"]
    (copy / "train/SM1/meta/0007.pkl").unlink()
    (copy / "train.txt").write_text((copy / "train.txt").read_text() + "\n")
    with pytest.raises(MissingFileError, match="0007.pkl, which the list of samples names: unpack"):
        HO3D(copy)


@pytest.mark.parametrize(("content", "reason"), [("ABF10 0001\n", "is not SEQUENCE/FRAME"), ("", "lists no sample")])
def test_a_damaged_list_is_named(copy, content, reason):
    (copy / "train.txt").write_text(content)
    with pytest.raises(BadInputError, match=rf"train\.txt.* {reason}.*unpack"):
        HO3D(copy)


def test_arguments_are_checked(copy, monkeypatch):
    monkeypatch.delenv("HANDLIB_HO3D_V3", raising=False)
    with pytest.raises(BadInputError, match="version is 'v4'"):
        HO3D(copy, version="v4")
    with pytest.raises(MissingFileError, match="HANDLIB_HO3D_V3"):
        HO3D(version="v3")
    with pytest.raises(BadInputError, match="depth.*expected 3 channels"):
        from PIL import Image

        from handlib.data.ho3d import read_ho3d_depth

        Image.fromarray(np.zeros((4, 4), np.uint16)).save(copy / "depth.png")
        read_ho3d_depth(copy / "depth.png")
