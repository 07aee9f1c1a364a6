"""The ledger in words: as text for a terminal, as markdown, and as JSON for programs."""

import re
from collections.abc import Sequence
from typing import Any

from handlib.reproduce.ledger import LedgerTable, Measured, Verdict, data_in_words
from handlib.reproduce.published import Column, Row
from handlib.reproduce.results import Result

STALE_MARK = "†"
STALE_NOTE = f"{STALE_MARK} The code behind this number has changed since it was measured."
_MARKDOWN = re.compile(r"([\\`*_\[\]<>|$~])")


def escape_markdown(text: str) -> str:
    """Text that markdown shows as it is: "[53](2019)" is a row's label and no link."""
    return _MARKDOWN.sub(r"\\\1", text)


def table_cells(entry: LedgerTable) -> tuple[list[str], list[list[str]]]:
    """A table's head and body as strings.

    Where nothing was run, the table is laid out as the paper's, with one column that says so. Where something was, each
    number has a line of its own, by metric and then by row, so that what is to be compared stands in one column: the
    published number, and right of it one column for each source of measured ones.

    Returns:
        the heads, and a list of cells for every line.
    """
    table = entry.table
    if not entry.sources:
        head = ["", *[_column_title(column) for column in table.columns], "measured"]
        return head, [
            [_row_title(row), *[value or "-" for value in row.values], "not run" if row.recipe else "-"]
            for row in table.rows
        ]
    words = [column for column in table.columns if not column.is_numeric]
    measured = [f"measured: {source.dataset}, {source.profile}" for source in entry.sources]
    head = ["", *[_column_title(column) for column in words], "metric", "published", *measured]
    body = []
    for column in table.columns:
        for row in table.rows:
            printed = table.printed(row.key, column.key)
            if not column.is_numeric or (printed is None and row.recipe is None):
                continue
            cells = [entry.cells.get((row.key, column.key, source)) for source in entry.sources]
            body.append(
                [_row_title(row), *[table.printed(row.key, word.key) or "-" for word in words]]
                + [_column_title(column), printed or "-"]
                + [_measured_text(entry, row, column, cell) for cell in cells]
            )
    return head, body


def run_lines(runs: Sequence[Result]) -> list[str]:
    """One line for each recipe and profile: data, alignment, samples, seeds, device, duration, code."""
    groups: dict[tuple[str, str, str], list[Result]] = {}
    for result in runs:
        groups.setdefault((result.recipe, result.profile, result.dataset), []).append(result)
    lines = []
    for (recipe, profile, dataset), results in groups.items():
        alignments = sorted({metric.alignment for r in results for metric in r.outcome.metrics.values()})
        lines.append(
            f"{recipe} ({profile}): {dataset}; alignment: {', '.join(alignments) or 'none recorded'}; "
            f"{_span([r.provenance.samples_seen for r in results])} samples seen; "
            f"seeds {', '.join(str(seed) for seed in sorted(r.seed for r in results))}; "
            f"{', '.join(sorted({r.provenance.device for r in results}))}; "
            f"{format_duration(sum(r.provenance.seconds for r in results) / len(results))} a run; "
            f"code {', '.join(sorted({r.provenance.code_digest[:8] for r in results}))}"
        )
    return lines


