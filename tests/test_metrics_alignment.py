"""Alignments: against naive loops, scipy and trimesh; invariances; mirrored and degenerate hands."""

import numpy as np
import pytest
import torch
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import orthogonal_procrustes
from scipy.spatial import procrustes as scipy_procrustes
from scipy.spatial.transform import Rotation

from handlib import metrics
from handlib.errors import BadInputError

PROCRUSTES = [metrics.procrustes_rigid, metrics.procrustes_with_reflection]


def hands(frames: int = 8, noise_m: float = 0.01, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Predictions and truth (frames, 21, 3) of the size of hands, turned and scaled at random against each other."""
    rng = np.random.default_rng(seed)
    true = rng.normal(size=(frames, 21, 3)) * 0.04 + [0.0, 0.0, 0.6]
    turned = Rotation.random(frames, rng=rng).as_matrix() @ (true + rng.normal(size=true.shape) * noise_m).swapaxes(
        1, 2
    )
    return 1.3 * turned.swapaxes(1, 2) + 0.05, true


def naive_official_procrustes(pred: np.ndarray, true: np.ndarray) -> np.ndarray:
    """One frame, in the words of the protocol: centre, divide by the norm, orthogonal Procrustes, undo."""
    pred_centred, true_centred = pred - pred.mean(0), true - true.mean(0)
    size = np.linalg.norm(true_centred) + 1e-8
    pred_unit, true_unit = pred_centred / (np.linalg.norm(pred_centred) + 1e-8), true_centred / size
    R, scale = orthogonal_procrustes(true_unit, pred_unit)
    return scale * pred_unit @ R.T * size + true.mean(0)


def test_official_procrustes_against_a_naive_loop() -> None:
    pred, true = hands()
    naive = np.stack([naive_official_procrustes(p, t) for p, t in zip(pred, true, strict=True)])
    assert np.allclose(metrics.procrustes_with_reflection(pred, true), naive, atol=1e-12)


def test_parity_with_scipy_procrustes() -> None:
    """scipy reports the squared residual with the truth scaled to norm 1; reflections allowed."""
    pred, true = hands()
    ours = ((metrics.procrustes_with_reflection(pred, true) - true) ** 2).sum((1, 2))
    norms = ((true - true.mean(1, keepdims=True)) ** 2).sum((1, 2))
    theirs = [scipy_procrustes(t, p)[2] for p, t in zip(pred, true, strict=True)]
    assert np.allclose(ours / norms, theirs, atol=1e-7)


@pytest.mark.parametrize(("function", "reflection"), list(zip(PROCRUSTES, [False, True], strict=True)))
@pytest.mark.parametrize("mirror", [False, True])
def test_parity_with_trimesh_procrustes(function, reflection: bool, mirror: bool) -> None:
    """The rotation only: trimesh's scale is a ratio of sizes, not the least-squares one."""
    pred, true = hands()
    pred = pred * [-1, 1, 1] if mirror else pred
    ours = metrics.fit_similarity(pred, true, allow_reflection=reflection)
    assert np.allclose(ours.apply(pred), function(pred, true))
    for frame in range(len(pred)):
        theirs = trimesh.registration.procrustes(pred[frame], true[frame], reflection=reflection, scale=False)[0]
        assert np.allclose(ours.rotation[frame], theirs[:3, :3], atol=1e-9)


def test_a_mirrored_hand_is_forgiven_by_the_official_procrustes_only() -> None:
    true = hands()[1]
    mirrored = true * [-1, 1, 1]
    assert metrics.mpjpe(mirrored, true, alignment="procrustes_with_reflection") == pytest.approx(0.0, abs=1e-4)
    assert metrics.mpjpe(mirrored, true, alignment="procrustes_rigid") > 10.0


def test_the_two_procrustes_agree_on_ordinary_predictions() -> None:
    pred, true = hands()
    assert np.allclose(metrics.procrustes_rigid(pred, true), metrics.procrustes_with_reflection(pred, true))


@pytest.mark.parametrize("function", PROCRUSTES)
@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.1, 10.0), st.floats(-5, 5))
def test_procrustes_ignores_a_similarity_of_the_prediction(function, seed: int, scale: float, shift: float) -> None:
    pred, true = hands(3, seed=seed)
    moved = scale * pred @ Rotation.random(rng=np.random.default_rng(seed)).as_matrix().T + shift
    assert np.allclose(function(moved, true), function(pred, true), atol=1e-6)


