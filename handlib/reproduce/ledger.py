"""The ledger: published numbers, and beside them what was measured here, with what it was measured on.

A measured number comes from the results store and from nowhere else. Smoke runs are left out whatever lies in the
store: they prove that the code runs, and their numbers mean nothing.
"""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from handlib.errors import BadInputError
from handlib.reproduce.claims import Claim, judge, load_claims
from handlib.reproduce.places import results_folder
from handlib.reproduce.profiles import Profile, read_profile
from handlib.reproduce.published import Column, PublishedTable, Row, load_published
from handlib.reproduce.results import Metric, Result, load_results

# Units in the same group convert into one another by the ratio of their sizes.
_UNITS = ({"m": 1.0, "cm": 1e-2, "mm": 1e-3}, {"1": 1.0, "%": 1e-2})

VARIANTS = {
    "source": "with the labels of the source domain",
    "released": "begun with the packaged network",
    "detected": "with a detector's 2D keypoints for labels",
}
"""Suffixes of recipes (``s2hand-full@source``) that say what else was known, not what was measured on."""


@dataclass(frozen=True, order=True)
class Source:
    """What a column of measured numbers was measured on, and how much was run."""

    dataset: str
    profile: str


@dataclass(frozen=True)
class Measured:
    """One measured cell, in the unit of its column.

    Attributes:
        values: one a seed that gave a number.
        alignment: what was aligned before measuring.
        failures: why the other seeds gave none.
        is_stale: whether code that one of the runs rests on has changed since.
    """

    values: tuple[float, ...]
    alignment: str
    failures: tuple[str, ...] = ()
    is_stale: bool = False

    @property
    def mean(self) -> float | None:
        """The mean over seeds; None where no seed gave a number."""
        return statistics.fmean(self.values) if self.values else None

    @property
    def deviation(self) -> float | None:
        """The sample standard deviation over seeds; None below two."""
        return statistics.stdev(self.values) if len(self.values) > 1 else None


@dataclass(frozen=True)
class LedgerTable:
    """A published table with what was measured here.

    Attributes:
        table: as published.
        sources: the columns of measured numbers.
        cells: by row, column and source; absent where nothing was run.
        runs: the results that the cells rest on.
    """

    table: PublishedTable
    sources: tuple[Source, ...]
    cells: dict[tuple[str, str, Source], Measured]
    runs: tuple[Result, ...]


@dataclass(frozen=True)
class Verdict:
    """Whether a claim is borne out here: "holds", "does not hold" or "not run", and on what (nothing if not run)."""

    claim: Claim
    verdict: str
    sources: tuple[Source, ...] = ()


def load_comparable(root: Path | None = None) -> list[Result]:
    """The stored results that may stand beside published numbers.

    Args:
        root: the store; the checkout's own by default.

    Raises:
        BadInputError: a stored file is damaged.
    """
    return keep_comparable(load_results(root or results_folder()))


def keep_comparable(results: Iterable[Result]) -> list[Result]:
    """Leave out the runs whose numbers mean nothing: smoke."""
    return [result for result in results if read_profile(result.profile).is_comparable]


def make_ledger(results: Sequence[Result], tables: Iterable[PublishedTable] | None = None) -> list[LedgerTable]:
    """Set results beside published tables.

    Args:
        results: from the store; smoke runs among them are ignored.
        tables: all published ones by default.

    Raises:
        BadInputError: a result's unit does not convert into its column's.
    """
    if tables is None:
        tables = load_published().values()
    return [_fill(table, keep_comparable(results)) for table in tables]


def judge_claims(results: Sequence[Result], claims: Iterable[Claim] | None = None) -> list[Verdict]:
    """Hold each claim against measured numbers: the fullest profile in which all were run, each column on one source.

    Args:
        results: from the store; smoke runs among them are ignored.
        claims: all by default.

    Raises:
        BadInputError: a result's unit does not convert into its column's.
    """
    ledger = {entry.table.key: entry for entry in make_ledger(results)}
    return [_judge(claim, ledger) for claim in (load_claims() if claims is None else claims)]


