"""What pages ask of stored runs: by chapter and profile, by recipe in the order of seeds, by metric over chapters."""

import pytest
from reproduce_factory import make_result

from handlib.experiments.stored import chapter_runs, mean_and_spread, mean_of, values_of
from handlib.experiments.tassn import looks
from handlib.experiments.tassn.stored import stored_runs
from handlib.reproduce.results import Metric, write_result


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("HANDLIB_RESULTS", str(tmp_path))
    metric = {"film_pa_mpjpe": Metric(12.0, "mm", "procrustes")}
    for result in (
        make_result("tassn-full", seed=1, profile="full", chapter="tassn", metrics={"epe": Metric(30.0, "mm", "root")}),
        make_result("tassn-full", seed=0, profile="full", chapter="tassn", metrics={"epe": Metric(20.0, "mm", "root")}),
        make_result("tassn-source", profile="full", chapter="tassn", metrics={}, not_obtained="no film"),
        make_result("tassn-full", profile="laptop", chapter="tassn", metrics={"epe": Metric(90.0, "mm", "root")}),
        make_result("s2hand-photographs", profile="full", metrics=metric),
    ):
        write_result(tmp_path, result)


def test_runs_are_those_of_the_chapter_and_profile_that_gave_numbers(store):
    assert {(run.recipe, run.seed) for run in stored_runs()} == {("tassn-full", 0), ("tassn-full", 1)}
    assert [run.seed for run in stored_runs("laptop")] == [0]
    assert [run.recipe for run in chapter_runs("s2hand")] == ["s2hand-photographs"]


def test_values_means_and_spreads_are_over_seeds(store):
    runs = stored_runs()
    assert sorted(values_of(runs, "tassn-full", "epe")) == [20.0, 30.0]
    assert mean_of(runs, "tassn-full", "epe") == 25.0
    assert mean_and_spread(runs, "tassn-full", "epe") == "25.0 ± 7.1"
    assert mean_of(runs, "tassn-full", "unheard") is None and mean_and_spread(runs, "unrun", "epe") is None


def test_runs_are_found_by_recipe_and_by_metric(store):
    assert [run.seed for run in looks.runs_of("tassn-full", "full")] == [0, 1]
    assert list(looks.runs_with("film_pa_mpjpe")) == ["s2hand-photographs"] and looks.runs_with("epe") == {}
