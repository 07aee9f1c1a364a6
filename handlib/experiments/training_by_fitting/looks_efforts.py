"""How far the fitting got, by steps and by their size: beside where it began, and beside training without any frame."""

import copy
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from handlib.errors import MissingFileError
from handlib.experiments.stored import by_seed, mean_of
from handlib.experiments.training_by_fitting import (
    FULL_SEEDS,
    LONGER,
    LONGEST,
    MULTI_VIEW,
    SYNTHETIC_NOISE,
    THOROUGH,
    WITHOUT_FRAMES,
)
from handlib.experiments.training_by_fitting.batches import DepthTrainingBatch
from handlib.experiments.training_by_fitting.looks import trained_network
from handlib.experiments.training_by_fitting.objective import FittingObjective
from handlib.experiments.training_by_fitting.recipes import FittingRecipe
from handlib.experiments.training_by_fitting.supervision import AllStacks
from handlib.models.depth_hourglass import DepthEstimator
from handlib.reproduce.results import Result
from handlib.viz.figures import curve_figure
from handlib.viz.theme import COLOURS, INK

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

TRAININGS: dict[str, FittingRecipe] = {
    "two rounds": MULTI_VIEW,
    "six times": LONGER,
    "24 times": LONGEST,
    "24 times, larger steps": THOROUGH,
}
"""The fitting with three views, by how far it was taken; all begin with the same synthetic network."""

ASKED_PERCENT = 35.0
"""By how much the mean joint error was to fall; the paper's falls by 44 %, from 22.65 to 12.62 mm."""


def steps_of(recipe: FittingRecipe) -> int:
    """Gradient steps of a row's fitting."""
    return getattr(recipe, "longer", 1) * recipe.effort.fitting_steps


def rate_of(recipe: FittingRecipe) -> float:
    """Learning rate of a row's fitting at its highest."""
    return getattr(recipe, "rate", recipe.effort.fitting_rate)


@dataclass(frozen=True)
class Fall:
    """One run of one of :data:`TRAININGS`, beside the network that it began with.

    Attributes:
        training: its label.
        seed: of it, of its beginning and of its control.
        error_mm, tips_mm: mean error of all joints and of the tips.
        begin_mm: the synthetic network's.
        control_mm: what as many and as large steps come to from the same beginning if no frame is seen; None where
            that was not run.
    """

    training: str
    seed: int
    error_mm: float
    tips_mm: float
    begin_mm: float
    control_mm: float | None = None

    @property
    def percent(self) -> float:
        """Fall of the error from the beginning."""
        return 100 * (1 - self.error_mm / self.begin_mm)

    @property
    def percent_of_control(self) -> float | None:
        """Fall of the error below the control's."""
        return None if self.control_mm is None else 100 * (1 - self.error_mm / self.control_mm)

    @property
    def percent_without_frames(self) -> float | None:
        """Fall of the control's error from the beginning: what longer training alone brings."""
        return None if self.control_mm is None else 100 * (1 - self.control_mm / self.begin_mm)


def falls(runs: Iterable[Result]) -> list[Fall]:
    """All stored runs of :data:`TRAININGS` whose beginning is stored, in their order and by seed."""
    runs = list(runs)
    begin, control = (by_seed(runs, recipe.name, "mean_error") for recipe in (SYNTHETIC_NOISE, WITHOUT_FRAMES))
    found = []
    for label, recipe in TRAININGS.items():
        error, tips = (by_seed(runs, recipe.name, metric) for metric in ("mean_error", "tips_error"))
        beside = control if _as_far(recipe, WITHOUT_FRAMES) else {}
        found += [Fall(label, s, error[s], tips[s], begin[s], beside.get(s)) for s in error if s in begin]
    return found


def verdict(found: Iterable[Fall], asked_percent: float = ASKED_PERCENT) -> str:
    """The mean fall of the seeds of one training in words, and whether it is what was asked for, on three seeds."""
    found = list(found)
    if not found:
        return "not run"
    fall = float(np.mean([one.percent for one in found]))
    by_seeds = ", ".join(f"{one.percent:.1f}" for one in found)
    seeds = f"seed{'s' if len(found) > 1 else ''} {', '.join(str(one.seed) for one in found)}"
    reached, asked = fall >= asked_percent, f"{asked_percent:g} %"
    if len(found) >= len(FULL_SEEDS):
        words = f"{asked} obtained" if reached else f"{asked} not obtained"
    else:
        words = f"{'above' if reached else 'below'} {asked}, with {len(found)} of {len(FULL_SEEDS)} seeds"
    return f"falls by {fall:.1f} % ({seeds}: {by_seeds}); {words}"


