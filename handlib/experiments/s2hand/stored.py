"""What this chapter's finished runs say, for pages: values by recipe, and 2D beside 3D."""

from collections.abc import Iterable
from functools import partial

from handlib.experiments.s2hand.recipes import CHAPTER
from handlib.experiments.stored import chapter_runs, mean_and_spread, mean_of, values_of
from handlib.reproduce.results import Result

__all__ = ["flat_and_deep", "kind_of", "mean_and_spread", "mean_of", "stored_runs", "values_of"]

KINDS = (
    "detected keypoints, no 3D label",
    "true 2D, or target 3D",
    "with source labels",
    "fit, picture by picture",
    "begun with the packaged network",
)
"""What a number of this chapter rests on; the untrained network and answers to other pictures are none of these."""


stored_runs = partial(chapter_runs, CHAPTER)
"""The chapter's stored results, of the profile ``full`` unless told."""


def kind_of(recipe: str) -> str | None:
    """Which of :data:`KINDS` a recipe is; None for what has not been trained on pictures."""
    name, _, suffix = recipe.partition("@")
    if name in ("s2hand-untrained", "s2hand-mean-hand", "s2hand-shuffled", "s2hand-start"):
        return None
    if name == "s2hand-fit-detected":
        return KINDS[3]
    if suffix == "released" or name == "s2hand-adapted":
        return KINDS[4]
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
