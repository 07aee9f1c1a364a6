"""What the page on S2HAND(V)'s tables reads from stored runs: rows with labels, changes between rows, units."""

import numpy as np
import pytest
from reproduce_factory import make_result

from handlib import viz
from handlib.experiments.s2hand_v import CHAPTER
from handlib.experiments.s2hand_v.looks import within_and_between
from handlib.experiments.s2hand_v.stored import (
    KINDS,
    LONGER_KINDS,
    TRAINED_KINDS,
    Change,
    change_from,
    kept_promise_words,
    known_and_new,
    labelled_values,
    own_s2hand,
    per_frame,
    smooth_and_right,
    stored_runs,
)
from handlib.reproduce.results import Metric, write_result

# Recipe -> (acceleration, error) of each seed.
RUNS = {
    "s2hand-ho3d-full": [(10.0, 15.0), (12.0, 16.0)],
    "s2hand-v-quaternion-ts": [(8.0, 14.9), (9.6, 15.9), (20.0, 30.0)],
    "s2hand-v-temporal": [(8.0, 15.5)],
    "s2hand-v-quaternion-x4": [(7.0, 17.0)],
    "s2hand-ho3d-full-longer": [(9.0, 14.0), (30.0, 30.0)],
    "s2hand-v-quaternion-ts-longer": [(7.2, 14.0)],
}
TRAINING_ACC = {"s2hand-ho3d-full-longer": 10.0, "s2hand-v-quaternion-ts-longer": 6.0}


@pytest.fixture
def store(tmp_path, monkeypatch):
    """Stored full runs of some rows, of unlike numbers of seeds; training films were scored for two of them alone."""
    monkeypatch.setenv("HANDLIB_RESULTS", str(tmp_path))
    for recipe, seeds in RUNS.items():
        for seed, (acceleration, error) in enumerate(seeds):
            metrics = {
                "test_acc": Metric(900 * acceleration, "mm/s^2", "root"),
                "test_acc_per_frame": Metric(acceleration, "mm/frame^2", "root"),
                "pa_mpjpe": Metric(error, "mm", "procrustes"),
            }
            if recipe in TRAINING_ACC:
                metrics["train_acc_per_frame"] = Metric(TRAINING_ACC[recipe], "mm/frame^2", "root")
            write_result(tmp_path, make_result(recipe, chapter=CHAPTER, profile="full", seed=seed, metrics=metrics))
    return stored_runs()


def test_rows_that_were_run_have_their_labels_and_decimals(store):
    lines = labelled_values(store, {"pa_mpjpe": 1, "test_shape_sd": 3})
    assert [line[0] for line in lines] == ["S2HAND", "temporal loss", "S2HAND(V)"]
    assert lines[0] == ["S2HAND", "15.5 ± 0.7", None] and lines[1][1] == "15.5"


def test_each_longer_row_follows_its_own_in_a_table(store):
    assert list(TRAINED_KINDS.values())[:2] == ["S2HAND", "S2HAND, longer"]
    assert TRAINED_KINDS.keys() - LONGER_KINDS.keys() <= KINDS.keys() and len(TRAINED_KINDS) == 2 * len(LONGER_KINDS)
    lines = labelled_values(store, {"pa_mpjpe": 1}, TRAINED_KINDS)
    assert [line[0] for line in lines] == [
        "S2HAND",
        "S2HAND, longer",
        "S2HAND(V)",
        "S2HAND(V), longer",
        "temporal loss",
    ]
    assert labelled_values(store, {"train_acc_per_frame": 0}, LONGER_KINDS) == [
        ["S2HAND, longer", "10 ± 0"],
        ["S2HAND(V), longer", "6"],
    ]


