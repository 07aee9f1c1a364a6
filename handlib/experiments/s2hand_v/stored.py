"""What this chapter's finished runs say, for pages; nothing that trains imports this."""

from collections.abc import Iterable
from functools import partial

from handlib.experiments.s2hand_v.recipes import CHAPTER
from handlib.experiments.stored import chapter_runs, mean_and_spread, mean_of, values_of
from handlib.reproduce.results import Result

__all__ = ["labelled_values", "mean_and_spread", "mean_of", "smooth_and_right", "stored_runs", "values_of"]

KINDS = {
    "s2hand-v-released": "before training on films",
    "s2hand-ho3d-full": "trained on films, no motion term",
    "s2hand-v-temporal": "temporal loss",
    "s2hand-v-smooth": "smooth loss",
    "s2hand-v-quaternion": "quaternion loss",
    "s2hand-v-quaternion-ts": "S2HAND(V)",
    "s2hand-v-one-euro": "One-Euro filter, afterwards",
    "s2hand-v-first-frame": "the first frame's hand, held",
    "s2hand-v-fit-detected": "fit, frame by frame",
    "s2hand-v-mean-hand": "one hand for all",
}
"""The rows of the plot of smoothness against error, with their labels."""


stored_runs = partial(chapter_runs, CHAPTER)
"""The chapter's stored results, of the profile ``full`` unless told."""


def smooth_and_right(
    runs: Iterable[Result], across: str = "test_acc_per_frame", up: str = "pa_mpjpe"
) -> dict[str, list[tuple[float, float]]]:
    """Smoothness beside error, one dot a seed, by the labels of :data:`KINDS`; rows that were not run are left out.

    Args:
        runs: from :func:`stored_runs`.
        across, up: metrics.
    """
    runs = list(runs)
    dots = {
        label: list(zip(values_of(runs, recipe, across), values_of(runs, recipe, up), strict=True))
        for recipe, label in KINDS.items()
    }
    return {label: found for label, found in dots.items() if found}


def labelled_values(runs: Iterable[Result], metrics: Iterable[str], digits: int = 2) -> list[list[str | None]]:
    """Rows of a table: the label of each of :data:`KINDS` and its metrics as mean ± deviation; None where not run."""
    runs, metrics = list(runs), list(metrics)
    return [
        [label, *(mean_and_spread(runs, recipe, metric, digits) for metric in metrics)]
        for recipe, label in KINDS.items()
    ]
