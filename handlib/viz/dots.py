"""Dots that each stand for a run: one number against another, or one number a row."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from handlib.errors import BadInputError
from handlib.reproduce.ledger import LedgerTable
from handlib.viz.theme import COLOURS, INK

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_SYMBOLS = ("circle", "diamond", "square", "x", "cross", "triangle-up")


def dot_figure(
    groups: Mapping[str, Mapping[str, tuple[float, float]]],
    *,
    x_label: str,
    y_label: str,
    level: tuple[str, float] | None = None,
    like: Mapping[str, str] | None = None,
    lines: Mapping[str, Sequence[tuple[float, float]]] | None = None,
    height: int = 460,
) -> "Figure":
    """Named dots in groups, told apart by colour and symbol.

    Args:
        groups: group -> name of a dot, shown when pointed at -> (x, y).
        x_label, y_label: of the axes, with units.
        level: name and y of a dotted line across the figure, to compare with.
        like: group -> another one, whose colour and symbol it takes, hollow.
        lines: name -> corners of a dotted line, to compare with.
        height: in CSS pixels.

    Raises:
        BadInputError: there is no dot.
    """
    import plotly.graph_objects as go

    dots = [dot for group in groups.values() for dot in group.values()]
    if not dots:
        raise BadInputError("groups has no dot to draw; give at least one (x, y)")
    figure, like = go.Figure(), like or {}
    looks = [name for name in groups if like.get(name) not in groups]
    for name, group in groups.items():
        x, y = ([dot[axis] for dot in group.values()] for axis in (0, 1))
        index, hollow = (looks.index(name), "") if name in looks else (looks.index(like[name]), "-open")
        marker = {"size": 10, "symbol": _SYMBOLS[index % len(_SYMBOLS)] + hollow, "opacity": 0.8}
        marker["color"] = COLOURS[index % len(COLOURS)]
        figure.add_scatter(x=x, y=y, mode="markers", name=name, text=list(group), hoverinfo="text+x+y", marker=marker)
    if level is not None:
        ends = (0, level[1]), (1.05 * max(x for x, _ in dots), level[1])
        lines = {level[0]: ends, **(lines or {})}
    for name, corners in (lines or {}).items():
        x, y = zip(*corners, strict=True)
        figure.add_scatter(x=x, y=y, mode="lines", name=name, line={"dash": "dot", "color": INK})
    figure.update_xaxes(title=x_label, rangemode="tozero")
    figure.update_yaxes(title=y_label, rangemode="tozero")
    # Held at its top, a legend of many lines grows away from the axis.
    figure.update_layout(height=height, legend={"orientation": "h", "y": -0.2, "yanchor": "top"})
    return figure


def row_dots_figure(entry: LedgerTable, column: str, names: Mapping[str, str] | None = None) -> "Figure":
    """One line a row of a table, one dot a seed, one colour a source.

    Args:
        entry: of :func:`handlib.viz.measured_table`.
        column: key of the column.
        names: words in a source's data set -> what the legend calls it.

    Raises:
        BadInputError: nothing was measured in that column.
    """
    import plotly.graph_objects as go

    head = entry.table.column(column)
    figure = go.Figure()
    for index, source in enumerate(entry.sources):
        x, y = [], []
        for row in entry.table.rows:
            cell = entry.cells.get((row.key, column, source))
            if cell is not None:
                x += cell.values
                y += [row.label] * len(cell.values)
        if x:
            name = next((new for words, new in (names or {}).items() if words in source.dataset), source.dataset)
            marker = {"size": 9, "symbol": _SYMBOLS[index % len(_SYMBOLS)], "opacity": 0.8}
            figure.add_scatter(x=x, y=y, mode="markers", name=name, marker=marker)
    if not figure.data:
        raise BadInputError(f"{entry.table.key}: nothing is measured in column {column!r} yet")
    figure.update_xaxes(title=f"{head.label} [{head.unit}], one dot a seed")
    figure.update_yaxes(autorange="reversed", type="category")
    figure.update_layout(height=140 + 34 * len(entry.table.rows), legend={"orientation": "h", "y": -0.2})
    return figure
