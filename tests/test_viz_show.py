"""What viz.show() emits: always alt text, never plotly's MIME type, a picture for print, nothing from a network."""

import json
import re

import numpy as np
import pytest
import torch
from PIL import Image

from handlib.errors import BadInputError, MissingFileError
from handlib.viz import curve_figure, figure_html, mesh_figure, show
from handlib.viz.display import BOOK_VARIABLE, json_for_script, notebook_scripts, plotly_spec, wrap_figure
from handlib.viz.theme import INK

TRIANGLE = (np.eye(3, dtype=np.float32), np.array([[0, 1, 2]]))
ALT = "A triangle in space"


@pytest.fixture
def shown(monkeypatch):
    """The MIME bundles that show() hands to IPython, in a book or not."""
    import IPython.display

    bundles = []
    monkeypatch.setenv(BOOK_VARIABLE, "1")
    monkeypatch.setattr(IPython.display, "display", lambda bundle, raw: bundles.append(bundle))
    return bundles


@pytest.fixture
def matplotlib_figure():
    from matplotlib.figure import Figure

    figure = Figure(figsize=(2, 1))
    figure.add_subplot().plot([0, 1], [0, 1], color="black")
    return figure


@pytest.mark.parametrize("alt", ["", "   ", "plot"])
def test_a_figure_without_a_description_is_refused(shown, alt):
    with pytest.raises(BadInputError, match="alt="):
        show(mesh_figure(*TRIANGLE), alt=alt)
    assert shown == []


def test_a_plotly_figure_is_html_with_a_picture_and_no_plotly_mime_type(shown):
    show(mesh_figure(*TRIANGLE), alt=ALT, caption="Seen *from* `z`, x < y.", name="tri-1")
    (bundle,) = shown
    assert set(bundle) == {"text/html", "text/plain", "image/png"}
    page = bundle["text/html"]
    assert 'id="figure-tri-1"' in page and f'aria-label="{ALT}"' in page
    assert page.count(f'alt="{ALT}"') >= 1 and "data:image/png;base64," in page
    assert "<figcaption>Seen <em>from</em> <code>z</code>, x &lt; y.</figcaption>" in page
    assert "https:" not in page and "http:" not in page


def test_the_description_cannot_break_out_of_its_attribute():
    assert 'alt="a &quot;quoted&quot; &lt;hand&gt;"' in figure_html(np.zeros((4, 4)), alt='a "quoted" <hand>')


def test_only_the_first_figure_of_a_live_kernel_brings_the_scripts(shown, monkeypatch):
    from handlib.viz import display

    monkeypatch.delenv(BOOK_VARIABLE)
    monkeypatch.setattr(display, "_loaded_in_kernel", False)
    for _ in range(2):
        show(np.zeros((4, 4)), alt="A black square")
    first, second = (bundle["text/html"] for bundle in shown)
    assert "handlibFigures" in first and len(first) > 2_000_000
    assert "<script" not in second


def test_the_scripts_of_a_notebook_name_no_script_element_end_inside():
    scripts = notebook_scripts()
    assert scripts.count("<script>") == scripts.count("</script>") == 5


def test_a_hand_of_778_vertices_is_26_kilobytes():
    rng = np.random.default_rng(0)
    faces = rng.integers(0, 778, (1538, 3))
    figure = mesh_figure(rng.normal(size=(778, 3)), faces)
    assert len(json.dumps(plotly_spec(figure))) < 27_000


def test_a_figure_keeps_its_own_settings_over_the_looks_of_the_book():
    figure = curve_figure({"a": ([0, 1], [0, 1])}, x_label="x", y_label="y")
    figure.update_layout(xaxis_gridcolor="red", template="plotly_dark")
    layout = plotly_spec(figure)["layout"]
    assert layout["xaxis"]["gridcolor"] == "red"
    assert layout["xaxis"]["linecolor"] == layout["font"]["color"] == INK
    assert "template" not in layout and layout["paper_bgcolor"] == "rgba(0,0,0,0)"


def test_every_panel_of_a_figure_gets_the_looks():
    from plotly.subplots import make_subplots

    figure = make_subplots(1, 2)
    figure.add_scatter(x=[0], y=[1], row=1, col=2)
    layout = plotly_spec(figure)["layout"]
    assert layout["xaxis2"]["linecolor"] == INK and layout["xaxis2"]["domain"][0] > 0.5


def test_a_matplotlib_figure_has_a_picture_for_each_theme(matplotlib_figure):
    line = matplotlib_figure.axes[0].lines[0]
    page = figure_html(matplotlib_figure, alt="A rising line")
    assert len(re.findall(r'class="hl-still hl-on-(light|dark)"', page)) == 2
    assert line.get_color() == "black"


def test_one_picture_serves_both_themes_where_nothing_turns():
    assert figure_html(mesh_figure(*TRIANGLE), alt=ALT).count("<img") == 1


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((4, 5), np.uint8),
        np.zeros((4, 5, 3), np.float32),
        np.zeros((4, 5, 4), np.uint8),
        torch.zeros(4, 5, 3),
        Image.new("RGB", (5, 4)),
    ],
)
def test_images_of_every_kind_are_shown(image):
    page = figure_html(image, alt="A black rectangle")
    assert 'width="5" height="4"' in page and 'data-hl-figure="image"' in page


def test_a_photograph_goes_to_the_page_as_a_small_webp(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (400, 400, 3)).astype(np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.png")
    page = figure_html(tmp_path / "noise.png", alt="Coloured noise")
    assert "data:image/webp" in page and len(page) < 300_000


@pytest.mark.parametrize(
    ("fig", "error", "message"),
    [
        (np.zeros((2, 3, 5)), BadInputError, r"\(2, 3, 5\)"),
        (np.full((2, 2), np.nan), BadInputError, "not finite"),
        ({"data": []}, BadInputError, "dict"),
        ("no/such/file.png", MissingFileError, "file.png"),
    ],
)
def test_what_is_no_figure_is_named(fig, error, message):
    with pytest.raises(error, match=message):
        figure_html(fig, alt="Something else")


def test_a_name_that_is_no_address_is_refused():
    with pytest.raises(BadInputError, match="rest pose"):
        wrap_figure("", "image", ALT, name="rest pose")


def test_json_inside_a_script_element_cannot_end_it():
    text = json_for_script({"title": "</script><b>"})
    assert "</" not in text and json.loads(text) == {"title": "</script><b>"}
