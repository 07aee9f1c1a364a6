"""Measures of pictures against pictures whose answer is known."""

import numpy as np
import pytest

from handlib.data.picture_statistics import mask_iou, picture_statistics, skin_colour_masks, skin_colour_table
from handlib.errors import BadInputError


def test_a_flat_grey_picture_has_nothing():
    values = picture_statistics(np.full((1, 32, 32, 3), 90, np.uint8))
    assert all(value[0] == pytest.approx(0, abs=1e-9) for value in values.values())


def test_noise_is_measured_and_a_ramp_is_none():
    draw = np.random.default_rng(0)
    ramp = np.broadcast_to(np.linspace(40, 200, 128), (128, 128))
    noisy = ramp + draw.normal(0, 8, (128, 128))
    images = np.repeat(np.stack([ramp, noisy])[..., None], 3, -1).round().astype(np.uint8)
    values = picture_statistics(images)
    assert values["noise"][0] < 0.002 and values["noise"][1] == pytest.approx(8 / 255, rel=0.1)
    assert values["edges"][0] == pytest.approx(160 / 127 / 255, rel=0.05)
    assert values["contrast"][0] == pytest.approx(np.std(ramp / 255), rel=0.01)


def test_colourfulness_of_one_pure_colour():
    red = np.zeros((1, 8, 8, 3), np.uint8)
    red[..., 0] = 200
    assert picture_statistics(red)["colourfulness"][0] == pytest.approx(0.3 * np.hypot(200, 100))


def test_colour_table_finds_the_colour_it_was_shown():
    images = np.full((2, 16, 16, 3), 30, np.uint8)
    masks = np.zeros((2, 16, 16), bool)
    masks[:, 4:9, 3:12] = True
    images[masks] = (200, 150, 120)
    table = skin_colour_table(images, masks)
    assert np.array_equal(skin_colour_masks(table, images), masks)
    assert not skin_colour_masks(table, np.full((1, 16, 16, 3), 250, np.uint8)).any(), "never seen: not a hand"


def test_iou_of_known_masks():
    one, two = np.zeros((3, 4, 4), bool), np.zeros((3, 4, 4), bool)
    one[0, :2], two[0, 1:3] = True, True
    one[1, :2] = True
    assert mask_iou(one, two) == pytest.approx([1 / 3, 0, 1])


def test_no_picture_is_refused():
    with pytest.raises(BadInputError, match="no picture"):
        picture_statistics(np.zeros((0, 8, 8, 3), np.uint8))
