"""Errors, PCK, F-score, success, smoothness: hand-computed values, naive loops, invariances, bad input."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from handlib import metrics
from handlib.errors import BadInputError
from handlib.metrics.inputs import check_metres, check_pair, to_float64


def errors(frames: int = 40, points: int = 21, seed: int = 0) -> np.ndarray:
    return np.abs(np.random.default_rng(seed).normal(size=(frames, points))) * 0.02


def test_mpjpe_golden_value() -> None:
    """A 3-4-5 triangle of 30 and 40 mm: 50 mm for one joint of two, nothing for the other."""
    true = np.zeros((1, 2, 3))
    pred = np.array([[[0.03, 0.04, 0.0], [0.0, 0.0, 0.0]]])
    assert metrics.mpjpe(pred, true, alignment="none") == pytest.approx(25.0)
    assert metrics.mpvpe(pred, true, alignment="none") == pytest.approx(25.0)
    assert metrics.epe_2d_px(1000 * pred[..., :2], true[..., :2]) == pytest.approx(25.0)


def test_mean_error_weighs_points_not_annotations() -> None:
    values = np.array([[1.0, 10.0], [1.0, 20.0], [4.0, 99.0]])
    valid = np.array([[True, True], [True, False], [True, False]])
    assert metrics.mean_error(values, valid) == pytest.approx((2.0 + 10.0) / 2)
    assert metrics.mean_error(values, torch.tensor(valid)) == pytest.approx(6.0)
    never = np.array([[True, False]] * 3)
    assert metrics.mean_error(values, never) == pytest.approx(2.0)


def test_box_normalised_errors() -> None:
    true = np.array([[[0.0, 0.0], [100.0, 50.0]]])
    assert np.allclose(metrics.box_normalised_errors(true + [3.0, 4.0], true), 0.05)
    with pytest.raises(BadInputError, match="box"):
        metrics.box_normalised_errors(true, np.zeros_like(true))


@pytest.mark.parametrize("inclusive", [True, False])
def test_pck_against_a_naive_loop(inclusive: bool) -> None:
    values = np.round(errors(), 3)
    thresholds = np.linspace(0, 0.05, 51).round(3)
    valid = np.random.default_rng(1).random(values.shape) < 0.7
    for mask in (None, valid):
        curve = metrics.pck_per_point(values, thresholds, inclusive=inclusive, valid=mask)
        for j in range(values.shape[1]):
            seen = values[:, j] if mask is None else values[mask[:, j], j]
            for k, t in enumerate(thresholds):
                hits = [(e <= t) if inclusive else (e < t) for e in seen]
                assert curve[j, k] == pytest.approx(sum(hits) / len(hits))


def test_an_error_equal_to_the_threshold_counts_only_if_inclusive() -> None:
    values, thresholds = np.array([[0.0], [0.02]]), np.array([0.0, 0.02])
    assert metrics.pck(values, thresholds).tolist() == [0.5, 1.0]
    assert metrics.pck(values, thresholds, inclusive=False).tolist() == [0.0, 0.5]


def test_area_golden_values() -> None:
    thresholds = np.array([0.0, 1.0, 2.0])
    assert metrics.area_under_curve(np.array([0.0, 0.5, 1.0]), thresholds) == pytest.approx(0.5)
    assert metrics.area_under_curve(np.ones(3), thresholds + 5) == pytest.approx(1.0)


def test_auc_is_the_mean_of_per_joint_areas() -> None:
    values, thresholds = errors(), metrics.FREIHAND_THRESHOLDS_M
    per_joint = metrics.pck_per_point(values, thresholds)
    assert metrics.pck_auc(values, thresholds) == pytest.approx(
        np.mean([metrics.area_under_curve(curve, thresholds) for curve in per_joint])
    )


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000), st.floats(0.5, 2.0))
def test_pck_rises_with_the_threshold_and_falls_with_the_error(seed: int, factor: float) -> None:
    values = errors(10, 5, seed)
    curve = metrics.pck(values, metrics.FREIHAND_THRESHOLDS_M)
    assert (np.diff(curve) >= 0).all() and 0 <= curve[0] and curve[-1] <= 1
    worse = metrics.pck(values * max(factor, 1.0), metrics.FREIHAND_THRESHOLDS_M)
    assert (worse <= curve).all()


def test_a_later_range_flatters() -> None:
    """The same errors: the area from 20 to 50 mm is larger than that from 0 to 50 mm."""
    late = metrics.pck_auc(errors(), np.linspace(0.02, 0.05, 20))
    assert late > metrics.pck_auc(errors(), np.linspace(0.0, 0.05, 100))


def naive_f_score(pred: np.ndarray, true: np.ndarray, threshold: float) -> float:
    distances = np.linalg.norm(pred[:, None] - true[None], axis=-1)
    precision, recall = (distances.min(1) < threshold).mean(), (distances.min(0) < threshold).mean()
    return 0.0 if precision + recall == 0 else 2 * precision * recall / (precision + recall)


def test_f_score_against_the_full_distance_matrix() -> None:
    rng = np.random.default_rng(0)
    true = rng.normal(size=(4, 120, 3)) * 0.03
    pred = true[:, :90] + rng.normal(size=(4, 90, 3)) * [[[0.002]], [[0.008]], [[0.02]], [[0.0]]]
    ours = metrics.f_scores_per_frame(pred, true, (0.005, 0.015))
    naive = [[naive_f_score(p, t, limit) for limit in (0.005, 0.015)] for p, t in zip(pred, true, strict=True)]
    assert np.allclose(ours, naive)


def test_f_score_is_strict_and_symmetric() -> None:
    true = np.zeros((1, 1, 3))
    pred = np.array([[[0.25, 0.0, 0.0]]])
    assert metrics.f_score(pred, true, 0.25) == 0.0
    assert metrics.f_score(pred, true, 0.2500001) == 1.0
    pred, true = np.random.default_rng(0).normal(size=(2, 3, 50, 3)) * 0.01
    assert metrics.f_score(pred, true, 0.005) == pytest.approx(metrics.f_score(true, pred, 0.005))


def test_f_score_golden_value() -> None:
    """Precision 1 (the one predicted vertex is close), recall 1/2: F = 2/3."""
    true = np.array([[[0.0, 0.0, 0.0], [1.0, 0.0, 0.0]]])
    assert metrics.f_score(np.array([[[0.001, 0.0, 0.0]]]), true, 0.005) == pytest.approx(2 / 3)


def test_success_needs_every_joint() -> None:
    values = np.array([[1.0, 2.0, 30.0], [1.0, 2.0, 3.0]])
    curve = metrics.success_curve(values, np.array([2.0, 3.0, 30.0]))
    assert curve.tolist() == [0.0, 0.5, 1.0]
    assert metrics.success_curve(values, np.array([3.0, 30.0]), inclusive=False).tolist() == [0.0, 0.5]


def test_acceleration_of_a_falling_hand() -> None:
    """x = a t^2 / 2 with a = 9.81 m/s^2, sampled at 25 Hz: the second difference is exact."""
    t = np.arange(20) / 25.0
    joints = np.zeros((20, 21, 3))
    joints[..., 1] = (9.81 * t**2 / 2)[:, None]
    assert metrics.mean_acceleration(joints, frames_per_second=25) == pytest.approx(9810.0)
    assert metrics.mean_acceleration(joints, frames_per_second=1) == pytest.approx(9810.0 / 625)


def test_acceleration_error_is_blind_to_constant_velocity() -> None:
    rng = np.random.default_rng(0)
    true = rng.normal(size=(12, 21, 3)) * 0.02
    drift = np.linspace(0, 0.1, 12)[:, None, None] + 0.05
    assert metrics.acceleration_error(true + drift, true, frames_per_second=30) == pytest.approx(0.0, abs=1e-6)
    still = np.broadcast_to(true[:1], true.shape)
    both = metrics.acceleration_error(still, true, frames_per_second=30)
    assert both == pytest.approx(metrics.mean_acceleration(true, frames_per_second=30))


def test_acceleration_does_not_cross_from_one_sequence_to_the_next() -> None:
    first, second = np.zeros((5, 21, 3)), np.full((4, 21, 3), 0.7)
    joined, ids = np.concatenate([first, second]), np.array([0] * 5 + [1] * 4)
    assert metrics.mean_acceleration(joined, frames_per_second=30) > 1000
    assert metrics.mean_acceleration(joined, frames_per_second=30, sequence_ids=ids) == 0.0
    assert metrics.accelerations_m(joined, frames_per_second=1, sequence_ids=torch.tensor(ids)).shape == (5, 21, 3)


def test_sequence_std_golden_value() -> None:
    """Sequence 0 alternates by +-1 (std 1), sequence 1 is constant: mean 1/2 whatever the offset between them."""
    codes = np.concatenate([np.tile([[1.0], [-1.0]], (3, 10)), np.full((4, 10), 9.0)])
    assert metrics.sequence_std(codes, np.array([0] * 6 + [1] * 4)) == pytest.approx(0.5)
    assert metrics.sequence_std(torch.tensor(codes[:6])) == pytest.approx(1.0)
    assert metrics.sequence_std(np.ones((3, 8, 3))) == 0.0


def test_input_checks_name_what_is_wrong() -> None:
    good = np.zeros((3, 21, 3))
    spoilt = good.copy()
    spoilt[1, 4, 2] = np.nan
    with pytest.raises(BadInputError, match="first in frame 1"):
        metrics.point_errors(good, spoilt)
    with pytest.raises(BadInputError, match="differ in shape"):
        metrics.point_errors(good, good[:2])
    with pytest.raises(BadInputError, match="differ in shape"):
        metrics.point_errors(good, good[:, :16])
    with pytest.raises(BadInputError, match="frame axis"):
        check_pair(good[0], good[0])
    with pytest.raises(BadInputError, match="empty"):
        metrics.point_errors(good[:0], good[:0])
    with pytest.raises(BadInputError, match="pred_vertices"):
        metrics.f_score(good[:, :0], good, 0.005)
    assert to_float64(torch.ones(2, dtype=torch.float16), "x").dtype == np.float64


def test_millimetres_are_noticed() -> None:
    metres = np.random.default_rng(0).normal(size=(5, 21, 3)) * 0.05
    check_metres(metres, metres)
    check_metres(20 * metres, metres)  # a bad network's giant hand keeps its score
    with pytest.raises(BadInputError, match="expected about 0.2 m"):
        check_metres(metres, 1000 * metres)
    with pytest.raises(BadInputError, match="pred_joints"):
        metrics.mpjpe(1000 * metres, metres, alignment="none")


def test_other_bad_arguments() -> None:
    values = errors()
    with pytest.raises(BadInputError, match="ascending"):
        metrics.pck(values, np.array([0.05, 0.0]))
    with pytest.raises(BadInputError, match="at least two"):
        metrics.area_under_curve(np.ones(1), np.ones(1))
    with pytest.raises(BadInputError, match="valid"):
        metrics.mean_error(values, np.zeros(values.shape, bool))
    with pytest.raises(BadInputError, match="valid"):
        metrics.pck(values, np.array([0.0, 1.0]), valid=np.ones((2, 2), bool))
    with pytest.raises(BadInputError, match="positive metres"):
        metrics.f_score(np.zeros((1, 2, 3)), np.zeros((1, 2, 3)), 0.0)
    with pytest.raises(BadInputError, match="no three in a row"):
        metrics.mean_acceleration(np.zeros((2, 21, 3)), frames_per_second=30)
    with pytest.raises(BadInputError, match="frames_per_second"):
        metrics.mean_acceleration(np.zeros((5, 21, 3)), frames_per_second=0)
    with pytest.raises(BadInputError, match="sequence_ids"):
        metrics.sequence_std(np.zeros((5, 10)), np.zeros(4, int))
    with pytest.raises(BadInputError, match="needs joints"):
        metrics.mpvpe(np.zeros((1, 30, 3)), np.zeros((1, 30, 3)), alignment="root")


def test_every_kind_of_number_is_taken_and_none_is_changed() -> None:
    true = np.random.default_rng(0).random((2, 21, 3)) * 0.1
    for pred in (torch.tensor(true).bfloat16(), torch.tensor(true).half(), true.astype(np.float16)):
        assert metrics.mpjpe(pred, true, alignment="none") < 0.5
    aligned = metrics.align_none(true, true)
    aligned += 1
    assert aligned.min() > true.max()  # a result is the caller's own, not a window on the arguments


def test_f_score_is_strict_at_every_threshold() -> None:
    # Powers of two, so that the distance is the threshold to the last bit.
    pred = np.zeros((1, 1, 3))
    true = pred + [2.0**-7, 0, 0]
    assert metrics.f_scores_per_frame(pred, true, (2.0**-7, 2.0**-5)).tolist() == [[0.0, 1.0]]
