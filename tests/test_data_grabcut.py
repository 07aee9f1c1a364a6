"""GrabCut on hands whose silhouette is known; what the quality filter lets through."""

import numpy as np
import pytest
import torch

from handlib.camera import PerspectiveCamera
from handlib.data.grabcut import first_guess, grabcut_silhouette, grabcut_silhouettes, palm_px
from handlib.errors import BadInputError
from handlib.hand import HandModel
from handlib.render import render_silhouette

SIZE = 64
SKIN, WALL = np.array([205.0, 150.0, 130.0]), np.array([60.0, 90.0, 120.0])


@pytest.fixture(scope="module")
def hand() -> tuple[np.ndarray, np.ndarray]:
    """Silhouette of a flat hand seen from its palm, and its keypoints (px)."""
    model = HandModel.load("open")
    mesh = model(
        torch.zeros(1, 45), torch.zeros(1, model.num_shape), torch.tensor([[np.pi / 2, 0.0, 0.0]], dtype=torch.float32),
        torch.tensor([[0.09, 0.0, 0.5]]),
    )  # fmt: skip
    camera = PerspectiveCamera(torch.tensor([[[115.0, 0.0, 31.5], [0.0, 115.0, 31.5], [0.0, 0.0, 1.0]]]))
    silhouette = render_silhouette(mesh.vertices, model.faces, camera, SIZE)[0].numpy() > 0.5
    return silhouette, camera.project(mesh.joints)[0].numpy().astype(np.float64)


def photograph(silhouette: np.ndarray, wall: np.ndarray = WALL) -> np.ndarray:
    noise = np.random.default_rng(0).normal(0, 8, (SIZE, SIZE, 3))
    return np.clip(np.where(silhouette[..., None], SKIN, wall) + noise, 0, 255).astype(np.uint8)


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / (a | b).sum())


def test_a_hand_is_cut_out(hand: tuple[np.ndarray, np.ndarray]):
    silhouette, keypoints = hand
    assert 0.1 < silhouette.mean() < 0.6
    cut = grabcut_silhouette(photograph(silhouette), keypoints)
    assert cut.usable and overlap(cut.mask, silhouette) > 0.85
    again = grabcut_silhouette(photograph(silhouette), keypoints)
    assert np.array_equal(again.mask, cut.mask)


def test_the_forearm_is_no_hand(hand: tuple[np.ndarray, np.ndarray]):
    silhouette, keypoints = hand
    # The fingers point to the left; the arm leaves the picture to the right of the wrist.
    arm = silhouette.copy()
    row = round(float(keypoints[0, 1]))
    arm[row - 6 : row + 7, round(float(keypoints[0, 0])) :] = True
    assert arm.sum() > silhouette.sum() + 40
    cut = grabcut_silhouette(photograph(arm), keypoints)
    assert cut.usable and overlap(cut.mask, silhouette) > 0.8


def test_a_hand_before_skin_is_not_usable(hand: tuple[np.ndarray, np.ndarray]):
    silhouette, keypoints = hand
    assert not grabcut_silhouette(photograph(silhouette, wall=SKIN), keypoints).usable


def test_few_keypoints_or_none_are_not_usable(hand: tuple[np.ndarray, np.ndarray]):
    silhouette, keypoints = hand
    image = photograph(silhouette)
    confidence = np.ones(21)
    confidence[10:] = 0
    lost = np.where(confidence[:, None] > 0, keypoints, np.nan)
    assert not grabcut_silhouette(image, lost, confidence).usable
    nothing = grabcut_silhouette(image, keypoints, np.zeros(21))
    assert not nothing.usable and not nothing.mask.any()
    with pytest.raises(BadInputError, match="NaN"):
        grabcut_silhouette(image, lost)


def test_many_at_once_are_as_one_by_one(hand: tuple[np.ndarray, np.ndarray]):
    silhouette, keypoints = hand
    images = np.stack([photograph(silhouette), photograph(silhouette, wall=SKIN)])
    masks, usable = grabcut_silhouettes(images, np.stack([keypoints, keypoints]))
    assert masks.dtype == np.float32 and usable.tolist() == [True, False]
    assert np.array_equal(masks[0] > 0, grabcut_silhouette(images[0], keypoints).mask)
    masks, usable = grabcut_silhouettes(images[:0], np.zeros((0, 21, 2)))
    assert masks.shape == (0, SIZE, SIZE) and usable.shape == (0,)


def test_first_guess_has_all_four_labels_and_ends_behind_the_wrist(hand: tuple[np.ndarray, np.ndarray]):
    _, keypoints = hand
    found = np.ones(21, bool)
    guess = first_guess((SIZE, SIZE), keypoints, found)
    assert sorted(np.unique(guess).tolist()) == [0, 1, 2, 3]
    end = round(float(keypoints[0, 0] + 0.3 * palm_px(keypoints, found)))
    assert not guess[:, end:].any()
    assert first_guess((SIZE, SIZE), np.zeros((21, 2)), found) is None