@pytest.mark.parametrize("function", PROCRUSTES)
def test_no_other_similarity_does_better(function) -> None:
    pred, true = hands(1)
    best = ((function(pred, true) - true) ** 2).sum()
    rng = np.random.default_rng(1)
    for _ in range(50):
        nudge = Rotation.from_rotvec(0.05 * rng.normal(size=3)).as_matrix()
        other = function(pred, true) @ nudge.T * rng.normal(1, 0.02) + 0.002 * rng.normal(size=3)
        assert ((other - true) ** 2).sum() >= best


@pytest.mark.parametrize("function", PROCRUSTES)
def test_degenerate_predictions_stay_finite(function) -> None:
    true = hands(3)[1]
    pred = true.copy()
    pred[0] = 0.3  # all points equal
    pred[1, :, 1:] = 0.0  # on a line
    pred[2, :, 2] = 0.5  # in a plane
    aligned = function(pred, true)
    assert np.isfinite(aligned).all()
    assert np.allclose(aligned[0], true[0].mean(0))


def test_equal_points_on_both_sides() -> None:
    same = np.full((1, 21, 3), 0.5)
    assert np.allclose(metrics.procrustes_rigid(same, same), same)


def test_similarity_carries_other_points_along() -> None:
    pred, true = hands()
    fitted = metrics.fit_similarity(pred, true, allow_reflection=False)
    assert np.allclose(np.linalg.det(fitted.rotation), 1.0)
    assert np.allclose(fitted.apply(pred), metrics.procrustes_rigid(pred, true))
    assert fitted.apply(pred[:, :5]).shape == (8, 5, 3)


def test_root_and_scale_root_golden_values() -> None:
    true = np.zeros((1, 21, 3))
    true[0, 9], true[0, 12] = [0.1, 0, 0], [0.2, 0, 0]
    pred = np.full((1, 21, 3), 1.0)
    pred[0, 9], pred[0, 12] = [1.0, 1.05, 1.0], [1.0, 1.1, 1.0]
    rooted = metrics.align_root(pred, true)
    assert np.allclose(rooted[0, 12], [0, 0.1, 0]) and np.allclose(rooted[0, 0], 0)
    scaled = metrics.align_scale_root(pred, true)
    assert np.allclose(scaled[0, 9], [0, 0.1, 0]) and np.allclose(scaled[0, 12], [0, 0.2, 0])


def test_scale_root_leaves_a_zero_length_alone() -> None:
    true = hands(1)[1]
    collapsed = np.ones_like(true)
    assert np.allclose(metrics.align_scale_root(collapsed, true), true[:, :1])


def test_alignments_form_a_ladder() -> None:
    """Least squares: more forgiveness, less error (in the sum of squares that Procrustes minimises)."""
    pred, true = hands()
    squares = {name: float(((metrics.align(pred, true, name) - true) ** 2).sum()) for name in metrics.ALIGNMENTS}
    assert squares["procrustes_with_reflection"] <= squares["procrustes_rigid"] + 1e-12
    assert squares["procrustes_rigid"] <= min(squares["root"], squares["scale_root"], squares["none"])


def test_tensors_of_any_kind_are_accepted() -> None:
    pred, true = hands()
    as_tensor = torch.tensor(pred, requires_grad=True)
    assert np.allclose(metrics.procrustes_rigid(as_tensor, torch.tensor(true)), metrics.procrustes_rigid(pred, true))


def test_unknown_alignment_is_refused() -> None:
    with pytest.raises(BadInputError, match="procrustes_rigid"):
        metrics.mpjpe(*hands(), alignment="pa")
