"""Training by fitting: every recipe runs, labels of the target enter no training, and rows differ in what they say."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from handlib.data.depth_cache import FramesName, draw_frames, read_frame_joints, read_views
from handlib.data.depth_cube import denormalise_depth
from handlib.data.depth_source import SyntheticDepth
from handlib.data.depth_target import MultiViewDepth
from handlib.errors import BadInputError, MissingFileError
from handlib.experiments.training_by_fitting import (
    EXPERIMENTS,
    MULTI_VIEW,
    SINGLE_VIEW,
    THOROUGH,
    WITHOUT_FRAMES,
    WITHOUT_PRIORS,
    data,
    thorough,
)
from handlib.experiments.training_by_fitting.batches import DepthDrawer, frame_counts, synthetic_crops
from handlib.experiments.training_by_fitting.effort import SMOKE
from handlib.experiments.training_by_fitting.objective import FittingObjective
from handlib.experiments.training_by_fitting.prior import train_prior
from handlib.experiments.training_by_fitting.recipes import CHAPTER, FittingRecipe, beginning
from handlib.experiments.training_by_fitting.scoring import joint_maps, score_errors, score_views
from handlib.experiments.training_by_fitting.supervision import AllStacks, SyntheticObjective
from handlib.experiments.training_by_fitting.synthetic import NETWORK, score_on_target, train_synthetic
from handlib.experiments.training_by_fitting.training import fit_to_frames, train_by_fitting, weights_of
from handlib.losses.sphere_priors import fitting_objective, fitting_terms
from handlib.models.depth_hourglass import DepthEstimator
from handlib.reproduce.artifacts import find_artifact
from handlib.reproduce.published import load_published
from handlib.reproduce.recipe import run
from handlib.reproduce.results import Outcome
from handlib.reproduce.state import read_state
from handlib.training.loop import fit_network

BY_NAME = {experiment.recipe.name: experiment for experiment in EXPERIMENTS}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A store of results and a cache that all smoke runs of this file share."""
    folder = tmp_path_factory.mktemp("fitting")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HANDLIB_RESULTS", str(folder / "results"))
        patch.setenv("HANDLIB_CACHE", str(folder / "cache"))
        forget()
        yield folder
    forget()


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    """The folder of three frames."""
    return draw_frames(FramesName("train", 3), tmp_path_factory.mktemp("frames"), progress=False)


def forget() -> None:
    """Forget which frames are mapped into memory."""
    data.stored_views.cache_clear()
    data.true_joints_m.cache_clear()


@pytest.mark.parametrize("name", BY_NAME)
def test_each_recipe_runs_and_says_what_it_measured(store, name):
    outcome = BY_NAME[name].run("smoke", 0).outcome
    if BY_NAME[name].work is train_prior:
        assert {"energy_real", "energy_displaced", "reconstruction_error"} <= outcome.metrics.keys()
        return
    assert outcome.metrics["mean_error"].alignment == "none" and outcome.metrics["mean_error"].value > 1
    assert {"success_20mm", "success_50mm", "success_20_40mm", "success_over_25mm"} <= outcome.metrics.keys()
    assert len(outcome.curves["success"].y) == 81 and len(outcome.curves["by_joint"].y) == 14
    if "synthetic" not in BY_NAME[name].recipe.dataset:
        assert {"mean_error_view_1", "skipped_crops"} <= outcome.metrics.keys()
    if "training_loss" in outcome.curves:
        assert outcome.metrics["training_images_per_second"].value > 0 < outcome.metrics["inference_ms"].value


def test_tracking_can_begin_at_the_labels_to_see_where_the_energy_leads(store):
    begins = {
        name: BY_NAME[name].run("smoke", 0).outcome.metrics["start_mean_error"].value
        for name in ("fitting-tracking-from-truth", "fitting-tracking-mean-hand")
    }
    # The labels are joints; spheres placed by them and read as joints again are a few millimetres off.
    assert begins["fitting-tracking-from-truth"] < 5 < begins["fitting-tracking-mean-hand"]


