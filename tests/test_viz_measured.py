"""Measured numbers beside published ones on a page, and claims seed by seed."""

import pytest
from reproduce_factory import make_result

from handlib import viz
from handlib.errors import BadInputError
from handlib.experiments.s2hand.stored import flat_and_deep, mean_and_spread, mean_of, stored_runs
from handlib.reproduce.claims import load_claims
from handlib.reproduce.results import Metric, write_result
from handlib.reproduce.seed_verdicts import judge_by_seed
from handlib.viz.stills import plotly_to_matplotlib

CLAIM = next(claim for claim in load_claims() if claim.id == "s2hand-bone-orientation-joints")


@pytest.fixture
def store(tmp_path, monkeypatch):
    """Two rows of S2HAND's Table 4 with three seeds each, of which the third contradicts the others."""
    monkeypatch.setenv("HANDLIB_RESULTS", str(tmp_path))
    for recipe, errors in {"s2hand-loc": (16, 18, 14), "s2hand-loc-ori": (12, 13, 15)}.items():
        for seed, error in enumerate(errors):
            metrics = {"pa": Metric(error, "mm", "procrustes")}
            write_result(
                tmp_path,
                make_result(recipe, profile="full", seed=seed, metrics=metrics, columns={"mpjpe": "pa"}),
            )
    return tmp_path


def test_a_table_shows_the_papers_number_ours_and_what_was_not_run(store, capsys):
    entry = viz.measured_table("s2hand/table-4", columns=["mpjpe"], baselines={"mean hand": "s2hand-mean-hand"})
    viz.show_measured(entry)
    shown = capsys.readouterr().out
    assert "paper: FreiHAND" in shown and ">1.54<" in shown
    assert "Here: open benchmark." in shown and "here, 3 seeds" in shown and "1.60 ± 0.20" in shown
    assert "mean hand" in shown and "here, not run" in shown


def test_columns_of_one_metric_on_two_data_sets_both_stand(store, capsys):
    viz.show_measured(viz.measured_table("s2hand-v/table-5", rows=["s2hand"]))
    printed = capsys.readouterr().out
    assert "ACC [mm/s^2], training set" in printed and "2.29" in printed and "3.68" in printed


def test_rows_can_be_chosen(store):
    entry = viz.measured_table("s2hand/table-4", columns=["mpjpe", "auc_j"], rows=["loc-ori"])
    assert [row.key for row in entry.table.rows] == ["loc-ori"]
    assert entry.table.rows[0].values == ("1.24", "0.754")


def test_a_claim_is_judged_on_the_means_and_on_each_seed(store):
    entry = viz.measured_table("s2hand/table-4")
    verdict = judge_by_seed(CLAIM, {"s2hand/table-4": entry}, entry.sources)
    assert (verdict.on_means, verdict.seeds_for, verdict.seeds) == (True, 2, 3)
    assert verdict.words == "holds (2 of 3 seeds)"


def test_a_shared_row_of_one_seed_stands_in_every_comparison(store):
    for seed in (1, 2):
        (store / "s2hand" / "s2hand-loc" / f"full-seed{seed}.json").unlink()
    entry = viz.measured_table("s2hand/table-4")
    verdict = judge_by_seed(CLAIM, {"s2hand/table-4": entry}, entry.sources)
    assert (verdict.on_means, verdict.seeds_for, verdict.seeds) == (True, 3, 3)


def test_a_claim_without_numbers_is_not_run(store, capsys):
    entry = viz.measured_table("s2hand/table-4")
    viz.show_claims(["s2hand-bone-orientation-joints", "s2hand-2d-branch"], {"s2hand/table-4": entry})
    shown = capsys.readouterr().out
    assert "holds (2 of 3 seeds)" in shown and "not run" in shown
    empty = viz.measured_table("s2hand/table-4", profile="laptop")
    viz.show_claims(["s2hand-2d-branch"], {"s2hand/table-4": empty})
    assert "not run" in capsys.readouterr().out


