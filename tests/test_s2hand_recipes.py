"""S2HAND's recipes: each runs, none sees what it may not see, and what rows share is shared."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from smoke_runs import within

from handlib.experiments.s2hand import EXPERIMENTS, FULL, TABLE_4, data
from handlib.experiments.s2hand.baselines import score_baseline, score_derived
from handlib.experiments.s2hand.detector import Detections, detect
from handlib.experiments.s2hand.objective import s2hand_objective
from handlib.experiments.s2hand.recipes import (
    PLAIN_2D,
    PLAIN_3D,
    DetectorRecipe,
    branch_stage,
    first_stage,
    weights_of,
    with_source_labels,
)
from handlib.experiments.s2hand.scoring import Answers, score_2d, score_3d
from handlib.experiments.s2hand.supervision import batches, confidence_metrics, train_detector
from handlib.experiments.s2hand.training import build_task, train_and_score
from handlib.losses.s2hand import effective_weights
from handlib.reproduce.places import results_folder
from handlib.reproduce.published import load_published
from handlib.reproduce.results import load_results

CHECKOUT_RESULTS = results_folder()
OURS = (train_and_score, train_detector, score_baseline, score_derived)
BY_NAME = {experiment.recipe.name: experiment for experiment in EXPERIMENTS if experiment.work in OURS}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A store of results and a cache that all smoke runs of this file share."""
    folder = tmp_path_factory.mktemp("s2hand")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HANDLIB_RESULTS", str(folder / "results"))
        patch.setenv("HANDLIB_CACHE", str(folder / "cache"))
        forget()
        yield folder
    forget()


def forget() -> None:
    """Forget which stills are mapped into memory."""
    data.pictures.cache_clear()
    data.labels.cache_clear()


@pytest.mark.parametrize("name", BY_NAME)
def test_each_recipe_runs_and_says_what_it_measured(store, name):
    outcome = BY_NAME[name].run("smoke", 0).outcome
    assert outcome.not_obtained is None
    assert {"mpjpe_2d"} <= outcome.metrics.keys() or {"pa_mpjpe", "pa_mpvpe", "pa_f_5mm"} <= outcome.metrics.keys()
    if BY_NAME[name].work in (train_and_score, train_detector):
        assert outcome.metrics["training_images_per_second"].value > 0
        assert len(outcome.curves["training_loss"].y) == 2


def test_rows_bear_the_published_names():
    tables = [table for key, table in load_published().items() if key.startswith("s2hand/")]
    rows = {row.recipe for table in tables for row in table.rows if row.recipe}
    here = {name for name in rows if name in BY_NAME}
    assert {recipe.name for recipe in TABLE_4} | {"s2hand-true-2d", "s2hand-2d-branch", "s2hand-mano-cnn"} <= here
    assert {name for name in rows - here if "ho3d" not in name and "frames" not in name} <= {
        "s2hand-full-on-extreme-poses",
        "s2hand-full-on-severe-occlusions",
        "s2hand-full-on-extreme-viewpoints",
    }


def test_rows_share_first_stages_where_their_losses_agree():
    assert all(first_stage(recipe) == PLAIN_3D for recipe in TABLE_4[1:])
    assert first_stage(TABLE_4[0]).name == "s2hand-loc-first-stage"
    assert all(branch_stage(recipe) == PLAIN_2D for recipe in TABLE_4[2:])
    with_labels = with_source_labels(FULL)
    assert first_stage(with_labels).name == "s2hand-3d-branch@source"
    rows = [experiment.recipe for experiment in EXPERIMENTS if experiment.work is train_and_score]
    stages = [stage(recipe) for recipe in rows for stage in (first_stage, branch_stage)]
    assert len({recipe.name for recipe in stages}) == len(set(map(str, stages)))


def test_a_row_leaves_out_what_its_name_says():
    loc, loc_ori, _, full = (effective_weights(weights_of(recipe)) for recipe in TABLE_4)
    assert loc["orientation"] == 0 < loc_ori["orientation"] and loc["location"] == loc_ori["location"] > 0
    assert loc_ori["pixel"] == 0 < full["pixel"]
    assert effective_weights(weights_of(replace(FULL, regularisation=False)))["shape"] == 0


def one_step(recipe) -> list[torch.Tensor]:
    """The gradients of one step of a recipe's last stage."""

    def step(context) -> list[torch.Tensor]:
        task = build_task(context).train()
        torch.manual_seed(0)
        s2hand_objective(task, batches(context, recipe.stages).draw(0), 0).loss.backward()
        return [parameter.grad.clone() for parameter in task.parameters() if parameter.grad is not None]

    return within(recipe, step)