def test_rows_bear_the_published_names():
    tables = [table for key, table in load_published().items() if key.startswith("fitting/")]
    assert {row.recipe for table in tables for row in table.rows if row.recipe} <= BY_NAME.keys()
    assert BY_NAME["fitting-multi-view"].seeds == (0, 1, 2)
    begins = [beginning(recipe) for recipe in (MULTI_VIEW, THOROUGH, WITHOUT_FRAMES)]
    assert begins == 3 * [BY_NAME["fitting-synthetic-noise"].recipe]


def trained_bits(recipe: FittingRecipe) -> list[torch.Tensor]:
    """The weights at the end of a smoke training."""
    found = []

    def work(context) -> Outcome:
        network, _ = fit_to_frames(context)
        found.extend(value.clone() for value in network.state_dict().values())
        return Outcome(not_obtained="looked at only")

    run(replace(recipe, name=f"{recipe.name}-poisoned"), "smoke", 0, work, force=True, device="cpu")
    return found


def test_no_label_of_the_target_enters_a_training(store):
    recipe = replace(MULTI_VIEW, split="both", together=0.5, apart=0.5)
    before = trained_bits(recipe)
    paths = list(store.glob("cache/depth-frames/*/*/labels/joints_m.npy"))
    kept = {path: path.read_bytes() for path in paths}
    assert len(kept) == 2
    try:
        for path in paths:
            labels = np.lib.format.open_memmap(path, mode="r+")
            labels[...] = np.nan
            labels.flush()
        forget()
        assert all(torch.equal(a, b) for a, b in zip(before, trained_bits(recipe), strict=True))
        # The test can fail: whoever does open these files meets the NaN.
        with pytest.raises(BadInputError):
            score_on_target(DepthEstimator(1, SMOKE.features), SMOKE)
    finally:
        for path, content in kept.items():
            path.write_bytes(content)
        forget()


@pytest.fixture
def looked_at(store, monkeypatch):
    """What the longest trainings of a test end with ("weights") and were told ("settings"); they are not scored."""
    seen = {}

    def fit(context, network, objective, draw, settings):
        seen["settings"] = settings
        return fit_network(context, network, objective, draw, settings)

    def stop(context, network, log, effort):
        seen["weights"] = {name: value.clone() for name, value in network.state_dict().items()}
        return Outcome(not_obtained="looked at only")

    monkeypatch.setattr(thorough, "fit_network", fit)
    monkeypatch.setattr(thorough, "finish", stop)
    return seen


def train_thoroughly(recipe: thorough.ThoroughRecipe) -> None:
    """A smoke training with twice the steps."""
    short = replace(recipe, name=f"{recipe.name}-short", longer=2)
    run(short, "smoke", 0, thorough.train_thoroughly, force=True, device="cpu")


