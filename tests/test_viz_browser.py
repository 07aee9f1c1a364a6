"""Figures as a live notebook shows them: scripts inline, no server, no network, a page of another theme switch."""

import numpy as np
import pytest
import torch
from browser import DRAWN, launched_chromium

from handlib.hand import HandModel
from handlib.hand.anatomy import AnatomicalPose
from handlib.viz import curve_figure, figure_html, mesh_figure, stepped_figure
from handlib.viz.controls import slider_angles
from handlib.viz.display import notebook_scripts
from handlib.viz.posable import posable_hand_html

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def hand() -> HandModel:
    return HandModel.load("open")


@pytest.fixture(scope="module")
def notebook_page(hand):
    """A page that loads like a notebook's output, with four figures; and what its console said."""
    x = np.linspace(0, 50, 51)
    powers = {str(n): curve_figure({"a": (x, x**n)}, x_label="x", y_label=f"x^{n}") for n in (1, 2, 3)}
    figures = [
        figure_html(mesh_figure(hand.v_template, hand.faces, view="palm"), alt="The open hand at rest"),
        figure_html(curve_figure({"a": (x, x)}, x_label="x", y_label="y"), alt="A straight line from 0 to 50"),
        posable_hand_html(hand, alt="A hand that can be posed"),
        figure_html(stepped_figure(powers, label="power", play_ms=50), alt="Powers of x, one after another"),
    ]
    with launched_chromium() as browser:
        context = browser.new_context(offline=True)
        page = context.new_page()
        trouble = []
        page.on("pageerror", lambda error: trouble.append(str(error)))
        page.on("console", lambda message: message.type == "error" and trouble.append(message.text))
        page.goto("about:blank")
        body = notebook_scripts() + "".join(figures)
        page.set_content(f'<body data-jp-theme-light="false">{body}</body>')
        yield page, trouble


def test_every_figure_is_drawn_in_a_notebook_with_a_dark_theme(notebook_page):
    page, trouble = notebook_page
    figures = page.query_selector_all("figure[data-hl-figure]")
    assert [figure.evaluate(DRAWN) for figure in figures] == ["", "", "", ""]
    assert page.evaluate("handlibFigures.theme()") == "dark"
    assert trouble == []


def test_the_posable_hand_is_posed_as_the_library_poses_it(notebook_page, hand):
    """The page's skinning against the library's, at a bent and shaped hand, within what half precision leaves."""
    page, _ = notebook_page
    values = {"thumb": 20.0, "index": 70.0, "middle": 40.0, "little": -5.0, "spread": 9.0, "oppose": 12.0}
    figure = page.query_selector("figure.hl-posable")
    assert figure.evaluate(DRAWN) == ""
    on_page = figure.evaluate(
        "(figure, values) => Array.from(figure.handlib.hand.pose(values))", {**values, "shape 1": 1.5, "shape 3": -2.0}
    )
    shape = torch.zeros(1, hand.num_shape)
    shape[0, 0], shape[0, 2] = 1.5, -2.0
    # the page leaves pose correctives out: so does this copy of the hand
    plain = HandModel(hand.file)
    plain._directions[plain.num_shape :] = 0
    pose = AnatomicalPose(plain).to_axis_angle(slider_angles(values)[None])
    expected = plain(pose, shape).vertices[0].numpy()
    assert np.abs(np.reshape(on_page, (-1, 3)) - expected).max() < 3e-4


def test_the_hand_can_be_posed_and_turned_with_the_keyboard(notebook_page):
    page, trouble = notebook_page
    figure = page.query_selector("figure.hl-posable")
    assert figure.evaluate(DRAWN) == ""
    bend = page.locator("figure.hl-posable input[type=range]").nth(1)
    bend.focus()
    before = float(bend.input_value())
    page.keyboard.press("ArrowRight")
    assert float(bend.input_value()) > before
    canvas = page.locator("figure.hl-posable canvas")
    canvas.focus()
    picture = canvas.screenshot()
    for _ in range(4):
        page.keyboard.press("ArrowLeft")
    page.wait_for_timeout(300)
    assert canvas.screenshot() != picture
    assert trouble == []


def test_the_button_plays_a_stepped_figure_to_its_end(notebook_page):
    page, trouble = notebook_page
    button = page.locator("button.hl-play")
    button.scroll_into_view_if_needed()
    button.press("Enter")
    live = "document.querySelector('button.hl-play').closest('figure').querySelector('.hl-live')"
    page.wait_for_function(f"{live}.layout.sliders[0].active === 2")
    page.wait_for_function("document.querySelector('button.hl-play').textContent.includes('Play')")
    assert page.evaluate(f"{live}.data.map(trace => trace.visible)") == [False, False, True]
    assert page.evaluate(f"{live}.layout.yaxis.title.text") == "x^3"
    assert trouble == []
