"""YouTube-3D-Hands' format: meshes in pixels, and films that are cut where the hand jumps."""

import json

import numpy as np
import pytest
import torch
from worker_copies import sent_to_worker

from handlib.data.clips import clips, discontinuities, videos
from handlib.data.mano_labels import regress_joints
from handlib.data.youtube_hands import YouTubeHands, YouTubeVideos
from handlib.errors import BadInputError, MissingFileError


@pytest.fixture(scope="module")
def written(format_fixture):
    return format_fixture("youtube_hands")


@pytest.fixture
def copy(written, copy_fixture):
    return copy_fixture(written)


def test_a_sample_is_what_was_drawn(written, mano_stand_in):
    root, drawn = written
    dataset = YouTubeHands(root, hand=mano_stand_in)
    assert [s.side for s in dataset] == ["right", "left"] and dataset[1].name == "youtube/Ab-c_1/video/frames/1.png#1"
    sample = dataset[1]
    assert sample.joints_m is None and sample.K is None and sample.frame == 1
    assert np.array_equal(sample.image, drawn.rgb[1])
    wrist_z = drawn.joints_m[1, 0, 2]
    vertices = drawn.vertices_m[1] * 300 / wrist_z + [79.5, 59.5, 0]
    assert np.allclose(dataset.vertices_px(1), vertices, atol=1e-3)
    joints = regress_joints(mano_stand_in, torch.as_tensor(vertices).float())[:, :2]
    assert np.allclose(sample.joints_2d_px, joints, atol=1e-3)
    assert YouTubeHands(root)[0].joints_2d_px is None
    assert sent_to_worker(dataset)[1].side == "left"


def test_films_are_cut_where_the_hand_jumps_or_is_lost(written):
    root, _ = written
    films = YouTubeVideos(root, detections=root / "detections.npz")
    assert len(films) == 5
    assert [run.tolist() for run in videos(films)["Ab-c_1"]] == [[0, 1, 2], [3, 4]]
    assert [clip.tolist() for clip in clips(films, 2)] == [[0, 1], [3, 4]]
    assert films[3].confidence.min() == 1 and films[3].joints_m is None
    assert np.array_equal(sent_to_worker(films)[4].image, films[4].image)


def test_what_counts_as_a_jump():
    still = np.random.default_rng(0).uniform(0, 100, (1, 21, 2)).repeat(4, 0)
    sure = np.ones((4, 21))
    assert discontinuities(still, sure).tolist() == [True, False, False, False]
    for change in (lambda x: x + [200, 0], lambda x: 2 * x):
        moved = still.copy()
        moved[2] = change(moved[2])
        assert discontinuities(moved, sure).tolist() == [True, False, True, True]
    lost = sure.copy()
    lost[1] = 0
    assert discontinuities(still, lost).tolist() == [True, True, True, False]
    # A keypoint that is not found in one frame is no movement, wherever its pixel was put.
    hidden, partly = still.copy(), sure.copy()
    hidden[1, 4], partly[1, 4] = 0, 0
    assert discontinuities(hidden, partly).tolist() == [True, False, False, False]
    with pytest.raises(BadInputError, match="max_step=0"):
        discontinuities(still, sure, max_step=0.0)


def edit(copy, change):
    path = copy / "youtube_train.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def broken_vertex(content):
    content["annotations"][1]["vertices"][3][0] = float("nan")


BAD = [
    (broken_vertex, "1 of 2 labels are bad.*frames/1.png#1: a vertex is NaN"),
    (lambda c: c["annotations"][0]["vertices"].pop(), "different lengths"),
    (lambda c: [a["vertices"].pop() for a in c["annotations"]], r"shape \(2, 777, 3\), expected \(any, 778, 3\)"),
    (lambda c: c["annotations"][0].update(image_id=7), "belong to a picture 7 that it does not list"),
    (lambda c: c["annotations"].clear(), "has no annotation"),
    (lambda c: c.pop("annotations"), "no JSON object with 'annotations'"),
]


@pytest.mark.parametrize(("change", "reason"), BAD, ids=["NaN", "ragged", "count", "picture", "empty", "key"])
def test_bad_labels_are_named_with_a_remedy(copy, change, reason):
    edit(copy, change)
    with pytest.raises(BadInputError, match=rf"youtube_train\.json.*{reason}.*ask its authors"):
        YouTubeHands(copy)


def test_missing_and_damaged_files_are_named(copy):
    (copy / "youtube/Ab-c_1/video/frames/0.png").unlink()
    with pytest.raises(MissingFileError, match=r"no picture at .*frames/0\.png"):
        YouTubeHands(copy)[0]
    assert len(list(YouTubeHands(copy, on_bad="skip"))) == 1
    edit(copy, lambda c: c["images"][0].update(name="elsewhere.png"))
    with pytest.raises(BadInputError, match="'elsewhere.png' is no frame of a film"):
        YouTubeHands(copy)[0]
    (copy / "youtube_val.json").unlink()
    with pytest.raises(MissingFileError, match=r"youtube_val\.json: ask its authors"):
        YouTubeHands(copy, "val")
    np.savez(copy / "detections.npz", name=np.array(["x"]))
    with pytest.raises(BadInputError, match="detections.npz lacks"):
        YouTubeVideos(copy, "test", detections=copy / "detections.npz")
