"""What a run leaves behind, and one process at a time."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from reproduce_factory import ToyRecipe, freeze_code, toy_work

from handlib.errors import BadInputError, MissingFileError
from handlib.reproduce import locks
from handlib.reproduce.artifacts import ArtifactFolder, find_artifact
from handlib.reproduce.recipe import run
from handlib.reproduce.results import Metric, Outcome
from handlib.reproduce.state import read_state, write_state

FACTORY = Path(__file__).with_name("reproduce_factory.py")
WEIGHTS = "network.safetensors"
RUN = ("toy", "toy-line", "smoke", 0)


@pytest.fixture(autouse=True)
def places(tmp_path, monkeypatch):
    monkeypatch.setenv("HANDLIB_RESULTS", str(tmp_path / "results"))
    monkeypatch.setenv("HANDLIB_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("HANDLIB_FORCE", raising=False)
    freeze_code(monkeypatch.setattr)
    return tmp_path


def leave_weights(context):
    write_state(context.artifact_path(WEIGHTS), {"weight": torch.full((2,), context.recipe.rate)})
    return Outcome({"loss": Metric(1.0, "1")})


def test_weights_are_found_again_when_the_run_has_ended(places):
    run(ToyRecipe(), "smoke", 0, leave_weights)
    path = find_artifact(*RUN, WEIGHTS)
    assert path == places / "cache" / "artifacts" / "toy" / "toy-line" / "smoke-seed0" / WEIGHTS
    assert torch.equal(read_state(path)["weight"], torch.full((2,), 0.05))


def test_what_was_never_left_names_the_command_that_leaves_it():
    with pytest.raises(MissingFileError, match="not done; run: handlib run toy --recipe toy-line .* --seed 0$"):
        find_artifact(*RUN, WEIGHTS)
    run(ToyRecipe(), "smoke", 0, toy_work)
    with pytest.raises(MissingFileError, match=f"{WEIGHTS}: not there.*handlib run toy .* --seed 0 --force$"):
        find_artifact(*RUN, WEIGHTS)


def test_weights_of_another_recipe_are_not_taken_for_those_of_the_stored_result():
    run(ToyRecipe(), "smoke", 0, leave_weights)
    with pytest.raises(ZeroDivisionError):
        run(ToyRecipe(rate=0.5), "smoke", 0, lambda context: leave_weights(context) and 1 / 0)
    with pytest.raises(MissingFileError, match="not there"):
        find_artifact(*RUN, WEIGHTS)
    run(ToyRecipe(rate=0.5), "smoke", 0, leave_weights)
    assert read_state(find_artifact(*RUN, WEIGHTS))["weight"].tolist() == [0.5, 0.5]


def use_weights(context):
    path = context.left_by(ToyRecipe(), leave_weights, WEIGHTS)
    return Outcome({"weight": Metric(read_state(path)["weight"][0].item(), "1")})


def test_a_run_that_needs_anothers_weights_does_that_one_first_and_once(places, monkeypatch):
    second = ToyRecipe(name="second")
    assert run(second, "smoke", 3, use_weights).outcome.metrics["weight"].value == pytest.approx(0.05)
    made = find_artifact("toy", "toy-line", "smoke", 3, WEIGHTS)
    first = made.stat().st_mtime_ns
    monkeypatch.setenv("HANDLIB_FORCE", "1")
    run(second, "smoke", 3, use_weights)
    assert made.stat().st_mtime_ns == first
    made.unlink()  # as in a checkout with results from another machine
    run(second, "smoke", 3, use_weights)
    assert made.is_file()


def test_weights_that_the_other_run_does_not_leave_are_named():
    with pytest.raises(MissingFileError, match="other.safetensors: not there.*leaves no such file"):
        run(ToyRecipe(name="second"), "smoke", 0, lambda context: use_other(context))


def use_other(context):
    return context.left_by(ToyRecipe(), leave_weights, "other.safetensors")


def test_a_run_of_another_key_clears_what_the_last_one_left(tmp_path):
    for key, name in (("a", "one"), ("a", "two"), ("b", "three")):
        ArtifactFolder(tmp_path / "x", key).path(name).write_text(name)
    assert sorted(path.name for path in (tmp_path / "x").iterdir()) == ["key.txt", "three"]
    assert ArtifactFolder(tmp_path / "x", "a").find("three") is None


@pytest.mark.parametrize("name", ["../weights", "a/b", "", ".hidden", "key.txt"])
def test_names_stay_inside_the_folder(tmp_path, name):
    with pytest.raises(BadInputError, match="expected a plain file name"):
        ArtifactFolder(tmp_path, "k").path(name)


@pytest.mark.skipif(locks.fcntl is None, reason="this system has no advisory locks")
def test_a_second_process_waits_and_takes_the_firsts_result(places):
    started, go_on = places / "started", places / "go-on"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    first = subprocess.Popen([sys.executable, str(FACTORY), "hold", str(started), str(go_on)], env=environment)
    try:
        wait_for(started.exists, first)
        second = subprocess.Popen(
            [sys.executable, str(FACTORY), "refuse"], env=environment, stderr=subprocess.PIPE, text=True
        )
        line = second.stderr.readline()
        assert line.startswith("toy-line, seed 0: another process is at it; waiting")
        assert second.poll() is None
        go_on.touch()
        assert first.wait(60) == 0
        rest = second.communicate(timeout=60)[1]
        assert second.returncode == 0, rest
    finally:
        first.kill()


def wait_for(condition, process):
    """Until a file is there; a test must not wait for a process that is dead."""
    for _ in range(600):
        if condition():
            return
        assert process.poll() is None
        time.sleep(0.1)
    raise AssertionError("the first process did not start its work within a minute")


@pytest.mark.skipif(locks.fcntl is None, reason="this system has no advisory locks")
def test_a_lock_is_free_again_when_its_holder_is_done_or_dead(tmp_path):
    path = tmp_path / "folder" / "lock"
    with locks.locked(path, "a test") as has_waited:
        assert not has_waited and path.stat().st_size == 0
    code = "import os, pathlib, sys; from handlib.reproduce.locks import locked\n"
    code += "with locked(pathlib.Path(sys.argv[1]), 'a test'): os._exit(3)"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    assert subprocess.run([sys.executable, "-c", code, str(path)], env=environment).returncode == 3
    with locks.locked(path, "a test") as has_waited:
        assert not has_waited


@pytest.mark.parametrize("missing", ["module", "support"])
def test_where_nothing_can_be_locked_the_run_goes_on(monkeypatch, missing):
    class Unsupported:
        LOCK_EX = LOCK_NB = 0

        def flock(self, descriptor, mode):
            raise OSError(37, "No locks available")

    monkeypatch.setattr(locks, "fcntl", None if missing == "module" else Unsupported())
    assert run(ToyRecipe(), "smoke", 0, leave_weights).outcome.metrics["loss"].value == 1
