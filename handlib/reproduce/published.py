"""The numbers that the five papers print: every results table and every curve, digit for digit.

One YAML file a paper lies in ``published/``. A value is kept as the string the paper prints, so that 0.770 stays 0.770
and the rounding that comes with it stays known; ``number`` and ``rounding_interval`` turn it into a quantity.
"""

import re
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from handlib.errors import BadInputError
from handlib.reproduce.registry_file import check_fields, check_text, read_registry

PUBLISHED_FOLDER = Path(__file__).parent / "published"
PAPERS = ("fitting", "s2hand", "s2hand-v", "seqhand", "tassn")
KINDS = ("table", "curve", "text")
DIRECTIONS = ("higher", "lower", "neither")
ALIGNMENTS = ("none", "root", "procrustes", "not stated", "not applicable")
_NUMBER = re.compile(r"-?\d+(\.\d+)?(e-?\d+)?")


@dataclass(frozen=True)
class Column:
    """One column of a table: a metric with its unit and the direction in which it gets better."""

    key: str
    label: str
    unit: str
    better: str
    dataset: str | None = None

    @property
    def is_numeric(self) -> bool:
        """Whether the column holds numbers; ticks and words have the unit "text"."""
        return self.unit != "text"


@dataclass(frozen=True)
class Row:
    """One row of a table, its values in the order of the table's columns, as printed (None where the paper has a dash).

    ``citation`` is a key of ``book/references.bib``, ``cited_as`` the paper's own mark ("[53](2019)"), ``recipe`` the
    name of the experiment that measures the row here (None for other people's methods).
    """

    key: str
    label: str
    values: tuple[str | None, ...]
    supervision: str | None = None
    dataset: str | None = None
    citation: str | None = None
    cited_as: str | None = None
    recipe: str | None = None
    note: str | None = None


@dataclass(frozen=True)
class PublishedTable:
    """One table, one curve figure or one set of numbers stated in the running text of a paper.

    ``key`` is "<paper>/<table>", such as "s2hand/table-4"; ``same_as`` names the table of which it is a reprint.
    """

    key: str
    paper: str
    reference: str
    name: str
    kind: str
    section: str
    caption: str
    datasets: tuple[str, ...]
    protocol: str
    alignment: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    same_as: str | None = None
    note: str | None = None

    def row(self, key: str) -> Row:
        """The row called ``key``. Raises ``BadInputError`` with the known keys if there is none."""
        for row in self.rows:
            if row.key == key:
                return row
        raise BadInputError(f"{self.key} has no row {key!r}; its rows are {[row.key for row in self.rows]}.")

    def column(self, key: str) -> Column:
        """The column called ``key``. Raises ``BadInputError`` with the known keys if there is none."""
        for column in self.columns:
            if column.key == key:
                return column
        raise BadInputError(
            f"{self.key} has no column {key!r}; its columns are {[column.key for column in self.columns]}."
        )

    def printed(self, row: str, column: str) -> str | None:
        """The value of one cell exactly as the paper prints it, None where it prints a dash or nothing."""
        return self.row(row).values[self.columns.index(self.column(column))]

    def number(self, row: str, column: str) -> float | None:
        """The value of one cell as a float in the column's unit, None where the paper prints none."""
        printed = self.printed(row, column)
        if printed is not None and not self.column(column).is_numeric:
            raise BadInputError(f"{self.key}: column {column!r} holds words, not numbers; use printed().")
        return None if printed is None else float(printed)


def rounding_interval(printed: str) -> tuple[Decimal, Decimal]:
    """The smallest and the largest quantity that rounds to a printed number: "1.54" gives (1.535, 1.545).

    Args:
        printed: a number as the paper prints it, such as "0.770" or "2.38e-5".

    Raises:
        BadInputError: the string is not a number.
    """
    if not _NUMBER.fullmatch(printed):
        raise BadInputError(f"{printed!r} is not a printed number such as '0.770' or '2.38e-5'.")
    value = Decimal(printed)
    half_a_digit = Decimal(1).scaleb(value.as_tuple().exponent) / 2
    return value - half_a_digit, value + half_a_digit


@cache
def load_published() -> dict[str, PublishedTable]:
    """Every published table and curve, keyed "<paper>/<table>", in the order of the papers' files.

    Returns:
        A dictionary shared by all callers: read it, do not change it.

    Raises:
        BadInputError: a file breaks the schema; the message names the file, the entry and the remedy.
        MissingFileError: a paper's file is not there.
    """
    tables: dict[str, PublishedTable] = {}
    for paper in PAPERS:
        tables |= read_published(PUBLISHED_FOLDER / f"{paper.replace('-', '_')}.yml")
    for table in tables.values():
        if table.same_as is not None and table.same_as not in tables:
            raise BadInputError(f"{table.key}: same_as names {table.same_as!r}, which is not published here.")
    return tables


