"""Scores of the released network through the front door: what each way is given, and what is said without its needs."""

import numpy as np
import pytest

from handlib.errors import BadInputError, MissingExtraError
from handlib.experiments.s2hand import released
from handlib.experiments.s2hand.released import (
    ON_FILM,
    ON_TARGET,
    WAYS,
    ReleasedRecipe,
    ScoredPictures,
    answers,
    score_released,
)
from handlib.hand import HandModel
from handlib.reproduce.recipe import run
from handlib.training.lifting import draw_hands


@pytest.fixture
def pictures(monkeypatch):
    joints = draw_hands(HandModel.load("open"), 3, seed=2).numpy() + np.array([0, 0, 0.5], np.float32)
    keypoints = np.concatenate([200 * joints[..., :2] / joints[..., 2:] + 64, np.ones((3, 21, 1))], axis=-1)
    given = ScoredPictures(
        np.full((3, 128, 128, 3), 90, np.uint8), keypoints.astype(np.float32), None, joints, asked_for=4
    )
    monkeypatch.setattr(released, "scored_pictures", lambda dataset, context: given)
    return given


def test_rows_have_names_of_their_own_and_say_where_they_are_scored():
    names = [recipe.name for recipe in (*ON_TARGET, *ON_FILM)]
    assert len(set(names)) == len(names) == 2 * len(WAYS)
    assert {recipe.dataset for recipe in ON_TARGET} != {recipe.dataset for recipe in ON_FILM}


def test_a_fit_to_exact_keypoints_beats_one_hand_for_all_and_answers_to_others(pictures, monkeypatch, tmp_path):
    monkeypatch.setenv("HANDLIB_RESULTS", str(tmp_path))
    monkeypatch.setenv("HANDLIB_CACHE", str(tmp_path))
    rows = (ON_TARGET[WAYS.index(way)] for way in ("fit", "mean"))
    fit, mean = (run(row, "smoke", 0, score_released, device="cpu").outcome.metrics for row in rows)
    assert fit["pa_mpjpe"].value < mean["pa_mpjpe"].value
    assert fit["pa_mpjpe"].value < fit["pa_mpjpe_shuffled"].value
    assert (fit["hands"].value, fit["hands_asked_for"].value) == (3, 4)


def test_without_a_detector_it_is_said_that_nothing_was_obtained(monkeypatch, tmp_path):
    def absent(*_):
        raise MissingExtraError("mediapipe is not installed: pip install 'handlib[detect]'")

    monkeypatch.setattr(released, "scored_pictures", absent)
    monkeypatch.setenv("HANDLIB_RESULTS", str(tmp_path))
    monkeypatch.setenv("HANDLIB_CACHE", str(tmp_path))
    outcome = run(ON_TARGET[1], "smoke", 0, score_released, device="cpu").outcome
    assert "mediapipe" in outcome.not_obtained


def test_unknown_ways_are_refused(pictures, monkeypatch, tmp_path):
    monkeypatch.setenv("HANDLIB_RESULTS", str(tmp_path))
    monkeypatch.setenv("HANDLIB_CACHE", str(tmp_path))
    with pytest.raises(BadInputError, match="way"):
        run(
            ReleasedRecipe(name="s2hand-released-guessed", dataset=released.TARGET, way="guessed"),
            "smoke",
            0,
            score_released,
            device="cpu",
        )
    assert answers("mean", pictures).shape == (3, 21, 3)
