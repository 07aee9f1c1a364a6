"""S2HAND's losses from a network that sees 3D: what an outside detector's keypoints bring, and what each row counts."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from reproduce_factory import make_result
from smoke_runs import put_a_photograph, within

from handlib.camera import PerspectiveCamera
from handlib.data.stills_cache import read_labels, read_pictures
from handlib.errors import BadInputError, MissingExtraError
from handlib.experiments.s2hand import FURTHER_START, FURTHER_TABLE_4, FURTHER_TRUE_2D, TABLE_4, found
from handlib.experiments.s2hand.adapted import AdaptedRecipe, adapting_batches, train_adapted
from handlib.experiments.s2hand.effort import SMOKE
from handlib.experiments.s2hand.found import FOUND, FoundRecipe, find_keypoints, found_pictures, stills_folder
from handlib.experiments.s2hand.further import (
    HANDS_WEIGHT,
    FurtherRecipe,
    FurtherTask,
    starting_network,
    train_further,
    weights_of,
)
from handlib.experiments.s2hand.lifting import NETWORK, lifted_effort_of
from handlib.experiments.s2hand.stored import KINDS, kind_of
from handlib.keypoints import HandDetection
from handlib.losses.s2hand import effective_weights
from handlib.models.checkpoint_file import load_network
from handlib.pretrained import RELEASED
from handlib.reconstruction.front_door import reconstruct
from handlib.reproduce.ledger import make_ledger
from handlib.reproduce.published import load_published
from handlib.reproduce.recipe import run
from handlib.reproduce.results import Metric
from handlib.reproduce.state import read_state
from handlib.training.augmentation import NO_AUGMENTATION
from handlib.training.batches import BatchDrawer, HandPictures, TrainingBatch

LOC, LOC_ORI, LOC_ORI_2D, FULL = FURTHER_TABLE_4
LOOKING = replace(LOC, name="looking")
LEFT_ROW, EMPTY_ROW = 3, 7
TERMS = {"location", "shape", "scale", "joint_limits", "spread_mm", "inside", "lifted"}


def answers_of_the_detector() -> list[list[HandDetection]]:
    """To a dozen pictures: right hands somewhere, but for one that is taken for a left hand, and one not found."""
    random = np.random.default_rng(0)
    answers = []
    for row in range(12):
        points = random.uniform(40, 180, (21, 2)).astype(np.float32)
        sure = np.full(21, 0.5 + 0.04 * row, np.float32)
        answers.append([HandDetection(points, sure, "left" if row == LEFT_ROW else "right", 0.9)])
    answers[EMPTY_ROW] = []
    return answers


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A cache that all smoke runs of this file share, a photograph to stand behind hands, and a detector."""
    folder = tmp_path_factory.mktemp("further")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HANDLIB_RESULTS", str(folder / "results"))
        patch.setenv("HANDLIB_CACHE", str(folder / "cache"))
        patch.setenv("HANDLIB_DATA", str(folder))
        left = answers_of_the_detector()
        patch.setattr(found, "find_hands", lambda picture, max_hands: left.pop(0))
        put_a_photograph(folder)
        run(FoundRecipe(), "smoke", 0, find_keypoints, device="cpu")
        yield folder


def outcome_of(recipe, work=train_further):
    return run(recipe, "smoke", 0, work, device="cpu").outcome


def labels_and_pictures():
    folder = within(LOOKING, stills_folder)
    return read_labels(folder), read_pictures(folder)


