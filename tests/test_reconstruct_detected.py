"""Keypoints of a detector in the place of those that the network reads: where found, in any view, on either side."""

import numpy as np
import pytest
import torch

import handlib
from handlib.errors import MissingExtraError
from handlib.keypoints import HandDetection, mediapipe_detector
from handlib.models import S2HandConfig, S2HandNetwork, save_network
from handlib.models.keypoint_readout import ReadKeypoints
from handlib.reconstruction import detected as detected_module
from handlib.reconstruction import front_door
from handlib.reconstruction.detected import Detected, detect

POINTS = np.random.default_rng(0).uniform(20, 70, (21, 2)).astype(np.float32)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("network") / "network.safetensors"
    save_network(path, S2HandNetwork(S2HandConfig(texture=False, image_keypoints=True, image_px=32), False).eval(), {})
    return path


@pytest.fixture
def found_in_the_first(monkeypatch):
    """A detector that finds a hand in bright pictures only."""

    def find(picture, max_hands=2):
        hand = HandDetection(POINTS, np.full(21, 0.9, np.float32), "right", 0.9)
        return [hand] if picture.mean() > 100 else []

    monkeypatch.setattr(detected_module, "find_hands", find)
    monkeypatch.setattr(front_door, "detector_is_installed", lambda: True)


def pictures() -> np.ndarray:
    return np.stack([np.full((90, 90, 3), 200, np.uint8), np.full((90, 90, 3), 20, np.uint8)])


def test_the_surest_hand_of_each_picture_is_kept_and_missing_ones_are_marked(found_in_the_first):
    found = detect(list(pictures()))
    assert found.found.tolist() == [True, False]
    torch.testing.assert_close(found.keypoints_px[0], torch.from_numpy(POINTS))
    assert found.confidence[1].max() == 0
    assert found[1:].found.tolist() == [False]


def test_detected_points_replace_read_ones_row_by_row():
    read = ReadKeypoints(torch.ones(2, 21, 2), torch.full((2, 21), 0.3))
    known = Detected(torch.zeros(2, 21, 2), torch.full((2, 21), 0.8), torch.tensor([True, False]))
    used = known.in_place_of(read, torch.full((2, 21, 2), 7.0))
    assert (used.points_px[0] == 7).all() and (used.points_px[1] == 1).all()
    assert (used.confidence[0] == 0.8).all() and (used.confidence[1] == 0.3).all()


@pytest.mark.parametrize("side", ["right", "left"])
def test_the_result_has_the_detectors_keypoints_in_pixels_of_the_picture(found_in_the_first, checkpoint, side):
    """Through crop, turn and mirror and back: the same points."""
    hands = handlib.reconstruct(pictures(), checkpoint=checkpoint, side=side)
    np.testing.assert_allclose(hands.keypoints[0], POINTS, atol=1e-2)
    assert np.abs(hands.keypoints[1] - POINTS).max() > 1


def test_without_the_detector_the_network_reads(found_in_the_first, checkpoint):
    alone = handlib.reconstruct(pictures(), checkpoint=checkpoint, detector=False)
    helped = handlib.reconstruct(pictures(), checkpoint=checkpoint, detector=True)
    assert not np.allclose(alone.joints[0], helped.joints[0])
    np.testing.assert_allclose(alone.joints[1], helped.joints[1], atol=1e-5)


def test_asking_for_a_detector_that_is_not_installed_says_what_to_install(checkpoint, monkeypatch):
    def absent():
        raise MissingExtraError("mediapipe is not installed: pip install 'handlib[detect]'")

    monkeypatch.setattr(mediapipe_detector, "_mediapipe", absent)
    with pytest.raises(MissingExtraError, match="detect"):
        handlib.reconstruct(pictures(), checkpoint=checkpoint, detector=True)
    assert handlib.reconstruct(pictures(), checkpoint=checkpoint).joints.shape == (2, 21, 3)
