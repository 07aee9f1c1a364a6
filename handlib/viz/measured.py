"""What was measured beside what a paper prints: tables of stored results, and what became of the paper's claims.

Every number comes from the results store or from the published tables, and each line says which. A row that nobody has
run yet says so.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from handlib.reproduce.claims import Claim, load_claims
from handlib.reproduce.ledger import (
    LedgerTable,
    Measured,
    Source,
    asked,
    cell_of,
    data_in_words,
    load_comparable,
    make_ledger,
    side_by_side,
    split_variant,
)
from handlib.reproduce.ledger_text import format_duration
from handlib.reproduce.published import PublishedTable, Row, load_published
from handlib.reproduce.seed_verdicts import judge_by_seed
from handlib.viz.tables import show_table


def measured_table(
    key: str,
    *,
    baselines: Mapping[str, str] | None = None,
    rows: Sequence[str] | None = None,
    columns: Sequence[str] | None = None,
    profile: str = "full",
) -> LedgerTable:
    """A published table with the stored results of one profile, and further rows of ours.

    Args:
        key: such as "s2hand/table-4".
        baselines: label -> name of a recipe that the paper has no row for.
        rows, columns: keys of those that are wanted; all by default.
        profile: whose results.

    Raises:
        BadInputError: no such row or column, or a stored result is damaged.
    """
    table = load_published()[key]
    kept = table.rows if rows is None else tuple(table.row(name) for name in rows)
    wanted = [column for column in table.columns if column.is_numeric]
    if columns is not None:
        wanted = [table.column(name) for name in columns]
    places = [table.columns.index(column) for column in wanted]
    kept = tuple(replace(row, values=tuple(row.values[place] for place in places)) for row in kept)
    ours = tuple(
        Row(recipe, label, (None,) * len(wanted), recipe=recipe) for label, recipe in (baselines or {}).items()
    )
    results = [result for result in load_comparable() if result.profile == profile]
    return make_ledger(results, [replace(table, columns=tuple(wanted), rows=kept + ours)])[0]


def show_measured(entry: LedgerTable, *, caption: str | None = None, digits: int | None = None) -> None:
    """Show a table line by line: what the paper prints, and under it what was measured here, mean ± deviation of seeds.

    Args:
        entry: of :func:`measured_table`.
        caption: above the table; by default the published table's name and caption.
        digits: of measured numbers; by default those that the paper prints.
    """
    table = entry.table
    groups = side_by_side([entry])
    # What all sources share is said once, under the caption, so that the column of sources stays narrow.
    shared = entry.sources[0].dataset if entry.sources else ""
    if not all(source.dataset.startswith(shared) for source in entry.sources):
        shared = ""
    heads = ["", "measured on", *_heads(table)]
    # Where each column has a data set of its own, the heads name ours, and the lines only say what differs.
    apart = any(len(group) > 1 for group in groups)
    if apart:
        shared = data_in_words(groups[0]).partition(":")[0]
        pairs = zip(_heads(table), table.columns, strict=True)
        heads[2:] = [f"{head}; here: {_stand_in(entry, column.key)}" for head, column in pairs]
    lines: list[list[str | None]] = []
    for row in table.rows:
        if any(value is not None for value in row.values):
            on = "" if apart else f": {row.dataset or ', '.join(table.datasets)}"  # the heads say it
            lines.append([row.label, f"paper{on}", *row.values])
        if row.recipe is None:
            continue
        found = {
            group: [cell_of({table.key: entry}, group, table.key, row.key, column.key) for column in table.columns]
            for group in groups
        }
        for group, cells in found.items():
            if not any(cells):
                continue
            count = max(len(cell.values) for cell in cells if cell is not None)
            words = data_in_words(group)
            own = split_variant(words)[1] if apart and words.startswith(shared) else words.removeprefix(shared)
            where = ", ".join(filter(None, ["here", own.strip(", "), f"{count} seed{'' if count == 1 else 's'}"]))
            lines.append([row.label, where, *(_text(table, i, cell, digits) for i, cell in enumerate(cells))])
        if not any(any(cells) for cells in found.values()):
            lines.append([row.label, "here, not run", *[None] * len(table.columns)])
    title = caption or f"{table.name}. {table.caption}"
    show_table(
        dict(zip(heads, map(list, zip(*lines, strict=True)), strict=True)),
        caption=f"{title.rstrip('.')}. Here: {shared}." if shared else title,
    )


def show_runs(*entries: LedgerTable, caption: str = "How the numbers came about") -> None:
    """One line a recipe: profile, seeds, samples seen, duration, device, and whether the code has changed since."""
    runs = {(run.recipe, run.profile, run.seed): run for entry in entries for run in entry.runs}
    if not runs:
        print("No stored run stands behind these tables yet.")
        return
    groups: dict[tuple[str, str], list] = {}
    for (recipe, profile, _), run in sorted(runs.items()):
        groups.setdefault((recipe, profile), []).append(run)
    columns: dict[str, list] = {name: [] for name in _RUN_HEADS}
    for (recipe, profile), group in groups.items():
        made = [run.provenance for run in group]
        stale = any(run.is_stale for run in group)
        values = (
            recipe,
            profile,
            ", ".join(str(run.seed) for run in group),
            f"{max(p.samples_seen for p in made):,}",
            format_duration(sum(p.seconds for p in made) / len(made)),
            "; ".join(sorted({p.device for p in made})),
            "changed since" if stale else "as it was",
        )
        for name, value in zip(_RUN_HEADS, values, strict=True):
            columns[name].append(value)
    show_table(columns, caption=caption)


def show_claims(ids: Sequence[str], ledger: Mapping[str, LedgerTable], *, caption: str | None = None) -> None:
    """Show claims of a paper with a verdict for everything that was measured, by means and by seeds.

    A claim on several columns is judged on all of them, where each may stand on a data set of its own
    (:func:`~handlib.reproduce.ledger.side_by_side`); a verdict on some of a head's sets names them. A dash: the claim
    is not about what was measured there.

    Args:
        ids: of the claims, as in ``claims.yml``.
        ledger: tables of :func:`measured_table` by key; whole ones, since a claim may need any row.
        caption: above the table.
    """
    known = {claim.id: claim for claim in load_claims()}
    claims = [known[name] for name in ids]
    tables = dict.fromkeys(c.table for claim in claims for c in claim.comparisons)
    groups = side_by_side(ledger[key] for key in tables)
    verdicts = {
        f"here: {data_in_words(group)}": [_verdict(claim, ledger, group) for claim in claims] for group in groups
    }
    show_table(
        {
            "the paper claims": [claim.says for claim in claims],
            "where": [claim.where for claim in claims],
            **(verdicts or {"here": ["not run"] * len(ids)}),
        },
        caption=caption or "What became of the paper's claims",
    )


_RUN_HEADS = ("recipe", "profile", "seeds", "samples seen", "a run took", "device", "code")


def _verdict(claim: Claim, ledger: Mapping[str, LedgerTable], group: Sequence[Source]) -> str | None:
    """A claim's verdict in words; None where none of a group's sources stands in any of the claim's tables."""
    if not any(source in ledger[comparison.table].sources for comparison in claim.comparisons for source in group):
        return None
    verdict, used = judge_by_seed(claim, ledger, group), asked(claim, ledger, group)
    if verdict.on_means is None or len(used) == len(group):
        return verdict.words
    return f"{verdict.words}, on {'; '.join(_place(source.dataset) for source in used)}"