def test_what_the_detector_found_is_kept_but_hands_taken_for_left_ones(store):
    result = outcome_of(FoundRecipe(), find_keypoints)
    metrics = {name: metric.value for name, metric in result.metrics.items()}
    assert (metrics["hands"], metrics["found"], metrics["kept"]) == (10, 100 * 11 / 12, 100 * 10 / 12)
    stored = read_state(within(LOOKING, lambda context: context.left_by(FoundRecipe(), find_keypoints, FOUND, seed=0)))
    rows = [row for row in range(12) if row not in (LEFT_ROW, EMPTY_ROW)]
    assert stored["rows"].tolist() == rows
    expected = np.array([answers_of_the_detector()[row][0].keypoints_px for row in rows])
    np.testing.assert_array_equal(stored["keypoints_px"], expected)
    error_px = np.linalg.norm(expected - labels_and_pictures()[0].joints_2d_px[rows], axis=-1)
    assert metrics["mpjpe_2d"] == pytest.approx(error_px.mean(), rel=1e-5)


def test_pictures_cameras_and_keypoints_are_made_smaller_alike(store):
    labels, stills = labels_and_pictures()
    small, known = within(LOOKING, lambda context: (found_pictures(context, 32), found_pictures(context, 32, True)))
    rows = [row for row in range(12) if row not in (LEFT_ROW, EMPTY_ROW)]
    assert small.joints_m is None and known.joints_m is None and len(small) == len(known) == 10
    # Without the half pixels all would be 0.43 px off.
    given = np.array([answers_of_the_detector()[row][0].keypoints_px for row in rows])
    np.testing.assert_allclose(small.keypoints_px, (given + 0.5) / 7 - 0.5, atol=1e-4)
    np.testing.assert_allclose(small.confidence[:, 0], 0.5 + 0.04 * np.array(rows), rtol=1e-5)
    projected = PerspectiveCamera(torch.from_numpy(known.K)).project(torch.from_numpy(labels.joints_m[rows]))
    np.testing.assert_allclose(known.keypoints_px, projected.numpy(), atol=0.01)
    assert (known.confidence == 1).all()
    blocks = np.array(stills.rgb[rows], np.float64).reshape(10, 32, 7, 32, 7, 3).mean((2, 4))
    assert np.abs(small.rgb - blocks).max() < 1 and (small.rgb == known.rgb).all()


@pytest.mark.parametrize("recipe", [FURTHER_START, *FURTHER_TABLE_4, FURTHER_TRUE_2D], ids=lambda recipe: recipe.name)
def test_each_row_runs_counts_the_terms_of_its_name_and_is_scored(store, recipe):
    outcome = outcome_of(recipe)
    assert outcome.not_obtained is None and {"pa_mpjpe", "pa_mpvpe", "test_mpjpe_2d"} <= set(outcome.metrics)
    curves = {name.removeprefix("training_") for name in outcome.curves if name.startswith("training_")}
    expected = TERMS | {"loss"}
    expected |= {"orientation"} if recipe.orientation else set()
    expected |= {"keypoints_2d", "consistency"} if recipe.branch else set()
    expected |= {"pixel", "ssim", "texture", "covered"} if recipe.photometric else set()
    assert curves == (expected if recipe.trained else set())
    if recipe.trained:  # log_curves leaves out what is not finite
        assert outcome.metrics["training_samples"].value == SMOKE.batch * SMOKE.first_steps


def test_the_row_that_learns_nothing_is_the_released_network(store):
    released, _ = load_network(RELEASED)
    begun = starting_network(True, SMOKE, seed=0)
    own = begun.state_dict()
    assert all(torch.equal(own[name], value) for name, value in released.state_dict().items())
    assert begun.texture is not None and starting_network(False, SMOKE, seed=0).texture is None
    again, other = (starting_network(True, SMOKE, seed).texture.state_dict() for seed in (0, 1))
    assert all(torch.equal(again[name], own[f"texture.{name}"]) for name in again)
    assert any(not torch.equal(again[name], other[name]) for name in again)


