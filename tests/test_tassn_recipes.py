"""TASSN's recipes: each kind runs, no 3D label of the target enters, and a killed run ends in the same bits."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from smoke_runs import within

from handlib.errors import BadInputError
from handlib.experiments.tassn import EXPERIMENTS, FULL, TABLE_1, data, training
from handlib.experiments.tassn.baselines import score_baseline, score_derived
from handlib.experiments.tassn.effort import SMOKE
from handlib.experiments.tassn.objective import ClipReader, TassnObjective
from handlib.experiments.tassn.recipes import (
    FLOW,
    LABELS,
    PRETRAIN,
    STILLS,
    BaselineRecipe,
    DerivedRecipe,
    StereoRecipe,
    TassnRecipe,
    pretrain_of,
    stills_of,
)
from handlib.experiments.tassn.scoring import read_test_films
from handlib.experiments.tassn.source_films import stored_source_films
from handlib.experiments.tassn.stereo import score_stereo
from handlib.experiments.tassn.supervision import supervision_of
from handlib.experiments.tassn.training import (
    NETWORK,
    build_network,
    load_network,
    target_clips,
    train_on_stills,
    train_on_video,
)
from handlib.hand.model import HandModel
from handlib.reproduce.artifacts import find_artifact
from handlib.reproduce.published import load_published
from handlib.reproduce.recipe import run
from handlib.reproduce.state import read_state
from handlib.training.loop import TrainSettings

BY_NAME = {experiment.recipe.name: experiment for experiment in EXPERIMENTS}
KINDS = (LABELS.name, PRETRAIN.name, STILLS.name, FULL.name, "tassn-no-silhouette", "tassn-shuffled", "tassn-single")


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A store of results and a cache that all smoke runs of this file share; no data folder."""
    folder = tmp_path_factory.mktemp("tassn")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HANDLIB_RESULTS", str(folder / "results"))
        patch.setenv("HANDLIB_CACHE", str(folder / "cache"))
        patch.delenv("HANDLIB_DATA", raising=False)
        forget()
        yield folder
    forget()


def forget() -> None:
    """Forget which films are mapped into memory."""
    for kept in (data.films_folder, data.pictures, data.labels, stored_source_films):
        kept.cache_clear()


@pytest.mark.parametrize("name", KINDS)
def test_each_kind_of_recipe_runs_and_says_what_it_measured(store, name):
    outcome = BY_NAME[name].run("smoke", 0).outcome
    assert outcome.not_obtained is None
    if name == LABELS.name:
        assert {"mpjpe_2d", "test_mpjpe_2d", "usable_silhouettes", "iou_of_all"} <= outcome.metrics.keys()
        return
    assert {"root_mpjpe", "root_auc_j_0_50mm", "root_auc_j_20_50mm_linspace", "spread", "disagreement"} <= (
        outcome.metrics.keys()
    )
    assert outcome.metrics["root_mpjpe"].alignment == "root" and len(outcome.curves["pck"].y) == 51
    assert 0 <= outcome.metrics["silhouette_iou"].value <= 100
    if "training_loss" in outcome.curves:
        assert len(outcome.curves["training_loss"].y) == 2


@pytest.mark.parametrize("method", ["constant", "mean", "untrained", "fit"])
def test_baselines_run(store, method):
    metrics = run(BaselineRecipe(name=f"baseline-{method}", method=method), "smoke", 0, score_baseline).outcome.metrics
    assert metrics["root_mpjpe"].value > 10 and np.isfinite(metrics["pa_mpjpe"].value)
    if method in ("constant", "mean"):
        assert metrics["spread"].value < 1e-6 and metrics["disagreement"].value == 0
    if method == "fit":
        assert metrics["hands"].value == SMOKE.fitted_frames


def test_the_second_stage_leaves_the_joint_network_alone(store):
    # GrabCut finds nothing usable in films this small.
    stills = replace(STILLS, name="stills-of-true-silhouettes", silhouettes="true")
    run(stills, "smoke", 0, train_on_stills)
    before, after = (
        read_state(find_artifact("tassn", name, "smoke", 0, NETWORK)) for name in (PRETRAIN.name, stills.name)
    )
    same = {name: torch.equal(value, after[name]) for name, value in before.items()}
    assert all(same[name] for name in same if name.startswith("pose."))
    for part in ("hourglass.", "mesh."):
        assert not all(same[name] for name in same if name.startswith(part) and name.endswith("weight"))


def test_flow_network_is_trained_compared_and_used(store):
    metrics = BY_NAME[FLOW.name].run("smoke", 0).outcome.metrics
    for where in ("source", "target"):
        errors = {name: metrics[f"{name}_error_on_{where}"].value for name in ("network", "dis", "no_flow")}
        assert all(value > 0 for value in errors.values()) and errors["dis"] < errors["no_flow"]
    used = run(replace(FULL, name="with-network-flow", flow="network"), "smoke", 0, train_on_video).outcome
    assert used.metrics["root_mpjpe"].value > 0


def test_without_the_data_folder_the_real_film_is_not_obtained(store):
    outcome = run(StereoRecipe(name="stereo", of=FULL), "smoke", 0, score_stereo).outcome
    assert not outcome.metrics and "HANDLIB_DATA" in outcome.not_obtained


