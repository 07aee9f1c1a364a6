"""The rows that know the target's hand model: what the head is given, what it learns from, and what each row says."""

from dataclasses import replace

import numpy as np
import pytest
import roma
import torch
from smoke_runs import put_a_photograph, within

from handlib.data.hand_scenes import hand_stage
from handlib.data.open_benchmark import OpenBenchmark
from handlib.data.target_domain import TARGET_HAND
from handlib.errors import BadInputError, MissingExtraError
from handlib.experiments.s2hand import (
    GUIDED,
    OWN_HAND,
    OWN_HAND_LIFTING,
    RENDERINGS,
    found_in_renderings,
    own_hand_scored,
)
from handlib.experiments.s2hand.carried import SEEN_BY_SKIN, carried_pairs, carry_over, scenes_of
from handlib.experiments.s2hand.lifted_task import LiftedTask
from handlib.experiments.s2hand.lifting import NETWORK
from handlib.experiments.s2hand.own_hand import HAND, join, own_hand_lifter, train_own_hand, write_hand
from handlib.experiments.s2hand.own_hand_scored import OwnHandScoreRecipe, mean_of_model, score_own_hand
from handlib.experiments.s2hand.released import TARGET, ScoredPictures
from handlib.hand import HandModel
from handlib.hand.sampler import PoseSampler
from handlib.keypoints import HandDetection
from handlib.metrics.alignment import procrustes_rigid
from handlib.metrics.errors import point_errors
from handlib.reconstruction.lifter import released_lifter
from handlib.reproduce.recipe import run
from handlib.skeleton import PARENTS

LIFTING = OWN_HAND_LIFTING
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
        patch.setenv("HANDLIB_DATA", str(folder))
        put_a_photograph(folder)
        points, sure = np.linspace(40, 100, 42, dtype=np.float32).reshape(21, 2), np.full(21, 0.9, np.float32)
        hand = HandDetection(points, sure, "right", 0.9)
        patch.setattr(found_in_renderings, "find_hands", lambda picture, max_hands: [hand])
        run(LIFTING, "smoke", 0, train_own_hand, device="cpu")
        yield pictures


def bones(joints: torch.Tensor) -> torch.Tensor:
    """Lengths of the twenty bones, as parts of their sum."""
    lengths = (joints - joints[..., [max(parent, 0) for parent in PARENTS], :]).norm(dim=-1)[..., 1:]
    return lengths / lengths.sum(-1, keepdim=True)


def test_the_hand_that_is_written_is_the_targets_with_a_pose_space(tmp_path):
    write_hand(tmp_path / HAND, TARGET_HAND, 200)
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
    odd = OwnHandScoreRecipe(name="s2hand-own-hand-odd", dataset=TARGET, way="guessed", guided=GUIDED, lifting=LIFTING)
    with pytest.raises(BadInputError, match="guessed"):
        run(odd, "smoke", 0, score_own_hand, device="cpu")

    def absent(dataset, context):
        raise MissingExtraError("mediapipe is not installed: pip install 'handlib[detect]'")

    monkeypatch.setattr(own_hand_scored, "scored_pictures", absent)
    outcome = run(replace(LIFTED, name="s2hand-own-hand-blind"), "smoke", 0, score_own_hand, device="cpu").outcome
    assert "mediapipe" in outcome.not_obtained
    assert within(LOOKING, lambda context: context.left_by(LIFTING, train_own_hand, NETWORK, seed=0)).is_file()


def test_scenes_are_drawn_again_as_the_pictures_show_them():
    """From the numbers alone, in any selection, for both domains: the same joints and cameras as the rendered ones."""
    batch = OpenBenchmark("varied", size=20, image_px=64).render_batch([3, 4, 11])
    for domain in ("varied", "varied-photographs"):
        scenes = scenes_of(domain, [3, 4, 11], 64)
        torch.testing.assert_close(scenes.joints_m, batch.joints_m, atol=2e-6, rtol=0)
        torch.testing.assert_close(scenes.K, batch.K)


