"""The draggable hand: the page's losses and gradients against the library's, and that a joint can be moved."""

import numpy as np
import pytest
import torch
from browser import DRAWN, launched_chromium

from handlib.errors import BadInputError
from handlib.losses.keypoints import bone_orientation_loss, joint_location_loss
from handlib.viz.display import notebook_scripts
from handlib.viz.dragging import draggable_html

RANDOM = np.random.default_rng(0)
DETECTED = np.round(RANDOM.uniform(20, 200, (21, 2)), 3)
PROJECTED = np.round(DETECTED + RANDOM.normal(0, 12, (21, 2)), 3)
CONFIDENCE = np.round(RANDOM.uniform(0, 1, 21), 3)
SIDE_PX = 112


def html() -> str:
    image = np.full((SIDE_PX, SIDE_PX, 3), 90, np.uint8)
    return draggable_html(image, DETECTED / 2, PROJECTED / 2, CONFIDENCE, 100, "A hand that can be dragged", name="x")


def test_the_figure_has_a_still_and_its_data():
    body = html()
    assert 'data-hl-figure="draggable"' in body and 'class="hl-still' in body and '"weight":100' in body
    with pytest.raises(BadInputError, match="alt"):
        draggable_html(np.zeros((8, 8, 3), np.uint8), DETECTED, PROJECTED, None, 100, "")


@pytest.mark.browser
@pytest.mark.slow
def test_terms_and_pulls_are_the_librarys_and_a_joint_moves_with_its_finger():
    with launched_chromium() as browser:
        page = browser.new_context(offline=True).new_page()
        page.goto("about:blank")
        page.set_content(f"<body>{notebook_scripts()}{html()}</body>")
        figure = page.query_selector("figure.hl-draggable")
        assert figure.evaluate(DRAWN) == ""
        found = figure.evaluate("(figure, at) => figure.handlib.evaluate(at)", (PROJECTED / 2).tolist())
        points = torch.from_numpy(PROJECTED)[None].requires_grad_()
        target, trust = torch.from_numpy(DETECTED)[None], torch.from_numpy(CONFIDENCE)[None]
        location = joint_location_loss(points, target, trust)
        orientation = bone_orientation_loss(points, target, trust)
        (pull,) = torch.autograd.grad((location + 100 * orientation).sum(), points)
        assert found["location"] == pytest.approx(location.item(), rel=1e-5)
        assert found["orientation"] == pytest.approx(orientation.item(), rel=1e-5)
        assert np.allclose(found["gradient"], pull[0].numpy(), rtol=1e-4, atol=1e-6)

        page.locator("figure.hl-draggable circle").nth(5).focus()
        page.keyboard.press("ArrowRight")
        moved = np.array(figure.evaluate("figure => figure.handlib.points")) - PROJECTED / 2
        assert np.allclose(moved[5:9], [[1.0, 0.0]] * 4, atol=1e-3) and np.allclose(moved[9:], 0)
