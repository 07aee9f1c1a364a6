"""SeqHAND's recipes: each runs, none reads a label that it may not read, and a kill changes nothing."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from smoke_runs import within

from handlib.errors import BadInputError
from handlib.experiments.seqhand import (
    ATTACHED,
    CONV_LSTM,
    DETACHED,
    DETECTED,
    EXPERIMENTS,
    FRAMES,
    OTHER_ENCODERS,
    TABLE_2,
    evaluation,
    films,
    target,
)
from handlib.experiments.seqhand.baselines import changed_rows, score_baseline, score_derived
from handlib.experiments.seqhand.batches import FilmDrawer
from handlib.experiments.seqhand.effort import PAPER_EFFORT, SMOKE, Effort
from handlib.experiments.seqhand.encodings import encoded, generated_pictures
from handlib.experiments.seqhand.films import HandLabels, film_labels, film_rows
from handlib.experiments.seqhand.networks import NETWORK, new_network, read_network
from handlib.experiments.seqhand.objective import KNOWN, FilmTask, film_objective, film_terms, predict_films
from handlib.experiments.seqhand.occlusion import cover_film, hidden_frames
from handlib.experiments.seqhand.recipes import BaselineRecipe, DerivedRecipe, FilmRecipe, config_of
from handlib.experiments.seqhand.scoring import Answers, by_frame, score_change
from handlib.experiments.seqhand.training import fine_tune, fine_tuned, train_on_films, true_millions
from handlib.losses.seqhand import joints_2d_loss
from handlib.models.seqhand import SeqHandNetwork
from handlib.reproduce.artifacts import find_artifact
from handlib.reproduce.published import load_published
from handlib.reproduce.recipe import run
from handlib.training import loop

BY_NAME = {experiment.recipe.name: experiment for experiment in EXPERIMENTS}
FOR_A_GPU = replace(SMOKE, stand_ins=False, hidden=8, kept_stages=0, finetune_kept_stages=0)
SCORES = {"error_3d", "auc_3d", "error_2d", "auc_2d", "error_target_films", "auc_covered_films", "error_target_stills"}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A store of results and a cache that all smoke runs of this file share."""
    folder = tmp_path_factory.mktemp("seqhand")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HANDLIB_RESULTS", str(folder / "results"))
        patch.setenv("HANDLIB_CACHE", str(folder / "cache"))
        forget()
        yield folder
    forget()


def forget() -> None:
    """Forget what was read from the cache."""
    for kept in (films.films_folder, films.film_labels, target.target_stills_folder, target.target_films_folder):
        kept.cache_clear()
    evaluation.set_answers.cache_clear()


# The real film's rows are in test_seqhand_stereo.py: they have scores of their own.
@pytest.mark.parametrize("name", [name for name in BY_NAME if not name.endswith("@stereo")])
def test_each_recipe_runs_and_says_what_it_measured(store, name):
    outcome = BY_NAME[name].run("smoke", 0).outcome
    if name == "seqhand-data":
        assert outcome.metrics["images_per_second"].value > 0 < outcome.metrics["hand_share"].value < 100
        assert outcome.metrics["stalled_steps_snapped"].value >= outcome.metrics["stalled_steps_shown"].value
        return
    if name == "seqhand-encoder-start":
        assert outcome.metrics["error_3d"].value > 1 and len(outcome.curves["training_loss"].y) == 2
        return
    assert outcome.metrics.keys() >= SCORES | {"shape_change", "pose_change", "acceleration_error"}
    assert outcome.metrics["error_covered_films"].dataset == "open target domain, test films behind an edge"
    assert outcome.curves["by_hidden_target_films"].x == (0.0, 0.25, 0.5, 0.75)
    assert len(outcome.curves["by_frame_films"].y) == SMOKE.frames
    if BY_NAME[name].work not in (score_baseline, score_derived):
        assert outcome.metrics["training_images_per_second"].value > 0


def test_rows_bear_the_published_names():
    tables = [table for key, table in load_published().items() if key.startswith("seqhand/")]
    assert {row.recipe for table in tables for row in table.rows if row.recipe} <= BY_NAME.keys()
    assert BY_NAME["seqhand-encoder-convlstm"].seeds == (0, 1, 2) == BY_NAME[DETACHED.name].seeds


