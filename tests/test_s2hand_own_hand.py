"""The rows that know the target's hand model: what the head is given, what it learns from, and what each row says."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from smoke_runs import within

from handlib.data.open_benchmark import OpenBenchmark
from handlib.data.target_domain import TARGET_HAND
from handlib.errors import BadInputError, MissingExtraError
from handlib.experiments.s2hand import GUIDED, OWN_HAND, own_hand_scored
from handlib.experiments.s2hand.lifted_task import LiftedTask
from handlib.experiments.s2hand.lifting import NETWORK
from handlib.experiments.s2hand.own_hand import HAND, OwnHandRecipe, own_hand_lifter, train_own_hand, write_hand
from handlib.experiments.s2hand.own_hand_scored import OwnHandScoreRecipe, mean_of_model, score_own_hand
from handlib.experiments.s2hand.released import TARGET, ScoredPictures
from handlib.hand import HandModel
from handlib.hand.sampler import PoseSampler
from handlib.metrics.alignment import procrustes_rigid
from handlib.metrics.errors import point_errors
from handlib.reconstruction.lifter import released_lifter
from handlib.reproduce.recipe import run
from handlib.skeleton import PARENTS

LIFTING = OwnHandRecipe()
LOOKING = replace(LIFTING, name="looking")
MEAN, FIT, LIFTED, WITH_PICTURE = OWN_HAND


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A cache that all smoke runs of this file share; pictures with keypoints that are nearly right."""
    folder = tmp_path_factory.mktemp("own-hand")
    batch = OpenBenchmark("target", split="test", image_px=64).render_batch([0, 1, 2])
    noise = 2 * torch.randn(3, 21, 2, generator=torch.Generator().manual_seed(0))
    keypoints = torch.cat([batch.joints_2d_px + noise, torch.full((3, 21, 1), 0.9)], dim=-1).numpy()
    pictures = ScoredPictures(batch.rgb.numpy(), keypoints, batch.K.numpy(), batch.joints_m.numpy(), 3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HANDLIB_RESULTS", str(folder / "results"))
        patch.setenv("HANDLIB_CACHE", str(folder / "cache"))
        patch.setattr(own_hand_scored, "scored_pictures", lambda dataset, context: pictures)
        # The guided network has tests of its own: here it reads what was detected, three pixels lower.
        look = lambda context, recipe, seen: (None, seen.keypoints[..., :2] + np.array([0, 3], np.float32))  # noqa: E731
        patch.setattr(own_hand_scored, "look_at_pictures", look)
        run(LIFTING, "smoke", 0, train_own_hand, device="cpu")
        yield pictures


def bones(joints: torch.Tensor) -> torch.Tensor:
    """Lengths of the twenty bones, as parts of their sum."""
    lengths = (joints - joints[..., [max(parent, 0) for parent in PARENTS], :]).norm(dim=-1)[..., 1:]
    return lengths / lengths.sum(-1, keepdim=True)


def test_the_hand_that_is_written_is_the_targets_with_a_pose_space(tmp_path):
    write_hand(tmp_path / HAND, 200)
    written = HandModel.load(tmp_path / HAND, pose_space="pca", num_pca=45, flat_hand_mean=False)
    target = HandModel.load(TARGET_HAND)
    sampler = PoseSampler(target, seed=5)
    pose = sampler.anatomy.to_axis_angle(sampler.sample(6)).float()
    mean = torch.from_numpy(written.file.hands_mean).float()
    coefficients = (pose - mean) @ torch.linalg.inv(written.components)
    shape = torch.randn(6, target.num_shape, generator=torch.Generator().manual_seed(1))
    for ours, theirs in zip(written(coefficients, shape), target(pose, shape), strict=True):
        torch.testing.assert_close(ours, theirs, atol=2e-5, rtol=0)


def test_the_head_learns_from_hands_of_the_targets_skeleton_and_begins_as_the_packages_head(store):
    lifter = within(LOOKING, lambda context: own_hand_lifter(context, LIFTING))
    drawn = bones(LiftedTask(lifter, hands=200, hands_per_step=2, seed=0).hands_m)
    rest = {name: HandModel.load(name) for name in ("open", TARGET_HAND)}
    rest = {name: bones(model.joints(torch.zeros(1, 45), torch.zeros(1, 10)))[0] for name, model in rest.items()}
    far = {name: (drawn.mean(0) - lengths).abs().sum().item() for name, lengths in rest.items()}
    assert far[TARGET_HAND] < 0.1 * far["open"]
    begun, taught = released_lifter(), lifter
    assert torch.equal(begun.encoder.stem[0].weight, taught.encoder.stem[0].weight)
    change = (begun.geometry.exit.weight - taught.geometry.exit.weight).abs()
    assert 0 < change.max() < 0.01  # two steps


@pytest.mark.parametrize("recipe", OWN_HAND, ids=lambda recipe: recipe.way)
def test_each_row_says_a_hand_of_the_targets_proportions(store, recipe, monkeypatch):
    said = {}
    outcome_of = own_hand_scored.outcome_of
    monkeypatch.setattr(
        own_hand_scored, "outcome_of", lambda joints, *rest: said.setdefault("it", outcome_of(joints, *rest))
    )
    outcome = run(recipe, "smoke", 0, score_own_hand, device="cpu").outcome
    assert outcome is not None and outcome.metrics["hands"].value == 3
    assert 0 < outcome.metrics["pa_mpjpe"].value < 40
    answers = within(
        replace(recipe, name="looking-at-a-row"),
        lambda context: own_hand_scored._answers(context, store),
    )
    true = store.joints_m.astype(np.float64)
    error_mm = 1000 * point_errors(procrustes_rigid(np.array(answers, np.float64), true), true).mean()
    assert error_mm == pytest.approx(outcome.metrics["pa_mpjpe"].value, rel=1e-4)


def test_reading_the_picture_changes_what_is_lifted_by_half_of_the_difference(store, monkeypatch):
    lifted = {}
    real = own_hand_scored.lift_all_round

    def watch(network, keypoints_px, *rest):
        lifted[len(lifted)] = keypoints_px
        return real(network, keypoints_px, *rest)

    monkeypatch.setattr(own_hand_scored, "lift_all_round", watch)
    for recipe in (LIFTED, WITH_PICTURE):
        within(replace(recipe, name="looking-at-points"), lambda context: own_hand_scored._answers(context, store))
    np.testing.assert_allclose(lifted[0], store.keypoints[..., :2], atol=1e-4)
    np.testing.assert_allclose(lifted[1] - lifted[0], np.broadcast_to([0, 1.5], lifted[0].shape), atol=1e-4)


def test_the_mean_of_a_model_is_one_of_its_hands():
    model = HandModel.load(TARGET_HAND)
    mean = torch.from_numpy(mean_of_model(model))
    rest = bones(model.joints(torch.zeros(1, 45), torch.zeros(1, 10)))[0]
    # A mean of poses has shorter fingers, but the palm does not bend.
    palm = [4, 8, 12, 16]
    torch.testing.assert_close(
        bones(mean)[palm] / bones(mean)[palm].sum(), (rest[palm] / rest[palm].sum()).double(), atol=0.01, rtol=0
    )


def test_unknown_ways_and_a_missing_detector_are_said(store, monkeypatch):
    odd = OwnHandScoreRecipe(name="s2hand-own-hand-odd", dataset=TARGET, way="guessed", guided=GUIDED)
    with pytest.raises(BadInputError, match="guessed"):
        run(odd, "smoke", 0, score_own_hand, device="cpu")

    def absent(dataset, context):
        raise MissingExtraError("mediapipe is not installed: pip install 'handlib[detect]'")

    monkeypatch.setattr(own_hand_scored, "scored_pictures", absent)
    outcome = run(replace(LIFTED, name="s2hand-own-hand-blind"), "smoke", 0, score_own_hand, device="cpu").outcome
    assert "mediapipe" in outcome.not_obtained
    assert within(LOOKING, lambda context: context.left_by(LIFTING, train_own_hand, NETWORK, seed=0)).is_file()
