"""``handlib run``: which runs are chosen, what is said of them, and what a failure does to the others."""

import functools
import re
import sys
from types import ModuleType

import pytest
from reproduce_factory import ToyRecipe, freeze_code, refuse_work, toy_work
from typer.testing import CliRunner

from handlib import cli
from handlib.errors import BadInputError, MissingFileError
from handlib.reproduce import experiment as module
from handlib.reproduce.closure import code_modules
from handlib.reproduce.experiment import Experiment, chapters, experiments_of
from handlib.reproduce.profiles import Profile
from handlib.reproduce.published import load_published
from handlib.reproduce.results import load_results
from handlib.reproduce.run_command import choose_runs

runner = CliRunner()


def interrupted_work(context):
    return toy_work(context, 5, interrupt)


def interrupt():
    raise KeyboardInterrupt


def broken_work(context):
    raise ZeroDivisionError("a bug")


def recipe(name: str, **fields: object) -> ToyRecipe:
    return ToyRecipe(name=name, **fields)


@pytest.fixture
def register(tmp_path, monkeypatch):
    """Register experiments for a chapter ``toy``; returns what does it."""
    monkeypatch.setenv("HANDLIB_RESULTS", str(tmp_path / "results"))
    monkeypatch.setenv("HANDLIB_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("HANDLIB_FORCE", raising=False)
    freeze_code(monkeypatch.setattr)
    chapter = ModuleType("handlib.experiments.toy")
    monkeypatch.setitem(sys.modules, chapter.__name__, chapter)
    monkeypatch.setattr(module, "_modules", lambda: ["toy"])
    return lambda *experiments: setattr(chapter, "EXPERIMENTS", experiments)


def call(*arguments: str, code: int = 0) -> str:
    done = runner.invoke(cli.app, ["run", *arguments])
    assert done.exit_code == code, done.output
    return done.output


def test_a_table_is_filled_column_by_column(register):
    one, two = (
        Experiment(recipe=recipe(name), work=toy_work, seeds=seeds) for name, seeds in (("a", (3, 5)), ("b", (7,)))
    )
    register(one, two)
    assert choose_runs("toy", Profile.FULL) == [(one, 3), (two, 7), (one, 5)]
    assert choose_runs("toy", Profile.LAPTOP) == [(one, 3), (two, 7)]
    assert choose_runs("toy", Profile.FULL, ["b"], [1, 2, 1]) == [(two, 1), (two, 2)]
    with pytest.raises(BadInputError, match="toy has no recipe c: choose of a, b"):
        choose_runs("toy", Profile.FULL, ["c"])


def test_runs_are_stored_once_and_listed(register, tmp_path):
    register(Experiment(recipe=recipe("a"), work=toy_work), Experiment(recipe=recipe("b"), work=toy_work))
    assert re.search(r"toy, profile laptop\n  a  seed 0  not stored\n  b  seed 0  not stored\n$", call("--list"))
    output = call("toy", "--recipe", "b")
    assert re.search(r"\[1/1\] b, laptop, seed 0: running\n(.*\n)*.*  done in \d+ s: loss \S+ 1, weights", output)
    assert [result.recipe for result in load_results(tmp_path / "results")] == ["b"]
    listing = call("toy", "--list")
    assert "a  seed 0  not stored" in listing and re.search(r"b  seed 0  stored \(20..-..-.., \d+ s, ", listing)
    assert "[2/2] b, laptop, seed 0: is stored\n2 of 2 runs are stored" in call("toy")


def test_full_runs_the_recipes_seeds(register, tmp_path):
    register(Experiment(recipe=recipe("a"), work=toy_work, seeds=(0, 4)))
    call("toy", "--profile", "full")
    assert [(result.profile, result.seed) for result in load_results(tmp_path / "results")] == [
        ("full", 0),
        ("full", 4),
    ]


def test_an_interrupted_batch_goes_on_where_it_was(register):
    register(*(Experiment(recipe=recipe(name), work=work) for name, work in (("a", toy_work), ("b", interrupted_work))))
    output = call("toy", code=130)
    assert "To go on: handlib" in output
    assert "b  seed 0  begun: goes on from its checkpoint" in call("toy", "--list")
    register(*(Experiment(recipe=recipe(name), work=work) for name, work in (("a", refuse_work), ("b", toy_work))))
    output = call("toy")
    assert "a, laptop, seed 0: is stored" in output
    assert Experiment(recipe=recipe("b"), work=refuse_work).run("laptop", 0).provenance.resumed == 1


def test_a_failure_does_not_stop_the_others_and_is_told_at_the_end(register):
    works = {"broken": broken_work, "line": toy_work}
    register(*(Experiment(recipe=recipe(name), work=work) for name, work in works.items()))
    output = call("toy", code=1)
    assert "1 of 2 runs are stored" in output and "[2/2] line, laptop, seed 0: running" in output
    assert "1 of 2 runs failed:\n  broken, laptop, seed 0: ZeroDivisionError: a bug" in output


def test_missing_data_is_said_in_the_list_and_does_not_stop_the_others(register, monkeypatch):
    def data_digest(self):
        if self.name == "photos":
            raise MissingFileError("HANDLIB_DATA is not set")
        return "generated"

    monkeypatch.setattr(ToyRecipe, "data_digest", data_digest)
    register(*(Experiment(recipe=recipe(name), work=toy_work) for name in ("photos", "line")))
    assert "photos  seed 0  not to be had here: HANDLIB_DATA is not set" in call("toy", "--list")
    output = call("toy", code=1)
    assert "1 of 2 runs are stored" in output and "photos, laptop, seed 0: MissingFileError: HANDLIB_DATA" in output


def test_a_full_disk_stops_the_batch(register):
    def work(context):
        raise AssertionError

    def fill(context):
        raise OSError(28, "No space left on device")

    fill.__qualname__ = work.__qualname__ = "work"
    register(Experiment(recipe=recipe("a"), work=fill), Experiment(recipe=recipe("b"), work=work))
    assert "the disk is full" in call("toy", code=1)


@pytest.mark.parametrize("change", ["recipe", "code", "data"])
def test_the_list_says_what_has_changed_since(register, monkeypatch, change):
    register(Experiment(recipe=recipe("a"), work=toy_work))
    call("toy")
    if change == "recipe":
        register(Experiment(recipe=recipe("a", rate=0.5), work=toy_work))
    elif change == "code":
        monkeypatch.setattr("handlib.reproduce.identity.code_digest", lambda modules: "edited")
    else:
        monkeypatch.setattr(ToyRecipe, "data_digest", lambda self: "other")
    assert f"a  seed 0  stored, but {change} changed since (" in call("toy", "--list")


def test_force_runs_what_is_stored(register):
    register(Experiment(recipe=recipe("a"), work=toy_work))
    call("toy")
    assert "[1/1] a, laptop, seed 0: running" in call("toy", "--force")


def test_what_is_not_there_is_named(register):
    register(Experiment(recipe=recipe("a"), work=toy_work))
    assert "'no' has no recipes to run: choose one of toy" in call("no", code=1)
    assert "name a chapter to run (toy), or ask for --list" in call(code=1)


def test_two_of_one_name_and_one_of_another_chapter_are_refused(register):
    twice = Experiment(recipe=recipe("a"), work=toy_work)
    register(twice, twice)
    with pytest.raises(BadInputError, match="two experiments are named 'a'"):
        experiments_of("toy")
    register(Experiment(recipe=recipe("a", chapter="other"), work=toy_work))
    with pytest.raises(BadInputError, match="a is of chapter 'other'; expected 'toy'"):
        experiments_of("toy")


@pytest.mark.parametrize("work", [functools.partial(toy_work, stop_at=3), lambda context: toy_work(context)])
def test_work_that_holds_what_no_key_knows_is_refused(work):
    with pytest.raises(BadInputError, match="expected a function defined in a module"):
        Experiment(recipe=recipe("a"), work=work)


def test_no_seeds_are_refused():
    with pytest.raises(BadInputError, match="no seeds"):
        Experiment(recipe=recipe("a"), work=toy_work, seeds=())


@pytest.mark.parametrize("chapter", chapters())
def test_every_chapters_experiments_are_well_formed_and_have_code_of_their_own(chapter):
    experiments = experiments_of(chapter)
    for experiment in experiments:
        assert code_modules(type(experiment.recipe), experiment.work), f"{experiment.recipe.name}: not code of handlib"
    rows = {row.recipe for table in load_published().values() if table.paper == chapter for row in table.rows}
    names = {experiment.recipe.name.partition("@")[0] for experiment in experiments}
    assert not rows - {None} or names & rows, f"{chapter}: no recipe bears the name of a row of its paper's tables"


def test_the_fitting_baseline_registers_its_table():
    assert "fitting_baseline" in chapters()
    names = [experiment.recipe.name for experiment in experiments_of("fitting_baseline")]
    assert names[0] == "target-mean-hand" and "photographs-fit" in names