@pytest.mark.parametrize("recipe", TABLE_2, ids=lambda recipe: recipe.name)
def test_the_true_networks_are_as_large_as_those_of_table_2(recipe):
    table = load_published()["seqhand/table-2"]
    key = next(row.key for row in table.rows if row.recipe == recipe.name)
    printed = float(table.printed(key, "parameters").rstrip("M"))
    assert true_millions(recipe) == pytest.approx(printed, rel=0.04)


def test_the_paper_s_networks_go_through_the_same_code(store):
    first = replace(CONV_LSTM, name="seqhand-gpu", effort=FOR_A_GPU)
    assert config_of(first, PAPER_EFFORT).encoder == "resnet50" and config_of(first, Effort()).encoder != "resnet50"
    # The recipe's own effort is that of its full profile; the result lands in this test's store.
    recipe = replace(DETACHED, name="seqhand-gpu-detached", of=first, effort=FOR_A_GPU)
    outcome = run(recipe, "full", 0, fine_tune, device="cpu").outcome
    assert outcome.metrics.keys() >= SCORES
    weights = read_network(find_artifact("seqhand", recipe.name, "full", 0, NETWORK), first, FOR_A_GPU)
    assert sum(parameter.numel() for parameter in weights.encoder.parameters()) > 2e7


def test_filters_through_time_can_be_trained_too():
    network = SeqHandNetwork(replace(config_of(OTHER_ENCODERS[1], FOR_A_GPU), hidden=4), imagenet=False)
    task = FilmTask(network, "everything", 32, 0).to(memory_format=torch.channels_last)
    assert task.to(torch.float32) is task


def placed(recipe, name: str):
    """What a smoke fine-tuning ends with."""
    return within(replace(recipe, name=name), lambda context: fine_tuned(context)[0].state_dict())


@pytest.mark.parametrize("recipe", [DETECTED[2], DETACHED], ids=["detected", "labels"])
def test_labels_of_the_target_are_read_by_those_who_may(store, recipe):
    BY_NAME[DETECTED[0].name].run("smoke", 0)  # the detector has been scored, with labels, before they are spoilt
    before = placed(recipe, "seqhand-clean")
    paths = list(store.glob("cache/stills/*/target-train-12-32px-seed0/labels/joints*.npy"))
    kept = {path: path.read_bytes() for path in paths}
    assert len(kept) == 2
    try:
        for path in paths:
            labels = np.lib.format.open_memmap(path, mode="r+")
            # NaN shows through masks and zero weights, too; it would stop the row that may read it.
            labels[...] = np.nan if recipe.supervision == "detected" else 1.0
            labels.flush()
        after = placed(recipe, "seqhand-poisoned")
    finally:
        for path, content in kept.items():
            path.write_bytes(content)
    same = all(torch.equal(value, after[name]) for name, value in before.items())
    assert same == (recipe.supervision == "detected")


def test_only_what_is_attached_learns(store):
    BY_NAME[DETACHED.name].run("smoke", 0)
    BY_NAME[ATTACHED.name].run("smoke", 0)
    before, detached, attached = (
        read_network(find_artifact("seqhand", recipe.name, "smoke", 0, NETWORK), CONV_LSTM, SMOKE).state_dict()
        for recipe in (CONV_LSTM, DETACHED, ATTACHED)
    )
    changed = {name for name, value in before.items() if not torch.equal(value, detached[name])}
    assert {"readout.last.weight", "readout.layers.0.weight", "encoder.network.head.0.weight"} <= changed
    assert not any(name.startswith(("readout.memory", "encoder.network.stem")) for name in changed)
    # A film of one frame begins and ends with an empty memory: what would be done with a full one gets no gradient.
    assert torch.equal(before["readout.memory.from_hidden.weight"], attached["readout.memory.from_hidden.weight"])
    assert not torch.equal(before["readout.memory.from_input.weight"], attached["readout.memory.from_input.weight"])