def side_by_side(entries: Iterable[LedgerTable]) -> list[tuple[Source, ...]]:
    """Sources in groups that speak as one: where a paper's columns are on several data sets, so may ours be.

    A claim on three columns that stand on EgoDexter, Dexter+Object and STB is judged on three sets of ours as well. In
    a group no column has two sources, so that rows are never compared across data sets; all have one profile and one
    variant, and stand either on the papers' own sets or on others.

    Args:
        entries: the tables; sources that share none of them are not grouped.
    """
    entries = list(entries)
    own = {dataset for entry in entries for dataset in entry.table.datasets}
    columns: dict[Source, set[tuple[str, str]]] = {}
    for entry in entries:
        for source in entry.sources:
            found = {(entry.table.key, column) for _, column, other in entry.cells if other == source}
            columns.setdefault(source, set()).update(found)

    def fits(source: Source, group: list[Source]) -> bool:
        same = [s.profile == source.profile and _kind(s, own) == _kind(source, own) for s in group]
        taken = set().union(*(columns[other] for other in group))
        tables = {table for table, _ in taken} & {table for table, _ in columns[source]}
        return all(same) and bool(tables) and not taken & columns[source]

    groups: list[list[Source]] = []
    for source in columns:
        group = next((group for group in groups if fits(source, group)), None)
        if group is None:
            groups.append([source])
        else:
            group.append(source)
    return [tuple(group) for group in groups]


def cell_of(
    ledger: Mapping[str, LedgerTable], sources: Iterable[Source], table: str, row: str, metric: str
) -> Measured | None:
    """The cell that one of several sources of :func:`side_by_side` fills; None where none does."""
    found = (ledger[table].cells.get((row, metric, source)) for source in sources)
    return next((cell for cell in found if cell is not None), None)


def asked(claim: Claim, ledger: Mapping[str, LedgerTable], sources: Sequence[Source]) -> tuple[Source, ...]:
    """Those of several sources that have a number for a claim."""
    wanted = {(c.table, row, c.metric) for c in claim.comparisons for row in (c.row, *c.against)}
    return tuple(s for s in sources if any((row, metric, s) in ledger[table].cells for table, row, metric in wanted))


def split_variant(dataset: str) -> tuple[str, str]:
    """A source's data, and what else was known in the words of :data:`VARIANTS` ("" where nothing was)."""
    words = next((words for words in VARIANTS.values() if dataset.endswith(f", {words}")), "")
    return dataset.removesuffix(f", {words}") if words else dataset, words


def data_in_words(sources: Sequence[Source]) -> str:
    """The data of sources of one variant, what they share said once: "open target domain: test films; test stills"."""
    names, variants = zip(*(split_variant(source.dataset) for source in sources), strict=True)
    shared, _, _ = names[0].partition(", ")
    words = "; ".join(names)
    if len(names) > 1 and all(name.startswith(f"{shared}, ") for name in names):
        words = f"{shared}: {'; '.join(name.removeprefix(f'{shared}, ') for name in names)}"
    return f"{words}, {variants[0]}" if variants[0] else words


def metric_for(result: Result, table: PublishedTable, row: Row, column: Column) -> Metric | None:
    """The metric of a result that belongs in a cell, converted to the column's unit; None if it has none.

    Raises:
        BadInputError: the units do not convert.
    """
    names = (f"{table.key}:{row.key}:{column.key}", f"{table.key}:{column.key}", column.key)
    name = next((result.columns[name] for name in names if name in result.columns), column.key)
    metric = result.outcome.metrics.get(name)
    if metric is None:
        return None
    value = convert_unit(
        metric.value, metric.unit, column.unit, f"{result.recipe}: {name}, for {table.key} {column.key}"
    )
    return Metric(value, column.unit, metric.alignment, metric.dataset or result.dataset)


