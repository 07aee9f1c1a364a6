"""Looks of training by fitting: a sphere to move and its pulls, curves beside published points, rows by seed."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from reproduce_factory import make_result

from handlib.experiments.training_by_fitting import looks
from handlib.experiments.training_by_fitting.looks_pulls import (
    RADIUS_M,
    TWO_SPHERES_M,
    moving_sphere,
    pull_figure,
    pulls_at,
)
from handlib.losses.depth_fitting import data_to_model_loss, model_to_data_loss
from handlib.losses.sphere_priors import RELEASED_WEIGHTS
from handlib.render.spheres import BACKGROUND_M, crop_camera, render_spheres
from handlib.reproduce.results import Curve, Metric, Outcome, Result

RIGHT, AWAY = torch.tensor([1.0, 0.0, 0.0]), torch.tensor([0.0, 0.0, 1.0])


def _run(recipe: str, seed: int, error: float, success: tuple[float, ...] = ()) -> Result:
    curves = {"success": Curve((0, 20, 40), success, "threshold", "share")} if success else {}
    outcome = Outcome({"mean_error": Metric(error, "mm", "none")}, curves)
    return replace(make_result(recipe, seed), outcome=outcome)


def test_pulls_are_the_terms_slopes_downhill():
    moved = torch.tensor([0.012, 0.0, -0.007])
    radii, measured = (
        torch.full((1, 2), RADIUS_M),
        render_spheres(TWO_SPHERES_M[None], torch.full((1, 2), RADIUS_M), crop_camera(64), 64),
    )

    def cost(shift: torch.Tensor) -> tuple[float, float]:
        centres = (TWO_SPHERES_M + torch.stack([torch.zeros(3), moved + shift]))[None]
        drawn = render_spheres(centres, radii, crop_camera(64), 64)
        to_data = RELEASED_WEIGHTS.model_to_data * model_to_data_loss(drawn, measured, "released")
        return float(to_data), float(RELEASED_WEIGHTS.data_to_model * data_to_model_loss(centres, radii, measured))

    # In depth, where no pixel changes hands, the slope is the difference.
    step = 1e-5
    ahead, back = cost(step * AWAY), cost(-step * AWAY)
    pulls = pulls_at(moved)
    assert pulls.model_to_data[2].item() == pytest.approx(-(ahead[0] - back[0]) / (2000 * step), rel=0.05)
    assert pulls.data_to_model[2].item() == pytest.approx(-(ahead[1] - back[1]) / (2000 * step), rel=0.05)
    assert pulls.measured_m.shape == pulls.drawn_m.shape == (64, 64)
    assert not torch.equal(pulls.measured_m, pulls.drawn_m) and pulls.drawn_m.max() == pytest.approx(BACKGROUND_M)


def test_each_term_pulls_where_the_page_says():
    beside, lost = pulls_at(0.04 * RIGHT), pulls_at(-0.07 * RIGHT)
    assert abs(beside.model_to_data[0]) < 1 < 10 < beside.model_to_data[2] and beside.data_to_model[0] < -30
    assert lost.model_to_data.norm() < 1e-3 > lost.data_to_model.norm()
    home = pulls_at(torch.zeros(3))
    assert home.model_to_data.norm() == 0 and home.data_to_model.norm() < 10


def test_an_arrow_is_as_long_as_the_pull_and_starts_at_the_sphere():
    moved = 0.04 * RIGHT
    figure, pulls = pull_figure(moved), pulls_at(moved)
    arrows = {trace.name: np.stack([trace.x, trace.y], 1) for trace in figure.data if len(trace.x) == 5}
    assert list(arrows) == ["model to data", "data to model"]
    for name, pull in (("model to data", pulls.model_to_data), ("data to model", pulls.data_to_model)):
        np.testing.assert_allclose(arrows[name][0], [75, 0], atol=1e-4)
        np.testing.assert_allclose(arrows[name][1] - arrows[name][0], pull[[0, 2]].numpy(), rtol=1e-4, atol=1e-4)
        assert f"{name} {float(pull.norm()):.0f}" in figure.layout.title.text
    still = {trace.name: len(trace.x) for trace in pull_figure(torch.zeros(3)).data}
    assert still["model to data"] == 2


def test_the_slider_moves_the_sphere():
    figure = moving_sphere(RIGHT, range(-10, 11, 10), "moved by", 10)
    slider = figure.layout.sliders[0]
    assert [step.label for step in slider.steps] == ["-10 mm", "0 mm", "10 mm"] and slider.active == 2
    middles = [np.nanmean(trace.x[42:]) for trace in figure.data if trace.name == "model"]
    np.testing.assert_allclose(np.diff(middles), 10, atol=0.1)
    with pytest.raises(ValueError, match="not in list"):
        moving_sphere(RIGHT, range(0, 11, 10), "moved by", 5)


def test_rows_are_told_apart_by_seed():
    runs = [_run("a", 2, 3.0), _run("a", 0, 1.0), _run("b", 1, 7.0)]
    assert looks.by_seed(runs, "a") == {0: 1.0, 2: 3.0} and list(looks.by_seed(runs, "a")) == [0, 2]
    assert looks.by_seed(runs, "a", "tips_error") == {} == looks.by_seed(runs, "c")


def test_published_points_stand_beside_our_curves():
    runs = [_run("fitting-multi-view", seed, 20.0, (0.0, 10.0 * seed, 50.0)) for seed in (0, 2)]
    figure = looks.success_figure("fitting/figure-5", runs)
    drawn = {trace.name: trace for trace in figure.data}
    ours, paper = drawn["real training set, here"], drawn["real training set, paper"]
    assert list(ours.y) == [0, 10, 50] and (paper.x, paper.y) == ((20,), (40.7,))
    assert ours.line.color == paper.marker.color and paper.mode == "markers"
    stated = {name: trace.y[0] for name, trace in drawn.items() if name.endswith(", paper")}
    assert sorted(stated.values()) == [22.5, 40.7, 44.3, 78]
    assert "synth, here" not in drawn and len({trace.marker.color for n, trace in drawn.items() if n in stated}) == 4
    mixed = looks.success_figure("fitting/figure-6", [])
    assert sorted(trace.y[0] for trace in mixed.data) == [22.5, 35.0]
    assert not looks.success_figure("fitting/figure-7", []).data
    with pytest.raises(KeyError):
        looks.success_figure("fitting/figure-77", [])
