"""S2HAND(V) on official data: on a tiny HO-3D a row trains and is scored, and the published rows are there."""

import numpy as np
import pytest

from handlib.data.official_crops import OfficialCrops
from handlib.experiments.s2hand.effort import SMOKE
from handlib.experiments.s2hand_v import QUATERNION
from handlib.experiments.s2hand_v.official import HO3D_V2, OFFICIAL
from handlib.experiments.s2hand_v.official_recipes import on_official
from handlib.experiments.s2hand_v.official_training import build_network, motion_scores
from handlib.models.placement import assumed_intrinsics
from handlib.reproduce.published import load_published

BY_NAME = {experiment.recipe.name: experiment for experiment in OFFICIAL}


@pytest.mark.slow
def test_a_row_runs_after_the_first_stage_of_s2hands_own(format_fixture, tmp_path, monkeypatch):
    monkeypatch.setenv("HANDLIB_RESULTS", str(tmp_path / "results"))
    monkeypatch.setenv("HANDLIB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HANDLIB_HO3D_V2", str(format_fixture("ho3d_v2")[0]))
    for name in ("s2hand-v-quaternion-i1-n3@ho3d_v2", "s2hand-v-quaternion-i3-n6@ho3d_v2"):
        outcome = BY_NAME[name].run("smoke", 0).outcome
        assert outcome.not_obtained is None and outcome.metrics["hands"].value > 0
        assert outcome.metrics["training_samples"].value > 0
    assert BY_NAME["s2hand-ho3d-full@ho3d_v2"].run("smoke", 0).outcome.metrics["train_acc"].value > 0


def test_rows_bear_the_published_names_and_the_data_set_the_papers():
    tables = [load_published()[f"s2hand-v/table-{number}"] for number in (4, 5, 7, 9)]
    rows = {row.recipe for table in tables for row in table.rows if row.recipe}
    # The fourth row of Table 7 is one of Table 4 again.
    assert {f"{name}@ho3d_v2" for name in rows - {"s2hand-v-quaternion-i3-n3"}} <= BY_NAME.keys()
    assert {experiment.recipe.dataset for experiment in OFFICIAL} == {"HO-3D v2", "HO-3D v3"}


def test_a_network_is_measured_over_successive_frames_only():
    image_px, frames = SMOKE.image_px, 12
    joints = np.zeros((frames, 21, 3), np.float32)
    crops = OfficialCrops(
        rgb=np.random.default_rng(0).integers(0, 256, (frames, image_px, image_px, 3), np.uint8),
        K=np.repeat(assumed_intrinsics_of(image_px), frames, 0),
        keypoints_px=np.zeros((frames, 21, 2), np.float32),
        confidence=np.ones((frames, 21), np.float32),
        joints_m=joints,
        vertices_m=None,
        index=np.arange(frames),
        sequence=np.array(["a"] * 6 + ["b"] * 6),
        frame=np.r_[0:6, 0:2, 4:6, 8:10],
    )
    network = build_network(on_official(QUATERNION, HO3D_V2), SMOKE, 0).eval()
    metrics = motion_scores(network, crops, "train_", truth=True)
    assert metrics["train_acc"].value > 0
    # The truth rests: the error is the network's own acceleration.
    assert metrics["train_acc_err"].value == pytest.approx(metrics["train_acc"].value, rel=1e-5)
    pairs = OfficialCrops(**{**vars(crops), "frame": np.arange(frames) * 2})
    assert motion_scores(network, pairs, "test_", truth=False) == {}


def assumed_intrinsics_of(image_px: int) -> np.ndarray:
    """One assumed camera (1, 3, 3)."""
    import torch

    return assumed_intrinsics(torch.zeros(1), image_px).numpy()
