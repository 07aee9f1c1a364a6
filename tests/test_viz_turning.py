"""The sphere of orientations, and the joint on it that can be dragged: the page's losses against the library's."""

import math

import pytest
import torch
from browser import DRAWN, launched_chromium

from handlib.errors import BadInputError
from handlib.losses.motion import quaternion_loss, smooth_loss, temporal_loss
from handlib.losses.motion_prior import rotation_angle, rotvec_to_quaternion, slerp
from handlib.viz.display import figure_html, notebook_scripts
from handlib.viz.orientations import SpherePath, bent_and_spread, orientation_sphere, sphere_points
from handlib.viz.turning import turning_joint_html

THRESHOLD = 0.2
FRAMES = bent_and_spread(torch.tensor([0.2, 0.9, 1.4]).double(), torch.tensor([0.1, -0.5, 0.3]).double())


def losses(frames):
    """The library's values, and the distance from halfway."""
    halfway = slerp(frames[0], frames[2], torch.tensor(0.5, dtype=frames.dtype))
    return {
        "quaternion": float(quaternion_loss(frames[None, :, None])),
        "temporal": float(temporal_loss(frames[None, :, None])),
        "smooth": float(smooth_loss(frames[None, :, None], THRESHOLD)),
        "slerp": float(rotation_angle(frames[1], halfway)),
    }


def test_a_point_is_half_as_far_from_the_pole_as_the_joint_is_turned():
    bend, spread = torch.tensor([0.0, 1.2, -0.7]), torch.tensor([0.0, 0.0, 0.4])
    points = sphere_points(bent_and_spread(bend, spread))
    assert torch.allclose(torch.linalg.vector_norm(points, dim=-1), torch.ones(3))
    assert torch.allclose(2 * torch.acos(points[:, 2].clamp(max=1)), torch.hypot(bend, spread), atol=1e-5)
    with pytest.raises(BadInputError, match="twist"):
        sphere_points(rotvec_to_quaternion(torch.tensor([0.5, 0.0, 0.0])))


def test_the_sphere_can_be_shown_and_has_its_paths():
    figure = orientation_sphere(
        {"a way": SpherePath(FRAMES.float(), dots=True), "ends": SpherePath(FRAMES[::2].float())}
    )
    assert {"a way", "ends"} <= {trace.name for trace in figure.data}
    ball = figure.data[0]
    assert max(ball.i.max(), ball.j.max(), ball.k.max()) < len(ball.x)
    assert "hl-still" in figure_html(figure, "A sphere with a way on it")


def test_the_joint_has_a_still_and_refuses_what_it_cannot_show():
    body = turning_joint_html(FRAMES, THRESHOLD, "A joint that can be turned", name="x")
    assert 'data-hl-figure="turning"' in body and 'class="hl-still' in body and '"threshold":0.2' in body
    with pytest.raises(BadInputError, match="expected 3"):
        turning_joint_html(FRAMES[:2], THRESHOLD, "A joint that can be turned")
    with pytest.raises(BadInputError, match="alt"):
        turning_joint_html(FRAMES, THRESHOLD, "")


@pytest.mark.browser
@pytest.mark.slow
def test_terms_are_the_librarys_also_across_the_double_cover_and_downhill_is_down():
    html = turning_joint_html(FRAMES, THRESHOLD, "A joint that can be turned")
    with launched_chromium() as browser:
        page = browser.new_context(offline=True).new_page()
        page.goto("about:blank")
        page.set_content(f"<body>{notebook_scripts()}{html}</body>")
        figure = page.query_selector("figure.hl-turning")
        assert figure.evaluate(DRAWN) == ""
        flipped = FRAMES * torch.tensor([[1.0], [-1.0], [1.0]])
        for frames in (FRAMES, flipped):
            found = figure.evaluate("(figure, at) => figure.handlib.losses(at)", sphere_points(frames).tolist())
            assert found == pytest.approx(losses(frames), rel=1e-6)
        for key in ("quaternion", "temporal", "smooth"):
            ends = figure.evaluate(
                "(figure, [at, key]) => figure.handlib.descend(at, key, 20)", [sphere_points(FRAMES).tolist(), key]
            )
            after = torch.cat([torch.zeros(3, 1), torch.tensor(ends)], 1).double()
            assert losses(after)[key] < 0.05 * losses(FRAMES)[key]
            whole = float(rotation_angle(after[0], after[2]))
            # Only the quaternion loss leaves the motion as large as it was.
            assert (whole > 0.9 * float(rotation_angle(FRAMES[0], FRAMES[2]))) == (key == "quaternion")

        page.locator("figure.hl-turning .hl-knob").nth(1).focus()
        before = figure.evaluate("figure => figure.handlib.frames")[1]
        page.keyboard.press("ArrowRight")
        after = figure.evaluate("figure => figure.handlib.frames")[1]
        assert 0.01 < math.dist(before, after) < 0.04
