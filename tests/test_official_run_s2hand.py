"""S2HAND on FreiHAND and HO-3D, two steps each: trained, scored by the official protocol, and packed for the server."""

from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

from handlib import cli
from handlib.data.submission import read_submission
from handlib.experiments.s2hand import official, official_pictures
from handlib.experiments.s2hand.detector import Detections
from handlib.experiments.s2hand.official import FULL, HO3D_V2, HO3D_V2_TRUE_2D, OFFICIAL, TABLE_4, TRUE_2D
from handlib.experiments.s2hand.official_pictures import detect_official, training_crops
from handlib.experiments.s2hand.official_recipes import branch_stage, detector_of, first_stage
from handlib.experiments.s2hand.official_scoring import SUBMISSION, surface_scores
from handlib.experiments.s2hand.official_training import train_official
from handlib.experiments.s2hand.scoring import Answers
from handlib.experiments.s2hand.supervision import DETECTIONS
from handlib.hand import write_mano_npz
from handlib.keypoints.detection import HandDetection
from handlib.reproduce.experiment import Experiment
from handlib.reproduce.recipe import run
from handlib.reproduce.results import Outcome
from handlib.reproduce.state import read_state


@pytest.fixture(scope="module")
def place(format_fixture, tmp_path_factory):
    """The tiny sets, and a cache that all runs of this file share."""
    folder = tmp_path_factory.mktemp("s2hand-official")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HANDLIB_RESULTS", str(folder / "results"))
        patch.setenv("HANDLIB_CACHE", str(folder / "cache"))
        patch.delenv("HANDLIB_MANO", raising=False)
        for name in ("freihand", "ho3d_v2"):
            patch.setenv(f"HANDLIB_{name.upper()}", str(format_fixture(name)[0]))
        yield format_fixture


def artifact(recipe, work, name):
    """A file that a smoke run leaves behind, doing the run if need be."""
    found = []

    def look(context) -> Outcome:
        found.append(context.left_by(recipe, work, name))
        return Outcome(not_obtained="looked at only")

    run(replace(recipe, name=f"look@{recipe.data}"), "smoke", 0, look, force=True, device="cpu")
    return found[0]


def test_the_chapter_runs_on_freihand_from_one_command(place, monkeypatch):
    root, drawn = place("freihand")
    monkeypatch.setattr(official, "OFFICIAL", tuple(e for e in OFFICIAL if e.recipe is TRUE_2D))
    arguments = ["reproduce", "s2hand", "--data", "freihand", "--root", str(root), "--profile", "smoke"]
    done = CliRunner().invoke(cli.app, arguments)
    assert done.exit_code == 0, done.output
    assert "1 of 1 runs are stored" in done.output and "never beside published numbers" in done.output
    (experiment,) = official.OFFICIAL
    outcome = experiment.run("smoke", 0).outcome
    metrics = outcome.metrics
    assert metrics["pa_mpjpe"].alignment == "procrustes with reflection" and metrics["mpjpe"].alignment == "none"
    assert metrics["hands"].value == 2 and metrics["asked_for_by_server"].value == 3960
    # Whose vertices are not MANO's has no error of vertices.
    assert "pa_mpvpe" not in metrics and 0 < metrics["f_15mm_aligned_by_joints"].value <= 1
    assert metrics["mpjpe_2d"].value > 0 and len(outcome.curves["training_loss"].y) == 2
    joints_m, vertices_m = read_submission("freihand", artifact(TRUE_2D, train_official, SUBMISSION))
    truth = drawn["evaluation"].joints_m
    assert joints_m.shape == (2, 21, 3) and vertices_m.shape == (2, 778, 3)
    error = np.linalg.norm(joints_m - truth, axis=-1).mean() * 1000
    assert error == pytest.approx(metrics["mpjpe"].value, rel=0.2)


def test_it_runs_on_ho3d_and_with_mano_measures_vertices(place, mano_stand_in, tmp_path, monkeypatch):
    recipe = first_stage(HO3D_V2_TRUE_2D)
    experiment = Experiment(recipe=recipe, work=train_official)
    metrics = experiment.run("smoke", 0).outcome.metrics
    # Without published labels of the evaluation split, there is the file for the server alone.
    assert "pa_mpjpe" not in metrics and metrics["asked_for_by_server"].value == 11_524
    joints_m, _ = read_submission("ho3d_v2", artifact(recipe, train_official, SUBMISSION))
    assert joints_m.shape == (2, 21, 3) and (joints_m[..., 2] > 0).all()
    key = experiment.identify("smoke", 0).key
    monkeypatch.setenv("HANDLIB_MANO", str(write_mano_npz(mano_stand_in.file, tmp_path / "MANO_RIGHT.npz")))
    assert experiment.identify("smoke", 0).key != key
    plain = replace(first_stage(TRUE_2D), name="with-mano@freihand")
    metrics = Experiment(recipe=plain, work=train_official).run("smoke", 0).outcome.metrics
    assert {"pa_mpvpe", "pa_auc_v", "pa_f_5mm", "mpvpe"} <= metrics.keys() and metrics["pa_mpvpe"].value > 0


