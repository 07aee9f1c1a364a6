"""Looks of training by fitting: a sphere to move and its pulls, curves beside published points, rows by seed."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from reproduce_factory import make_result

from handlib.data.depth_cache import ViewCrops
from handlib.data.depth_source import SyntheticDepth
from handlib.data.depth_target import MultiViewDepth
from handlib.errors import MissingFileError
from handlib.experiments.training_by_fitting import THOROUGH, looks, looks_efforts
from handlib.experiments.training_by_fitting.batches import DepthTrainingBatch
from handlib.experiments.training_by_fitting.looks_pulls import (
    RADIUS_M,
    TWO_SPHERES_M,
    moving_sphere,
    pull_figure,
    pulls_at,
)
from handlib.experiments.training_by_fitting.objective import FittingObjective
from handlib.losses.depth_fitting import data_to_model_loss, model_to_data_loss
from handlib.losses.sphere_priors import RELEASED_WEIGHTS
from handlib.models.depth_hourglass import DepthEstimator
from handlib.render.spheres import BACKGROUND_M, crop_camera, render_spheres
from handlib.reproduce.results import Curve, Metric, Outcome, Result

RIGHT, AWAY = torch.tensor([1.0, 0.0, 0.0]), torch.tensor([0.0, 0.0, 1.0])


def _run(recipe: str, seed: int, error: float, success: tuple[float, ...] = ()) -> Result:
    curves = {"success": Curve((0, 20, 40), success, "threshold", "share")} if success else {}
    metrics = {"mean_error": Metric(error, "mm", "none"), "tips_error": Metric(1.5 * error, "mm", "none")}
    outcome = Outcome(metrics, curves)
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
    assert looks.by_seed(runs, "a", "success_20mm") == {} == looks.by_seed(runs, "c")


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


def test_rows_that_no_figure_of_the_paper_has_are_dotted():
    runs = [_run("fitting-extra", seed, 20.0, (0.0, 10.0 * seed, 50.0)) for seed in (0, 2)]
    figure = looks.success_figure("fitting/figure-7", runs, {"ours": "fitting-extra", "nobody ran this": "fitting-x"})
    assert [(trace.name, trace.line.dash, trace.y) for trace in figure.data] == [("ours", "dot", (0, 10, 50))]


def _taken_far(with_control: bool) -> list[Result]:
    """Beginnings at 30 mm and 20 mm, fittings of which the last one falls by half, and the control of seed 0."""
    runs = [_run("fitting-synthetic-noise", 0, 30.0), _run("fitting-synthetic-noise", 1, 20.0)]
    runs += [_run("fitting-multi-view", 0, 24.0), _run("fitting-multi-view", 1, 18.0)]
    runs += [_run("fitting-multi-view-longest", 0, 18.0)]
    runs += [_run("fitting-multi-view-thorough", seed, error) for seed, error in ((0, 15.0), (1, 10.0), (7, 1.0))]
    return [*runs, _run("fitting-synthetic-thorough", 0, 25.0)] if with_control else runs


def test_falls_are_from_the_beginning_and_from_the_control_of_the_same_seed():
    found = looks_efforts.falls(_taken_far(with_control=True))
    last = "24 times, larger steps"
    expected = [("two rounds", 0), ("two rounds", 1), ("24 times", 0), (last, 0), (last, 1)]
    assert [(run.training, run.seed) for run in found] == expected, "a seed whose beginning is not stored has no fall"
    short, _, small, last, other = found
    assert (short.percent, last.percent, last.percent_of_control) == pytest.approx((20, 50, 40))
    assert last.percent_without_frames == pytest.approx(100 / 6) and last.tips_mm == 22.5
    # The control takes as many steps as the row before, too, but larger ones: it is no control of it.
    assert small.control_mm is None is short.percent_of_control and other.percent_without_frames is None
    assert all(run.control_mm is None for run in looks_efforts.falls(_taken_far(with_control=False)))
    assert looks_efforts.falls([]) == []


def test_a_verdict_takes_three_seeds():
    def judge(*errors: float) -> str:
        return looks_efforts.verdict(looks_efforts.Fall("x", s, error, 9.0, 20.0) for s, error in enumerate(errors))

    assert judge() == "not run"
    assert judge(12.0) == "falls by 40.0 % (seed 0: 40.0); above 35 %, with 1 of 3 seeds"
    assert judge(12.0, 15.0).endswith("(seeds 0, 1: 40.0, 25.0); below 35 %, with 2 of 3 seeds")
    assert judge(12.0, 13.0, 13.4).endswith("; 35 % obtained") and judge(12.0, 13.0, 15.0).endswith(
        "; 35 % not obtained"
    )


@pytest.mark.parametrize("with_control", [True, False])
def test_errors_stand_over_steps_with_a_line_a_seed(with_control):
    figure = looks_efforts.effort_figure(_taken_far(with_control))
    drawn = {trace.name: trace for trace in figure.data}
    assert ("no frame seen, rate 0.002" in drawn) == with_control
    small, large = drawn["fitted, rate 0.0003"], drawn["fitted, rate 0.002"]
    np.testing.assert_array_equal(small.x, [500, 12000, np.nan, 500, np.nan])
    np.testing.assert_array_equal(small.y, [24, 18, np.nan, 18, np.nan])
    assert large.x[0] == 12000 == looks_efforts.steps_of(THOROUGH) and large.text[0] == "seed 0"
    levels = {name: trace.y[0] for name, trace in drawn.items() if trace.mode == "lines"}
    assert levels == {"where fitting begins": 25.0, "35 % less": pytest.approx(0.65 * 25)}
    assert figure.layout.xaxis.type == "log" and not looks_efforts.effort_figure([]).data


def test_energy_curves_are_those_of_one_seed():
    logged = {"training_fitting": Curve((5, 10), (90.0, 80.0), "step", "fitting")}
    runs = [replace(run, outcome=replace(run.outcome, curves=logged)) for run in _taken_far(True) if run.seed in (0, 7)]
    names = [trace.name for trace in looks_efforts.energy_figure(runs).data]
    assert names == [f"{label} (rate {rate})" for label, rate in (
        ("two rounds", 0.0003), ("24 times", 0.0003), ("24 times, larger steps", 0.002))]  # fmt: skip
    assert not looks_efforts.energy_figure(runs, seed=5).data


def test_only_the_rate_says_how_far_weights_move():
    torch.manual_seed(0)
    network = DepthEstimator(1, 32)
    before = [value.clone() for value in network.state_dict().values()]
    target = MultiViewDepth(split="test").batch(0, 1)
    views = ViewCrops(target.depth, target.frames, target.usable)
    source = SyntheticDepth()
    batch = DepthTrainingBatch(source.batch(0, 1), views, torch.tensor([True]))
    ways = {"once": {}, "times": {"times": 100.0}, "rate": {"rate": 3e-3}}
    walks = {
        name: looks_efforts.walk(network, batch, FittingObjective(source.spheres), **{"rate": 3e-4, "steps": 2, **how})
        for name, how in ways.items()
    }
    assert walks["times"][0] == pytest.approx(100 * walks["once"][0], rel=1e-3)
    assert walks["times"][1] == pytest.approx(walks["once"][1], rel=0.05)
    assert walks["rate"][1] > 5 * walks["once"][1] > 0
    assert all(torch.equal(a, b) for a, b in zip(before, network.state_dict().values(), strict=True))


def test_the_longest_full_training_that_is_here_is_looked_at(monkeypatch):
    there = {("fitting-multi-view-longest", "full"), ("fitting-multi-view", "laptop")}

    def trained(recipe, profile, seed):
        if (recipe.name, profile) not in there:
            raise MissingFileError("not here")
        return DepthEstimator(1, 32), profile

    monkeypatch.setattr(looks_efforts, "trained_network", trained)
    assert looks_efforts.best_network("laptop", 2)[1] == "24 times, profile full, seed 2"
    there.remove(("fitting-multi-view-longest", "full"))
    assert looks_efforts.best_network("laptop")[1] == "two rounds, profile laptop, seed 0"
    with pytest.raises(MissingFileError):
        looks_efforts.best_network("smoke")
