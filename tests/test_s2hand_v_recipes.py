"""S2HAND(V)'s recipes: each kind runs, none sees what it may not see, and rows differ as their names say."""

import runpy
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from smoke_runs import within

from handlib.errors import BadInputError, MissingFileError
from handlib.experiments.s2hand_v import (
    EXPERIMENTS,
    FULL,
    LONGER,
    MAIN,
    ORTHO_QUATERNION,
    QUATERNION,
    S2HAND,
    SMOOTH,
    TEMPORAL,
    TS,
    WILD,
    encodings,
    films,
    training,
)
from handlib.experiments.s2hand_v.effort import SMOKE
from handlib.experiments.s2hand_v.longer import MANY_FILMS, ManyFilmsDrawer, longer
from handlib.experiments.s2hand_v.network import NETWORK, starting_network
from handlib.experiments.s2hand_v.objective import motion_term, video_objective
from handlib.experiments.s2hand_v.recipes import video_weights
from handlib.experiments.s2hand_v.supervision import EncodedDrawer, film_pictures
from handlib.experiments.s2hand_v.training import build_task, train_and_score
from handlib.models.checkpoint_file import load_network
from handlib.reconstruction.front_door import reconstruct
from handlib.reproduce.artifacts import find_artifact
from handlib.reproduce.published import load_published
from handlib.reproduce.recipe import run
from handlib.reproduce.state import read_state
from handlib.training.loop import TrainSettings

