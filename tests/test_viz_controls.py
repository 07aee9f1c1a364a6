"""Sliders: a figure in the book, widgets in a notebook, poses that the anatomy allows."""

import math

import numpy as np
import pytest
import torch

from handlib import viz
from handlib.errors import BadInputError
from handlib.hand import HandModel
from handlib.hand.pose_limits import JOINT_LIMITS
from handlib.viz.controls import slider_angles
from handlib.viz.display import BOOK_VARIABLE
from handlib.viz.posable import PRESETS, hand_payload, hand_sliders, posable_hand_html


@pytest.fixture
def shown(monkeypatch):
    """What is handed to IPython's display."""
    import IPython.display

    things = []
    monkeypatch.setattr(IPython.display, "display", lambda *given, **_: things.extend(given))
    return things


def picture(level: float, other: float = 0.0) -> np.ndarray:
    return np.full((4, 4), (level + other) / 10)


SLIDERS = {"level": viz.Slider(0, 10, 5, "level", "mm"), "other": viz.Slider(0, 1, 0, "other")}


def test_in_the_book_the_figure_of_the_starting_values_says_which_sliders_there_are(shown, monkeypatch):
    monkeypatch.setenv(BOOK_VARIABLE, "1")
    viz.explore(picture, SLIDERS, alt="A grey square", caption="A level.")
    (bundle,) = shown
    assert "level (5mm), other (0)" in bundle["text/html"] and "<em>In the notebook" in bundle["text/html"]


def test_in_a_notebook_moving_a_slider_draws_the_figure_anew(shown, monkeypatch):
    monkeypatch.delenv(BOOK_VARIABLE, raising=False)
    drawn = []
    viz.explore(lambda **v: drawn.append(v) or picture(**v), SLIDERS, alt="A grey square")
    box = shown[0]
    box.children[0].value = 7.0
    assert drawn == [{"level": 5.0, "other": 0.0}, {"level": 7.0, "other": 0.0}]


def test_a_slider_of_a_loss_weight_is_logarithmic():
    (weight,) = viz.weight_sliders({"bone": 0.1}).values()
    assert weight.logarithmic and math.isclose(weight.low, 0.001) and math.isclose(weight.high, 10.0)


@pytest.mark.parametrize("ends", [(1, 0, 0.5), (0, 1, 2), (0, 0, 0)])
def test_a_slider_that_cannot_be_is_refused(ends):
    with pytest.raises(BadInputError, match="'wrong'"):
        viz.Slider(*ends, "wrong")
    with pytest.raises(BadInputError, match="logarithmic"):
        viz.Slider(0, 1, 0.5, "weight", logarithmic=True)


def test_exploring_without_sliders_is_refused():
    with pytest.raises(BadInputError, match="empty"):
        viz.explore(picture, {}, alt="A grey square")


@pytest.mark.parametrize("name", PRESETS)
def test_the_buttons_of_the_posable_hand_pose_it_within_the_limits_of_its_joints(name):
    angles = torch.rad2deg(slider_angles(PRESETS[name]))
    limits = torch.tensor(JOINT_LIMITS)
    assert (angles >= limits[..., 0] - 6).all() and (angles <= limits[..., 1] + 6).all()


def test_presets_name_sliders_within_their_range():
    ranges = {slider.name: (slider.low, slider.high) for slider in hand_sliders()}
    for values in PRESETS.values():
        assert all(ranges[name][0] <= value <= ranges[name][1] for name, value in values.items())


def test_every_slider_for_a_pose_moves_something():
    for slider in hand_sliders():
        assert bool(slider.angles) != (slider.shape is not None)
    assert set(viz.pose_sliders()) == {slider.name for slider in hand_sliders(0)}


def test_a_hand_for_the_page_is_75_kilobytes():
    page = posable_hand_html(HandModel.load("open"), alt="A hand that can be posed")
    spec = page[page.index("<script") : page.index("</script>")]
    assert 60_000 < len(spec) < 82_000


def test_a_left_hand_is_the_mirror_image_of_the_right_in_every_slider():
    """The page's rotations of a left hand are those of the right hand, mirrored: M R M with M = diag(-1, 1, 1)."""
    right, left = (hand_payload(HandModel.load("open", side=side)) for side in ("right", "left"))
    mirror = np.diag([-1.0, 1.0, 1.0])
    for joint in range(15):
        turn = np.eye(3)[[1, 2, 0]]
        both = [
            np.reshape(hand["before"][joint], (3, 3)) @ turn @ np.reshape(hand["after"][joint], (3, 3))
            for hand in (right, left)
        ]
        np.testing.assert_allclose(both[1], mirror @ both[0] @ mirror, atol=1e-4)


def test_a_colour_of_the_skin_that_is_none_is_refused():
    with pytest.raises(BadInputError, match="red"):
        posable_hand_html(HandModel.load("open"), alt="A hand that can be posed", colour="red")
