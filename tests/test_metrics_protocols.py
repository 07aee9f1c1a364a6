"""The official protocols: against frame-by-frame references, and NYU against the published numbers."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.linalg import orthogonal_procrustes

from handlib import metrics
from handlib.errors import BadInputError
from handlib.skeleton import JOINT_NAMES, JointOrder

PUBLISHED_NYU_MM = {
    "CVPR18_NYU_V2V_PoseNet": 8.419,
    "CVPR18_NYU_denseReg": 10.214,
    "NEUCOM18_NYU_Pose_REN": 11.811,
    "ICCVW17_NYU_DeepPrior++": 12.238,
    "CVWW15_NYU_Prior": 20.750,
}


def data_set(frames: int = 6, vertices: int = 60, noise_m: float = 0.015) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(0)
    true_joints = rng.normal(size=(frames, 21, 3)) * 0.04 + [0, 0, 0.7]
    true_vertices = rng.normal(size=(frames, vertices, 3)) * 0.03 + [0, 0, 0.7]
    pred_joints = 1.1 * true_joints + rng.normal(size=true_joints.shape) * noise_m - [0, 0, 0.07]
    pred_vertices = 1.1 * true_vertices + rng.normal(size=true_vertices.shape) * noise_m - [0, 0, 0.07]
    return pred_joints, true_joints, pred_vertices, true_vertices


def reference_align(pred: np.ndarray, true: np.ndarray) -> np.ndarray:
    p, t = pred - pred.mean(0), true - true.mean(0)
    p_norm, t_norm = np.linalg.norm(p) + 1e-8, np.linalg.norm(t) + 1e-8
    R, s = orthogonal_procrustes(t / t_norm, p / p_norm)
    return p / p_norm @ R.T * s * t_norm + true.mean(0)


def reference_measures(pred: np.ndarray, true: np.ndarray) -> tuple[float, float]:
    """Mean error (mm) and AUC, point by point and threshold by threshold, as an official script works."""
    thresholds = np.linspace(0.0, 0.05, 100)
    means, areas = [], []
    for j in range(pred.shape[1]):
        distances = [float(np.sqrt(((pred[i, j] - true[i, j]) ** 2).sum())) for i in range(len(pred))]
        means.append(np.mean(distances))
        curve = [np.mean([d <= t for d in distances]) for t in thresholds]
        areas.append(sum((a + b) / 2 for a, b in zip(curve, curve[1:], strict=False)) / 99)
    return 1000 * float(np.mean(means)), float(np.mean(areas))


def reference_f(pred: np.ndarray, true: np.ndarray, threshold: float) -> float:
    scores = []
    for p, t in zip(pred, true, strict=True):
        d = np.linalg.norm(p[:, None] - t[None], axis=-1)
        a, b = np.mean(d.min(0) < threshold), np.mean(d.min(1) < threshold)
        scores.append(2 * a * b / (a + b) if a + b > 0 else 0.0)
    return float(np.mean(scores))


def test_freihand_against_a_frame_by_frame_reference() -> None:
    pj, tj, pv, tv = data_set()
    aj = np.stack([reference_align(p, t) for p, t in zip(pj, tj, strict=True)])
    av = np.stack([reference_align(p, t) for p, t in zip(pv, tv, strict=True)])
    scores = metrics.freihand(pj, tj, pv, tv)
    expected = {}
    for prefix, joints, vertices in (("", pj, pv), ("pa_", aj, av)):
        expected[f"{prefix}mpjpe"], expected[f"{prefix}auc_j"] = reference_measures(joints, tj)
        expected[f"{prefix}mpvpe"], expected[f"{prefix}auc_v"] = reference_measures(vertices, tv)
        expected[f"{prefix}f_5mm"] = reference_f(vertices, tv, 0.005)
        expected[f"{prefix}f_15mm"] = reference_f(vertices, tv, 0.015)
    assert scores.keys() == expected.keys()
    for key, value in expected.items():
        assert scores[key] == pytest.approx(value, rel=1e-9), key
        assert type(scores[key]) is float


def test_freihand_of_a_perfect_prediction() -> None:
    _, tj, _, tv = data_set()
    scores = metrics.freihand(torch.tensor(tj), tj, tv, torch.tensor(tv))
    assert all(scores[key] == pytest.approx(0.0, abs=1e-4) for key in ("mpjpe", "mpvpe", "pa_mpjpe", "pa_mpvpe"))
    assert all(scores[key] == 1.0 for key in ("auc_j", "auc_v", "f_5mm", "f_15mm", "pa_f_5mm", "pa_f_15mm"))


def test_freihand_joints_only_has_joint_keys_only() -> None:
    pj, tj, _, _ = data_set()
    assert metrics.freihand(pj, tj).keys() == {"mpjpe", "auc_j", "pa_mpjpe", "pa_auc_j"}


def test_freihand_forgives_a_mirrored_hand() -> None:
    _, tj, _, _ = data_set()
    scores = metrics.freihand(tj * [-1, 1, 1], tj)
    assert scores["pa_mpjpe"] == pytest.approx(0.0, abs=1e-4) and scores["mpjpe"] > 10


def test_freihand_with_another_mesh_scores_surfaces_only() -> None:
    """Fewer vertices, same similarity: the joints' alignment brings the mesh back, and F is perfect."""
    _, tj, _, tv = data_set()
    both = metrics.freihand(0.8 * tj + 0.1, tj, 0.8 * np.concatenate([tv, tv[:, :7]], axis=1) + 0.1, tv)
    assert "mpvpe" not in both and "pa_auc_v" not in both
    assert both["pa_f_5mm"] == 1.0 and both["f_5mm"] < 0.5


