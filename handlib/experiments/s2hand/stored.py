"""What this chapter's finished runs say, for pages: values by recipe, and 2D beside 3D."""

from collections.abc import Iterable

import numpy as np

from handlib.experiments.s2hand.recipes import CHAPTER
from handlib.reproduce.places import results_folder
from handlib.reproduce.results import Result, load_results

KINDS = ("detected keypoints alone", "true 2D, or target 3D", "with source labels", "fit, picture by picture")
"""What a number of this chapter rests on; the untrained network and answers to other pictures are none of these."""


def stored_runs(profile: str = "full") -> list[Result]:
    """The chapter's stored results of a profile that gave numbers.

    Raises:
        BadInputError: a stored file is damaged.
    """
    found = load_results(results_folder(), CHAPTER)
    return [result for result in found if result.profile == profile and result.outcome.not_obtained is None]


def values_of(runs: Iterable[Result], recipe: str, metric: str) -> list[float]:
    """A metric of a recipe, one value a seed that has it."""
    found = [run.outcome.metrics for run in runs if run.recipe == recipe]
    return [float(metrics[metric].value) for metrics in found if metric in metrics]


def mean_of(runs: Iterable[Result], recipe: str, metric: str) -> float | None:
    """The mean over the seeds; None where none was run."""
    values = values_of(runs, recipe, metric)
    return float(np.mean(values)) if values else None


def mean_and_spread(runs: Iterable[Result], recipe: str, metric: str, digits: int = 1) -> str | None:
    """Mean ± sample deviation over the seeds as text; one value alone has none; None where none was run."""
    values = values_of(runs, recipe, metric)
    if not values:
        return None
    spread = f" ± {np.std(values, ddof=1):.{digits}f}" if len(values) > 1 else ""
    return f"{np.mean(values):.{digits}f}{spread}"


def kind_of(recipe: str) -> str | None:
    """Which of :data:`KINDS` a recipe is; None for what has not been trained on pictures."""
    name, _, suffix = recipe.partition("@")
    if name in ("s2hand-untrained", "s2hand-mean-hand", "s2hand-shuffled"):
        return None
    if name == "s2hand-fit-detected":
        return KINDS[3]
    if suffix == "source" or name.startswith(("s2hand-source-only", "s2hand-photographs")):
        return KINDS[2]
    return KINDS[1] if name.startswith(("s2hand-true-2d", "s2hand-mano-cnn")) else KINDS[0]


def flat_and_deep(runs: Iterable[Result]) -> dict[str, dict[str, tuple[float, float]]]:
    """2D error (px of 224) and PA-MPJPE (mm) on the target's test stills of every run that has both, by kind."""
    dots: dict[str, dict[str, tuple[float, float]]] = {kind: {} for kind in KINDS}
    for run in runs:
        kind, metrics = kind_of(run.recipe), run.outcome.metrics
        if kind is not None and {"test_mpjpe_2d", "pa_mpjpe"} <= set(metrics):
            name = f"{run.recipe}, seed {run.seed}"
            dots[kind][name] = (float(metrics["test_mpjpe_2d"].value), float(metrics["pa_mpjpe"].value))
    return {kind: found for kind, found in dots.items() if found}
