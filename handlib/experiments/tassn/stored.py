"""What this chapter's finished runs say, for its page; what there is to do with them is as in the other chapters."""

from collections.abc import Iterable, Sequence
from functools import partial

from handlib.experiments.stored import chapter_runs, mean_and_spread, mean_curves, mean_of, values_of
from handlib.experiments.tassn.recipes import CHAPTER
from handlib.reproduce.results import Result

__all__ = ["mean_and_spread", "mean_curves", "mean_of", "stored_runs", "values_by_seed", "values_of"]

stored_runs = partial(chapter_runs, CHAPTER)
"""The chapter's stored results, of the profile ``full`` unless told."""


def values_by_seed(runs: Iterable[Result], recipes: Sequence[str], metric: str) -> dict[int, tuple[float, ...]]:
    """Seed -> a metric of each recipe, for the seeds that all of them have been run with.

    Rows of a seed begin with the same weights, so that they are compared seed by seed. Means over different seeds would
    tell how the seeds differ.
    """
    runs = list(runs)
    values = [
        {run.seed: float(run.outcome.metrics[metric].value) for run in of_recipe if metric in run.outcome.metrics}
        for of_recipe in ([run for run in runs if run.recipe == recipe] for recipe in recipes)
    ]
    shared = sorted(set.intersection(*map(set, values))) if values else []
    return {seed: tuple(of_recipe[seed] for of_recipe in values) for seed in shared}