BY_NAME = {experiment.recipe.name: experiment for experiment in EXPERIMENTS}
KINDS = (
    "s2hand-v-detector",
    "s2hand-v-detector-many-films",
    "s2hand-v-released",
    "s2hand-v-quaternion-ts",
    "s2hand-v-quaternion-ts-longer",
    "s2hand-ho3d-full",
    "s2hand-v-ortho-quaternion-wild",
    "s2hand-v-mean-hand",
    "s2hand-v-fit-detected",
    "s2hand-v-one-euro",
    "s2hand-v-first-frame",
    "s2hand-v-shuffled",
)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A store of results and a cache that all smoke runs of this file share."""
    folder = tmp_path_factory.mktemp("s2hand_v")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HANDLIB_RESULTS", str(folder / "results"))
        patch.setenv("HANDLIB_CACHE", str(folder / "cache"))
        patch.delenv("HANDLIB_DATA", raising=False)
        forget()
        yield folder
    forget()


def forget() -> None:
    """Forget which films are mapped into memory."""
    for kept in (films.films_folder, films.pictures, films.labels, encodings.encodings):
        kept.cache_clear()


@pytest.mark.parametrize("name", KINDS)
def test_each_kind_of_recipe_runs_and_says_what_it_measured(store, name):
    outcome = BY_NAME[name].run("smoke", 0).outcome
    assert outcome.not_obtained is None
    if name.startswith("s2hand-v-detector"):
        # Each frame is detected by itself: keypoints tremble more than the hand.
        assert outcome.metrics["test_flicker"].value > outcome.metrics["test_flicker_true"].value > 0
        return
    assert {"pa_mpjpe", "pa_mpvpe", "pa_f_5mm", "test_acc", "test_acc_err_per_frame"} <= outcome.metrics.keys()
    if name.startswith("s2hand-v-quaternion-ts"):
        assert {"train_acc_err", "train_quaternion", "test_shape_sd", "test_texture_sd"} <= outcome.metrics.keys()
        assert np.isfinite(outcome.curves["training_motion"].y).all()


def test_smooth_is_not_right(store):
    held = BY_NAME["s2hand-v-first-frame"].run("smoke", 0).outcome.metrics
    seen = BY_NAME["s2hand-ho3d-full"].run("smoke", 0).outcome.metrics
    filtered = BY_NAME["s2hand-v-one-euro"].run("smoke", 0).outcome.metrics
    assert held["test_acc"].value < 1e-3 and held["test_quaternion"].value < 1e-5 and held["test_shape_sd"].value < 1e-6
    assert filtered["test_acc"].value < seen["test_acc"].value
    assert seen["test_acc"].value == pytest.approx(900 * seen["test_acc_per_frame"].value)


def test_rows_bear_the_published_names():
    tables = [load_published()[f"s2hand-v/table-{number}"] for number in (2, 4, 5, 7, 8, 9)]
    rows = {row.recipe for table in tables for row in table.rows if row.recipe}
    assert rows <= BY_NAME.keys()
    full = [experiment.seeds for experiment in EXPERIMENTS if experiment.recipe in MAIN]
    assert len(full) == len(MAIN) and set(full) == {(0, 1, 2)}


def test_rows_differ_in_what_their_names_say():
    paper = video_weights(FULL)
    assert (paper.quaternion, paper.texture_shape) == (0.05, 0.01)
    assert video_weights(S2HAND).quaternion == video_weights(S2HAND).texture_shape == 0
    assert video_weights(TS).quaternion == 0 < video_weights(TS).texture_shape
    assert all(rest(row) == rest(S2HAND) for row in MAIN)
    assert WILD.extra and not ORTHO_QUATERNION.extra and ORTHO_QUATERNION.camera == "weak_perspective"
    with pytest.raises(BadInputError, match="motion 'wobble'"):
        video_weights(replace(S2HAND, motion="wobble"))


def test_longer_rows_differ_from_theirs_in_films_and_steps_alone():
    shorts = (S2HAND, QUATERNION, FULL, TEMPORAL, SMOOTH)
    for row, short in zip(LONGER, shorts, strict=True):
        assert row.name == f"{short.name}-longer" and row.data_digest() == short.data_digest()
        unlike = {key for key, value in vars(short).items() if getattr(row, key) != value}
        assert unlike == {"name", "effort", "steps"} and row.effort == MANY_FILMS == replace(
            short.effort, train_films=320, extra_films=0
        )
    assert LONGER[0].steps == 10 * S2HAND.steps


def rest(recipe) -> dict:
    """What all main rows have in common."""
    return {
        name: value
        for name, value in vars(recipe).items()
        if name not in ("name", "motion", "motion_factor", "texture_shape")
    }


def test_the_smooth_loss_allows_more_over_longer_intervals():
    turn = torch.tensor(0.4)
    poses = torch.stack([torch.tensor([0.0, 0.0, torch.sin(turn * i / 2), torch.cos(turn * i / 2)]) for i in range(3)])
    assert motion_term("smooth", 1)(poses[None, :, None]).item() > 0.2
    assert motion_term("smooth", 6)(poses[None, :, None]).item() == 0
    assert motion_term("none", 1) is None


def one_step(recipe) -> list[torch.Tensor]:
    """The gradients of one step of a recipe."""

    def step(context) -> list[torch.Tensor]:
        task = build_task(recipe, SMOKE, starting_network(recipe.camera, 0), 0).train()
        drawer = ManyFilmsDrawer(context, SMOKE) if recipe.effort == MANY_FILMS else EncodedDrawer(context)
        video_objective(task, drawer.draw(0), 0).loss.backward()
        return [parameter.grad.clone() for parameter in task.parameters() if parameter.grad is not None]

    return within(recipe, step)


def test_no_label_of_a_film_enters_a_training_step(store):
    rows = [replace(row, name="step") for row in (FULL, longer(FULL))]
    before = [one_step(row) for row in rows]
    paths = sorted(store.glob("cache/films/*/video-train-*/labels/*.npy"))
    kept = {path: path.read_bytes() for path in paths}
    assert len(paths) == 3
    try:
        for path in paths:
            array = np.lib.format.open_memmap(path, mode="r+")
            array[...] = True if array.dtype == bool else np.nan
            array.flush()
        forget()
        assert np.isnan(films.labels(SMOKE, "train").joints_m).all()
        for row, was in zip(rows, before, strict=True):
            assert all(torch.equal(a, b) for a, b in zip(was, one_step(row), strict=True))
    finally:
        for path, content in kept.items():
            path.write_bytes(content)
        forget()


def test_terms_on_motion_and_appearance_reach_the_heads(store):
    gradients = [one_step(replace(recipe, name="step")) for recipe in (S2HAND, QUATERNION, TS, SMOOTH)]
    assert all(torch.isfinite(g).all() for row in gradients for g in row)
    for other in gradients[1:3]:
        assert any(not torch.equal(a, b) for a, b in zip(gradients[0], other, strict=True))


def test_films_keep_to_their_row(store):
    ours, wild = (within(replace(recipe, name="step"), film_pictures) for recipe in (QUATERNION, WILD))
    assert len(ours.runs) == SMOKE.train_films < len(wild.runs) == SMOKE.train_films + SMOKE.extra_films
    assert max(run[-1] for run in ours.runs) == SMOKE.train_films * SMOKE.film_frames - 1
    assert ours.pictures.joints_m is None and ours.pictures.masks is None


def test_the_start_is_the_released_network_for_every_row_and_seed():
    first, other = starting_network("perspective", 0), starting_network("weak_perspective", 1)
    heads = [name for name, _ in first.named_parameters() if not name.startswith("texture.")]
    assert heads and not any(name.startswith("encoder") for name in heads)
    state = other.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in first.state_dict().items() if name in heads)


def test_a_trained_network_can_be_taken_to_the_demo(store, tmp_path):
    script = runpy.run_path(str(Path(__file__).parent.parent / "data_scripts" / "export_video_network.py"))
    BY_NAME[FULL.name].run("smoke", 0)
    out = tmp_path / "video.safetensors"
    said = script["export"](out, FULL.name, "smoke", 0)
    assert str(out) in said and "test_acc_per_frame" in said
    network, card = load_network(out)
    assert network.config.texture and card["recipe"] == FULL.name
    left = read_state(find_artifact("s2hand_v", FULL.name, "smoke", 0, NETWORK))
    heads = network.state_dict()
    # Half precision in the file.
    assert all(torch.allclose(heads[name], value, atol=1e-3, rtol=1e-3) for name, value in left.items())
    picture = np.random.default_rng(0).integers(0, 256, (1, 64, 64, 3), np.uint8)
    assert reconstruct(picture, checkpoint=out, detector=False).joints.shape == (1, 21, 3)
    with pytest.raises(BadInputError, match="expected one of"):
        script["export"](out, "s2hand-v-mean-hand", "smoke", 0)
    with pytest.raises(MissingFileError, match="handlib run"):
        script["export"](out, "s2hand-v-quaternion-x16", "smoke", 1)


def test_a_killed_training_goes_on_to_the_same_weights(store, monkeypatch):
    whole, killed = (replace(QUATERNION, name=f"s2hand-v-{name}", steps=2.0) for name in ("whole", "killed"))
    run(whole, "smoke", 0, train_and_score, device="cpu")
    real, steps = training.video_objective, []

    def dies(task, batch, step):
        if step == 2:
            raise KeyboardInterrupt
        steps.append(step)
        return real(task, batch, step)

    monkeypatch.setattr(training, "video_objective", dies)
    monkeypatch.setattr(training, "TrainSettings", partial(TrainSettings, checkpoint_seconds=0.0))
    with pytest.raises(KeyboardInterrupt):
        run(killed, "smoke", 0, train_and_score, device="cpu")
    monkeypatch.setattr(training, "video_objective", lambda *at: steps.append(at[2]) or real(*at))
    result = run(killed, "smoke", 0, train_and_score, device="cpu")
    first, again = (
        read_state(find_artifact(recipe.chapter, recipe.name, "smoke", 0, NETWORK)) for recipe in (whole, killed)
    )
    assert steps == [0, 1, 2, 3] and result.provenance.resumed == 1
    assert all(torch.equal(value, again[name]) for name, value in first.items())
