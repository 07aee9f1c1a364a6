"""The loop: it learns, counts, and goes on after a kill or Ctrl-C to the very same bits."""

import os
import signal
from dataclasses import dataclass

import pytest
import torch
from torch import nn

from handlib.errors import BadInputError
from handlib.reproduce.recipe import Recipe, RunContext, run
from handlib.reproduce.results import Metric, Outcome
from handlib.training.loop import StepOutput, TrainSettings, fit_network
from handlib.training.schedule import learning_rate_factor

SETTINGS = TrainSettings(12, learning_rate=0.05, checkpoint_seconds=0.0)


@dataclass(frozen=True, kw_only=True)
class Toy(Recipe):
    """A line to be learnt."""

    chapter: str = "toy"
    name: str = "line"
    dataset: str = "four points"


@dataclass(frozen=True)
class Points:
    """A batch of the toy."""

    x: torch.Tensor

    def __len__(self) -> int:
        return len(self.x)

    def to(self, device: object) -> "Points":
        return Points(self.x.to(device))


def draw(step: int, rank: int, ranks: int) -> Points:
    return Points(torch.randn(4, 3, generator=torch.Generator().manual_seed(step)))


def objective(network: nn.Module, batch: Points, step: int) -> StepOutput:
    # Dropout draws from the global generator, whose state must be in the checkpoint.
    error = (network(batch.x)[:, 0] - batch.x.sum(1)).square().mean()
    return StepOutput(error, {"error": error})


@pytest.fixture
def train(tmp_path, monkeypatch):
    """A function that trains the toy in a store of its own and gives the network and the log."""
    monkeypatch.setenv("HANDLIB_RESULTS", str(tmp_path / "results"))
    monkeypatch.setenv("HANDLIB_CACHE", str(tmp_path / "cache"))

    def train(name: str = "line", settings: TrainSettings = SETTINGS, stop=lambda step: None, watch=None):
        kept = {}

        def work(context: RunContext) -> Outcome:
            network = nn.Sequential(nn.Linear(3, 8), nn.Dropout(0.3), nn.BatchNorm1d(8), nn.Linear(8, 1))

            def draw_or_stop(step: int, rank: int, ranks: int) -> Points:
                stop(step)
                return draw(step, rank, ranks)

            kept["log"] = fit_network(context, network, objective, draw_or_stop, settings, watch)
            kept["network"], kept["context"] = network, context
            return Outcome({"loss": Metric(kept["log"].terms["loss"][-1], "1")})

        kept["result"] = run(Toy(name=name), "laptop", 0, work, device="cpu")
        return kept

    return train


def stop_once_at(step: int, how):
    """A function that stops the training when the step is drawn for the first time."""
    asked = []

    def stop(now: int) -> None:
        if now == step and not asked:
            asked.append(now)
            how()

    return stop


def assert_same_bits(first: dict, second: dict) -> None:
    for name, value in first["network"].state_dict().items():
        assert torch.equal(value, second["network"].state_dict()[name]), name
    assert first["log"].terms == second["log"].terms and first["log"].steps == second["log"].steps


def test_it_learns_and_counts(train):
    done = train(settings=TrainSettings(200, learning_rate=0.03, log_points=10))
    losses = done["log"].terms["loss"]
    assert losses[-1] < 0.8 * losses[0] and len(losses) == 10 and done["log"].steps[-1] == 200
    assert done["result"].provenance.samples_seen == done["log"].samples == 800
    assert done["log"].images_per_second > 0 and not done["network"].training


def test_a_killed_training_ends_in_the_same_bits(train):
    def die() -> None:
        raise RuntimeError("killed")

    stop = stop_once_at(7, die)
    with pytest.raises(RuntimeError, match="killed"):
        train("killed", stop=stop)
    resumed = train("killed", stop=stop)
    assert resumed["result"].provenance.resumed == 1 and resumed["result"].provenance.samples_seen == 48
    assert_same_bits(train("whole"), resumed)


def test_ctrl_c_finishes_the_step_and_leaves_a_checkpoint(train):
    stop = stop_once_at(4, lambda: os.kill(os.getpid(), signal.SIGINT))
    rare = TrainSettings(12, learning_rate=0.05, checkpoint_seconds=1000.0)
    with pytest.raises(KeyboardInterrupt, match="step 5"):
        train("stopped", rare, stop=stop)
    seen = []
    resumed = train("stopped", rare, stop=seen.append)
    assert seen[0] == 5
    assert_same_bits(train("not-stopped", rare), resumed)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_mixed_precision_trains_too(train):
    done = train("bf16", TrainSettings(3, precision="bf16-mixed"))
    assert all(torch.isfinite(value).all() for value in done["network"].state_dict().values())


def test_frozen_weights_stay(tmp_path, monkeypatch):
    monkeypatch.setenv("HANDLIB_RESULTS", str(tmp_path))
    monkeypatch.setenv("HANDLIB_CACHE", str(tmp_path / "cache"))
    network = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 1))
    network[0].requires_grad_(False)
    before = network[0].weight.clone(), network[1].weight.clone()

    def work(context: RunContext) -> Outcome:
        fit_network(context, network, objective, draw, TrainSettings(3))
        return Outcome({"done": Metric(1.0, "1")})

    run(Toy(), "laptop", 0, work, device="cpu")
    assert torch.equal(before[0], network[0].weight) and not torch.equal(before[1], network[1].weight)


@pytest.mark.parametrize("wrong", [{"optimiser": "magic"}, {"schedule": "magic"}])
def test_unknown_names_fail_before_the_first_step(train, wrong):
    with pytest.raises(BadInputError, match="magic"):
        train(settings=TrainSettings(3, **wrong), stop=lambda step: pytest.fail("a batch was drawn"))


def test_schedules_are_the_papers():
    halves = [learning_rate_factor("halves", step, 90) for step in (0, 29, 30, 59, 60, 89)]
    thirds = [learning_rate_factor("thirds", step, 60) for step in (0, 20, 40)]
    assert halves == [1, 1, 0.5, 0.5, 0.25, 0.25] and thirds == pytest.approx([1, 1 / 3, 1 / 9])
    cosine = [learning_rate_factor("cosine", step, 1000) for step in range(0, 1000, 10)]
    assert cosine[0] < 0.05 and max(cosine) > 0.99 and cosine[-1] < 0.01