def test_rows_differ_in_what_their_names_say_alone():
    assert all(
        replace(row, name=FULL.name, orientation=True, branch=True, photometric=True) == FULL for row in FURTHER_TABLE_4
    )
    assert [(row.orientation, row.branch, row.photometric) for row in FURTHER_TABLE_4] == [
        (False, False, False),
        (True, False, False),
        (True, True, False),
        (True, True, True),
    ]
    assert replace(FURTHER_TRUE_2D, name=FULL.name, keypoints="found") == FULL
    assert replace(FURTHER_START, name=FULL.name, trained=True) == FULL
    assert len({row.data_digest() for row in (*FURTHER_TABLE_4, FURTHER_TRUE_2D, FURTHER_START)}) == 1
    assert [row.name for row in FURTHER_TABLE_4] == [f"{row.name}@released" for row in TABLE_4]


def test_weights_that_a_row_leaves_out_are_zero_and_the_others_the_papers():
    loc, loc_ori, loc_ori_2d, full = (effective_weights(weights_of(row)) for row in FURTHER_TABLE_4)
    left_out = [{name for name in full if row[name] != full[name]} for row in (loc, loc_ori, loc_ori_2d)]
    photometric, branch = {"pixel", "ssim"}, {"keypoints_2d", "consistency"}
    assert left_out == [{"orientation"} | branch | photometric, branch | photometric, photometric]
    assert all(
        row[name] == 0 for row, names in zip((loc, loc_ori, loc_ori_2d), left_out, strict=True) for name in names
    )


def made_up_batch(count: int = 4) -> TrainingBatch:
    random = np.random.default_rng(1)
    pictures = HandPictures(
        rgb=random.integers(0, 255, (count, 32, 32, 3), dtype=np.uint8),
        K=np.tile(np.array([[70.0, 0, 15.5], [0, 70, 15.5], [0, 0, 1]], np.float32), (count, 1, 1)),
        keypoints_px=random.uniform(6, 26, (count, 21, 2)).astype(np.float32),
        confidence=random.uniform(0.3, 1, (count, 21)).astype(np.float32),
    )
    return BatchDrawer([pictures], [count], 32, NO_AUGMENTATION, seed=0).draw(0)


def build(recipe: FurtherRecipe, hands: int = 8) -> FurtherTask:
    network = starting_network(recipe.photometric, SMOKE, seed=0)
    how = {"branch": recipe.branch, "hands": hands, "stock": 32, "render_px": 16, "seed": 0}
    return FurtherTask(network, weights_of(recipe), **how).train()


def look(task: FurtherTask) -> dict:
    torch.manual_seed(0)  # of the glances that training drops
    return task(vars(made_up_batch()), 0)


def reaches(term: torch.Tensor, part: torch.nn.Module) -> bool:
    """Whether a term's gradient comes to a part of the network."""
    parameters = [parameter for parameter in part.parameters() if parameter.requires_grad]
    gradients = torch.autograd.grad(term, parameters, retain_graph=True, allow_unused=True)
    return any(gradient is not None and bool(gradient.abs().max() > 0) for gradient in gradients)


def test_hands_without_a_picture_count_by_their_weight_and_teach_the_head_alone():
    with_hands, without = (look(build(LOC_ORI, hands)) for hands in (8, 0))
    assert "lifted" not in without["terms"] and with_hands["terms"]["lifted"] > 0
    more = (with_hands["loss"] - without["loss"]).item()
    assert more == pytest.approx(HANDS_WEIGHT * with_hands["terms"]["lifted"].item(), rel=1e-4)
    task = build(LOC_ORI)
    lifted = look(task)["terms"]["lifted"]
    assert reaches(lifted, task.network.geometry)
    assert not reaches(lifted, task.network.readout) and not reaches(lifted, task.network.encoder)


def test_gradients_take_the_ways_that_the_row_says():
    task = build(FULL)
    network, terms = task.network, look(task)["terms"]
    # What is read off the picture is also what is lifted: every loss of the projected hand teaches the readout.
    for name in ("location", "orientation", "consistency", "pixel"):
        assert reaches(terms[name], network.readout) and reaches(terms[name], network.geometry), name
    assert reaches(terms["keypoints_2d"], network.readout) and not reaches(terms["keypoints_2d"], network.geometry)
    assert reaches(terms["pixel"], network.texture) and not reaches(terms["location"], network.texture)
    without_branch = build(LOC)
    assert reaches(look(without_branch)["loss"], without_branch.network.readout)
    frozen = [parameter for parameter in network.encoder.stem.parameters()]
    assert frozen and not any(parameter.requires_grad for parameter in frozen)


