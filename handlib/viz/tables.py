"""Tables of numbers for the page: real HTML tables with a caption, readable as text where there is no HTML."""

import html
from collections.abc import Mapping, Sequence
from typing import Any

from handlib.errors import BadInputError


def show_table(columns: Mapping[str, Sequence[Any]], *, caption: str | None = None, digits: int = 2) -> None:
    """Show columns side by side, the first one as the rows' headings.

    Args:
        columns: heading with its unit, such as ``"MPJPE [mm]"`` -> the values; floats are rounded, None is a dash.
        caption: text above the table.
        digits: decimals of the floats.

    Raises:
        BadInputError: there is no column, or the columns differ in length.
        ImportError: IPython is not installed.
    """
    from IPython.display import display

    rows = _rows(columns, digits)
    display({"text/html": table_html(columns, rows, caption), "text/plain": table_text(columns, rows)}, raw=True)


def table_html(headings: Sequence[str] | Mapping[str, Any], rows: Sequence[Sequence[str]], caption: str | None) -> str:
    """The table as HTML, its headings marked for screen readers; numbers stand right, words left."""
    above = f"<caption>{html.escape(caption)}</caption>" if caption else ""
    head = "".join(f'<th scope="col">{html.escape(heading)}</th>' for heading in headings)
    sides = ["right" if all(map(_is_number, column)) else "left" for column in list(zip(*rows, strict=True))[1:]]
    body = "".join(
        f'<tr><th scope="row">{html.escape(first)}</th>'
        + "".join(
            f'<td style="text-align:{side}">{html.escape(cell)}</td>' for side, cell in zip(sides, rest, strict=True)
        )
        + "</tr>"
        for first, *rest in rows
    )
    return f'<table class="table hl-table">{above}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


def table_text(headings: Sequence[str] | Mapping[str, Any], rows: Sequence[Sequence[str]]) -> str:
    """The table as lines of text, columns aligned."""
    lines = [list(headings), *rows]
    widths = [max(len(cell) for cell in column) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)


def _is_number(cell: str) -> bool:
    return cell == "–" or cell.replace(",", "").lstrip("+-−").replace(".", "", 1).rstrip("%").isdigit()


def _rows(columns: Mapping[str, Sequence[Any]], digits: int) -> list[list[str]]:
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) != 1:
        raise BadInputError(f"columns: expected at least one, all of one length; their lengths are {lengths}")
    return [[_cell(value, digits) for value in row] for row in zip(*columns.values(), strict=True)]


def _cell(value: Any, digits: int) -> str:
    if value is None:
        return "–"
    return f"{value:.{digits}f}" if hasattr(value, "__float__") and not hasattr(value, "__index__") else str(value)
