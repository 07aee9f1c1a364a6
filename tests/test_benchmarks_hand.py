"""The benchmark scripts of the hand layer and of the evaluation still run, and compare what they say they compare."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from handlib.hand.files import HandFile

FOLDER = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture(autouse=True)
def beside_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scripts import what they share from their own folder, as Python finds it for who runs them."""
    monkeypatch.syspath_prepend(FOLDER)


def script(name: str) -> ModuleType:
    """A benchmark script as a module, without running its ``main``."""
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_both_hand_layers_do_the_same_work(random_hand: HandFile, mano_npz: Path) -> None:
    benchmark = script("hand_layer")
    inputs = benchmark.make_inputs(3)
    ours, theirs = (layer(mano_npz)(inputs) for layer in (benchmark.handlib_layer, benchmark.smplx_layer))
    torch.testing.assert_close(ours[0], theirs[0], rtol=0, atol=1e-5)
    for outputs in (ours, theirs):
        grads = torch.autograd.grad(sum(x.square().sum() for x in outputs), list(inputs.values()))
        assert all(bool(g.any()) for g in grads)


def test_a_speed_up_is_their_time_over_ours(mano_npz: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    benchmark = script("hand_layer")
    seconds = {"handlib": 0.001, "smplx": 0.003}
    monkeypatch.setattr(benchmark, "handlib_layer", lambda path: lambda inputs: "handlib")
    monkeypatch.setattr(benchmark, "smplx_layer", lambda path: lambda inputs: "smplx")
    shared = sys.modules["alternating"]
    monkeypatch.setattr(shared, "time_once", lambda task: (seconds[task()] / 2, seconds[task()]))
    row = benchmark.compare(batch=2, repeats=3, path=mano_npz)
    assert row["handlib_ms"] == pytest.approx(1.0) and row["smplx_forward_ms"] == pytest.approx(1.5)
    assert row["speedup"] == pytest.approx(3.0)


def test_tasks_take_turns_and_warming_up_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    shared, turns, ticks = script("alternating"), [], iter(range(100))
    monkeypatch.setattr(shared, "time_once", lambda task: (task() or next(ticks) / 1e3, 1.0))
    found = shared.race({"a": lambda: turns.append("a"), "b": lambda: turns.append("b")}, repeats=3, warm_up=2)
    assert turns == ["a", "b"] * 5
    assert [found[name]["forward"] for name in "ab"] == pytest.approx([6.0, 7.0])


def test_forward_is_a_part_of_forward_and_backward() -> None:
    value = torch.ones(3, requires_grad=True)
    forward, both = script("alternating").time_once(lambda: (value, 2 * value))
    assert 0 < forward < both
    torch.testing.assert_close(value.grad, torch.full((3,), 10.0))


def test_the_evaluation_benchmark_scores_hands(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    benchmark = script("freihand_evaluation")
    pred_joints, true_joints, pred, true = benchmark.synthetic_set(4, noise_m=0.008)
    assert pred_joints.shape == true_joints.shape == (4, 21, 3) and pred.shape == true.shape == (4, 778, 3)
    assert 0.005 < np.linalg.norm(pred - true, axis=-1).mean() < 0.05
    monkeypatch.setattr(sys, "argv", ["freihand_evaluation.py", "--frames", "4"])
    benchmark.main()
    printed = capsys.readouterr().out
    assert "freihand(), all of it" in printed and "pa_mpvpe" in printed