def convert_unit(value: float | int, unit: str, wanted: str, where: str) -> float:
    """A value in another unit of length, or of fraction.

    Args:
        value: in ``unit``.
        unit, wanted: such as "mm" and "cm".
        where: what the value is, for the message.

    Raises:
        BadInputError: neither the same unit nor both lengths nor both fractions.
    """
    if unit == wanted:
        return float(value)
    for sizes in _UNITS:
        if unit in sizes and wanted in sizes:
            return value * sizes[unit] / sizes[wanted]
    raise BadInputError(f"{where}: measured in {unit!r}, the table has {wanted!r}: name the right metric in `columns`")


def _fill(table: PublishedTable, results: Sequence[Result]) -> LedgerTable:
    cells: dict[tuple[str, str, Source], Measured] = {}
    runs: dict[int, Result] = {}
    for row in table.rows:
        if row.recipe is None:
            continue
        own = [result for result in results if result.recipe.partition("@")[0] == row.recipe]
        for column in table.columns:
            if not column.is_numeric:
                continue
            for source, cell, used in _cells_of(table, row, column, own):
                cells[row.key, column.key, source] = cell
                runs |= {id(result): result for result in used}
    # The fullest first: it is the one that a reader wants beside the paper's.
    order = {str(profile): -index for index, profile in enumerate(Profile)}
    sources = sorted({source for _, _, source in cells}, key=lambda item: (order[item.profile], item.dataset))
    return LedgerTable(table, tuple(sources), cells, tuple(runs.values()))


def _cells_of(
    table: PublishedTable, row: Row, column: Column, results: Sequence[Result]
) -> list[tuple[Source, Measured, list[Result]]]:
    """The measured cells of one row and column: one a source, over its seeds."""
    groups: dict[Source, list[tuple[Result, Metric | None]]] = {}
    for result in results:
        metric = metric_for(result, table, row, column)
        if metric is None and result.outcome.not_obtained is None:
            continue
        dataset = measured_on(result, metric)
        if _belongs_elsewhere(dataset, table, row, column):
            continue
        groups.setdefault(Source(dataset, result.profile), []).append((result, metric))
    filled = []
    for source, found in groups.items():
        metrics = [metric for _, metric in found if metric is not None]
        cell = Measured(
            values=tuple(metric.value for metric in metrics),
            alignment=", ".join(sorted({metric.alignment for metric in metrics})),
            failures=tuple(r.outcome.not_obtained or "" for r, metric in found if metric is None),
            is_stale=any(result.is_stale for result, _ in found),
        )
        filled.append((source, cell, [result for result, _ in found]))
    return filled


def measured_on(result: Result, metric: Metric | None) -> str:
    """The data of a number in words, and what else was known where the recipe's suffix is one of :data:`VARIANTS`.

    Runs that knew more must not be averaged with those that did not.
    """
    dataset = metric.dataset if metric is not None and metric.dataset else result.dataset
    variant = VARIANTS.get(result.recipe.partition("@")[2])
    return f"{dataset}, {variant}" if variant else dataset


def _belongs_elsewhere(dataset: str, table: PublishedTable, row: Row, column: Column) -> bool:
    """Whether a number on one of the paper's own data sets would land in a row or column of another of them."""
    own = column.dataset or row.dataset
    return dataset in table.datasets and own is not None and dataset != own


def _kind(source: Source, own: set[str]) -> tuple[bool, str]:
    """Whether a source is one of the papers' own sets, and which variant of ours."""
    return source.dataset in own, split_variant(source.dataset)[1]


def _judge(claim: Claim, ledger: dict[str, LedgerTable]) -> Verdict:
    tables = dict.fromkeys(comparison.table for comparison in claim.comparisons)
    for sources in side_by_side([ledger[table] for table in tables]):

        def look_up(table: str, row: str, metric: str, sources: tuple[Source, ...] = sources) -> float | None:
            cell = cell_of(ledger, sources, table, row, metric)
            return None if cell is None else cell.mean

        holds = judge(claim, look_up)
        if holds is not None:
            return Verdict(claim, "holds" if holds else "does not hold", asked(claim, ledger, sources))
    return Verdict(claim, "not run")
