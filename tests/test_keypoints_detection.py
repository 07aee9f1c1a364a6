"""Stored detections round-trip, bad files are refused, and the detector does what the stored file says."""

import json
import os
from dataclasses import replace

import numpy as np
import pytest

from handlib.data.images import read_image
from handlib.data.photos import PACKAGED_PHOTOS, PhotoSet, data_folder, packaged_photos
from handlib.errors import BadInputError, MissingExtraError, MissingFileError
from handlib.keypoints import (
    HandDetection,
    detect_hands,
    find_hands,
    mediapipe_detector,
    read_detections,
    write_detections,
)

HAND = HandDetection(
    np.arange(42, dtype=np.float32).reshape(21, 2), np.linspace(0, 1, 21, dtype=np.float32), "left", 0.75
)


def stored_hand(**changes) -> str:
    """A detections file of one hand, valid but for the changes."""
    hand = {"keypoints_px": [[1, 2]] * 21, "confidence": [1] * 21, "side": "left", "side_score": 1} | changes
    return json.dumps({"format": "handlib-detections-1", "pictures": {"a": [hand]}})


def test_round_trip(tmp_path):
    write_detections(tmp_path / "d.json", {"a.jpg": [HAND], "empty.jpg": []}, "by hand 1.0")
    read = read_detections(tmp_path / "d.json")
    assert read["empty.jpg"] == []
    assert np.allclose(read["a.jpg"][0].keypoints_px, HAND.keypoints_px, atol=0.005)
    assert np.allclose(read["a.jpg"][0].confidence, HAND.confidence, atol=5e-5)
    assert (read["a.jpg"][0].side, read["a.jpg"][0].side_score) == ("left", 0.75)
    assert [path.name for path in tmp_path.iterdir()] == ["d.json"]


def test_box_is_left_top_right_bottom():
    assert HAND.box_px == (0.0, 1.0, 40.0, 41.0)


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '{"format": "other", "pictures": {}}',
        stored_hand(keypoints_px=[[0, 0]]),
        stored_hand(keypoints_px=[[0, float("nan")]] * 21),
        stored_hand(confidence=[1] * 20),
        stored_hand(confidence=[float("inf")] * 21),
        stored_hand(side="both"),
        stored_hand(side_score=None),
        "\xff\xd8 a picture instead of a text",
    ],
)
def test_bad_files_are_refused(tmp_path, text):
    (tmp_path / "bad.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(BadInputError, match=r"bad\.json"):
        read_detections(tmp_path / "bad.json")


def test_a_stored_hand_without_faults_is_read(tmp_path):
    (tmp_path / "good.json").write_text(stored_hand())
    assert read_detections(tmp_path / "good.json")["a"][0].side == "left"


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(MissingFileError, match=r"none\.json"):
        read_detections(tmp_path / "none.json")


def test_the_packaged_photographs_have_stored_detections():
    stored = read_detections(PACKAGED_PHOTOS / "detections.json")
    assert sorted(stored) == [path.name for path in packaged_photos()]
    for path in packaged_photos():
        height, width = read_image(path).shape[:2]
        (hand,) = stored[path.name]
        assert ((hand.keypoints_px >= 0) & (hand.keypoints_px < [width, height])).all()


def test_without_mediapipe_the_extra_is_named(monkeypatch):
    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(mediapipe_detector.importlib, "import_module", missing)
    with pytest.raises(MissingExtraError, match=r"\.\[detect\]"):
        detect_hands(np.zeros((64, 64, 3), np.uint8), max_hands=3)


@pytest.mark.parametrize(
    ("size", "options"), [((8, 40), {}), ((40, 40), {"max_hands": 0}), ((40, 40), {"min_confidence": 2.0})]
)
def test_bad_arguments_are_refused(size, options):
    with pytest.raises(BadInputError):
        detect_hands(np.zeros((*size, 3), np.uint8), **options)


def test_the_detector_finds_what_is_stored_and_nothing_in_noise():
    pytest.importorskip("mediapipe", reason="extra 'detect' is not installed")
    photo = packaged_photos()[-1]
    (stored,) = read_detections(PACKAGED_PHOTOS / "detections.json")[photo.name]
    (found,) = detect_hands(read_image(photo))
    assert np.linalg.norm(found.keypoints_px - stored.keypoints_px, axis=-1).mean() < 3
    assert detect_hands(np.zeros((128, 128, 3), np.uint8)) == []


def test_native_notes_are_shown_only_with_an_error(monkeypatch, capfd):
    class Graph:
        fails = False

        def process(self, image):
            os.write(2, b"INFO: a delegate of mine")
            if self.fails:
                raise RuntimeError("no graph")
            return type("Found", (), {"multi_hand_landmarks": None})

    graph = Graph()
    monkeypatch.setattr(mediapipe_detector, "_hands_graph", lambda *_: graph)
    picture = np.zeros((32, 32, 3), np.uint8)
    assert detect_hands(picture) == [] and "delegate" not in capfd.readouterr().err
    graph.fails = True
    with pytest.raises(RuntimeError):
        detect_hands(picture)
    assert "delegate" in capfd.readouterr().err
    os.write(2, b"after")
    assert capfd.readouterr().err == "after", "the terminal has its stream back"


def test_a_hand_that_fills_the_picture_is_sought_again_with_a_border(monkeypatch):
    asked = []

    def find(image, *, max_hands, min_confidence=0.3):
        asked.append((image.shape, min_confidence))
        return [replace(HAND, keypoints_px=HAND.keypoints_px + [20, 20])] * max_hands if image.shape[0] > 40 else []

    monkeypatch.setattr(mediapipe_detector, "detect_hands", find)
    found = find_hands(np.zeros((40, 50, 3), np.uint8), max_hands=2)
    assert asked == [((40, 50, 3), 0.3), ((80, 90, 3), 0.1)]
    assert len(found) == 2 and np.array_equal(found[0].keypoints_px, HAND.keypoints_px)
    assert found[0].side == HAND.side
    assert len(find_hands(np.zeros((60, 50, 3), np.uint8), max_hands=1)) == 1 and len(asked) == 3


def test_a_mirrored_photograph_gives_mirrored_keypoints_and_the_other_hand():
    pytest.importorskip("mediapipe", reason="extra 'detect' is not installed")
    image = read_image(packaged_photos()[0])
    (plain,), (mirrored,) = detect_hands(image), detect_hands(np.ascontiguousarray(image[:, ::-1]))
    back = mirrored.keypoints_px * [-1, 1] + [image.shape[1] - 1, 0]
    assert np.linalg.norm(back - plain.keypoints_px, axis=-1).mean() < 12
    assert {plain.side, mirrored.side} == {"left", "right"}


def test_a_missing_data_folder_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("HANDLIB_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(MissingFileError, match="nowhere"):
        PhotoSet.open("digits")
    monkeypatch.delenv("HANDLIB_DATA")
    with pytest.raises(MissingFileError, match="HANDLIB_DATA is not set"):
        PhotoSet.open("digits")
    with pytest.raises(BadInputError, match="digits, subhi"):
        PhotoSet.open("toes")


@pytest.mark.data
@pytest.mark.parametrize(("name", "count"), [("digits", 1978), ("subhi", 1674)])
def test_photograph_sets(name, count):
    if data_folder() is None:
        pytest.skip("HANDLIB_DATA is not set")
    photos = PhotoSet.open(name)
    sample = photos[count - 1]
    assert len(photos) == count
    assert sample.joints_2d_px.shape == (21, 2) and sample.image.shape[-1] == 3
    with pytest.raises(IndexError):
        photos[count]