def read_published(path: Path) -> dict[str, PublishedTable]:
    """Read and check one paper's file.

    Args:
        path: a YAML file with the fields paper, reference, metrics (the columns, each defined once) and tables.

    Raises:
        BadInputError: the file breaks the schema; the message names the entry and the remedy.
        MissingFileError: there is no such file.
    """
    content = read_registry(path)
    check_fields(content, path.name, ("paper", "reference", "title", "metrics", "tables"))
    paper = check_text(content["paper"], f"{path.name}: paper", PAPERS)
    metrics = {key: _read_column(key, entry, f"{path.name}: {key}") for key, entry in content["metrics"].items()}
    reference = check_text(content["reference"], f"{path.name}: reference")
    return {
        f"{paper}/{key}": _read_table(f"{paper}/{key}", entry, reference, metrics)
        for key, entry in content["tables"].items()
    }


def _read_column(key: str, entry: Any, where: str) -> Column:
    check_fields(entry, where, ("label", "unit", "better"), ("dataset",))
    return Column(
        key=key,
        label=check_text(entry["label"], f"{where}: label"),
        unit=check_text(entry["unit"], f"{where}: unit"),
        better=check_text(entry["better"], f"{where}: better", DIRECTIONS),
        dataset=_optional_text(entry, "dataset", where),
    )


def _read_table(key: str, entry: Any, reference: str, metrics: dict[str, Column]) -> PublishedTable:
    required = ("name", "kind", "section", "caption", "datasets", "protocol", "alignment", "columns", "rows")
    check_fields(entry, key, required, ("supervision", "same_as", "note"))
    if unknown := [column for column in entry["columns"] if column not in metrics]:
        raise BadInputError(f"{key}: columns {unknown} are not defined under metrics; known are {sorted(metrics)}.")
    columns = tuple(metrics[column] for column in entry["columns"])
    supervision = _optional_text(entry, "supervision", key)
    return PublishedTable(
        key=key,
        paper=key.split("/")[0],
        reference=reference,
        name=check_text(entry["name"], f"{key}: name"),
        kind=check_text(entry["kind"], f"{key}: kind", KINDS),
        section=check_text(entry["section"], f"{key}: section"),
        caption=check_text(entry["caption"], f"{key}: caption"),
        datasets=tuple(check_text(name, f"{key}: datasets") for name in entry["datasets"]),
        protocol=check_text(entry["protocol"], f"{key}: protocol"),
        alignment=check_text(entry["alignment"], f"{key}: alignment", ALIGNMENTS),
        columns=columns,
        rows=tuple(
            _read_row(f"{key}, row {row}", row, item, columns, supervision) for row, item in entry["rows"].items()
        ),
        same_as=_optional_text(entry, "same_as", key),
        note=_optional_text(entry, "note", key),
    )


def _read_row(where: str, key: str, entry: Any, columns: tuple[Column, ...], supervision: str | None) -> Row:
    words = ("supervision", "dataset", "citation", "cited_as", "recipe", "note")
    check_fields(entry, where, ("label", "values"), words)
    values = entry["values"]
    if not isinstance(values, list) or len(values) != len(columns):
        raise BadInputError(f"{where}: values is {values!r}, expected a list of {len(columns)}, one a column.")
    for column, value in zip(columns, values, strict=True):
        _check_value(f"{where}, column {column.key}", column, value)
    texts = {word: _optional_text(entry, word, where) for word in words}
    texts["supervision"] = texts["supervision"] or supervision
    return Row(key=key, label=check_text(entry["label"], f"{where}: label"), values=tuple(values), **texts)


def _check_value(where: str, column: Column, value: Any) -> None:
    if value is None:
        return
    if not isinstance(value, str):
        raise BadInputError(f"{where}: met {value!r}; write it in quotes, as printed, so that no last zero is lost.")
    if column.is_numeric and not _NUMBER.fullmatch(value):
        raise BadInputError(f"{where}: {value!r} is not a printed number such as '0.770' or '2.38e-5'.")


def _optional_text(entry: dict[str, Any], field: str, where: str) -> str | None:
    return None if entry.get(field) is None else check_text(entry[field], f"{where}: {field}")