def test_detections_are_made_once_and_belong_to_the_pictures(place, monkeypatch):
    recipe = detector_of(FULL)
    seen = []

    def nothing_but_the_truth(image, max_hands):
        crops, number = place("freihand")[1]["training"], len(seen)
        seen.append(image.shape)
        if number == 1:
            return []
        return [
            HandDetection(crops.joints_2d_px[number].astype(np.float32), np.full(21, 0.9, np.float32), "right", 1.0)
        ]

    monkeypatch.setattr(official_pictures, "by_profile", lambda profile, smoke, laptop, full: full)
    monkeypatch.setattr(official_pictures, "find_hands", nothing_but_the_truth)
    outcome = run(recipe, "smoke", 0, detect_official, device="cpu").outcome
    assert seen == [(224, 224, 3)] * 3 and outcome.metrics["pictures_without_hand"].value == pytest.approx(100 / 3)
    found = read_state(artifact(recipe, detect_official, DETECTIONS))
    assert found["confidence"].max(1).tolist() == pytest.approx([0.9, 0, 0.9]) and len(seen) == 3
    # In pixels of what the network sees, 32 px wide here. The labels' joints are regressed from the mesh.
    crops = training_crops_of(recipe)
    assert np.linalg.norm(found["keypoints_px"] - crops.keypoints_px, axis=-1)[[0, 2]].max() < 3


def training_crops_of(recipe):
    found = []

    def look(context) -> Outcome:
        found.append(training_crops(context, 32))
        return Outcome(not_obtained="looked at only")

    run(replace(recipe, name="crops@freihand"), "smoke", 0, look, force=True, device="cpu")
    return found[0]


def test_the_detector_of_the_open_benchmark_serves_without_further_packages(place, monkeypatch):
    asked = []

    def detect(network, rgb):
        asked.append(rgb.shape)
        points = np.full((len(rgb), 21, 2), 15.5, np.float32)
        return Detections(points, np.ones((len(rgb), 21), np.float32), np.zeros((len(rgb), 21), np.float32))

    monkeypatch.setattr(official_pictures, "detect", detect)
    recipe = replace(detector_of(HO3D_V2), name="own@ho3d_v2")
    assert run(recipe, "smoke", 0, detect_official, device="cpu").outcome.metrics["mpjpe_2d"].value > 0
    assert asked == [(5, 32, 32, 3)]


def test_rows_share_what_they_may_share():
    registered = {experiment.recipe.name: experiment.recipe for experiment in OFFICIAL}
    for recipe in TABLE_4[1:]:
        assert first_stage(recipe) == registered["s2hand-3d-branch@freihand"]
    for recipe in TABLE_4:
        assert branch_stage(recipe) == registered["s2hand-2d-branch@freihand"]
        assert detector_of(recipe) == registered["s2hand-detector@freihand"]
    assert first_stage(TABLE_4[0]).name == "s2hand-loc-first-stage@freihand"
    assert first_stage(HO3D_V2) == registered["s2hand-ho3d-3d-branch@ho3d_v2"]
    rows = [e.recipe for e in OFFICIAL if e.work is train_official]
    stages = [stage(recipe) for recipe in rows for stage in (first_stage, branch_stage)]
    assert len({recipe.name for recipe in stages}) == len(set(map(str, stages)))


def test_another_surface_is_aligned_by_its_joints(place):
    crops = training_crops_of(replace(detector_of(FULL), name="surface@freihand"))
    vertices = place("freihand")[1]["training"].vertices_m
    crops = replace(crops, vertices_m=vertices.astype(np.float32))
    turned = Answers(1.2 * crops.joints_m[..., [1, 0, 2]], 1.2 * vertices[..., [1, 0, 2]][:, ::2], crops.keypoints_px)
    # Half of the vertices: each of the others is within a millimetre or ten of one that is left.
    scores = surface_scores(turned, crops)
    assert scores["f_5mm_aligned_by_joints"].value > 0.8 and scores["f_15mm_aligned_by_joints"].value > 0.99
