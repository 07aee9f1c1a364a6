"""The toy without pictures: what each loss reaches, what agreement alone does, and that a run repeats."""

import copy

import pytest
import torch

from handlib.experiments.tassn.collapse import (
    MODES,
    ToyEstimator,
    ToyFilms,
    draw_toy_films,
    go_on,
    learn_source,
    toy_objective,
    toy_outlines,
    toy_scores,
)
from handlib.losses.tassn import TassnWeights

ALONE = TassnWeights(silhouette=0.0, heatmap=0.0)


@pytest.fixture(scope="module")
def source() -> ToyFilms:
    return draw_toy_films(16, seed=1)


@pytest.fixture(scope="module")
def target() -> ToyFilms:
    return draw_toy_films(8, seed=2, hand="generic")


@pytest.fixture(scope="module")
def start(source) -> ToyEstimator:
    return learn_source(source, steps=300)


def test_films_have_the_shapes_that_they_say(source, target):
    assert source.keypoints_px.shape == (16, 3, 21, 2) and source.K.shape == (16, 3, 3, 3)
    assert source.vertices_m.shape[2] != target.vertices_m.shape[2]
    assert source.silhouettes.shape == (16, 32, 32) and bool((source.silhouettes.sum((1, 2)) > 10).all())
    again = draw_toy_films(16, seed=1)
    assert all(torch.equal(a, b) for a, b in zip(source, again, strict=True))


def test_modes_are_those_of_the_source(source, start):
    assert start.modes.shape == (MODES, *source.vertices_m.shape[2:])
    wrist = source.joints_m[:, :, :1]
    torch.testing.assert_close(start.mean, ((source.vertices_m - wrist) / 0.1).mean((0, 1)))


def test_a_film_that_stands_still_reads_the_same_both_ways(start, target):
    still = target.keypoints_px[:, :1].expand(-1, 3, -1, -1)
    there, back = start.read_both_ways(still)
    assert all(torch.equal(a, b) for a, b in zip(there, back, strict=True))


def test_keypoints_teach_the_layer_that_says_the_joints_nothing(start, target):
    chosen = torch.arange(4)
    for weights, reaches in (
        (TassnWeights(silhouette=0.0, pose=0.0, mesh=0.0), False),
        (TassnWeights(heatmap=0.0, pose=0.0, mesh=0.0), True),  # through the place alone
        (ALONE, True),
    ):
        loss = toy_objective(start, target, chosen, weights)
        (gradient,) = torch.autograd.grad(loss, [start.pose.weight], allow_unused=True)
        assert (gradient is not None and bool(gradient[3:].any())) == reaches


def test_agreement_alone_takes_what_was_learnt(start, source, target):
    network = copy.deepcopy(start)
    watched = go_on(network, target, ALONE, steps=80)  # at half the rate of the first training
    assert [x["step"] for x in watched] == list(range(0, 90, 10))
    first, last = watched[0], watched[-1]
    assert last["disagreement"] < 0.5 * first["disagreement"]
    assert last["spread"] < 0.5 * first["spread"] and last["error"] > first["error"]
    assert first == {"step": 0, **toy_scores(start, target)}


def test_outlines_are_compared_with_the_true_ones(start, target):
    drawn, overlap = toy_outlines(start, target, 5)
    assert drawn.shape == (5, 32, 32) and overlap.shape == (5,)
    assert bool(((overlap >= 0) & (overlap <= 1)).all())
