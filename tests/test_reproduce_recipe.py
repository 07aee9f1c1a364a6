"""Runs: stored, resumed to the same bits after any end, and safe on a full disk."""

import dataclasses
import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from reproduce_factory import ToyRecipe, freeze_code, refuse_work, toy_work

from handlib.errors import BadInputError, DiskFullError, MissingFileError
from handlib.reproduce.recipe import Recipe, run
from handlib.reproduce.results import Metric, Outcome, result_path
from handlib.reproduce.state import read_state, write_state

FACTORY = Path(__file__).with_name("reproduce_factory.py")


class StoppedError(Exception):
    """The toy's own way to die."""


@pytest.fixture(autouse=True)
def places(tmp_path, monkeypatch):
    monkeypatch.setenv("HANDLIB_RESULTS", str(tmp_path / "results"))
    monkeypatch.setenv("HANDLIB_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("HANDLIB_FORCE", raising=False)
    freeze_code(monkeypatch.setattr)
    return tmp_path


@pytest.fixture
def undisturbed(tmp_path, monkeypatch):
    """The toy's outcome when nothing happens to it."""
    with monkeypatch.context() as patch:
        patch.setenv("HANDLIB_CACHE", str(tmp_path / "other"))
        return run(ToyRecipe(), "smoke", 0, toy_work).outcome


def raise_stop():
    raise StoppedError


def test_result_is_stored_and_returned(places):
    first = run(ToyRecipe(), "laptop", 1, toy_work)
    assert result_path(places / "results", "toy", "toy-line", "laptop", 1).is_file()
    assert run(ToyRecipe(), "laptop", 1, refuse_work) == first
    assert first.provenance.samples_seen == 12 * 8
    assert first.provenance.device.startswith("CPU") or first.provenance.device
    assert first.provenance.versions["torch"] == torch.__version__
    assert not list((places / "cache").glob("checkpoints/**/*.safetensors"))


def test_same_seed_same_bits_other_seed_other_bits(undisturbed):
    assert run(ToyRecipe(), "smoke", 0, toy_work).outcome == undisturbed
    assert run(ToyRecipe(), "smoke", 1, toy_work).outcome != undisturbed


@pytest.mark.parametrize("change", ["field", "code", "data"])
def test_any_change_computes_again(monkeypatch, change):
    recipe = ToyRecipe()
    first = run(recipe, "smoke", 0, toy_work)
    if change == "field":
        recipe = dataclasses.replace(recipe, rate=0.1)
    elif change == "code":
        monkeypatch.setattr("handlib.reproduce.identity.code_digest", lambda modules: "edited")
    else:
        monkeypatch.setattr(ToyRecipe, "data_digest", lambda self: "other data")
    with pytest.raises(AssertionError, match="stored"):
        run(recipe, "smoke", 0, refuse_work)
    assert run(recipe, "smoke", 0, toy_work).key != first.key


def test_a_result_of_another_version_is_computed_again_and_a_damaged_one_is_an_error(places):
    path = result_path(places / "cache" / "results", "toy", "toy-line", "smoke", 0)
    first = run(ToyRecipe(), "smoke", 0, toy_work)
    path.write_text(path.read_text().replace('"schema": 2', '"schema": 1'))
    assert run(ToyRecipe(), "smoke", 0, toy_work).outcome == first.outcome
    assert '"schema": 2' in path.read_text()
    path.write_text("{")
    with pytest.raises(BadInputError, match="not a readable result"):
        run(ToyRecipe(), "smoke", 0, toy_work)


def test_force_computes_again(monkeypatch):
    run(ToyRecipe(), "smoke", 0, toy_work)
    monkeypatch.setenv("HANDLIB_FORCE", "1")
    with pytest.raises(AssertionError, match="stored"):
        run(ToyRecipe(), "smoke", 0, refuse_work)


def test_smoke_results_stay_out_of_the_store(places):
    run(ToyRecipe(), "smoke", 0, toy_work)
    assert not (places / "results").exists()


def test_random_numbers_behind_a_run_are_the_same_whether_it_was_stored():
    draws = []
    for _ in range(2):
        np.random.seed(5)
        torch.manual_seed(5)
        run(ToyRecipe(), "smoke", 0, toy_work)
        # Python's own generator is left out: under test, beartype draws from it whenever it checks a list.
        draws.append((np.random.rand(), torch.rand(1).item()))
    assert draws[0] == draws[1]


def test_resumes_after_an_exception_to_the_same_bits(undisturbed):
    with pytest.raises(StoppedError):
        run(ToyRecipe(), "smoke", 0, lambda context: toy_work(context, 5, raise_stop))
    resumed = run(ToyRecipe(), "smoke", 0, toy_work)
    assert resumed.outcome == undisturbed
    assert resumed.provenance.resumed == 1
    assert resumed.provenance.samples_seen == 12 * 8


def test_checkpoints_of_another_key_are_not_taken(undisturbed, monkeypatch):
    with pytest.raises(StoppedError):
        run(ToyRecipe(rate=0.5), "smoke", 0, lambda context: toy_work(context, 5, raise_stop))
    resumed = run(ToyRecipe(), "smoke", 0, toy_work)
    assert resumed.outcome == undisturbed and resumed.provenance.resumed == 0


def test_damaged_checkpoint_gives_way_to_the_one_before(undisturbed, places):
    with pytest.raises(StoppedError):
        run(ToyRecipe(), "smoke", 0, lambda context: toy_work(context, 5, raise_stop))
    files = sorted((places / "cache").glob("checkpoints/**/*.safetensors"))
    assert [path.stem for path in files] == ["00000004", "00000005"]
    files[-1].write_bytes(files[-1].read_bytes()[:100])
    with pytest.warns(UserWarning, match="00000005.safetensors: damaged"):
        resumed = run(ToyRecipe(), "smoke", 0, toy_work)
    assert resumed.outcome == undisturbed


def start_toy(mode, cache):
    environment = os.environ | {"HANDLIB_CACHE": str(cache), "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run([sys.executable, str(FACTORY), mode], env=environment, capture_output=True, text=True)


def test_killed_and_interrupted_run_resumes_to_the_same_bits(undisturbed, places):
    # The subprocess calls the class __main__.ToyRecipe; its qualified name, and so the key, is the same.
    killed = start_toy("SIGKILL@4", places / "cache")
    assert killed.returncode == -9, killed.stderr
    interrupted = start_toy("SIGINT@8", places / "cache")
    assert "KeyboardInterrupt" in interrupted.stderr
    files = [path for path in (places / "cache").rglob("*") if path.is_file() and path.name != ".gitignore"]
    names = [path.name for path in files if "locks" not in path.parts]
    assert sorted(names) == ["00000007.safetensors", "00000008.safetensors"]
    resumed = run(ToyRecipe(), "smoke", 0, toy_work)
    assert resumed.provenance.resumed == 2
    assert resumed.outcome == undisturbed


@pytest.mark.parametrize("victim", ["00000006.safetensors", "smoke-seed0.json"])
def test_full_disk_leaves_the_store_whole_and_the_run_resumable(undisturbed, places, monkeypatch, victim):
    from handlib import files

    sync, seen = os.fsync, []

    def fill_at_victim(descriptor):
        path = os.readlink(f"/proc/self/fd/{descriptor}") if sys.platform == "linux" else victim
        if victim in path and path.endswith(".tmp"):
            seen.append(path)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        sync(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(files.os, "fsync", fill_at_victim)
        with pytest.raises(DiskFullError, match=f"{victim}: the disk is full.*run the same command again"):
            run(ToyRecipe(), "smoke", 0, toy_work)
    assert seen and not list(places.rglob("*.tmp"))
    resumed = run(ToyRecipe(), "smoke", 0, toy_work)
    assert resumed.outcome == undisturbed and resumed.provenance.resumed == 1


def test_full_disk_for_real(undisturbed, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
    script = f"mount -t tmpfs -o size=256k none {disk}"
    if shutil.which("unshare") is None or subprocess.run([*mount, script], capture_output=True).returncode:
        pytest.skip("this system lets nobody mount a small disk")
    environment = os.environ | {"HANDLIB_CACHE": str(disk), "PYTHONPATH": os.pathsep.join(sys.path)}
    script += f" && exec {sys.executable} {FACTORY} full-disk"
    done = subprocess.run([*mount, script], env=environment, capture_output=True, text=True)
    error, result = done.stdout.splitlines()
    assert "00000007.safetensors: the disk is full" in error, done.stderr
    assert json.loads(result) == undisturbed.metrics["loss"].value


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_number_that_is_none_is_refused(value):
    with pytest.raises(BadInputError, match="smoke-seed0.json: loss.*not_obtained"):
        run(ToyRecipe(), "smoke", 0, lambda context: Outcome({"loss": Metric(value, "1")}))


def test_not_obtained_is_a_result():
    run(ToyRecipe(), "smoke", 0, lambda context: Outcome(not_obtained="diverged at step 3"))
    assert run(ToyRecipe(), "smoke", 0, refuse_work).outcome.not_obtained == "diverged at step 3"


def test_recipe_with_a_field_that_is_no_value_is_refused():
    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Odd(Recipe):
        thing: object = dataclasses.field(default_factory=object)

    with pytest.raises(BadInputError, match="recipe odd: a field"):
        run(Odd(chapter="toy", name="odd", dataset="none"), "smoke", 0, toy_work)


def test_progress_names_recipe_and_seed(capsys):
    def work(context):
        assert list(context.progress(range(3), what="evaluation")) == [0, 1, 2]
        return Outcome(not_obtained="a test")

    run(ToyRecipe(), "smoke", 7, work)
    assert "toy-line, seed 7, evaluation: 100%" in capsys.readouterr().err


leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(max_size=8),
    st.sampled_from(["$tensor", "$items"]),
)
keys = st.one_of(st.text(max_size=4), st.integers(0, 9), st.sampled_from(["$tensor", "$tuple"]))
trees = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.tuples(inner, inner), st.dictionaries(keys, inner, max_size=3)
    ),
    max_leaves=12,
)


@settings(max_examples=60, deadline=None)
@given(tree=trees)
def test_state_comes_back_as_it_was(tmp_path_factory, tree):
    path = tmp_path_factory.getbasetemp() / "tree.safetensors"
    write_state(path, {"tree": tree})
    assert read_state(path) == {"tree": tree}


def test_tensors_come_back_bit_for_bit(tmp_path):
    weight = torch.randn(3, 2)
    state = {
        "tied": [weight, weight],
        "view": weight.t(),
        "half": weight.bfloat16(),
        "double": weight.double(),
        "flag": torch.tensor(True),
        "nan": torch.tensor([float("nan")]),
        "array": np.arange(4, dtype=np.uint32),
        "scalar": np.float64(0.1),
    }
    write_state(tmp_path / "s.safetensors", state)
    read = read_state(tmp_path / "s.safetensors")
    assert all(torch.equal(tensor, weight) for tensor in read["tied"])
    assert torch.equal(read["view"], weight.t())
    assert read["half"].dtype == torch.bfloat16 and torch.equal(read["half"], weight.bfloat16())
    assert torch.equal(read["double"], weight.double()) and read["flag"].item() is True
    assert torch.isnan(read["nan"]).all()
    assert read["array"].dtype == np.uint32 and (read["array"] == state["array"]).all()
    assert read["scalar"] == 0.1


def test_state_refuses_what_would_need_pickle(tmp_path):
    with pytest.raises(BadInputError, match=r"state.model.layers\[1\] is a Linear.*state_dict"):
        write_state(tmp_path / "s", {"model": {"layers": [1, torch.nn.Linear(1, 1)]}})
    assert not (tmp_path / "s").exists()


def test_missing_and_foreign_state_files(tmp_path):
    with pytest.raises(MissingFileError, match="no such checkpoint"):
        read_state(tmp_path / "none")
    (tmp_path / "junk").write_bytes(b"\x80\x04junk")
    with pytest.raises(BadInputError, match="junk: damaged"):
        read_state(tmp_path / "junk")
