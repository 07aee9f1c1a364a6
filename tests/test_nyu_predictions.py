"""Scores of the published NYU predictions: stored ones against the papers' and, with the data, computed anew."""

import os

import numpy as np
import pytest

from handlib.data.nyu_predictions import NYU_METHODS, score_nyu_predictions, stored_nyu_scores
from handlib.errors import MissingFileError
from handlib.reproduce.published import load_published, rounding_interval

# Rows of Wan et al. (CVPR 2019), Table 2, which cites four of the five methods.
CITED = {"V2V-PoseNet": "v2v", "DenseReg": "densereg", "Pose-REN": "pose-ren", "DeepPrior++": "deepprior"}


@pytest.mark.parametrize("method", CITED)
def test_stored_scores_round_to_what_is_published(method: str) -> None:
    printed = load_published()["fitting/table-2"].printed(CITED[method], "mean_error")
    low, high = rounding_interval(printed)
    measured = stored_nyu_scores().mean_error_mm[list(NYU_METHODS).index(method)]
    assert float(low) <= measured <= float(high)


def test_success_curves_rise_from_none_towards_all() -> None:
    scores = stored_nyu_scores()
    assert scores.success.shape == (5, 81) and scores.frames == 8252
    assert (np.diff(scores.success, axis=1) >= 0).all()
    assert (scores.success[:, 0] == 0).all() and (scores.success[:, -1] > 0.8).all()


@pytest.mark.data
@pytest.mark.skipif("HANDLIB_DATA" not in os.environ, reason="needs HANDLIB_DATA")
def test_stored_scores_are_what_the_predictions_score() -> None:
    now, stored = score_nyu_predictions(), stored_nyu_scores()
    np.testing.assert_allclose(now.mean_error_mm, stored.mean_error_mm, atol=1e-6)
    np.testing.assert_allclose(now.success, stored.success, atol=2 / stored.frames)


def test_without_the_data_folder_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HANDLIB_DATA", raising=False)
    with pytest.raises(MissingFileError, match="HANDLIB_DATA"):
        score_nyu_predictions()