def test_rows_bear_the_published_names_and_share_their_beginning():
    tables = [table for key, table in load_published().items() if key.startswith("tassn/")]
    assert {row.recipe for table in tables for row in table.rows if row.recipe} <= BY_NAME.keys()
    assert all(BY_NAME[recipe.name].seeds == (0, 1, 2) for recipe in TABLE_1)
    assert all(stills_of(recipe) == STILLS and pretrain_of(recipe) == PRETRAIN for recipe in TABLE_1)
    assert stills_of(replace(FULL, silhouettes="true")).name == "tassn-before-video-detected-true"
    weights = [recipe.weights() for recipe in TABLE_1]
    assert [(w.pose, w.mesh) for w in weights] == [(0, 0), (10, 0), (10, 10)]
    assert {(w.silhouette, w.heatmap) for w in weights} == {(0.1, 1.0)}


def one_step(recipe: TassnRecipe) -> list[torch.Tensor]:
    """The gradients of one step of a row."""

    def step(context) -> list[torch.Tensor]:
        network = load_network(context, pretrain_of(recipe)).train()
        clips = target_clips(context, 3, recipe.keypoints, recipe.silhouettes).draw(0)
        objective = TassnObjective(HandModel.load("open").faces, recipe.weights(), recipe.unit_m)
        objective(ClipReader(network), clips, 0).loss.backward()
        return [parameter.grad.clone() for parameter in network.parameters() if parameter.grad is not None]

    return within(recipe, step)


def test_no_label_of_the_target_enters_a_training_step(store):
    BY_NAME[PRETRAIN.name].run("smoke", 0)
    plain, named = replace(FULL, name="step"), replace(FULL, name="true", keypoints="true")
    paths = list(store.glob("cache/films/*/video-train-*/labels/*.npy"))
    kept = {path: path.read_bytes() for path in paths}
    assert {path.stem for path in paths} == {"joints_m", "joints_2d_px", "mask"}
    before, with_2d = one_step(plain), one_step(named)
    try:
        spoil([path for path in paths if path.stem == "joints_m"])
        # Nobody has the 3D labels, not even those who have the 2D ones.
        assert all(torch.equal(a, b) for a, b in zip(with_2d, one_step(named), strict=True))
        spoil([path for path in paths if path.stem != "joints_m"])
        assert all(torch.equal(a, b) for a, b in zip(before, one_step(plain), strict=True))
        # The test can fail: a row whose name says so meets the NaN.
        with pytest.raises(BadInputError, match="not finite"):
            one_step(named)
    finally:
        for path, content in kept.items():
            path.write_bytes(content)
        forget()


def spoil(paths) -> None:
    """Put NaN, or masks of nothing but hand, into label files."""
    for path in paths:
        array = np.lib.format.open_memmap(path, mode="r+")
        array[...] = True if array.dtype == bool else np.nan
        array.flush()
    forget()


def test_a_killed_run_ends_in_the_same_bits(store, monkeypatch):
    whole = run(FULL, "smoke", 0, train_on_video, force=True).outcome
    step = TassnObjective.__call__

    def dies_in_its_second_step(self, network, clips, at):
        if at:
            raise RuntimeError("killed")
        return step(self, network, clips, at)

    monkeypatch.setattr(training, "TrainSettings", partial(TrainSettings, checkpoint_seconds=0.0))
    with monkeypatch.context() as patch:
        patch.setattr(TassnObjective, "__call__", dies_in_its_second_step)
        with pytest.raises(RuntimeError, match="killed"):
            run(FULL, "smoke", 0, train_on_video, force=True)
    # The killed run was to replace the stored result, which is still there.
    (store / "cache/results/tassn/tassn-full/smoke-seed0.json").unlink()
    resumed = run(FULL, "smoke", 0, train_on_video)
    assert resumed.provenance.resumed == 1
    assert resumed.outcome.metrics["root_mpjpe"] == whole.metrics["root_mpjpe"]


def test_names_that_mean_nothing_are_refused(store):
    for recipe, work, match in (
        (replace(FULL, name="a", flow="raft"), train_on_video, "flow 'raft'"),
        (replace(FULL, name="b", start="moon"), train_on_video, "start 'moon'"),
        (replace(STILLS, name="c", silhouettes="drawn"), train_on_stills, "silhouettes 'drawn'"),
        (BaselineRecipe(name="d", method="guess"), score_baseline, "method 'guess'"),
        (DerivedRecipe(name="e", of=FULL, look="away"), score_derived, "look 'away'"),
    ):
        with pytest.raises(BadInputError, match=match):
            run(recipe, "smoke", 0, work)


def test_supervision_is_what_was_detected_unless_a_name_says_otherwise(store):
    detected = within(replace(FULL, name="seen"), lambda context: supervision_of(context))
    true = within(replace(FULL, name="known"), lambda context: supervision_of(context, "train", "true", "true"))
    known = data.labels(SMOKE, "train")
    count = len(true.usable)
    assert np.array_equal(true.keypoints_px, known.joints_2d_px[:count]) and true.usable.all()
    assert np.abs(detected.keypoints_px - true.keypoints_px).max() > 1


def test_films_are_read_both_ways(store):
    seen = within(replace(FULL, name="read"), lambda context: supervision_of(context, "test"))
    said = read_test_films(build_network(SMOKE, 0).eval(), SMOKE, seen)
    assert said.joints_m.shape == (9, 21, 3) and not said.joints_m[:, 0].any()
    assert np.abs(said.joints_m - said.joints_back_m).max() > 0
