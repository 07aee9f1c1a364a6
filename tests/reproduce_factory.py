"""Tiny notebooks and runs that the tests of handlib.reproduce are made of."""

import json
import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from handlib.reproduce import identity
from handlib.reproduce.recipe import Recipe, RunContext, run
from handlib.reproduce.results import Curve, Metric, Outcome, Provenance, Result

PARAMETERS = 'profile = "laptop"\nseed = 0\nrate: float = 0.5\nname = "a"\n'


def notebook_content(*cells: str, parameters: str | None = PARAMETERS) -> dict:
    """A notebook of code cells, with its parameter cell first."""
    sources = [cell for cell in (parameters, *cells) if cell is not None]
    return {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {},
        "cells": [
            {
                "cell_type": "code",
                "id": f"cell-{index}",
                "source": source,
                "metadata": {"tags": ["parameters"]} if source is parameters else {},
                "outputs": [],
                "execution_count": None,
            }
            for index, source in enumerate(sources)
        ],
    }


def write_notebook(path: Path, *cells: str, parameters: str | None = PARAMETERS) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(notebook_content(*cells, parameters=parameters)))
    return path


@dataclass(frozen=True, kw_only=True)
class ToyRecipe(Recipe):
    """A linear regression with noise from every global generator."""

    chapter: str = "toy"
    name: str = "toy-line"
    dataset: str = "made-up lines"
    steps: int = 12
    rate: float = 0.05


def toy_work(context: RunContext, stop_at: int | None = None, stop: object = None) -> Outcome:
    """Fit the line, with a checkpoint at every step; call ``stop`` after step ``stop_at``."""
    recipe = context.recipe
    model = torch.nn.Linear(3, 1)
    optimizer = torch.optim.Adam(model.parameters(), lr=recipe.rate)
    step, losses = 0, []
    if state := context.load_checkpoint():
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        step, losses = state["step"], state["losses"]
    while step < recipe.steps:
        inputs = torch.randn(8, 3)
        loss = ((model(inputs) - inputs.sum(1, keepdim=True) - np.random.rand()) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        step, losses = step + 1, [*losses, loss.item()]
        context.samples_seen += 8
        context.save_checkpoint(
            {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": step, "losses": losses}
        )
        if step == stop_at:
            stop()
    weights = model.weight.detach().double().sum().item()
    return Outcome(
        {"loss": Metric(losses[-1], "1"), "weights": Metric(weights, "1")},
        {"training": Curve(tuple(range(len(losses))), tuple(losses), "step", "loss")},
    )


def make_result(recipe: str = "s2hand-full", seed: int = 0, profile: str = "laptop", **more: object) -> Result:
    """A stored run with made-up numbers; ``metrics`` maps names to ``Metric``."""
    metrics = more.pop("metrics", {"mpjpe": Metric(11.8, "mm", "procrustes")})
    not_obtained = more.pop("not_obtained", None)
    code = more.pop("code", "0" * 64)
    provenance = Provenance(
        finished="2026-11-20T00:00:00+00:00",
        device="CPU: abacus, 2 cores",
        seconds=90.0,
        samples_seen=4000,
        resumed=0,
        code_modules=("handlib.skeleton",),
        code_digest=code,
        data_digest="generated",
        versions={"python": "3.11"},
    )
    fields = {"chapter": "s2hand", "key": "k", "dataset": "open benchmark", "columns": {}, "parameters": {}} | more
    return Result(
        recipe=recipe,
        seed=seed,
        profile=profile,
        outcome=Outcome(metrics, {}, not_obtained),
        provenance=provenance,
        **fields,
    )


def freeze_code(set_attribute) -> None:
    """Let no edit of the library in the middle of a test change the keys of its runs."""
    set_attribute("handlib.reproduce.identity.code_digest", lambda modules: "frozen")


def hold_run(started: Path, go_on: Path) -> None:
    """Run the toy, and be at it until ``go_on`` is there."""

    def wait() -> None:
        started.touch()
        while not go_on.exists():
            time.sleep(0.05)

    run(ToyRecipe(), "smoke", 0, lambda context: toy_work(context, 3, wait))


def refuse_work(context: RunContext) -> Outcome:
    raise AssertionError("the run was stored")


def main(mode: str, *paths: str) -> None:
    """Run the toy in this process: killed, held or refused, or on a disk that fills up in the middle."""
    identity.code_digest = lambda modules: "frozen"
    if mode == "full-disk":
        disk = Path(os.environ["HANDLIB_CACHE"])
        filler = disk / "filler"

        def fill() -> None:
            with filler.open("wb", buffering=0) as file:
                try:
                    while True:
                        file.write(b"\0" * 1024)
                except OSError:
                    pass

        try:
            run(ToyRecipe(), "smoke", 0, lambda context: toy_work(context, 6, fill))
        except OSError as error:
            print(f"error: {error}")
        filler.unlink()
        print(json.dumps(run(ToyRecipe(), "smoke", 0, toy_work).outcome.metrics["loss"].value))
    elif mode == "hold":
        hold_run(*map(Path, paths))
    elif mode == "refuse":
        run(ToyRecipe(), "smoke", 0, refuse_work)
    else:
        number, _, step = mode.partition("@")
        stop = getattr(signal, number)
        run(ToyRecipe(), "smoke", 0, lambda context: toy_work(context, int(step), lambda: os.kill(os.getpid(), stop)))


if __name__ == "__main__":
    main(*sys.argv[1:])