def test_columns_on_a_data_set_each_share_a_line_and_a_verdict(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HANDLIB_RESULTS", str(tmp_path))
    places = {"ed": "open, films", "do": "open, covered", "stb": "open, stills"}
    for recipe, value in {"seqhand-encoder-stills-real": 50.0, "seqhand-convlstm-video-real-detached": 60.0}.items():
        metrics = {f"error_{key}": Metric(value, "mm", "root", on) for key, on in places.items()}
        metrics |= {f"auc_{key}": Metric(value, "1", "root", on) for key, on in places.items()}
        for name in (recipe, f"{recipe}@detected"):
            write_result(tmp_path, make_result(name, profile="full", chapter="seqhand", metrics=metrics))
    table = viz.measured_table("seqhand/table-3", columns=["error_ed", "error_do", "error_stb"])
    viz.show_measured(table)
    shown = capsys.readouterr().out
    assert "Dexter+Object; here: covered" in shown and "Here: open." in shown and shown.count("here, 1 seed") == 4
    assert "here, with a detector" in shown and "open, films" not in shown
    claims = ["seqhand-stills-win-on-stb", "seqhand-detaching-preserves-motion", "seqhand-beats-others-in-error"]
    ledger = {f"seqhand/{key}": viz.measured_table(f"seqhand/{key}") for key in ("table-3", "table-4")}
    viz.show_claims(claims, ledger)
    shown = capsys.readouterr().out
    assert "here: open: covered; films; stills" in shown
    assert "does not hold (0 of 1 seed), on stills" in shown
    assert "not run: Encoder + ConvLSTM + Train(SeqHAND) + Train(FH + STB)" in shown
    assert "not run: other people" in shown


def test_runs_say_how_they_came_about(store, capsys):
    viz.show_runs(viz.measured_table("s2hand/table-4"))
    shown = capsys.readouterr().out
    assert "s2hand-loc-ori" in shown and "0, 1, 2" in shown
    viz.show_runs(viz.measured_table("s2hand/table-4", profile="laptop"))
    assert "No stored run" in capsys.readouterr().out


def test_dots_of_rows_and_of_groups(store):
    entry = viz.measured_table("s2hand/table-4", columns=["mpjpe"])
    figure = viz.row_dots_figure(entry, "mpjpe", {"open benchmark": "ours"})
    assert figure.data[0].name == "ours" and sorted(figure.data[0].x) == pytest.approx([1.2, 1.3, 1.4, 1.5, 1.6, 1.8])
    still = plotly_to_matplotlib(figure).axes[0]
    assert [tick.get_text() for tick in still.get_yticklabels()][:2] == ["E_loc, E_regu", "+ E_ori"]
    assert still.get_ylim()[0] > still.get_ylim()[1]
    with pytest.raises(BadInputError, match="nothing is measured"):
        viz.row_dots_figure(viz.measured_table("s2hand/table-4", profile="laptop"), "mpjpe")
    groups = {"a": {"one": (1.0, 2.0)}, "b": {"two": (3.0, 1.0)}}
    figure = viz.dot_figure(groups, x_label="x", y_label="y", level=("mean", 1.5))
    assert [trace.name for trace in figure.data] == ["a", "b", "mean"] and list(figure.data[2].y) == [1.5, 1.5]
    figure = viz.dot_figure(
        {**groups, "later": {"three": (2.0, 2.0)}},
        x_label="x",
        y_label="y",
        like={"later": "b"},
        lines={"same": [(0.0, 0.0), (2.0, 2.0)]},
    )
    b, later, line = figure.data[1:]
    assert later.marker.color == b.marker.color and later.marker.symbol == f"{b.marker.symbol}-open"
    assert line.name == "same" and list(line.y) == [0, 2]
    filled, hollow = plotly_to_matplotlib(figure).axes[0].lines[1:3]
    assert hollow.get_marker() == filled.get_marker() and hollow.get_markerfacecolor() == "none"
    with pytest.raises(BadInputError, match="no dot"):
        viz.dot_figure({"a": {}}, x_label="x", y_label="y")


def test_a_long_legend_of_a_still_hides_no_dot():
    groups = {f"row {index}": {"a run": (float(index), 1.0)} for index in range(12)}
    few, many = (
        plotly_to_matplotlib(viz.dot_figure(dict(list(groups.items())[:count]), x_label="x", y_label="y"))
        for count in (3, 12)
    )
    below = []
    for still in (few, many):
        still.canvas.draw()
        axes = still.axes[0]
        below.append(axes.get_legend().get_window_extent().y1 < axes.get_window_extent().y0)
    assert below == [False, True]


def test_the_chapters_runs_are_told_apart_by_what_they_knew(store):
    metrics = {"test_mpjpe_2d": Metric(9.0, "px"), "pa_mpjpe": Metric(20.0, "mm", "procrustes")}
    for recipe in ("s2hand-full", "s2hand-full@source", "s2hand-true-2d", "s2hand-untrained"):
        write_result(store, make_result(recipe, profile="full", metrics=metrics))
    runs = stored_runs()
    found = flat_and_deep(runs)
    assert {kind: list(dots) for kind, dots in found.items()} == {
        "detected keypoints, no 3D label": ["s2hand-full, seed 0"],
        "true 2D, or target 3D": ["s2hand-true-2d, seed 0"],
        "with source labels": ["s2hand-full@source, seed 0"],
    }
    assert mean_of(runs, "s2hand-full", "pa_mpjpe") == 20.0 and mean_of(runs, "s2hand-none", "pa_mpjpe") is None
    assert mean_and_spread(runs, "s2hand-loc", "pa") == "16.0 ± 2.0"
    assert mean_and_spread(runs, "s2hand-full", "pa_mpjpe") == "20.0"