def effort_figure(runs: Iterable[Result]) -> "Figure":
    """Mean joint error over the steps of the fitting, a dot a seed: small steps, larger ones, and without any frame.

    Level lines: where fitting begins, what was asked for, and where tracking ends that begins at the labels.
    """
    runs = list(runs)
    kinds: dict[str, list[FittingRecipe]] = {}
    for recipe in TRAININGS.values():
        kinds.setdefault(f"fitted, rate {rate_of(recipe):g}", []).append(recipe)
    kinds[f"no frame seen, rate {rate_of(WITHOUT_FRAMES):g}"] = [WITHOUT_FRAMES]
    figure = curve_figure({}, x_label="steps", y_label="mean joint error [mm]", height=500)
    for (name, recipes), colour, symbol in zip(kinds.items(), COLOURS, ("circle", "diamond", "x"), strict=False):
        x, y, hover = _lines_by_seed(runs, recipes)
        if x:
            look = {"line": {"color": colour, "width": 1.5}, "marker": {"symbol": symbol, "size": 10, "color": colour}}
            figure.add_scatter(x=x, y=y, text=hover, hoverinfo="text+x+y", mode="lines+markers", name=name, **look)
    ends = [0.8 * steps_of(MULTI_VIEW), 1.25 * max(map(steps_of, TRAININGS.values()))]
    begin = mean_of(runs, SYNTHETIC_NOISE.name, "mean_error")
    levels = {
        "where fitting begins": (begin, "dot"),
        f"{ASKED_PERCENT:g} % less": (begin and begin * (1 - ASKED_PERCENT / 100), "dash"),
        "tracking that begins at the labels": (mean_of(runs, "fitting-tracking-from-truth", "mean_error"), "dashdot"),
    }
    for name, (level, dash) in levels.items():
        if level is not None:
            figure.add_scatter(x=ends, y=[level] * 2, mode="lines", name=name, line={"color": INK, "dash": dash})
    marks = sorted({steps_of(recipe) for recipe in TRAININGS.values()})
    return _over_steps(figure).update_xaxes(tickvals=marks, ticktext=[f"{steps:,}" for steps in marks])


def energy_figure(runs: Iterable[Result], seed: int = 0) -> "Figure":
    """Eq. 4 of the frames over the steps, one line a training: what the fitting makes small, with its weights."""
    runs, curves = list(runs), {}
    for label, recipe in TRAININGS.items():
        for run in runs:
            if (run.recipe, run.seed) == (recipe.name, seed) and "training_fitting" in run.outcome.curves:
                logged = run.outcome.curves["training_fitting"]
                curves[f"{label} (rate {rate_of(recipe):g})"] = (logged.x, logged.y)
    return _over_steps(curve_figure(curves, x_label="steps", y_label="energy of the frames", height=460))


def best_network(profile: str, seed: int = 0) -> tuple[DepthEstimator, str]:
    """The network of the longest full training that has left its weights on this machine, and in words which that is.

    Without any, that of the two rounds at the size of ``profile``.

    Raises:
        MissingFileError: not even that is here.
    """
    for label in ("24 times, larger steps", "24 times", "six times"):
        try:
            network, found = trained_network(TRAININGS[label], "full", seed)
        except MissingFileError:
            continue
        return network, f"{label}, profile {found}, seed {seed}"
    network, found = trained_network(MULTI_VIEW, profile, seed)
    return network, f"two rounds, profile {found}, seed {seed}"


def walk(
    network: DepthEstimator,
    batch: DepthTrainingBatch,
    objective: FittingObjective,
    *,
    rate: float,
    times: float = 1.0,
    longest: float = 1.0,
    steps: int = 3,
) -> tuple[float, float]:
    """Some steps of Adam on one batch, as the trainings take them; the network itself stays where it is.

    Args:
        network: where to begin.
        batch: what every step sees.
        objective: the loss.
        rate: learning rate.
        times: what the loss is multiplied by.
        longest: length that gradients are cut to; infinity leaves them as they are.
        steps: how many.

    Returns:
        length of the first gradient before it is cut, and how far the weights have moved, the mean over them.
    """
    learner = AllStacks(copy.deepcopy(network).train())
    parameters = list(learner.parameters())
    before = [weight.detach().clone() for weight in parameters]
    adam, lengths = torch.optim.Adam(parameters, lr=rate), []
    for step in range(steps):
        adam.zero_grad()
        (times * objective(learner, batch, step).loss).backward()
        lengths.append(float(nn.utils.clip_grad_norm_(parameters, longest)))
        adam.step()
    moved = [(weight.detach() - old).abs().flatten() for weight, old in zip(parameters, before, strict=True)]
    return lengths[0], float(torch.cat(moved).mean())


def _as_far(recipe: FittingRecipe, other: FittingRecipe) -> bool:
    return (steps_of(recipe), rate_of(recipe)) == (steps_of(other), rate_of(other))


def _lines_by_seed(runs: list[Result], recipes: list[FittingRecipe]) -> tuple[list[float], list[float], list[str]]:
    """Steps, errors and what to say when pointed at, with a gap after each seed, so that each is a line of its own."""
    errors = {steps_of(recipe): by_seed(runs, recipe.name, "mean_error") for recipe in recipes}
    x, y, hover = [], [], []
    for seed in sorted(set().union(*errors.values())):
        seen = [steps for steps in errors if seed in errors[steps]]
        x += [*map(float, seen), np.nan]
        y += [*(errors[steps][seed] for steps in seen), np.nan]
        hover += [f"seed {seed}"] * (len(seen) + 1)
    return x, y, hover


def _over_steps(figure: "Figure") -> "Figure":
    """The figure with steps on a logarithmic axis, and its legend below."""
    figure.update_xaxes(type="log", title="steps, logarithmic")
    figure.update_layout(legend={"orientation": "h", "y": -0.2, "yanchor": "top"})
    return figure