@pytest.mark.parametrize("recipe", [LOC, FULL], ids=lambda recipe: recipe.name)
def test_a_joint_behind_the_camera_costs_neither_the_loss_nor_a_gradient(recipe, monkeypatch):
    task = build(recipe)
    see = task.network.forward

    def behind(images, K):
        prediction = see(images, K)
        joints = prediction.joints.clone()
        joints[0, 8, 2] -= 10.0
        return replace(prediction, joints=joints, joints_2d_px=prediction.camera.project(joints))

    monkeypatch.setattr(task.network, "forward", behind)
    lost = look(task)
    lost["loss"].backward()
    gradients = [parameter.grad for parameter in task.parameters() if parameter.grad is not None]
    assert lost["joints_2d_px"].isfinite().all() and lost["loss"].isfinite()
    assert gradients and all(gradient.isfinite().all() for gradient in gradients)


def gradients_of_a_step(recipe: FurtherRecipe) -> list[torch.Tensor]:
    def step(context) -> list[torch.Tensor]:
        pictures = found_pictures(context, 32, true_keypoints=recipe.keypoints == "true")
        task = build(recipe)
        torch.manual_seed(0)
        batch = BatchDrawer([pictures], [4], 32, NO_AUGMENTATION, seed=0).draw(0)
        task(vars(batch), 0)["loss"].backward()
        return [parameter.grad for parameter in task.parameters() if parameter.grad is not None]

    return within(replace(recipe, name="step"), step)


def test_no_label_of_the_target_domain_enters_a_step_but_where_the_row_says_so(store):
    folder = within(LOOKING, stills_folder)
    kept = {path: path.read_bytes() for path in folder.glob("labels/*.npy")}

    def spoil(*fields: str) -> None:
        for field in fields:
            array = np.lib.format.open_memmap(folder / "labels" / f"{field}.npy", mode="r+")
            array[...] = True if array.dtype == bool else np.nan
            array.flush()

    detected, true = gradients_of_a_step(LOC_ORI_2D), gradients_of_a_step(replace(LOC_ORI_2D, keypoints="true"))
    try:
        spoil("joints_m", "mask")
        again = gradients_of_a_step(replace(LOC_ORI_2D, keypoints="true"))
        assert all(torch.equal(a, b) for a, b in zip(true, again, strict=True))
        spoil("joints_2d_px")
        again = gradients_of_a_step(LOC_ORI_2D)
        assert all(torch.equal(a, b) for a, b in zip(detected, again, strict=True))
        # The test can fail: the row with true keypoints does see these labels.
        blind = gradients_of_a_step(replace(LOC_ORI_2D, keypoints="true"))
        assert any(not gradient.isfinite().all() for gradient in blind)
    finally:
        for path, content in kept.items():
            path.write_bytes(content)


def test_unknown_keypoints_are_refused_before_anything_is_drawn(store):
    with pytest.raises(BadInputError, match="guessed"):
        outcome_of(FurtherRecipe(name="s2hand-guessed@released", keypoints="guessed"))


def test_adapting_sees_the_targets_pictures_without_labels_or_as_many_others(store):
    effort = lifted_effort_of("smoke", AdaptedRecipe().lifted)
    alone = AdaptedRecipe(name="s2hand-rendered-alone", own_pictures=False)
    mixed, rendered = (
        within(replace(recipe, name="step"), lambda context: adapting_batches(context, effort).draw(0))
        for recipe in (AdaptedRecipe(), alone)
    )
    own = mixed.source == 2
    assert int(own.sum()) == effort.real_batch and not mixed.has_joints[own].any() and mixed.has_joints[~own].all()
    assert (mixed.joints_m[own] == 0).all()
    assert len(rendered) == len(mixed) and rendered.has_joints.all()
    assert int((mixed.source == 1).sum()) == int((rendered.source == 1).sum()) == effort.rendered_batch // 3


