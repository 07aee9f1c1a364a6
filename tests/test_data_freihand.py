"""FreiHAND's format: what was written is read, and every kind of damage is named with a remedy."""

import json
import pickle

import numpy as np
import pytest
from worker_copies import sent_to_worker

from handlib.data.freihand import FreiHand
from handlib.data.label_cache import cache_folder
from handlib.errors import BadInputError, MissingFileError


@pytest.fixture(scope="module")
def written(format_fixture):
    return format_fixture("freihand")


@pytest.fixture
def copy(written, copy_fixture):
    return copy_fixture(written)


def edit(path, change):
    content = json.loads(path.read_text())
    path.write_text(json.dumps(change(content)))


def test_a_sample_is_what_was_written(written):
    root, drawn = written
    dataset, truth = FreiHand(root), drawn["training"]
    assert len(dataset) == 3 and [s.name for s in dataset] == [f"training/rgb/{i:08d}" for i in range(3)]
    for index, sample in enumerate(dataset):
        assert np.abs(sample.image.astype(int) - truth.rgb[index]).mean() < 1
        assert np.array_equal(sample.mask > 0, truth.mask[index])
        assert np.allclose(sample.K, truth.K) and sample.side == "right"
        assert np.allclose(sample.vertices_m, truth.vertices_m[index], atol=1e-6)
        # FreiHAND's joints are regressed from the posed mesh: a few millimetres from the centres of rotation.
        assert np.linalg.norm(sample.joints_m - truth.joints_m[index], axis=-1).max() < 0.02
        depth = sample.joints_m[:, 2:]
        assert np.allclose((sample.joints_m @ truth.K.T)[:, :2] / depth, sample.joints_2d_px, atol=1e-3)


def test_versions_share_labels_and_differ_in_the_picture(written):
    root, _ = written
    every = FreiHand(root, version="all")
    assert len(every) == 12
    first, third = every[1], FreiHand(root, version="sample")[1]
    assert third.name == "training/rgb/00000007" == every[7].name
    assert np.array_equal(first.joints_m, third.joints_m) and np.array_equal(first.mask, third.mask)
    assert not np.array_equal(first.image, third.image)


def test_evaluation_works_with_and_without_its_labels(written, copy):
    root, drawn = written
    labelled = FreiHand(root, "evaluation")
    assert np.allclose(labelled[1].vertices_m, drawn["evaluation"].vertices_m[1], atol=1e-6)
    for kind in ("xyz", "mano", "verts"):
        (copy / f"evaluation_{kind}.json").unlink()
    bare = FreiHand(copy, "evaluation")
    sample = bare[1]
    assert sample.joints_m is None and sample.vertices_m is None and np.allclose(sample.K, drawn["evaluation"].K)
    assert np.allclose(bare.scale_m, labelled.scale_m) and 0.02 < bare.scale_m[0] < 0.06


def test_mano_numbers_give_the_mesh_that_was_drawn(written, copy, mano_stand_in):
    (copy / "training_verts.json").unlink()
    assert FreiHand(copy)[0].vertices_m is None
    with_hand = FreiHand(copy, hand=mano_stand_in)
    for index in range(3):
        error = np.abs(with_hand[index].vertices_m - written[1]["training"].vertices_m[index])
        assert error.max() < 1e-5


def test_another_hand_than_manos_is_refused(written):
    from handlib.hand import HandModel

    with pytest.raises(BadInputError, match="hand is a right hand of topology 'own'.*MANO_RIGHT.pkl"):
        FreiHand(written[0], hand=HandModel.load("open"))


def test_a_reader_travels_to_a_worker_and_opens_faster_the_second_time(written, monkeypatch):
    dataset = FreiHand(written[0])
    content = pickle.dumps(dataset)
    assert len(content) < 3000
    assert np.array_equal(sent_to_worker(dataset)[2].joints_m, dataset[2].joints_m)
    monkeypatch.setattr("handlib.data.freihand.stream_json_numbers", None)
    assert len(FreiHand(written[0])) == 3


def test_changed_labels_are_read_again(copy):
    before = FreiHand(copy)[0].joints_m
    edit(copy / "training_xyz.json", lambda xyz: (np.array(xyz) + [0, 0, 0.1]).tolist())
    assert np.allclose(FreiHand(copy)[0].joints_m - before, [0, 0, 0.1], atol=1e-6)


def with_nan(xyz):
    xyz[1][4][2] = float("nan")
    return xyz