def test_a_training_that_was_killed_ends_as_the_whole(store, monkeypatch):
    def weights(name: str) -> dict[str, torch.Tensor]:
        recipe = replace(CONV_LSTM, name=name, effort=replace(SMOKE, steps=4))
        monkeypatch.setattr("handlib.experiments.seqhand.training.effort_of", lambda profile, full: full)
        run(recipe, "smoke", 0, train_on_films, device="cpu")
        return read_network(find_artifact("seqhand", name, "smoke", 0, NETWORK), recipe, SMOKE).state_dict()

    whole = weights("seqhand-whole")
    real, calls = loop.learning_rate_factor, []

    def dies(schedule: str, step: int, steps: int) -> float:
        calls.append(step)
        if len(calls) == 4:
            raise RuntimeError("killed")
        return real(schedule, step, steps)

    defaults = loop.TrainSettings
    monkeypatch.setattr(
        "handlib.experiments.seqhand.training.TrainSettings", lambda *a, **k: defaults(*a, **k, checkpoint_seconds=0.0)
    )
    monkeypatch.setattr(loop, "learning_rate_factor", dies)
    with pytest.raises(RuntimeError, match="killed"):
        weights("seqhand-killed")
    monkeypatch.setattr(loop, "learning_rate_factor", real)
    assert all(torch.equal(value, whole[name]) for name, value in weights("seqhand-killed").items())


def test_kept_encodings_are_what_the_encoder_says(store):
    network = new_network(FRAMES, SMOKE, 0).eval()
    films.films_folder(SMOKE, "test")
    frames, kept = (
        encoded(generated_pictures(SMOKE, "test"), network.encoder, stages, torch.device("cpu")) for stages in (0, 7)
    )
    assert frames.dtype == np.uint8 and kept.dtype == np.float16 and kept.shape == (6, 320, 1, 1)
    with torch.no_grad():
        torch.nn.init.normal_(network.readout.last.weight, std=0.05)
        films_of = torch.from_numpy(np.array(frames)).unflatten(0, (2, 3))
        from_pixels = predict_films(network, films_of, 32, 0)[0].code.numbers
        from_kept = predict_films(network, torch.from_numpy(np.array(kept)).unflatten(0, (2, 3)), 32, 7)[0].code.numbers
    assert torch.allclose(from_pixels, from_kept, atol=5e-3) and from_pixels.std(0).max() > 1e-3


def labels_of(rows: int) -> HandLabels:
    stream = np.random.default_rng(0)
    joints = stream.normal(size=(rows, 21, 3)).astype(np.float32)
    return HandLabels(joints, 32 + 100 * joints[..., :2], np.ones((rows, 21), np.float32))


def test_batches_are_functions_of_the_step():
    pictures = np.arange(12, dtype=np.float16)[:, None]
    drawer = FilmDrawer(pictures, labels_of(12), film_rows(4, 3), 2, 16, 0)
    batch, again = drawer.draw(5), drawer.draw(5)
    assert torch.equal(batch.pictures, again.pictures) and len(batch) == 6
    assert torch.equal(batch.pictures[:, :, 0].diff(dim=1), torch.ones(2, 2).half())  # frames in their order
    assert batch.mask.all() and batch.mask.shape == (2, 3, 16, 16) and batch.code.isnan().all()
    halves = [drawer.draw(5, rank, 2).pictures for rank in range(2)]
    assert torch.equal(torch.cat(halves), batch.pictures)


def test_confidence_weighs_a_joint_and_its_gradient():
    network = new_network(FRAMES, replace(SMOKE, image_px=32), 0).eval()
    pictures = torch.randint(0, 255, (1, 1, 32, 32, 3), dtype=torch.uint8)
    true_px = torch.full((1, 1, 21, 2), 10.0)
    found = predict_films(network, pictures, 32, 0)[0]

    def term(confidence: float) -> torch.Tensor:
        inputs = {"confidence": torch.full((1, 1, 21), confidence), "joints_2d_px": true_px}
        return film_terms(found, inputs, 32, ("joints_2d",))["joints_2d"]

    whole = joints_2d_loss(found.seen.joints_2d_px, true_px, 32)
    assert torch.allclose(term(1.0), whole) and torch.allclose(term(0.25), 0.25 * whole) and not term(0.0).any()
    slopes = [torch.autograd.grad(term(c).sum(), found.code.scale, retain_graph=True)[0] for c in (1.0, 0.5)]
    assert torch.allclose(slopes[1], 0.5 * slopes[0]) and slopes[0].abs().max() > 0


