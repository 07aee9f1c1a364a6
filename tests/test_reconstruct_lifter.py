"""The package's lifting head: who uses it, and what happens without it."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

import handlib
from handlib.cli import app
from handlib.data.images import read_image
from handlib.data.photos import PACKAGED_PHOTOS, packaged_photos
from handlib.demo import hands as demo
from handlib.demo.request import Request
from handlib.errors import BadInputError, MissingFileError
from handlib.keypoints import read_detections
from handlib.pretrained import RELEASED, released_network
from handlib.reconstruction import detected, lifter
from handlib.reconstruction.lifter import LIFTING_HEAD, lifter_card, released_lifter

PHOTO = packaged_photos()[0]
HAND = read_detections(PACKAGED_PHOTOS / "detections.json")[PHOTO.name][0]


@pytest.fixture
def found(monkeypatch):
    """A detector that finds the stored hand."""
    monkeypatch.setattr(detected, "find_hands", lambda picture, max_hands: [HAND])
    monkeypatch.setattr(handlib.reconstruction.front_door, "detector_is_installed", lambda: True)


@pytest.fixture
def other_head(monkeypatch, tmp_path):
    """Makes a file the package's head, for one test."""

    def put(write) -> None:
        path = tmp_path / LIFTING_HEAD.name
        write(path)
        monkeypatch.setattr(lifter, "LIFTING_HEAD", path)
        released_lifter.cache_clear()

    yield put
    released_lifter.cache_clear()


def test_the_head_is_another_and_all_else_is_the_released_network():
    taught, own = released_lifter().state_dict(), released_network().state_dict()
    changed = {name for name in own if not torch.equal(own[name], taught[name])}
    stored = {f"geometry.{name}" for name in load_file(LIFTING_HEAD)}
    assert changed and changed <= stored and not any("glance" in name for name in stored)
    assert LIFTING_HEAD.stat().st_size < 20_000_000


def test_detected_keypoints_are_lifted_by_it_unless_a_network_is_named(found):
    picture = read_image(PHOTO)[None]
    lifted = handlib.reconstruct(picture, side="left", detector=True).joints
    by_itself = handlib.reconstruct(picture, side="left", detector=True, checkpoint=RELEASED).joints
    alone = handlib.reconstruct(picture, side="left", detector=False).joints
    assert np.abs(lifted - by_itself).max() > 1e-3
    assert not np.array_equal(alone, lifted)


def test_without_a_detector_its_file_is_not_opened(other_head):
    other_head(lambda path: None)
    assert handlib.reconstruct(read_image(PHOTO)[None], side="left", detector=False).joints.shape == (1, 21, 3)


def test_the_demo_answers_as_the_library_does(found, tmp_path):
    picture = read_image(PHOTO)
    part = demo.Part(picture, (0, 0), "left", HAND)
    request = Request(tmp_path, "left", 1, None, True, False, None, 1, "none", {})
    shown = demo.reconstruct_parts([part], request)
    mine = handlib.reconstruct(picture[None], side="left", detector=True)
    np.testing.assert_allclose(shown.joints, mine.joints, atol=1e-5)


def test_a_missing_or_damaged_head_is_named(found, other_head):
    picture = read_image(PHOTO)[None]
    other_head(lambda path: None)
    with pytest.raises(MissingFileError, match=rf"{LIFTING_HEAD.name}: not there; install handlib again, or"):
        handlib.reconstruct(picture, side="left", detector=True)
    other_head(lambda path: path.write_bytes(LIFTING_HEAD.read_bytes()[:1000]))
    with pytest.raises(BadInputError, match=rf"{LIFTING_HEAD.name}: damaged"):
        handlib.reconstruct(picture, side="left", detector=True)
    other_head(lambda path: save_file({"entrance.weight": torch.zeros(3, 3)}, path))
    with pytest.raises(BadInputError, match="another version"):
        handlib.reconstruct(picture, side="left", detector=True)


def test_the_demo_misses_the_head_before_the_first_picture(other_head, tmp_path):
    other_head(lambda path: None)
    stored = str(PACKAGED_PHOTOS / "detections.json")
    options = ["--out", str(tmp_path / "out"), "--keypoints", stored]
    said = CliRunner().invoke(app, ["demo", str(PHOTO), *options])
    assert said.exit_code != 0 and LIFTING_HEAD.name in said.output and "install handlib again" in said.output
    assert not list(tmp_path.glob("out/*"))


def test_the_card_names_what_matters():
    card = lifter_card().lower()
    assert all(word in card for word in ("licence", "trained on", "bad at", "no real hand in this"))