def ragged(xyz):
    xyz[1] = xyz[1][:20]
    return xyz


@pytest.mark.parametrize(
    ("file", "change", "reason"),
    [
        (
            "training_xyz.json",
            with_nan,
            r"1 of 3 labels are bad, the first of them training/rgb/00000001: a joint is NaN",
        ),
        ("training_xyz.json", lambda x: (np.array(x) * 1000).tolist(), "the unit is another"),
        ("training_xyz.json", lambda x: (np.array(x)[..., [2, 1, 0]]).tolist(), "swapped|another camera"),
        (
            "training_xyz.json",
            lambda x: (np.array(x) * [1, -1, -1]).tolist(),
            "behind the camera: the axes are flipped",
        ),
        ("training_xyz.json", ragged, "different lengths"),
        ("training_xyz.json", lambda x: x[:2], "different numbers of entries.*training_xyz.json 2"),
        ("training_xyz.json", lambda x: [[["a"] * 3] * 21] * 3, "holds <U1, expected numbers"),
        ("training_K.json", lambda x: [k[:2] for k in x], r"shape \(3, 2, 3\), expected \(any, 3, 3\)"),
        ("training_mano.json", lambda x: [m[0][:60] for m in x], r"shape \(3, 60\), expected \(any, 61\)"),
    ],
    ids=["NaN", "millimetres", "swapped axes", "OpenGL axes", "ragged", "count", "text", "K", "MANO"],
)
def test_bad_labels_are_named_with_a_remedy(copy, file, change, reason):
    edit(copy / file, change)
    with pytest.raises(BadInputError, match=rf"(?s)({file}.*)?({reason}).*(?i:unpack FreiHAND_pub_v2\.zip again)"):
        FreiHand(copy)


def test_a_cut_off_label_file_is_named(copy):
    path = copy / "training_verts.json"
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(BadInputError, match=r"training_verts\.json ends in the middle.*unpack"):
        FreiHand(copy)
    assert not list(cache_folder(copy).glob("freihand-training*"))


@pytest.mark.parametrize("missing", ["training_K.json", "training_xyz.json"])
def test_a_missing_label_file_is_named(copy, missing):
    (copy / missing).unlink()
    with pytest.raises(MissingFileError, match=rf"{missing}: unpack FreiHAND_pub_v2\.zip"):
        FreiHand(copy)


def test_pictures_are_checked_when_they_are_read(copy):
    (copy / "training/rgb/00000000.jpg").unlink()
    cut = copy / "training/rgb/00000002.jpg"
    cut.write_bytes(cut.read_bytes()[:2000])
    with pytest.raises(MissingFileError, match="no picture at .*00000000.jpg"):
        FreiHand(copy)[0]
    with pytest.raises(BadInputError, match="00000002.jpg is damaged or cut off.*copy it again"):
        FreiHand(copy)[2]


def test_bad_samples_can_be_left_out_and_are_reported(copy):
    edit(copy / "training_xyz.json", with_nan)
    cut = copy / "training/rgb/00000002.jpg"
    cut.write_bytes(cut.read_bytes()[:2000])
    dataset = FreiHand(copy, on_bad="skip")
    assert len(dataset) == 2 and list(dataset.skipped) == ["training/rgb/00000001"]
    assert [sample.name for sample in dataset] == ["training/rgb/00000000"]
    assert "damaged or cut off" in dataset.skipped["training/rgb/00000002"]
    dataset.remember_unreadable()
    assert len(FreiHand(copy, on_bad="skip")) == 1


def test_arguments_are_checked(written, tmp_path, monkeypatch):
    monkeypatch.delenv("HANDLIB_FREIHAND", raising=False)
    with pytest.raises(MissingFileError, match="give --root DIR .* or set HANDLIB_FREIHAND"):
        FreiHand()
    with pytest.raises(MissingFileError, match="no folder .*nowhere"):
        FreiHand(tmp_path / "nowhere")
    with pytest.raises(BadInputError, match="split is 'test', expected one of training, evaluation"):
        FreiHand(written[0], "test")
    with pytest.raises(BadInputError, match="version is 'auto', but the evaluation"):
        FreiHand(written[0], "evaluation", version="auto")
    monkeypatch.setenv("HANDLIB_FREIHAND", str(written[0]))
    assert len(FreiHand()) == 3
    with pytest.raises(IndexError, match="sample 3 of freihand with 3"):
        FreiHand()[3]