def format_duration(seconds: float | int) -> str:
    """Seconds in the unit that a person would use: "42 s", "7 min", "3.2 h"."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def verdict_text(verdict: Verdict) -> str:
    """A verdict with what it rests on: "holds here (open benchmark, laptop)"."""
    if not verdict.sources:
        return verdict.verdict
    return f"{verdict.verdict} here ({data_in_words(verdict.sources)}, {verdict.sources[0].profile})"


def ledger_text(entries: Sequence[LedgerTable], verdicts: Sequence[Verdict]) -> str:
    """The ledger for a terminal."""
    blocks = []
    for entry in entries:
        head, body = table_cells(entry)
        widths = [max(len(cells[index]) for cells in [head, *body]) for index in range(len(head))]
        lines = [f"{entry.table.key}: {entry.table.caption}", f"  {_protocol(entry)}"]
        for cells in [head, ["-" * width for width in widths], *body]:
            padded = [text.ljust(width) for text, width in zip(cells, widths, strict=True)]
            lines.append(("  " + "  ".join(padded)).rstrip())
        lines += [f"  {line}" for line in _notes(entry)]
        blocks.append("\n".join(lines))
    claims = [f"  {verdict_text(item)}: {item.claim.says} [{item.claim.id}]" for item in verdicts]
    if claims:
        blocks.append("\n".join(["Claims", *claims]))
    return "\n\n".join(blocks)


def ledger_markdown(entries: Sequence[LedgerTable], verdicts: Sequence[Verdict], level: int = 2) -> str:
    """The ledger as markdown sections, which MyST and GitHub both read.

    Args:
        entries: tables.
        verdicts: of the claims.
        level: of the headings.
    """
    blocks = []
    for entry in entries:
        head, body = table_cells(entry)
        label = f"(ledger-{entry.table.key.replace('/', '-')})="
        lines = [label, f"{'#' * level} {entry.table.name}", "", escape_markdown(entry.table.caption), ""]
        lines += [f"*{escape_markdown(_protocol(entry))}*", ""]
        lines += ["| " + " | ".join(escape_markdown(text) or " " for text in head) + " |", "|" + "---|" * len(head)]
        lines += ["| " + " | ".join(escape_markdown(text) for text in cells) + " |" for cells in body]
        notes = _notes(entry)
        if notes:
            lines += ["", *[f"- {escape_markdown(line)}" for line in notes]]
        blocks.append("\n".join(lines))
    if verdicts:
        lines = [f"{'#' * level} Claims", "", "| claim | where | verdict |", "|---|---|---|"]
        for item in verdicts:
            cells = (item.claim.says, item.claim.where, verdict_text(item))
            lines.append("| " + " | ".join(escape_markdown(text) for text in cells) + " |")
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks) + "\n"


def ledger_json(entries: Sequence[LedgerTable], verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """The ledger as JSON values; published numbers stay the strings that the papers print."""
    tables = {}
    for entry in entries:
        rows = []
        for row in entry.table.rows:
            for column in entry.table.columns:
                cells = [
                    {
                        "dataset": source.dataset,
                        "profile": source.profile,
                        "mean": cell.mean,
                        "sd": cell.deviation,
                        "values": list(cell.values),
                        "alignment": cell.alignment,
                        "not_obtained": list(cell.failures),
                        "stale": cell.is_stale,
                    }
                    for source in entry.sources
                    if (cell := entry.cells.get((row.key, column.key, source))) is not None
                ]
                printed = entry.table.printed(row.key, column.key)
                rows.append(
                    {"row": row.key, "column": column.key, "unit": column.unit, "published": printed, "measured": cells}
                )
        tables[entry.table.key] = {"alignment": entry.table.alignment, "cells": rows, "runs": run_lines(entry.runs)}
    claims = [
        {"id": item.claim.id, "says": item.claim.says, "verdict": item.verdict, "on": verdict_text(item)}
        for item in verdicts
    ]
    return {"tables": tables, "claims": claims}


def _measured_text(entry: LedgerTable, row: Row, column: Column, cell: Measured | None) -> str:
    if cell is None:
        return "not run" if row.recipe else "-"
    mark = STALE_MARK if cell.is_stale else ""
    if cell.mean is None:
        return f"not obtained: {'; '.join(sorted(set(cell.failures)))}{mark}"
    printed = [entry.table.printed(other.key, column.key) or "" for other in entry.table.rows]
    digits = max((len(text.partition(".")[2]) for text in printed if "e" not in text), default=0) or 2
    spread = f" ± {cell.deviation:.{digits}f}" if cell.deviation is not None else ""
    seeds = len(cell.values) + len(cell.failures)
    count = f" ({len(cell.values)} of {seeds} seeds)" if cell.failures else ""
    other = f" [{cell.alignment}]" if _differs(cell.alignment, entry.table.alignment) else ""
    return f"{cell.mean:.{digits}f}{spread}{count}{other}{mark}"


def _column_title(column: Column) -> str:
    unit = f" ({column.unit})" if column.is_numeric and column.unit != "1" else ""
    return f"{column.label}{unit}" + (f", {column.dataset}" if column.dataset else "")


def _row_title(row: Row) -> str:
    return row.label + (f", {row.dataset}" if row.dataset else "")


def _differs(alignment: str, published: str) -> bool:
    """Whether a measured number is aligned in another way than the paper's, which its cell must say."""
    return alignment not in (published, "not applicable") and not alignment.startswith(f"{published} with")


def _protocol(entry: LedgerTable) -> str:
    table = entry.table
    return f"Published on {', '.join(table.datasets)}; alignment: {table.alignment}. {table.protocol}"


def _notes(entry: LedgerTable) -> list[str]:
    stale = [STALE_NOTE] if any(cell.is_stale for cell in entry.cells.values()) else []
    reprint = [f"A reprint of {entry.table.same_as}."] if entry.table.same_as else []
    note = [entry.table.note] if entry.table.note else []
    return [*reprint, *note, *run_lines(entry.runs), *stale]


def _span(numbers: Sequence[int]) -> str:
    low, high = min(numbers), max(numbers)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"