def test_smoothness_stands_beside_error_and_further_rows_may_come_along(store):
    further = {"s2hand-v-quaternion-x4": "heavier", "s2hand-v-temporal-x4": "not run"}
    dots = smooth_and_right(store, kinds=KINDS | further)
    assert set(dots) == {"S2HAND", "temporal loss", "S2HAND(V)", "heavier"}
    assert dots["S2HAND"] == [(10.0, 15.0), (12.0, 16.0)] and dots["heavier"] == [(7.0, 17.0)]
    known = smooth_and_right(store, across="train_acc_per_frame", up="test_acc_per_frame", kinds=TRAINED_KINDS)
    assert known == {"S2HAND, longer": [(10.0, 9.0), (10.0, 30.0)], "S2HAND(V), longer": [(6.0, 7.2)]}


def test_films_known_and_new_are_told_apart_by_what_a_row_has(store):
    groups = known_and_new(store)
    # Rows of which no training film was scored have no dot.
    assert list(groups) == ["S2HAND, longer", "with a motion term, longer"]
    assert groups["S2HAND, longer"] == {"S2HAND, longer, run 1": (10.0, 9.0), "S2HAND, longer, run 2": (10.0, 30.0)}
    assert groups["with a motion term, longer"] == {"S2HAND(V), longer, run 1": (6.0, 7.2)}


def test_rows_are_compared_on_the_seeds_that_both_have(store):
    change = change_from(store, "s2hand-v-quaternion-ts")
    assert change.seeds == 2 and change.smoother_percent == pytest.approx(20) and change.worse_mm == pytest.approx(-0.1)
    assert change.keeps_promise
    # As smooth, but less accurate.
    other = change_from(store, "s2hand-v-temporal")
    assert other.smoother_percent == pytest.approx(20) and not other.keeps_promise
    assert change_from(store, "s2hand-v-smooth") is None


def test_longer_rows_are_judged_by_the_s2hand_that_was_trained_as_long(store):
    assert own_s2hand("s2hand-v-quaternion") == own_s2hand("s2hand-v-quaternion-x4") == "s2hand-ho3d-full"
    change = change_from(store, "s2hand-v-quaternion-ts-longer")
    # Seed 1 of S2HAND has no partner yet, and is left out.
    assert change == change_from(store, "s2hand-v-quaternion-ts-longer", against="s2hand-ho3d-full-longer")
    assert change.seeds == 1 and change.smoother_percent == pytest.approx(20) and change.keeps_promise
    assert change.smoother_known_percent == pytest.approx(40)
    by_the_short_one = change_from(store, "s2hand-v-quaternion-ts-longer", against="s2hand-ho3d-full")
    assert by_the_short_one.smoother_percent == pytest.approx(28) and by_the_short_one.smoother_known_percent is None


@pytest.mark.parametrize(
    "change, words",
    [
        (Change(15.0, 0.0, 3), ("-15.0 %", "0.00 mm lower (3 seeds)", ": kept")),
        (Change(20.0, 0.1, 1), ("-20.0 %", "0.10 mm higher (1 seed)", "not kept")),
        (Change(-3.0, -1.0, 2), ("+3.0 %", "1.00 mm lower", "not kept")),
    ],
)
def test_a_verdict_is_said_of_what_was_measured(change, words):
    said = kept_promise_words(change)
    assert all(word in said for word in words)


def test_accelerations_are_shown_by_frame_beside_printed_ones_that_stay(store, capsys):
    entry = per_frame(viz.measured_table("s2hand-v/table-5", rows=["s2hand"], columns=["test_acc", "test_quaternion"]))
    viz.show_measured(entry)
    shown = capsys.readouterr().out
    assert "[mm/frame²]" in shown and "mm/s^2" not in shown and "3.68" in shown and "11.00 ± 1.41" in shown
    assert "HO-3D v2 test set" in shown and "training set" not in shown


def test_shapes_that_are_constant_and_shapes_that_are_consistent_are_told_apart():
    of_films = np.random.default_rng(0).normal(size=(6, 1, 10))
    assert within_and_between(np.tile(of_films, (1, 9, 1))) == pytest.approx((0, of_films[:, 0].std(0).mean()))
    assert within_and_between(np.zeros((6, 9, 10))) == (0, 0)
