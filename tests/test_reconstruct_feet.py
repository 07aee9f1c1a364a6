"""What is said of a foot: no photograph of one, but the two that a page of the book draws."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

import handlib
from handlib.cli import app
from handlib.data.images import read_image
from handlib.data.photos import PACKAGED_PHOTOS, packaged_photos
from handlib.keypoints import HandDetection, detector_is_installed, read_detections
from handlib.pretrained import RELEASED, find_network
from handlib.reconstruction import detected as detected_module
from handlib.reconstruction.detected import Detected
from handlib.reconstruction.judging import HAND_FROM, WITHIN, likely_a_hand
from handlib.reconstruction.looking import look_for_hands

PAGE = Path(__file__).resolve().parents[1] / "book" / "s2hand_photographs.ipynb"
needs_released = pytest.mark.skipif(not RELEASED.is_file(), reason="the trained network is not in this checkout")
needs_detector = pytest.mark.skipif(not detector_is_installed(), reason="no detector is installed")


@pytest.fixture(scope="module")
def feet() -> dict[str, np.ndarray]:
    """The pictures of the page's cell, by its names."""
    cells = json.loads(PAGE.read_text(encoding="utf-8"))["cells"]
    (cell,) = (cell for cell in cells if cell["id"] == "drawn-foot")
    names = {"np": np}
    exec("".join(cell["source"]), names)
    return names["feet"]


@pytest.fixture(scope="module")
def turned(feet) -> list[np.ndarray]:
    """Both, in four directions each."""
    return [np.rot90(foot, turns).copy() for foot in feet.values() for turns in range(4)]


@pytest.fixture(scope="module")
def hands() -> tuple[list[np.ndarray], list[HandDetection]]:
    """The packaged photographs of left hands, and what a detector found there, as sure as it is of the sole."""
    stored = read_detections(PACKAGED_PHOTOS / "detections.json")
    paths = packaged_photos()
    found = [HandDetection(stored[p.name][0].keypoints_px, np.full(21, 0.9, np.float32), "left", 0.9) for p in paths]
    return [read_image(path) for path in paths], found


@pytest.fixture(scope="module")
def sole(feet) -> tuple[np.ndarray, HandDetection]:
    """The foot from below, and the hand that mediapipe 0.10 finds there: wrist at the heel, fingers at the toes."""
    points = [(105, 112), (134, 137), (143, 162), (135, 182), (125, 197), (134, 201), (142, 207)]
    points += [(138, 190), (133, 184), (112, 197), (116, 203), (118, 184), (117, 173), (93, 188)]
    points += [(96, 194), (101, 175), (102, 166), (75, 185), (82, 184), (88, 168), (90, 160)]
    return feet["foot, from below"], HandDetection(np.float32(points), np.full(21, 0.9, np.float32), "right", 0.9)


@pytest.fixture
def fooled(hands, sole, monkeypatch) -> dict:
    """Photographed hands, and a sole, in all of which a detector finds hands."""
    answers = iter([*hands[1], sole[1]])
    monkeypatch.setattr(detected_module, "find_hands", lambda picture, max_hands: [next(answers)])
    return {"images": [*hands[0], sole[0]], "side": ["left"] * 3 + ["right"], "detector": True}


def test_both_feet_are_skin_before_a_plain_ground(feet):
    assert len(feet) == 2
    for name, picture in feet.items():
        assert picture.shape == (224, 224, 3) and picture.dtype == np.uint8, name
        reddish = picture[..., 0].astype(int) - picture[..., 2] > 20
        assert 0.1 < reddish.mean() < 0.5 and not reddish[:, :40].any(), name


@needs_released
def test_the_network_alone_is_not_sure_of_a_foot(turned, hands):
    said = handlib.reconstruct(turned, detector=False)
    assert said.confidence.mean(1).max() < 0.1
    assert handlib.reconstruct(hands[0], side="left", detector=False).confidence.mean(1).min() > 0.3
    for name in ("joints", "vertices", "confidence", "energy"):
        assert np.isfinite(getattr(said, name)).all(), name


@needs_released
def test_a_detector_that_takes_a_sole_for_a_hand_is_not_believed(fooled):
    """Though it is as sure of it as of the photographed hands, and a hand is laid on what it found."""
    sure = handlib.reconstruct(**fooled).confidence.mean(1)
    assert sure[:3].min() > 0.5 and sure[3] < 0.05


@needs_released
def test_of_another_network_nobody_knows_how_sure_it_is_of_hands(fooled, tmp_path):
    mine = handlib.reconstruct(checkpoint=shutil.copy(RELEASED, tmp_path / "mine.safetensors"), **fooled)
    assert mine.confidence.mean(1).min() > 0.5


@needs_released
def test_judging_changes_the_confidence_alone(hands, sole):
    pictures, left = [*hands[0], sole[0]], torch.tensor([True, True, True, False])
    # Of two hands there is no detection: those are looked at in another way, and come back in their places.
    found = [None, None, hands[1][2], sole[1]]
    detected, network = Detected.of(found), find_network()
    judged, plain = (
        look_for_hands(network, pictures, left, detected=detected, judges=judges) for judges in (True, False)
    )
    for name in ("vertices", "joints", "joints_2d_px", "keypoints_px", "K", "energy", "doubt"):
        assert torch.equal(getattr(judged, name), getattr(plain, name)), name
    assert torch.allclose(judged.confidence[:3], plain.confidence[:3], atol=0.01)
    assert judged.confidence[3].max() < 0.05 and plain.confidence[3].mean() > 0.5
    for row in (1, 2):
        lone = Detected.of(found[row : row + 1])
        single = look_for_hands(network, pictures[row : row + 1], left[:1], detected=lone, judges=True)
        assert torch.allclose(single.joints[0], judged.joints[row], atol=1e-4)
        assert torch.allclose(single.confidence[0], judged.confidence[row], atol=1e-3)


def test_the_surer_the_network_the_likelier_a_hand():
    sure = torch.tensor([0.0, HAND_FROM - 3 * WITHIN, HAND_FROM, HAND_FROM + 3 * WITHIN, 1.0])
    likely = likely_a_hand(sure)
    assert (likely.diff() > 0).all() and likely[2] == 0.5
    assert likely[1] < 0.05 and likely[3] > 0.95 and 0 <= likely[0] and likely[4] <= 1


@needs_released
@pytest.mark.parametrize("how", [pytest.param("--detector", marks=needs_detector), "--no-detector"])
def test_the_demo_refuses_both_feet_and_goes_on(feet, hands, tmp_path, how):
    for name, foot in feet.items():
        Image.fromarray(foot).save(tmp_path / f"{name.replace(', ', '-').replace(' ', '-')}.png")
    Image.fromarray(hands[0][0]).save(tmp_path / "hand.png")
    done = CliRunner().invoke(app, ["demo", str(tmp_path), "--out", str(tmp_path / "out"), "--side", "left", how])
    assert done.exit_code == 1 and "1 hand from 1 of 3 pictures" in done.stdout
    for name in ("foot-from-below", "foot-from-the-side"):
        assert f"no hand was found in {name}.png: " in done.stderr
    assert "crop nearer" in done.stderr and not list((tmp_path / "out").glob("foot*"))


@needs_released
@needs_detector
def test_the_installed_detector_takes_a_sole_for_a_hand_and_is_not_believed(feet, hands):
    below = feet["foot, from below"]
    sure = handlib.reconstruct([hands[0][0], below], side=["left", "right"], detector=True).confidence.mean(1)
    assert sure[0] > 0.5 and sure[1] < 0.1
