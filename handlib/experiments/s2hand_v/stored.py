"""What this chapter's finished runs say, for pages; nothing that trains imports this."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from handlib.experiments.s2hand_v.recipes import CHAPTER
from handlib.experiments.s2hand_v.scoring import FRAMES_PER_SECOND
from handlib.experiments.stored import chapter_runs, mean_and_spread, mean_of, values_of
from handlib.reproduce.ledger import LedgerTable
from handlib.reproduce.results import Result

__all__ = [
    "Change",
    "change_from",
    "labelled_values",
    "mean_and_spread",
    "mean_of",
    "per_frame",
    "smooth_and_right",
    "stored_runs",
    "values_of",
]

KINDS = {
    "s2hand-v-released": "before training on films",
    "s2hand-ho3d-full": "S2HAND",
    "s2hand-v-temporal": "temporal loss",
    "s2hand-v-smooth": "smooth loss",
    "s2hand-v-quaternion": "quaternion loss",
    "s2hand-v-quaternion-ts": "S2HAND(V)",
    "s2hand-v-one-euro": "One-Euro filter of S2HAND",
    "s2hand-v-first-frame": "S2HAND's first frame, held",
    "s2hand-v-fit-detected": "fit, frame by frame",
    "s2hand-v-mean-hand": "one mean hand",
}
"""The rows of the plot of smoothness against error, with their labels."""

PROMISED_PERCENT = 15.0
"""By how much smoother S2HAND(V) should be here, at no cost in accuracy; the paper's Table 5 has 23.6 %."""


stored_runs = partial(chapter_runs, CHAPTER)
"""The chapter's stored results, of the profile ``full`` unless told."""


def smooth_and_right(
    runs: Iterable[Result],
    across: str = "test_acc_per_frame",
    up: str = "pa_mpjpe",
    further: Mapping[str, str] | None = None,
) -> dict[str, list[tuple[float, float]]]:
    """Smoothness beside error, one dot a seed, by the labels of :data:`KINDS`; rows that were not run are left out.

    Args:
        runs: from :func:`stored_runs`.
        across, up: metrics.
        further: recipe -> label of more rows.
    """
    runs = list(runs)
    dots = {
        label: list(zip(values_of(runs, recipe, across), values_of(runs, recipe, up), strict=True))
        for recipe, label in (KINDS | dict(further or {})).items()
    }
    return {label: found for label, found in dots.items() if found}


def labelled_values(runs: Iterable[Result], metrics: Mapping[str, int]) -> list[list[str | None]]:
    """Rows of a table: the label of each of :data:`KINDS` that was run, and its metrics as mean ± deviation.

    Args:
        runs: from :func:`stored_runs`.
        metrics: metric -> decimals; None stands for one that a row does not have.
    """
    runs = list(runs)
    ran = {run.recipe for run in runs}
    return [
        [label, *(mean_and_spread(runs, recipe, metric, digits) for metric, digits in metrics.items())]
        for recipe, label in KINDS.items()
        if recipe in ran
    ]


@dataclass(frozen=True)
class Change:
    """How a row differs from another, on the mean of the seeds that both have.

    Attributes:
        smoother_percent: by how much its acceleration on the test films is lower.
        worse_mm: by how much its PA-MPJPE is higher.
        seeds: how many.
    """

    smoother_percent: float
    worse_mm: float
    seeds: int

    @property
    def keeps_promise(self) -> bool:
        """At least :data:`PROMISED_PERCENT` smoother, and no less accurate."""
        return self.smoother_percent >= PROMISED_PERCENT and self.worse_mm <= 0


def change_from(runs: Iterable[Result], recipe: str, against: str = "s2hand-ho3d-full") -> Change | None:
    """What a row has gained and lost against another; None where no seed of both was run."""
    rows: dict[str, dict[int, np.ndarray]] = {recipe: {}, against: {}}
    for run in runs:
        found = run.outcome.metrics
        if run.recipe in rows and {"test_acc_per_frame", "pa_mpjpe"} <= set(found):
            rows[run.recipe][run.seed] = np.array([found["test_acc_per_frame"].value, found["pa_mpjpe"].value])
    both = sorted(rows[recipe].keys() & rows[against].keys())
    if not both:
        return None
    new, old = (np.mean([rows[name][seed] for seed in both], axis=0) for name in (recipe, against))
    return Change(float(100 * (1 - new[0] / old[0])), float(new[1] - old[1]), len(both))


def per_frame(entry: LedgerTable) -> LedgerTable:
    """A table whose accelerations are in mm per squared frame, as printed ones must be although they say mm/s^2.

    Measured numbers are divided by the squared frame rate of our films; printed ones stay as they are. Of the published
    data sets, those are named that the table's columns stand on.
    """
    timed = {column.key for column in entry.table.columns if column.unit == "mm/s^2"}
    columns = tuple(
        replace(column, unit="mm/frame²") if column.key in timed else column for column in entry.table.columns
    )
    cells = {
        place: replace(cell, values=tuple(value / FRAMES_PER_SECOND**2 for value in cell.values))
        if place[1] in timed
        else cell
        for place, cell in entry.cells.items()
    }
    own = tuple(dict.fromkeys(column.dataset for column in columns if column.dataset is not None))
    table = replace(entry.table, columns=columns, datasets=own or entry.table.datasets)
    return replace(entry, table=table, cells=cells)
