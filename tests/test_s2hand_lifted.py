"""The lifted network's recipes: smoke runs, and that no 3D label of a real picture reaches a step."""

import dataclasses
import os

import numpy as np
import pytest
import torch

from handlib.data.photo_crops import PhotoCrops
from handlib.experiments.s2hand.lifted import LiftedRecipe, train_lifted
from handlib.experiments.s2hand.lifted_task import lifted_objective
from handlib.experiments.s2hand.lifting import SMOKE, LiftingRecipe, build_task, train_lifting
from handlib.experiments.s2hand.photo_scoring import aligned_mm, as_metres, score_on_photographs
from handlib.experiments.s2hand.photographs import PhotographsRecipe, train_on_photographs, training_photographs
from handlib.reproduce.recipe import run
from handlib.training.augmentation import NO_AUGMENTATION
from handlib.training.batches import BatchDrawer, HandPictures


@pytest.fixture
def store(tmp_path, monkeypatch):
    """A cache and a results folder of the test's own."""
    monkeypatch.setenv("HANDLIB_CACHE", str(tmp_path / "cache"))
    return tmp_path


def crops(count: int = 6, px: int = 32) -> PhotoCrops:
    random = np.random.default_rng(0)
    return PhotoCrops(
        rgb=random.integers(0, 255, (count, px, px, 3), dtype=np.uint8),
        keypoints_px=random.uniform(4, 28, (count, 21, 2)).astype(np.float32),
        confidence=np.full((count, 21), 0.9, np.float32),
        detector_joints_m=random.normal(0, 0.05, (count, 21, 3)).astype(np.float32),
        held_out=np.arange(count) >= count - 2,
    )


def test_lifting_alone_learns_and_leaves_its_weights(store):
    result = run(LiftingRecipe(), "smoke", 0, train_lifting)
    assert result.outcome.metrics["training_samples"].value == SMOKE.lifting_batch * SMOKE.lifting_steps


def test_the_target_variant_runs_from_nothing(store):
    result = run(LiftedRecipe(), "smoke", 0, train_lifted)
    assert result.outcome.metrics["pa_mpjpe"].value > 0


def test_photographs_are_reported_as_missing_without_the_data(store, monkeypatch):
    monkeypatch.delenv("HANDLIB_DATA", raising=False)
    outcome = run(PhotographsRecipe(), "smoke", 0, train_on_photographs).outcome
    assert "HANDLIB_DATA" in outcome.not_obtained


@pytest.mark.skipif("HANDLIB_DATA" not in os.environ, reason="HANDLIB_DATA is not set")
def test_photographs_run_where_they_are(store):
    metrics = run(PhotographsRecipe(), "smoke", 0, train_on_photographs).outcome.metrics
    assert {"photo_pa_detector", "film_pa_mpjpe"} <= set(metrics)


def test_the_detectors_own_3d_changes_no_bit_of_a_training_step():
    """Poisoned with NaN, it gives the same loss: nothing of it is read."""
    clean = crops()
    poisoned = dataclasses.replace(clean, detector_joints_m=np.full_like(clean.detector_joints_m, np.nan))
    losses = []
    for photos in (clean, poisoned):
        pictures: HandPictures = training_photographs(photos)
        assert len(pictures) == 4 and pictures.joints_m is None
        batch = BatchDrawer([pictures], [4], 32, NO_AUGMENTATION, seed=0).draw(0)
        torch.manual_seed(1)
        losses.append(lifted_objective(build_task(SMOKE, 4, seed=0), batch, 0).loss.detach())
    assert torch.equal(*losses)


def test_pictures_without_labels_teach_nothing_of_joints_3d_but_their_own_answer():
    batch = BatchDrawer([training_photographs(crops())], [4], 32, NO_AUGMENTATION, seed=0).draw(0)
    terms = lifted_objective(build_task(SMOKE, 4, seed=0), batch, 0).terms
    assert terms["joints_3d"] == 0 and terms["own_3d"] > 0


def test_held_out_photographs_alone_are_scored_and_the_shuffled_score_differs():
    network = build_task(SMOKE, 4, seed=0).network.eval()
    metrics = score_on_photographs(network, crops())
    assert metrics["photos"].value == 2
    with pytest.raises(AssertionError):
        np.testing.assert_allclose(metrics["photo_pa_detector"].value, metrics["photo_pa_detector_shuffled"].value)


def test_alignment_forgives_place_size_and_turn_but_no_reflection():
    random = np.random.default_rng(1)
    hand = random.normal(0, 0.05, (3, 21, 3))
    assert aligned_mm(2 * hand[:, :, [1, 2, 0]] + 0.3, hand) < 1e-4
    assert aligned_mm(hand * [-1, 1, 1], hand) > 5
    scaled = as_metres(7 * hand)
    np.testing.assert_allclose(np.linalg.norm(scaled[:, 9] - scaled[:, 0], axis=-1).mean(), 0.09)