def spoil_labels(store, fields: tuple[str, ...]) -> None:
    """Put NaN into label files of the target domain's training stills."""
    for field in fields:
        (path,) = store.glob(f"cache/stills/*/target-train-*/labels/{field}.npy")
        array = np.lib.format.open_memmap(path, mode="r+")
        array[...] = True if array.dtype == bool else np.nan
        array.flush()
    forget()


def test_no_label_of_the_target_domain_enters_a_training_step(store):
    recipe = with_source_labels(FULL)
    named = replace(FULL, name="true", keypoints="true"), replace(FULL, name="labelled", target_labels_3d=True)
    kept = {path: path.read_bytes() for path in store.glob("cache/stills/*/target-train-*/labels/*.npy")}
    before = one_step(replace(recipe, name="step"))
    with_2d, with_3d = (one_step(other) for other in named)
    try:
        spoil_labels(store, ("joints_m", "mask"))
        assert all(torch.equal(a, b) for a, b in zip(with_2d, one_step(named[0]), strict=True))
        spoil_labels(store, ("joints_2d_px",))
        assert all(torch.equal(a, b) for a, b in zip(before, one_step(replace(recipe, name="step")), strict=True))
        # The test can fail: rows that say so do see these labels.
        assert any(not torch.isfinite(gradient).all() for gradient in one_step(named[0]))
        assert any(not torch.isfinite(gradient).all() for gradient in one_step(named[1]))
        assert all(torch.isfinite(gradient).all() for gradient in with_3d)
    finally:
        for path, content in kept.items():
            path.write_bytes(content)
        forget()


def test_the_truth_scores_best_and_shuffled_answers_do_not(store):
    effort = data.Effort(test_stills=6, image_px=32)
    labels = data.labels(effort, "target", "test")
    places = np.zeros((6, 778, 3)) + labels.joints_m[:, :1]
    metrics, curves = score_3d(Answers(labels.joints_m, places, labels.joints_2d_px), labels)
    assert metrics["pa_mpjpe"].value < 1e-3 < 5 < metrics["pa_mpjpe_shuffled"].value and metrics["hands"].value == 6
    assert curves["pa_pck"].y[-1] == 1 and len(curves["by_hand"].y) == 6
    exact, _ = score_2d(labels.joints_2d_px, labels, 32)
    lost, _ = score_2d(np.full_like(labels.joints_2d_px, np.nan), labels, 32)
    assert exact["mpjpe_2d"].value == 0 and exact["pck_small"].value == 100 and lost["pck_large"].value == 0


def test_views_that_disagree_lower_the_confidence():
    class Nervous(torch.nn.Module):
        """Finds joint 0 at the brightest pixel, and joint 1 anywhere."""

        def __init__(self) -> None:
            super().__init__()
            self.nothing = torch.nn.Parameter(torch.zeros(1))

        def forward(self, images):
            flat = images.sum(-1).flatten(1).argmax(1)
            points = (
                torch.stack([flat % images.shape[2], flat // images.shape[2]], -1).float()[:, None].repeat(1, 21, 1)
            )
            points[:, 1] = images.shape[1] * torch.rand(len(images), 2)
            return points, torch.full((len(images), 21), 0.9), None

    rgb = np.zeros((3, 64, 64, 3), np.uint8)
    rgb[[0, 1, 2], [30, 34, 28], [30, 27, 35]] = 255
    found = detect(Nervous(), rgb)
    assert isinstance(found, Detections) and np.abs(found.keypoints_px[0, 0] - 30).max() < 1.5
    assert (found.confidence[:, 1] < 0.5 * found.confidence[:, 0]).all() and (found.confidence[:, 0] > 0.5).all()
    alone = detect(Nervous(), rgb, views=1)
    assert (alone.scatter_px == 0).all() and np.allclose(alone.confidence, 0.9)


def test_confidences_are_judged_by_rank():
    error = np.linspace(1, 10, 42).reshape(2, 21)
    metrics = confidence_metrics(1 / error, error)
    assert metrics["confidence_error_correlation"].value == pytest.approx(-1)
    assert metrics["error_of_most_confident"].value < metrics["error_of_least_confident"].value


def test_stored_detections_have_real_confidences():
    for result in load_results(CHECKOUT_RESULTS, "s2hand"):
        metrics = result.outcome.metrics
        if result.recipe == DetectorRecipe().name and result.profile == "full":
            assert metrics["confidence_error_correlation"].value < -0.3
            assert metrics["error_of_most_confident"].value < 0.5 * metrics["error_of_least_confident"].value


def test_derived_rows_look_at_the_network_that_was_trained(store):
    shuffled = BY_NAME["s2hand-shuffled"]
    assert shuffled.work is score_derived
    full, turned = (BY_NAME[name].run("smoke", 0).outcome.metrics for name in ("s2hand-full", "s2hand-shuffled"))
    assert turned["pa_mpjpe"].value == pytest.approx(full["pa_mpjpe_shuffled"].value, rel=1e-6)
