"""Fingertips of Dexter+Object and EgoDexter: against a frame-by-frame reference, and what each alignment forgives."""

import numpy as np
import pytest
import torch

from handlib.errors import BadInputError
from handlib.metrics.protocols.fingertips import fingertips


def data_set(frames: int = 8) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    true = rng.normal(0, 0.03, (frames, 5, 3)) + [0, 0, 0.5]
    pred = 1.1 * true + rng.normal(0, 0.01, true.shape) + [0.02, 0, -0.06]
    known = rng.random((frames, 5)) < 0.8
    known[0], known[1] = True, [True, True, False, False, False]
    return pred, true, known


def reference(pred: np.ndarray, true: np.ndarray, known: np.ndarray, way: str) -> np.ndarray:
    """Errors (frames, 5) in mm, NaN where nothing counts."""
    errors = np.full(known.shape, np.nan)
    for frame in range(len(pred)):
        rows = np.flatnonzero(known[frame])
        if len(rows) < 3:
            continue
        p, t = pred[frame, rows], true[frame, rows]
        if way:
            q, u = p - p.mean(0), t - t.mean(0)
            p = q * (np.linalg.norm(u) / np.linalg.norm(q) if way == "scale_centroid_" else 1.0) + t.mean(0)
        errors[frame, rows] = 1000 * np.sqrt(((p - t) ** 2).sum(-1))
    return errors


@pytest.mark.parametrize("way", ["", "centroid_", "scale_centroid_"])
def test_scores_are_those_of_the_reference(way):
    pred, true, known = data_set()
    scores = fingertips(pred, np.where(known[..., None], true, np.nan))
    errors = reference(pred, true, known, way)
    assert scores[f"{way}tip_error"] == pytest.approx(np.nanmean(np.nanmean(errors, axis=0)))
    for name, first, last in (("0_100mm", 0, 100), ("20_50mm", 20, 50)):
        curves = [[np.mean(e[~np.isnan(e)] <= t + 1e-9) for e in errors.T] for t in range(first, last + 1)]
        heights = np.mean(curves, axis=1)
        area = ((heights[1:] + heights[:-1]) / 2).mean()
        assert scores[f"{way}tip_auc_{name}"] == pytest.approx(area, abs=2e-3)
    assert scores["frames"] == (known.sum(1) >= 3).sum() < len(known)


def test_each_alignment_forgives_what_it_says_and_no_more():
    _, true, known = data_set()
    moved, larger = true + [0.05, -0.02, 0.1], 1.2 * true
    turned = true[..., [1, 0, 2]]
    assert fingertips(true, true)["tip_error"] == 0
    assert fingertips(moved, true, known)["centroid_tip_error"] == pytest.approx(0, abs=1e-9)
    assert fingertips(moved, true, known)["tip_error"] > 100
    scores = fingertips(larger, true, known)
    assert scores["scale_centroid_tip_error"] < 1e-9 < 3 < scores["centroid_tip_error"]
    assert fingertips(turned, true)["scale_centroid_tip_error"] > 10


def test_tips_without_a_label_have_no_part():
    pred, true, known = data_set()
    wild = np.where(known[..., None], pred, 5.0)
    assert fingertips(wild, true, known) == pytest.approx(fingertips(pred, true, known))
    assert fingertips(torch.tensor(pred), torch.tensor(true), known) == pytest.approx(fingertips(pred, true, known))


def test_bad_input_is_named():
    pred, true, known = data_set()
    with pytest.raises(BadInputError, match="none of 8 frames has 3 labelled tips"):
        fingertips(pred, true, known & np.array([True, True, False, False, False]))
    with pytest.raises(BadInputError, match="Divide millimetres"):
        fingertips(1000 * pred, 1000 * true)
    with pytest.raises(BadInputError, match="pred_tips: NaN"):
        fingertips(np.full_like(pred, np.nan), true)
