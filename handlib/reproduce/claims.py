"""What the five papers claim, as directions that a run can confirm or refute.

A claim compares rows of published tables: "row is better than each of the rows it is held against, in these metrics".
Which way is better is the column's own business (``Column.better``), so one operator serves errors and AUCs. The same
``judge`` is used on the papers' own numbers and on measured ones.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from handlib.errors import BadInputError
from handlib.reproduce.published import PAPERS, PublishedTable, load_published, rounding_interval
from handlib.reproduce.registry_file import check_fields, check_text, read_registry

CLAIMS_FILE = Path(__file__).parent / "claims.yml"
OPERATORS = ("better than", "better than one of", "worse than", "close to", "gains less than")
STATUSES = ("not run", "holds here", "does not hold here")
MARGIN_UNITS = ("percent", "times", "amount")
MAX_QUOTE_WORDS = 20


@dataclass(frozen=True)
class Margin:
    """By how much, as the paper puts it: "19.5" percent of the other row, "4" times the other row, or an amount."""

    value: str
    unit: str


@dataclass(frozen=True)
class Comparison:
    """One row of a published table held against other rows of it, in one metric and its better direction."""

    table: str
    row: str
    against: tuple[str, ...]
    metric: str
    better: str
    margin: Margin | None = None


@dataclass(frozen=True)
class Claim:
    """One empirical claim: all ``comparisons`` must come out as ``operator`` says.

    ``says`` is our paraphrase, ``quote`` the paper's own words (20 at most); ``recipes`` are the experiments that must
    have been run before the claim can be judged on measured numbers. "better than one of" asks for one of the rows
    it is held against; "gains less than" compares two gains, of which the first comparison's must be the smaller.
    """

    id: str
    paper: str
    where: str
    says: str
    operator: str
    comparisons: tuple[Comparison, ...]
    recipes: tuple[str, ...]
    quote: str | None = None
    tolerance_percent: float | None = None
    note: str | None = None
    status: str = "not run"


Lookup = Callable[[str, str, str], float | None]


@cache
def load_claims() -> tuple[Claim, ...]:
    """Every claim of the five papers, in the order of ``claims.yml``.

    Raises:
        BadInputError: the file breaks the schema or names a table, row or metric that is not published; the message
            names the claim and the remedy.
        MissingFileError: there is no such file.
    """
    return read_claims(CLAIMS_FILE, load_published())


def read_claims(path: Path, tables: dict[str, PublishedTable]) -> tuple[Claim, ...]:
    """Read and check a file of claims against published tables.

    Args:
        path: a YAML file that maps each claim's id to its fields.
        tables: the published tables by key.

    Raises:
        BadInputError: the file breaks the schema or names a table, row or metric that is not in ``tables``.
        MissingFileError: there is no such file.
    """
    return tuple(_read_claim(name, entry, tables) for name, entry in read_registry(path).items())


def judge(claim: Claim, lookup: Lookup) -> bool | None:
    """Whether numbers bear a claim's direction out; None if one of them is missing.

    Args:
        claim: the claim.
        lookup: gives the number of a cell, ``lookup(table, row, metric)``, or None if there is none.

    Returns:
        True if every comparison comes out as the operator says, False if one does not, None if a number is missing.
    """
    verdicts: list[bool] = []
    gains: list[float] = []
    for comparison in claim.comparisons:
        own = lookup(comparison.table, comparison.row, comparison.metric)
        others = [lookup(comparison.table, row, comparison.metric) for row in comparison.against]
        if own is None or any(other is None for other in others):
            return None
        sign = -1.0 if comparison.better == "lower" else 1.0
        each = [_compare(claim, sign * own, sign * other) for other in others]
        verdicts.append(any(each) if claim.operator == "better than one of" else all(each))
        gains.append(_gain(sign * (own - others[0]), others[0]))
    return gains[0] < gains[1] if claim.operator == "gains less than" else all(verdicts)


def judge_in_print(claim: Claim) -> str:
    """How a claim fares on the paper's own printed numbers.

    Returns:
        "not printed" if the text of the paper carries no such numbers; "contradicted" if the printed numbers do not
        have the claimed direction; "direction only" if they have, but not the claimed margin, even when every number
        may be off by its rounding; "holds" otherwise.
    """
    tables = load_published()
    direction = judge(claim, lambda table, row, metric: tables[table].number(row, metric))
    if direction is None:
        return "not printed"
    if not direction:
        return "contradicted"
    margins = [_margin_is_printed(comparison, tables) for comparison in claim.comparisons]
    return "holds" if all(margins) else "direction only"


def _gain(difference: float, other: float) -> float:
    """A difference relative to the number that it is a difference from; infinite where that is zero."""
    if other == 0:
        return math.copysign(math.inf, difference) if difference else 0.0
    return difference / abs(other)


def _compare(claim: Claim, own: float, other: float) -> bool:
    """Compare two numbers of which the larger is the better."""
    if claim.operator == "close to":
        return abs(own - other) <= (claim.tolerance_percent or 0.0) / 100 * abs(other)
    return own < other if claim.operator == "worse than" else own > other


def _margin_is_printed(comparison: Comparison, tables: dict[str, PublishedTable]) -> bool:
    """Whether the claimed margin can be had from the printed numbers, each known to half its last digit only."""
    if comparison.margin is None:
        return True
    table = tables[comparison.table]
    low, high = rounding_interval(comparison.margin.value)
    own = rounding_interval(table.printed(comparison.row, comparison.metric))
    for row in comparison.against:
        other = rounding_interval(table.printed(row, comparison.metric))
        possible = [_margin(comparison.margin.unit, mine, theirs) for mine in own for theirs in other]
        if max(possible) < low or min(possible) > high:
            return False
    return True


def _margin(unit: str, own: Decimal, other: Decimal) -> Decimal:
    if unit == "times":
        return own / other
    difference = abs(own - other)
    return difference if unit == "amount" else 100 * difference / abs(other)


def _read_claim(name: str, entry: Any, tables: dict[str, PublishedTable]) -> Claim:
    where = f"claim {name}"
    optional = ("quote", "tolerance_percent", "note", "status")
    check_fields(entry, where, ("paper", "where", "says", "operator", "compare"), optional)
    operator = check_text(entry["operator"], f"{where}: operator", OPERATORS)
    comparisons = tuple(
        comparison for item in entry["compare"] for comparison in _read_comparisons(item, where, tables)
    )
    if operator == "gains less than" and (len(comparisons) != 2 or any(len(c.against) != 1 for c in comparisons)):
        raise BadInputError(f"{where}: 'gains less than' compares two rows with one other row each; write two pairs.")
    if (operator == "close to") != ("tolerance_percent" in entry):
        raise BadInputError(f"{where}: tolerance_percent goes with the operator 'close to', and with no other.")
    quote = entry.get("quote")
    if quote is not None and len(check_text(quote, f"{where}: quote").split()) > MAX_QUOTE_WORDS:
        raise BadInputError(f"{where}: the quotation is over {MAX_QUOTE_WORDS} words; shorten it.")
    texts = {field: check_text(entry[field], f"{where}: {field}") for field in ("where", "says")}
    return Claim(
        id=name,
        paper=check_text(entry["paper"], f"{where}: paper", PAPERS),
        operator=operator,
        comparisons=comparisons,
        recipes=_recipes(comparisons, tables),
        quote=None if quote is None else " ".join(quote.split()),
        tolerance_percent=float(entry["tolerance_percent"]) if "tolerance_percent" in entry else None,
        note=None if entry.get("note") is None else check_text(entry["note"], f"{where}: note"),
        status=check_text(entry.get("status", "not run"), f"{where}: status", STATUSES),
        **texts,
    )


def _read_comparisons(entry: Any, where: str, tables: dict[str, PublishedTable]) -> list[Comparison]:
    check_fields(entry, f"{where}: compare", ("table", "row", "against", "metrics"))
    if entry["table"] not in tables:
        raise BadInputError(f"{where}: {entry['table']!r} is not a published table; known are {sorted(tables)}.")
    table = tables[entry["table"]]
    for row in (entry["row"], *entry["against"]):
        table.row(row)
    return [
        Comparison(
            table=table.key,
            row=entry["row"],
            against=tuple(entry["against"]),
            metric=metric,
            better=check_text(table.column(metric).better, f"{where}, {metric}: better", ("higher", "lower")),
            margin=None if margin is None else _read_margin(margin, f"{where}, {metric}"),
        )
        for metric, margin in entry["metrics"].items()
    ]


def _read_margin(entry: Any, where: str) -> Margin:
    """Read "19.5 percent", "4 times" or "0.232 amount"."""
    value, _, unit = check_text(entry, where).partition(" ")
    rounding_interval(value)
    return Margin(value, check_text(unit, f"{where}: margin", MARGIN_UNITS))


def _recipes(comparisons: tuple[Comparison, ...], tables: dict[str, PublishedTable]) -> tuple[str, ...]:
    """The recipes of all rows compared, each once, in order; other people's methods have none."""
    rows = [tables[c.table].row(row) for c in comparisons for row in (c.row, *c.against)]
    return tuple(dict.fromkeys(row.recipe for row in rows if row.recipe is not None))
