"""What finished runs of a chapter say, for pages: values by recipe, and curves; nothing that trains imports this."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from handlib.reproduce.places import results_folder
from handlib.reproduce.results import Result, load_results

Points = tuple[tuple[float | int, ...], tuple[float, ...]]


def chapter_runs(chapter: str, profile: str = "full") -> list[Result]:
    """A chapter's stored results of a profile that gave numbers.

    Raises:
        BadInputError: a stored file is damaged.
    """
    found = load_results(results_folder(), chapter)
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


def by_seed(runs: Iterable[Result], recipe: str, metric: str) -> dict[int, float]:
    """Seed -> a metric of a recipe's runs, in the order of the seeds: rows are to be compared seed by seed."""
    found = {run.seed: run.outcome.metrics for run in runs if run.recipe == recipe}
    return {seed: float(metrics[metric].value) for seed, metrics in sorted(found.items()) if metric in metrics}


def values_by_seed(runs: Iterable[Result], recipes: Sequence[str], metric: str) -> dict[int, tuple[float, ...]]:
    """Seed -> a metric of each recipe, for the seeds that all of them have been run with.

    Rows of a seed begin with the same weights, so that they are compared seed by seed. Means over different seeds would
    tell how the seeds differ.
    """
    runs = list(runs)
    values = [by_seed(runs, recipe, metric) for recipe in recipes]
    shared = sorted(set.intersection(*map(set, values))) if values else []
    return {seed: tuple(of_recipe[seed] for of_recipe in values) for seed in shared}


def mean_curves(runs: Iterable[Result], rows: Mapping[str, str], curve: str = "success") -> dict[str, Points]:
    """Label -> (x, y) of a curve, the mean over the seeds; rows (label -> recipe) that nobody has run are left out."""
    runs, curves = list(runs), {}
    for label, recipe in rows.items():
        found = [run.outcome.curves[curve] for run in runs if run.recipe == recipe and curve in run.outcome.curves]
        if found:
            curves[label] = (found[0].x, tuple(np.mean([c.y for c in found], axis=0).tolist()))
    return curves