def test_a_hand_that_takes_its_own_place_changes_nothing():
    scenes = scenes_of("varied", [0, 1, 2, 3], 64)
    generator = torch.Generator().manual_seed(0)
    detected = scenes.camera.project(scenes.joints_m) + 3 * torch.randn(4, 21, 2, generator=generator)
    stage = hand_stage("open")
    same = replace(scenes, shape=torch.zeros_like(scenes.shape))
    mesh = stage.model(
        stage.anatomy.to_axis_angle(scenes.angles.double()),
        torch.zeros(4, stage.model.num_shape).double(),
        roma.rotmat_to_rotvec(scenes.wrist_frame.double()),
    )
    offset = scenes.joints_m[:, :1] - mesh.joints[:, :1].float()
    same = replace(same, joints_m=mesh.joints.float() + offset)
    no_shape = torch.Generator().manual_seed(0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "randn", lambda *size, **how: torch.zeros(*size))
        points, joints = carry_over(same, detected, stage, no_shape)
    torch.testing.assert_close(joints, same.joints_m, atol=1e-5, rtol=0)
    torch.testing.assert_close(points, detected, atol=0.02, rtol=0)


def test_mistakes_go_along_but_at_joints_whose_names_mean_other_points():
    scenes = scenes_of("varied", list(range(8)), 64)
    mistakes = 3 * torch.randn(8, 21, 2, generator=torch.Generator().manual_seed(1))
    detected = scenes.camera.project(scenes.joints_m) + mistakes
    points, joints = carry_over(scenes, detected, hand_stage(TARGET_HAND), torch.Generator().manual_seed(2))
    by_skin = list(SEEN_BY_SKIN)
    others = [joint for joint in range(21) if joint not in by_skin]
    torch.testing.assert_close(points[:, by_skin], detected[:, by_skin])
    off = points - scenes.camera.project(joints)
    torch.testing.assert_close(off[:, others], mistakes[:, others], atol=1e-3, rtol=0)
    moved_mm = 1000 * (joints - scenes.joints_m).norm(dim=-1).mean(0)
    assert moved_mm[1] > 2 * moved_mm[others].mean()  # the root of the thumb is another point
    torch.testing.assert_close(bones(joints).mean(0), _rest_bones(TARGET_HAND), atol=0.004, rtol=0)
    palm = (joints[:, 9] - joints[:, 0]).norm(dim=-1)
    torch.testing.assert_close(palm, (scenes.joints_m[:, 9] - scenes.joints_m[:, 0]).norm(dim=-1))


def test_pairs_of_both_domains_are_joined_and_split_by_picture(store):
    carried = within(LOOKING, lambda context: [carried_pairs(context, recipe, TARGET_HAND) for recipe in RENDERINGS])
    assert [rows.tolist() for _, rows in carried] == [list(range(12)), list(range(8))]
    together = join([pairs for pairs, _ in carried])
    assert len(together) == 20 and together.joints_m.isfinite().all()
    # The same hands stand before drawings and photographs.
    torch.testing.assert_close(together.joints_m[:8], together.joints_m[12:20], atol=1e-5, rtol=0)


def _rest_bones(name: str) -> torch.Tensor:
    model = HandModel.load(name)
    return bones(model.joints(torch.zeros(1, 45), torch.zeros(1, model.num_shape)))[0]


def test_a_detector_that_finds_next_to_nothing_leaves_a_word_and_no_number(store, monkeypatch, tmp_path):
    monkeypatch.setenv("HANDLIB_RESULTS", str(tmp_path / "results"))
    monkeypatch.setenv("HANDLIB_CACHE", str(tmp_path))
    monkeypatch.setattr(found_in_renderings, "find_hands", lambda picture, max_hands: [])
    outcome = run(LIFTING, "smoke", 0, train_own_hand, device="cpu").outcome
    assert "too few hands" in outcome.not_obtained and not outcome.metrics