def test_ho3d_scale_translation_by_wrist_and_middle_knuckle() -> None:
    pj, tj, pv, tv = data_set()
    wrist, knuckle = JOINT_NAMES.index("wrist"), JOINT_NAMES.index("middle_mcp")
    aligned = []
    for p, t in zip(pj, tj, strict=True):
        scaled = p / np.linalg.norm(p[knuckle] - p[wrist]) * np.linalg.norm(t[knuckle] - t[wrist])
        aligned.append(scaled - scaled[wrist] + t[wrist])
    scores = metrics.ho3d(pj, tj, pv, tv)
    mean, area = reference_measures(np.stack(aligned), tj)
    assert scores["scale_translation_mpjpe"] == pytest.approx(mean)
    assert scores["scale_translation_auc_j"] == pytest.approx(area)
    assert metrics.freihand(pj, tj, pv, tv).items() <= scores.items()


def test_ho3d_in_another_joint_order() -> None:
    """HO-3D's files have the articulated joints first: index, middle, ... The score must not depend on the order."""
    pj, tj, _, _ = data_set()
    rows = np.random.default_rng(3).permutation(21)
    shuffled = JointOrder("shuffled", tuple(JOINT_NAMES[r] for r in rows), "this test")
    there, here = metrics.ho3d(pj[:, rows], tj[:, rows], joint_order=shuffled), metrics.ho3d(pj, tj)
    assert there.keys() == here.keys()
    assert all(there[key] == pytest.approx(here[key]) for key in here)


def test_alignment_by_a_joint_that_is_not_there_is_refused() -> None:
    joints = data_set()[0]
    with pytest.raises(BadInputError, match=r"rows \(21,\), expected rows of the 21 points"):
        metrics.stb(joints, joints, root=21)
    with pytest.raises(BadInputError, match=r"rows \(-1,\)"):
        metrics.align_root(joints, joints, root=-1)
    with pytest.raises(BadInputError, match=r"rows \(0, 30\)"):
        metrics.align_scale_root(joints, joints, end=30)
    for order, count in (("stb", 21), ("mano", 16)):
        with pytest.raises(BadInputError, match=f"'{order}' has {count} joints and the arrays have 21"):
            metrics.ho3d(joints, joints, joint_order=order)


def test_stb_versions_differ_on_the_same_errors() -> None:
    """Errors spread evenly over 0..50 mm: PCK(t) = t / 50 mm, so each area is its mean threshold / 50 mm."""
    frames = 50_000
    true = np.zeros((frames, 2, 3))
    pred = true.copy()
    pred[:, 1, 0] = (np.arange(frames) + 0.5) / frames * 0.05
    scores = metrics.stb(pred, true)
    # Joint 0 is the root, always right: the mean of 1 and the ramp's height.
    hand3d, linspace = (50 * 8 / 19 + 50) / 2 / 50, (20 + 50) / 2 / 50
    assert scores["root_auc_j_20_50mm_hand3d"] == pytest.approx((1 + hand3d) / 2, abs=1e-4)
    assert scores["root_auc_j_20_50mm_linspace"] == pytest.approx((1 + linspace) / 2, abs=1e-4)
    assert scores["root_auc_j_0_50mm"] == pytest.approx((1 + 0.5) / 2, abs=1e-4)
    assert scores["root_mpjpe"] == pytest.approx(12.5, abs=1e-3)