def test_the_adapted_network_is_left_as_a_file_that_the_front_door_takes(store):
    outcome = outcome_of(AdaptedRecipe(), train_adapted)
    assert outcome.metrics["pa_mpjpe"].value > 0 and outcome.not_obtained is None
    left = within(LOOKING, lambda context: context.left_by(AdaptedRecipe(), train_adapted, NETWORK, seed=0))
    begun, taught = load_network(RELEASED)[0], load_network(left)[0]
    names = [name for name, _ in begun.encoder.stem.named_parameters()]
    assert all(torch.equal(begun.encoder.stem.get_parameter(n), taught.encoder.stem.get_parameter(n)) for n in names)
    assert not torch.equal(begun.readout.heatmaps.weight, taught.readout.heatmaps.weight)
    assert taught.config.image_px == 32
    assert np.isfinite(reconstruct(np.full((1, 40, 40, 3), 90, np.uint8), checkpoint=left, detector=False).joints).all()


def test_without_detector_or_photographs_it_is_said_that_nothing_was_obtained(store, monkeypatch, tmp_path):
    def absent(picture, max_hands):
        raise MissingExtraError("mediapipe is not installed: pip install 'handlib[detect]'")

    drawn = within(LOOKING, stills_folder)
    monkeypatch.setattr(found, "stills_folder", lambda context: drawn)
    monkeypatch.setattr(found, "find_hands", absent)
    monkeypatch.setenv("HANDLIB_CACHE", str(tmp_path))
    assert "mediapipe" in outcome_of(FoundRecipe(), find_keypoints).not_obtained
    for recipe, work in ((LOC, train_further), (AdaptedRecipe(), train_adapted)):
        outcome = outcome_of(recipe, work)
        assert FOUND in outcome.not_obtained and not outcome.metrics
    monkeypatch.delenv("HANDLIB_DATA")
    monkeypatch.setenv("HANDLIB_CACHE", str(tmp_path / "again"))
    assert "HANDLIB_DATA" in outcome_of(AdaptedRecipe(), train_adapted).not_obtained


def test_rows_from_the_packaged_network_are_a_source_of_their_own():
    suffixes = {"": 20.0, "@released": 12.0, "@source": 16.0}
    results = [
        make_result(
            f"{row.name.partition('@')[0]}{suffix}",
            seed=seed,
            dataset=row.dataset,
            columns=dict(row.columns),
            metrics={"pa_mpjpe": Metric(value + seed, "mm", "procrustes")},
        )
        for row in FURTHER_TABLE_4
        for suffix, value in suffixes.items()
        for seed in (0, 2)
    ]
    entry = make_ledger(results, [load_published()["s2hand/table-4"]])[0]
    words = {source.dataset.removeprefix(LOC.dataset): source for source in entry.sources}
    assert set(words) == {"", ", begun with the packaged network", ", with the labels of the source domain"}
    for said, first in ((", begun with the packaged network", 1.2), ("", 2.0)):
        cells = [cell for (_, _, source), cell in entry.cells.items() if source == words[said]]
        assert len(cells) == 4 and all(cell.values == pytest.approx((first, first + 0.2)) for cell in cells)


def test_pages_know_what_the_new_rows_rest_on():
    begun = [*FURTHER_TABLE_4, FURTHER_TRUE_2D, AdaptedRecipe()]
    assert {kind_of(recipe.name) for recipe in begun} == {KINDS[4]}
    assert kind_of(FURTHER_START.name) is None and kind_of("s2hand-loc") == KINDS[0]