def test_what_is_known_decides_the_terms():
    network = new_network(FRAMES, SMOKE, 0)
    for known, names in KNOWN.items():
        weights = FilmTask(network, known, 32, 0).weights
        assert {name for name, weight in vars(weights).items() if weight} == set(names)


def test_an_edge_hides_the_fraction_that_is_asked_for():
    rgb = np.full((10, 32, 32, 3), 77, np.uint8)
    row, column = np.mgrid[:32, :32]
    mask = np.broadcast_to((row - 15) ** 2 + (column - 12) ** 2 < 80, (10, 32, 32))
    covered = cover_film(rgb, mask, 0.5, 3)
    gone = ((covered != rgb).any(-1) & mask).sum((1, 2)) / mask[0].sum()
    assert hidden_frames(10).sum() == 6 and hidden_frames(3).sum() == 2
    assert (gone[:4] == 0).all() and np.allclose(gone[4:], 0.5, atol=0.06)
    assert np.array_equal(cover_film(rgb, mask, 0.0, 3), rgb)
    assert not np.array_equal(cover_film(rgb, mask, 0.5, 4), covered)
    with pytest.raises(BadInputError, match="fraction"):
        cover_film(rgb, mask, 1.5, 0)


def test_changes_are_measured_inside_films():
    code = np.zeros((6, 26))
    code[:3, 12], code[3:, 12] = 1.0, 5.0  # one shape a film
    code[:, 0] = [0, 1, 0, 0, 1, 0]
    measured = score_change(Answers(np.zeros((6, 21, 3)), np.zeros((6, 21, 2)), code), films=2)
    assert measured["shape_change"].value == 0
    assert measured["pose_change"].value == pytest.approx(0.1) and measured["pose_change_signed"].value == 0
    true = np.zeros((6, 21, 3))
    off = Answers(np.array([0.0, 1, 2, 0, 1, 4])[:, None, None] * np.eye(21, 3) * 0.021, np.zeros((6, 21, 2)), code)
    assert by_frame(off, true, films=2).y[0] < by_frame(off, true, films=2).y[1] < by_frame(off, true, films=2).y[2]


def test_looks_give_each_frame_the_right_answer():
    rows = film_rows(2, 3)
    assert changed_rows(rows, "held").tolist() == [[0, 0, 0], [3, 3, 3]]
    assert changed_rows(rows, "shuffled").tolist() == [[3, 4, 5], [0, 1, 2]]
    assert changed_rows(rows, "again") is rows


def test_labels_of_films_are_whole(store):
    known = film_labels(SMOKE, "train")
    assert len(known) == 12 and known.masks(np.array([0, 11])).shape == (2, 32, 32)
    assert np.abs(known.joints_m[:, 0]).max() < 1e-6 and known.code.shape == (12, 26)


@pytest.mark.parametrize(
    ("recipe", "work", "message"),
    [
        (BaselineRecipe(name="seqhand-bad", method="guess"), score_baseline, "method"),
        (DerivedRecipe(name="seqhand-bad", of=CONV_LSTM, look="twice"), score_derived, "look"),
        (FilmRecipe(name="seqhand-bad", encoder="vgg"), train_on_films, "encoder"),
        (FilmRecipe(name="seqhand-bad", memory="gru"), train_on_films, "memory"),
        (replace(DETACHED, name="seqhand-bad", supervision="3d"), fine_tuned, "supervision"),
        (replace(DETACHED, name="seqhand-bad", of=FRAMES), fine_tuned, "no memory"),
    ],
)
def test_what_there_is_not_is_refused(store, recipe, work, message):
    with pytest.raises(BadInputError, match=message):
        within(recipe, work)


def test_the_objective_has_a_gradient_for_every_trained_weight(store):
    network = new_network(CONV_LSTM, SMOKE, 0)
    torch.nn.init.normal_(network.readout.last.weight, std=0.05)
    known = film_labels(SMOKE, "train")
    shown = encoded(generated_pictures(SMOKE, "train"), None, 0, torch.device("cpu"))
    batch = FilmDrawer(shown, known, film_rows(4, 3), 2, 32, 0).draw(0)
    output = film_objective(FilmTask(network, "everything", 32, 0), batch, 0)
    assert set(output.terms) == set(KNOWN["everything"]) and torch.isfinite(output.loss)
    output.loss.backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in network.readout.parameters())