def same_bits(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    """Whether two networks are the same."""
    return all(torch.equal(value, other[name]) for name, value in one.items())


def test_the_control_of_the_longest_fitting_sees_no_frame(store, looked_at):
    run(beginning(THOROUGH), "smoke", 0, train_synthetic, needs=(NETWORK,))
    begun = read_state(find_artifact(CHAPTER, beginning(THOROUGH).name, "smoke", 0, NETWORK))
    train_thoroughly(WITHOUT_FRAMES)
    control, settings = looked_at["weights"], looked_at["settings"]
    assert settings.steps == 2 * SMOKE.fitting_steps and settings.learning_rate == thorough.RATE > SMOKE.fitting_rate
    assert begun.keys() == control.keys() and not same_bits(begun, control), "it does train"
    assert len(data.stored_views(SMOKE, "both")) == 6, "all frames are drawn"
    kept = {path: path.read_bytes() for path in store.glob("cache/depth-frames/*/*/views/depth.npy")}
    forget()
    try:
        for path in kept:
            depth = np.lib.format.open_memmap(path, mode="r+")
            depth[...] = np.nan
            depth.flush()
        train_thoroughly(WITHOUT_FRAMES)
        assert same_bits(control, looked_at["weights"])
        # The test can fail: whoever does see the frames meets the NaN, and is told to take the same steps.
        with pytest.raises(BadInputError, match="NaN"):
            train_thoroughly(THOROUGH)
        assert looked_at["settings"] == settings
    finally:
        for path, content in kept.items():
            path.write_bytes(content)
        forget()


def test_a_seed_is_a_training(store):
    first, again = (run(MULTI_VIEW, "smoke", 1, train_by_fitting, force=True).outcome.metrics for _ in range(2))
    assert first["mean_error"] == again["mean_error"] and first["view_disagreement"] == again["view_disagreement"]
    other = BY_NAME[MULTI_VIEW.name].run("smoke", 0).outcome.metrics
    assert other["mean_error"] != first["mean_error"]


def test_fitting_brings_spheres_nearer_to_the_data(frames):
    torch.manual_seed(0)
    network = AllStacks(DepthEstimator(1, 32))
    objective = FittingObjective(spheres=SyntheticDepth().spheres)
    adam = torch.optim.Adam(network.parameters(), lr=2e-3)
    batch = DepthDrawer(synthetic_crops(0, 1, True), 1, read_views(frames), 2, 0, 2).draw(0)
    losses = []
    for step in range(25):
        output = objective(network, batch, step)
        adam.zero_grad()
        output.loss.backward()
        adam.step()
        losses.append(output.terms["data_to_model"].item())
    assert np.mean(losses[-3:]) < 0.8 * losses[0]


@pytest.mark.parametrize("linked", [True, False])
def test_crops_by_themselves_know_nothing_of_the_other_views(frames, linked):
    views = read_views(frames).crops(np.array([0, 1]))
    spheres = SyntheticDepth().spheres
    centres = spheres.rest_m.float().expand(2, 3, -1, -1).clone() + 0.01 * torch.arange(3.0)[:, None, None]
    both = torch.tensor([True, True])
    gradients = []
    for depth in (views.depth, torch.cat([views.depth[:, :2], views.depth[:, 2:].flip(-1)], dim=1)):
        said = centres.clone().requires_grad_()
        terms = FittingObjective(spheres=spheres).terms(
            said, replace(views, depth=depth), both, linked, torch.ones(2, 3, 41)
        )
        fitting_objective(terms).sum().backward()
        gradients.append(said.grad[:, 0])
        assert bool((terms.multi_view > 0).all()) == linked
    assert torch.equal(*gradients) != linked


def test_a_mixed_batch_has_the_terms_of_either_kind(frames):
    batch = DepthDrawer(synthetic_crops(0, 1, True), 2, read_views(frames), 1, 2, 3).draw(0)
    assert batch.together.sum() == 1 and len(batch) == 2 + 9
    torch.manual_seed(0)
    network = AllStacks(DepthEstimator(2, 32)).eval()
    objective = FittingObjective(spheres=SyntheticDepth().spheres)
    output = objective(network, batch, 0)
    centres = network(batch.views.depth.flatten(0, 1))[-1].centres_m.unflatten(0, (3, 3))
    depth_m = denormalise_depth(batch.views.depth)
    alone = fitting_terms(centres[~batch.together], depth_m[~batch.together], objective.spheres)
    rows = batch.together
    linked = fitting_terms(centres[rows], depth_m[rows], objective.spheres, batch.views.frames[rows])
    expected = (alone.model_to_data.sum() + linked.model_to_data.sum()) / 3
    assert output.terms["model_to_data"].item() == pytest.approx(expected.item(), rel=1e-4)


def test_views_can_be_drawn_to_three_kinds_of_average(frames):
    views = read_views(frames).crops(np.array([0]))
    spheres = SyntheticDepth().spheres
    centres = views.frames.from_world(spheres.rest_m.float().expand(1, 1, -1, -1) + 0.8)
    centres[:, 2] += 0.05
    variance = torch.tensor([3.0, 2.0, 1.0]).view(1, 3, 1).expand(1, 3, 41)
    costs = {
        average: FittingObjective(spheres=spheres, average=average)
        .terms(centres, views, torch.tensor([True]), True, variance)
        .multi_view.item()
        for average in ("median", "mean", "narrowest")
    }
    # Two views agree, the third is 50 mm off along each axis: 2500 mm^2 of one view, or of the two others.
    assert costs["median"] == pytest.approx(2500 / 3, rel=1e-2)
    assert costs["mean"] < costs["median"] < costs["narrowest"] == pytest.approx(5000 / 3, rel=1e-2)
    with pytest.raises(BadInputError, match="average"):
        FittingObjective(SyntheticDepth().spheres, average="best")
    with pytest.raises(BadInputError, match="supervision"):
        SyntheticObjective("angles")


def test_rows_leave_out_what_they_say():
    for recipe in WITHOUT_PRIORS:
        changed = {k for k, v in vars(weights_of(recipe)).items() if v != vars(weights_of(MULTI_VIEW))[k]}
        assert changed == {recipe.without} and getattr(weights_of(recipe), recipe.without) == 0
    with pytest.raises(BadInputError, match="without 'median'"):
        weights_of(replace(MULTI_VIEW, without="median"))


def test_shares_of_the_frames():
    assert frame_counts(MULTI_VIEW, 100) == (100, 0) and frame_counts(SINGLE_VIEW, 100) == (0, 100)
    assert frame_counts(replace(MULTI_VIEW, together=0.5, apart=0.5), 100) == (50, 50)
    assert frame_counts(replace(MULTI_VIEW, together=1 / 32), 4) == (1, 0), "at least one frame"
    with pytest.raises(BadInputError, match="shares"):
        frame_counts(replace(MULTI_VIEW, apart=0.5), 100)


def test_processes_see_different_parts_of_a_step(frames):
    drawer = DepthDrawer(synthetic_crops(0, 1, True), 4, read_views(frames), 3, 0, 2)
    whole, parts = drawer.draw(5), [drawer.draw(5, rank, 2) for rank in (0, 1)]
    assert torch.equal(whole.views.depth[::2], parts[0].views.depth)
    assert torch.equal(whole.views.depth[1::2], parts[1].views.depth)
    assert torch.equal(whole.synthetic.depth, torch.cat([part.synthetic.depth for part in parts]))


def test_stored_frames_are_the_drawn_ones(frames, tmp_path):
    views, drawn = read_views(frames), MultiViewDepth().batch(0, 3)
    crops = views.crops(slice(None))
    assert views.depth.dtype == np.float16 and crops.depth.dtype == torch.float32
    assert (crops.depth - drawn.depth).abs().max() < 5e-4, "0.05 mm, in units of 100 mm"
    assert torch.equal(crops.frames.origin_m, drawn.frames.origin_m) and torch.equal(crops.usable, drawn.usable)
    assert np.array_equal(read_frame_joints(frames), drawn.joints_m.numpy())
    stamp = (frames / "views" / "depth.npy").stat().st_mtime_ns
    assert draw_frames(FramesName("train", 3), frames.parent, progress=False) == frames
    assert (frames / "views" / "depth.npy").stat().st_mtime_ns == stamp, "nothing is drawn twice"
    twice = views.followed_by(views)
    assert len(twice) == 6 and np.array_equal(twice.depth[3:], views.depth)
    shutil.copytree(frames / "views", tmp_path / "views")
    assert len(read_views(tmp_path)) == 3, "crops do without labels"
    with pytest.raises(MissingFileError, match="remove the folder"):
        read_frame_joints(tmp_path)


def test_the_truth_scores_well_and_unusable_crops_do_not_count(frames):
    views, joints = read_views(frames), read_frame_joints(frames)
    in_cubes = views.crops(slice(None)).frames.from_world(torch.from_numpy(joints)[:, None])
    centres = joint_maps().to_spheres(in_cubes)
    scores = score_views(centres, views, joints)
    assert (
        scores.metrics["mean_error"].value
        < 4
        < score_views(centres.roll(1, 0), views, joints).metrics["mean_error"].value
    )
    centres[0, 1] += 1.0
    unusable = replace(views, usable=np.array([[True, False, True], [True] * 3, [True] * 3]))
    without = score_views(centres, unusable, joints)
    assert without.metrics["mean_error"].value < 4 and without.metrics["skipped_crops"].value == 1
    assert without.metrics["crops"].value == 8 and len(without.curves["by_frame"].y) == 3
    assert score_views(centres[:, :1], views, joints).metrics["crops"].value == 3


def test_success_needs_every_joint():
    errors = np.full((4, 14), 10.0)
    errors[0, 3] = 30.0
    scores = score_errors(errors)
    assert scores.metrics["success_20mm"].value == 75 and scores.metrics["success_40mm"].value == 100
    assert scores.metrics["mean_error"].value == pytest.approx(10 + 20 / 56)
    assert scores.metrics["tips_error"].value == pytest.approx(10)
    assert scores.curves["success"].y[9] == 0 and scores.curves["success"].y[10] == 75
