"""Several figures behind one slider."""

import numpy as np
import pytest

from handlib import viz
from handlib.errors import BadInputError


def skeletons(*offsets_m: float) -> dict:
    joints = np.random.default_rng(0).normal(size=(21, 3)) * 0.05
    return {f"{at} m": viz.skeleton_figure(joints + at, title=f"at {at}") for at in offsets_m}


def test_a_step_shows_its_own_traces_and_no_others() -> None:
    figures = {
        "one": viz.curve_figure({"a": ([0, 1], [0, 1])}, x_label="x", y_label="y", title="first"),
        "two": viz.curve_figure({"b": ([0, 1], [1, 0]), "c": ([0, 1], [1, 1])}, x_label="x", y_label="y"),
    }
    merged = viz.stepped_figure(figures, label="curve", start=1)
    assert [trace.visible for trace in merged.data] == [False, True, True]
    steps = merged.layout.sliders[0].steps
    assert [step.label for step in steps] == ["one", "two"]
    assert list(steps[0].args[0]["visible"]) == [True, False, False]
    assert steps[0].args[1] == {"title.text": "first", "xaxis.title.text": "x", "yaxis.title.text": "y"}
    assert merged.layout.meta is None


def test_axes_are_named_after_what_the_step_shows() -> None:
    line = {"a": ([0, 1], [0, 1])}
    figures = {name: viz.curve_figure(line, x_label="step", y_label=f"{name} [mm]") for name in ("error", "spread")}
    merged = viz.stepped_figure(figures, start=1, play_ms=900)
    assert merged.layout.yaxis.title.text == "spread [mm]"
    named = [step.args[1]["yaxis.title.text"] for step in merged.layout.sliders[0].steps]
    assert named == ["error [mm]", "spread [mm]"]
    assert merged.layout.meta == {"play_ms": 900}


def test_a_scene_holds_every_step() -> None:
    merged = viz.stepped_figure(skeletons(0.0, 0.5))
    low, high = merged.layout.scene.xaxis.range
    points = np.concatenate([np.asarray(trace.x, float) for trace in merged.data])
    assert low < np.nanmin(points) and np.nanmax(points) < high
    assert merged.layout.scene.camera.eye.z == viz.CAMERAS["camera"]["eye"]["z"]


def test_it_becomes_html_with_one_still_for_print() -> None:
    html = viz.figure_html(viz.stepped_figure(skeletons(0.0, 0.1)), alt="A skeleton at two places")
    assert '"sliders"' in html and "hl-still" in html


@pytest.mark.parametrize("start", [-1, 2])
def test_a_step_that_is_not_there_is_refused(start: int) -> None:
    with pytest.raises(BadInputError, match="start"):
        viz.stepped_figure(skeletons(0.0, 0.1), start=start)


def test_no_figure_is_refused() -> None:
    with pytest.raises(BadInputError, match="0 figures"):
        viz.stepped_figure({})