def _stand_in(entry: LedgerTable, column: str) -> str:
    """Our data set of a column, without the words before its first comma."""
    found = (source.dataset for _, other, source in entry.cells if other == column)
    names = {_place(dataset) for dataset in found if dataset not in entry.table.datasets}
    return "; ".join(sorted(names)) or "not run"


def _place(dataset: str) -> str:
    name = split_variant(dataset)[0]
    return name.partition(", ")[2] or name


def _heads(table: PublishedTable) -> list[str]:
    """Labels with units; a metric that has a column for each of two data sets is told apart by the set's last words."""
    plain = [f"{column.label}{'' if column.unit == '1' else f' [{column.unit}]'}" for column in table.columns]
    return [
        f"{head}, {' '.join(column.dataset.split()[-2:])}" if column.dataset and plain.count(head) > 1 else head
        for head, column in zip(plain, table.columns, strict=True)
    ]


def _text(table: PublishedTable, column: int, cell: Measured | None, digits: int | None) -> str | None:
    if cell is None or cell.mean is None:
        return None if cell is None else f"not obtained: {'; '.join(sorted(set(cell.failures)))}"
    printed = [(row.values[column] or "").partition(".")[2] for row in table.rows]
    places = digits if digits is not None else max(map(len, printed)) or 2
    spread = f" ± {cell.deviation:.{places}f}" if cell.deviation is not None else ""
    return f"{cell.mean:.{places}f}{spread}"
