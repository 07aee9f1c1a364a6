"""Two processes that share each batch end in the network of one: the launcher's business, not the recipe's."""

import os
import subprocess
import sys

import pytest

SCRIPT = """
import os
from dataclasses import dataclass
import torch
from torch import nn
from handlib.reproduce.recipe import Recipe, run
from handlib.reproduce.results import Metric, Outcome
from handlib.training.loop import StepOutput, TrainSettings, fit_network

@dataclass(frozen=True)
class Points:
    x: torch.Tensor
    def __len__(self): return len(self.x)
    def to(self, device): return self

def draw(step, rank, ranks):
    return Points(torch.randn(8, 3, generator=torch.Generator().manual_seed(step))[rank::ranks])

def objective(network, batch, step):
    return StepOutput((network(batch.x)[:, 0] - batch.x.sum(1)).square().mean(), {})

def work(context):
    network = nn.Linear(3, 1)
    log = fit_network(context, network, objective, draw, TrainSettings(10, learning_rate=0.05))
    return Outcome({"weight": Metric(float(network.weight.detach().sum()), "1"), "samples": Metric(log.samples, "1")})

if __name__ == "__main__":
    found = run(Recipe(chapter="toy", name="line", dataset="points"), "laptop", 0, work, device="cpu").outcome.metrics
    if os.environ.get("RANK", "0") == "0":
        print("FOUND", found["weight"].value, found["samples"].value)
"""


@pytest.mark.slow
def test_two_processes_train_what_one_does(tmp_path):
    script = tmp_path / "toy.py"
    script.write_text(SCRIPT)
    launcher = ["-m", "lightning_fabric.cli", "--accelerator", "cpu", "--devices", "2", "--strategy", "ddp"]
    found = []
    for number, launched in enumerate(([], launcher)):
        places = {name: str(tmp_path / f"{name}{number}") for name in ("HANDLIB_RESULTS", "HANDLIB_CACHE")}
        environment = {**os.environ, **places, "OMP_NUM_THREADS": "1"}
        command = [sys.executable, *launched, str(script)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
        lines = [line.split() for line in done.stdout.splitlines() if line.startswith("FOUND")]
        assert len(lines) == 1, done.stderr[-2000:]
        found.append([float(number) for number in lines[0][1:]])
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-5) and found[0][1] == found[1][1] == 80
