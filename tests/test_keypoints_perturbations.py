"""Changed photographs: keypoints come back to where they were, and the stored answers fit the changes."""

import numpy as np
import pytest
from scipy.ndimage import center_of_mass

from handlib.data.images import read_image
from handlib.data.photos import PACKAGED_PHOTOS, packaged_photos
from handlib.keypoints import read_detections
from handlib.keypoints.perturbations import Perturbation, standard_perturbations

KEYPOINTS = np.random.default_rng(0).uniform(20, 60, size=(21, 2))
CHANGES = standard_perturbations(KEYPOINTS)


def test_forty_three_changes_with_different_names() -> None:
    assert len({change.name for change in CHANGES}) == len(CHANGES) == 43
    assert CHANGES[0] == Perturbation()


@pytest.mark.parametrize("change", CHANGES[:-1], ids=lambda change: change.name)
def test_keypoints_move_with_the_picture_and_back(change: Perturbation) -> None:
    """A bright spot painted at a known place is found, after the change, where ``undo`` takes it from."""
    image = np.zeros((90, 120, 3), np.uint8)
    image[40:47, 50:57] = 150
    row, column = center_of_mass(change.apply(image)[..., 0].astype(float))
    back = change.undo(np.full((21, 2), [column, row]), 120, 90)
    np.testing.assert_allclose(back[0], [53, 43], atol=0.1)


def test_no_change_and_brightness_leave_every_pixel_in_its_place() -> None:
    image = np.random.default_rng(1).integers(0, 256, size=(20, 30, 3), dtype=np.uint8)
    np.testing.assert_array_equal(Perturbation().apply(image), image)
    np.testing.assert_array_equal(Perturbation("mirror", mirror=True).apply(image), image[:, ::-1])
    darker = Perturbation("brightness", gain=0.4).apply(image)
    np.testing.assert_array_equal(darker, (image * np.float32(0.4)).round().astype(np.uint8))


def test_the_cover_takes_the_colour_of_the_corner() -> None:
    image = np.zeros((60, 60, 3), np.uint8)
    image[0, 0], image[25:35, 25:35] = 77, 200
    covered = Perturbation("cover", cover_px=(30.0, 30.0, 8.0)).apply(image)
    assert (covered != 200).all() and (covered[30, 30] == 77).all()
    assert (image[30, 30] == 200).all()


def test_the_stored_answers_are_those_of_the_packaged_photographs() -> None:
    known = read_detections(PACKAGED_PHOTOS / "detections.json")
    stored = read_detections(PACKAGED_PHOTOS / "perturbed_detections.json")
    for path in packaged_photos():
        keypoints = known[path.name][0].keypoints_px
        for change in standard_perturbations(keypoints):
            (answer,) = stored[f"{path.name} | {change.name}"]
            moved = np.linalg.norm(change.undo(answer.keypoints_px, 480, 640) - keypoints, axis=1)
            assert moved.mean() < 25, f"{path.name}, {change.name}"


def test_the_detector_still_answers_as_it_is_stored() -> None:
    pytest.importorskip("mediapipe")
    from handlib.keypoints import detect_hands

    stored = read_detections(PACKAGED_PHOTOS / "perturbed_detections.json")
    path = packaged_photos()[0]
    change = Perturbation("mirror", mirror=True)
    (now,), (then,) = detect_hands(change.apply(read_image(path)), max_hands=1), stored[f"{path.name} | mirror"]
    np.testing.assert_allclose(now.keypoints_px, then.keypoints_px, atol=2.0)
    assert now.side == then.side
