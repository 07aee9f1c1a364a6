"""What this chapter's finished runs say, for pages; nothing that trains imports this."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from handlib.experiments.s2hand_v import LONGER
from handlib.experiments.s2hand_v.recipes import CHAPTER
from handlib.experiments.s2hand_v.scoring import FRAMES_PER_SECOND
from handlib.experiments.stored import by_seed, chapter_runs, mean_and_spread, mean_of, values_by_seed, values_of
from handlib.reproduce.ledger import LedgerTable
from handlib.reproduce.results import Result

__all__ = [
    "Change",
    "change_from",
    "kept_promise_words",
    "known_and_new",
    "labelled_values",
    "mean_and_spread",
    "mean_of",
    "own_s2hand",
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

STARTS = "s2hand-v-released"
"""The network with which every row begins."""

LONGER_KINDS = {row.name: f"{KINDS[row.name.removesuffix('-longer')]}, longer" for row in LONGER}
"""The rows with more films and steps, likewise."""

TRAINED_KINDS = {
    name: label
    for short in (row.removesuffix("-longer") for row in LONGER_KINDS)
    for name, label in ((short, KINDS[short]), (f"{short}-longer", LONGER_KINDS[f"{short}-longer"]))
}
"""Each short row before its longer one, likewise."""

PROMISED_PERCENT = 15.0
"""By how much smoother S2HAND(V) should be here, at no cost in accuracy; the paper's Table 5 has 23.6 %."""


stored_runs = partial(chapter_runs, CHAPTER)
"""The chapter's stored results, of the profile ``full`` unless told."""


def smooth_and_right(
    runs: Iterable[Result],
    across: str = "test_acc_per_frame",
    up: str = "pa_mpjpe",
    kinds: Mapping[str, str] = KINDS,
) -> dict[str, list[tuple[float, float]]]:
    """Smoothness beside error, one dot a seed that has both, by the rows' labels; rows that were not run are left out.

    Args:
        runs: from :func:`stored_runs`.
        across, up: metrics.
        kinds: recipe -> label.
    """
    runs = list(runs)
    dots = {label: _pairs(runs, recipe, across, up) for recipe, label in kinds.items()}
    return {label: found for label, found in dots.items() if found}


def _pairs(runs: list[Result], recipe: str, across: str, up: str) -> list[tuple[float, float]]:
    x, y = (by_seed(runs, recipe, metric) for metric in (across, up))
    return [(x[seed], y[seed]) for seed in x if seed in y]


def known_and_new(runs: Iterable[Result]) -> dict[str, dict[str, tuple[float, float]]]:
    """How much the trained rows tremble on films that they learn from, and on new ones: group -> named dots.

    Groups are the network before training, S2HAND, and the rows with a motion term, short and longer ones apart.
    """
    runs, groups = list(runs), {}
    for recipe, label in {STARTS: KINDS[STARTS], **TRAINED_KINDS}.items():
        kind = label if recipe == STARTS else "S2HAND" if own_s2hand(recipe) == recipe else "with a motion term"
        dots = groups.setdefault(f"{kind}, longer" if recipe in LONGER_KINDS else kind, {})
        found = _pairs(runs, recipe, "train_acc_per_frame", "test_acc_per_frame")
        dots |= {f"{label}, run {index + 1}": dot for index, dot in enumerate(found)}
    return {group: dots for group, dots in groups.items() if dots}


def labelled_values(
    runs: Iterable[Result], metrics: Mapping[str, int], kinds: Mapping[str, str] = KINDS
) -> list[list[str | None]]:
    """Lines of a table: the label of each row that was run, and its metrics as mean ± deviation.

    Args:
        runs: from :func:`stored_runs`.
        metrics: metric -> decimals; None stands for one that a row does not have.
        kinds: recipe -> label.
    """
    runs = list(runs)
    ran = {run.recipe for run in runs}
    return [
        [label, *(mean_and_spread(runs, recipe, metric, digits) for metric, digits in metrics.items())]
        for recipe, label in kinds.items()
        if recipe in ran
    ]


@dataclass(frozen=True)
class Change:
    """How a row differs from another, on the mean of the seeds that both have.

    Attributes:
        smoother_percent: by how much its acceleration on the test films is lower.
        worse_mm: by how much its PA-MPJPE on them is higher.
        seeds: how many.
        smoother_known_percent: by how much its acceleration on training films is lower; None for rows without them.
    """

    smoother_percent: float
    worse_mm: float
    seeds: int
    smoother_known_percent: float | None = None

    @property
    def keeps_promise(self) -> bool:
        """At least :data:`PROMISED_PERCENT` smoother, and no less accurate."""
        return self.smoother_percent >= PROMISED_PERCENT and self.worse_mm <= 0


def own_s2hand(recipe: str) -> str:
    """The row to judge another by: S2HAND on as many films, for as many steps."""
    return "s2hand-ho3d-full-longer" if recipe in LONGER_KINDS else "s2hand-ho3d-full"


def change_from(runs: Iterable[Result], recipe: str, against: str | None = None) -> Change | None:
    """What a row has gained and lost against another, None: :func:`own_s2hand`; None where no seed of both was run."""
    runs, rows = list(runs), (recipe, against or own_s2hand(recipe))
    trembling, error, known = (
        values_by_seed(runs, rows, metric) for metric in ("test_acc_per_frame", "pa_mpjpe", "train_acc_per_frame")
    )
    both = sorted(trembling.keys() & error.keys())
    if not both:
        return None
    worse = np.mean([error[seed][0] - error[seed][1] for seed in both])
    films = _smoother([known[seed] for seed in both]) if known.keys() >= set(both) else None
    return Change(_smoother([trembling[seed] for seed in both]), float(worse), len(both), films)


def _smoother(pairs: list[tuple[float, ...]]) -> float:
    new, old = np.mean(pairs, axis=0)
    return float(100 * (1 - new / old))


def kept_promise_words(change: Change) -> str:
    """The verdict on a row in two short lines."""
    promised = f"{PROMISED_PERCENT:.0f} % smoother and no less accurate"
    than = "higher" if change.worse_mm > 0 else "lower"
    seeds = f"{change.seeds} seed{'s' * (change.seeds > 1)}"
    return (
        f"ACC {-change.smoother_percent:+.1f} %, PA-MPJPE {abs(change.worse_mm):.2f} mm {than} ({seeds})\n"
        f"   {promised}: {'kept' if change.keeps_promise else 'not kept'}"
    )


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
