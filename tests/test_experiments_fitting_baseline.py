"""The fitting baseline's measurements: known answers score what they should, and stored results can be read."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from handlib import metrics
from handlib.errors import MissingFileError
from handlib.experiments import fitting_baseline as baseline
from handlib.reproduce.recipe import run
from handlib.reproduce.results import load_results

CHECKOUT_RESULTS = baseline.results_folder()


@pytest.fixture(scope="module")
def hands() -> baseline.TargetHands:
    return baseline.target_hands("true", 4, seed=0)


def test_hands_are_the_same_alone_and_with_others(hands):
    alone = baseline.draw_target_hands((2,), seed=0)
    assert np.array_equal(alone.images[0], hands.images[2]) and alone.indices == (2,)
    assert torch.equal(alone.keypoints_px[0], hands.keypoints_px[2])


def test_noise_has_the_stated_size(hands):
    noisy = baseline.target_hands("noisy", 4, seed=0)
    sigma_px = (noisy.keypoints_px - hands.keypoints_px).std()
    assert sigma_px == pytest.approx(5 / 256 * hands.images.shape[1], rel=0.15)
    assert torch.equal(noisy.joints_m, hands.joints_m)


def test_the_truth_scores_zero_and_the_next_hands_truth_does_not(hands):
    true = hands.joints_m.numpy()
    outcome = baseline.score(true, true, hands.indices, {})
    assert outcome.metrics["pa_mpjpe"].value < 1e-2 and outcome.metrics["pa_mpjpe_shuffled"].value > 10
    assert outcome.curves["by_hand"].x == (0, 1, 2, 3) and outcome.curves["pa_pck"].y[-1] == 1


def test_the_mean_hand_is_nearer_to_all_than_a_flat_one(hands):
    true = hands.joints_m.numpy()
    flat = baseline.open_hand()(torch.zeros(1, 45)).joints.numpy()
    errors = [
        metrics.mpjpe(np.broadcast_to(one, true.shape), true, alignment="procrustes_rigid")
        for one in (baseline.mean_hand(), flat[0])
    ]
    assert errors[0] < errors[1] and np.allclose(baseline.mean_hand()[0], 0, atol=0.02)


def test_fewer_starts_are_the_first_of_more(hands):
    recipe = replace(baseline.TARGET_RECIPES["true keypoints"], starts=4)
    fit = baseline.fit_target(recipe, hands)
    errors = baseline.start_errors_mm(fit, hands.joints_m.numpy())
    final = 1000 * metrics.point_errors(
        metrics.procrustes_rigid(fit.joints.numpy(), hands.joints_m.numpy()), hands.joints_m.numpy()
    ).mean(1)
    assert errors.shape == (4, 4) and np.allclose(errors[:, -1], final, atol=0.05)
    one = baseline.fit_target(replace(recipe, starts=1), hands)
    assert torch.allclose(one.start_energies[:, 0], fit.start_energies[:, 0], atol=0.02)


def test_a_left_hand_explains_a_right_one_worse(tmp_path, monkeypatch):
    monkeypatch.setenv("HANDLIB_RESULTS", str(tmp_path))
    monkeypatch.setenv("HANDLIB_CACHE", str(tmp_path / "cache"))
    right, left = (
        run(baseline.TARGET_RECIPES[name], "smoke", 0, baseline.measure_target_fit, device="cpu").outcome.metrics
        for name in ("true keypoints", "true, as a left hand")
    )
    assert right["energy"].value < left["energy"].value and right["pa_mpjpe"].value < left["pa_mpjpe"].value
    assert right["hands"].value == right["hands_asked_for"].value == 6


def test_recipes_have_names_of_their_own():
    names = [recipe.name for recipe in baseline.TARGET_RECIPES.values()]
    assert len(set(names)) == len(names)


def test_stored_results_are_whole():
    stored = load_results(CHECKOUT_RESULTS, baseline.CHAPTER)
    known = {recipe.name for recipe in baseline.TARGET_RECIPES.values()} | {baseline.PhotographFit().name}
    assert {result.recipe for result in stored} <= known
    for recipe in baseline.TARGET_RECIPES.values():
        for result in baseline.stored_results(recipe):
            assert result.profile == "full" and len(result.outcome.curves["by_hand"].x) <= 200


def test_mean_and_spread_of_nothing_is_nothing():
    assert baseline.mean_and_spread([], "pa_mpjpe") is None


def test_photographs_need_the_data_folder(monkeypatch):
    monkeypatch.delenv("HANDLIB_DATA", raising=False)
    with pytest.raises(MissingFileError, match="HANDLIB_DATA"):
        baseline.photograph_keypoints(3)