def test_stb_thresholds_of_the_two_versions() -> None:
    hand3d = metrics.STB_THRESHOLDS_M["hand3d"]
    assert len(hand3d) == 12 and hand3d[0] == pytest.approx(0.0210526, abs=1e-6)
    assert metrics.STB_THRESHOLDS_M["linspace"][0] == pytest.approx(0.02)


def test_stb_forgives_position_and_reports_what_was_asked() -> None:
    pj, tj, _, _ = data_set()
    shifted = metrics.stb(pj + [0.3, 0, 0], tj, thresholds="hand3d")
    assert shifted["root_mpjpe"] == pytest.approx(metrics.stb(pj, tj)["root_mpjpe"])
    assert "root_auc_j_20_50mm_linspace" not in shifted
    with pytest.raises(BadInputError, match="hand3d"):
        metrics.stb(pj, tj, thresholds="20-50")


def test_nyu_golden_value() -> None:
    """One pixel of u at 588.03 mm depth is 1 mm; one mm of depth at the principal point is 1 mm."""
    true = np.tile([320.0, 240.0, 588.03], (2, 14, 1))
    pred = true.copy()
    pred[0, :, 0] += 1.0
    pred[1, 0, 2] += 28.0
    scores = metrics.nyu(pred, true)
    assert scores["mean_error"] == pytest.approx((1.0 + 28.0 / 14) / 2)
    assert scores["success_20mm"] == 0.5 and scores["success_40mm"] == 1.0
    assert metrics.nyu(pred.reshape(2, 42), torch.tensor(true)) == scores
    assert metrics.nyu_errors_mm(pred, true).shape == (2, 14)
    all_joints = np.full((2, 36, 3), 500.0)
    all_joints[:, [0, 3, 6, 9, 12, 15, 18, 21, 24, 25, 27, 30, 31, 32]] = true
    assert metrics.nyu(pred, all_joints) == scores


def test_nyu_camera() -> None:
    # One focal length to the right of and below the principal point, a metre away: 45 degrees both ways.
    uvd = np.array([320.0 + 588.03, 240.0 + 587.07, 1000.0])
    assert metrics.uvd_to_xyz_mm(uvd) == pytest.approx([1000.0, 1000.0, 1000.0])


def test_protocols_refuse_bad_input() -> None:
    pj, tj, pv, tv = data_set()
    with pytest.raises(BadInputError, match="Divide millimetres"):
        metrics.freihand(1000 * pj, 1000 * tj)
    with pytest.raises(BadInputError, match="Divide millimetres"):
        metrics.ho3d(pj, tj, pv, 1000 * tv)
    with pytest.raises(BadInputError, match="both or neither"):
        metrics.freihand(pj, tj, pred_vertices=pv)
    with pytest.raises(BadInputError, match="frames"):
        metrics.freihand(pj, tj, pv[:2], tv[:2])
    with pytest.raises(BadInputError, match="joint order"):
        metrics.ho3d(pj, tj, joint_order="mystery")
    with pytest.raises(BadInputError, match="14, 3"):
        metrics.nyu(pj, tj)
    with pytest.raises(BadInputError, match="millimetres"):
        metrics.nyu(pj[:, :14], tj[:, :14])


@pytest.mark.data
@pytest.mark.parametrize(("method", "published_mm"), PUBLISHED_NYU_MM.items())
def test_published_nyu_predictions_score_what_was_published(method: str, published_mm: float) -> None:
    path = Path(os.environ.get("HANDLIB_DATA", ".")) / "nyu_published_predictions.npz"
    if not path.exists():
        pytest.skip("needs nyu_published_predictions.npz in the folder HANDLIB_DATA")
    with np.load(path) as published:
        scores = metrics.nyu(published[method], published["groundtruth_uvd"])
    assert scores["mean_error"] == pytest.approx(published_mm, abs=0.0006)
