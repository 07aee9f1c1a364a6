"""A plotly figure as a matplotlib figure, for print: no browser is needed to make a still picture of it.

Covers what the book draws: curves, points, bars, heat maps, and 3D meshes and skeletons, with several panels. Anything
else has to bring its own picture (``show(fig, alt=..., still=...)``).
"""

from typing import TYPE_CHECKING, Any

import numpy as np

from handlib.errors import BadInputError
from handlib.viz.figures import SCENE_TRACES
from handlib.viz.stills_3d import draw_scene
from handlib.viz.theme import COLOURS, INK, resolve_colour

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DASHES = {"solid": "-", "dash": "--", "dot": ":", "dashdot": "-.", "longdash": (0, (8, 3)), "longdashdot": "-."}
MARKERS = {"circle": "o", "square": "s", "diamond": "D", "cross": "P", "x": "X", "triangle-up": "^", "star": "*"}
MANY_NAMES = 10
"""Legends with more names stand under the axes, where they hide nothing."""
BLACK = "#000000"  # what the light and dark pictures replace by the page's ink


def plotly_to_matplotlib(fig: Any) -> "Figure":
    """Draw a plotly figure with matplotlib, 7.2 inches wide.

    Raises:
        BadInputError: a trace is of a kind this cannot draw; the message says what to do.
    """
    from matplotlib.figure import Figure as MatplotlibFigure

    layout = fig.layout
    picture = MatplotlibFigure(figsize=(7.2, (layout.height or 420) / 100))
    panels: dict[tuple[str, str], list[tuple[int, Any]]] = {}
    for index, trace in enumerate(fig.data):
        if trace.visible in (False, "legendonly"):
            continue
        if trace.type in SCENE_TRACES:
            key = ("scene", trace.scene or "scene")
        elif trace.type in DRAWERS:
            key = (getattr(trace, "xaxis", None) or "x", getattr(trace, "yaxis", None) or "y")
        else:
            raise BadInputError(
                f"trace {index} is a {trace.type!r}, which cannot be drawn as a still; pass show(..., still=FIGURE) "
                "with a matplotlib figure or an image that shows the same"
            )
        panels.setdefault(key, []).append((index, trace))
    for key, traces in panels.items():
        if key[0] == "scene":
            scene = layout[key[1]]
            draw_scene(_panel(picture, scene.domain.x, scene.domain.y, whole=True), [t for _, t in traces], scene)
        else:
            _draw_plane(picture, layout, key, traces)
    _draw_words(picture, layout)
    return picture


def colour_of(value: Any, fallback: str = BLACK) -> str:
    """One plotly colour as a matplotlib colour; the page's ink is :data:`BLACK`, turned later with the page."""
    if value is None or not isinstance(value, str):
        return fallback
    if value == INK:
        return BLACK
    value = resolve_colour(value, "light")
    if value.startswith("rgb"):
        parts = [float(part) for part in value[value.index("(") + 1 : -1].split(",")]
        return "#{:02x}{:02x}{:02x}".format(*(int(part) for part in parts[:3]))
    return value


def _panel(picture: "Figure", x_domain: Any, y_domain: Any, whole: bool = False) -> "Axes":
    """Axes at a plotly domain (fractions of the plot area)."""
    x0, x1 = x_domain or (0, 1)
    y0, y1 = y_domain or (0, 1)
    left, bottom, width, height = (0, 0, 1, 0.94) if whole else (0.1, 0.14, 0.87, 0.76)
    return picture.add_axes((left + x0 * width, bottom + y0 * height, (x1 - x0) * width, (y1 - y0) * height))


def _draw_plane(picture: "Figure", layout: Any, key: tuple[str, str], traces: list[tuple[int, Any]]) -> None:
    """One panel of 2D traces with its axes, grid and legend."""
    x_axis, y_axis = layout[key[0].replace("x", "xaxis")], layout[key[1].replace("y", "yaxis")]
    axes = _panel(picture, x_axis.domain, y_axis.domain)
    palette = list(layout.colorway or COLOURS)
    bars = [trace for _, trace in traces if trace.type == "bar"]
    for index, trace in traces:
        DRAWERS[trace.type](axes, trace, palette[index % len(palette)], bars)
    for axis, settings in (("x", x_axis), ("y", y_axis)):
        getattr(axes, f"set_{axis}label")(settings.title.text or "")
        if settings.type == "log":
            getattr(axes, f"set_{axis}scale")("log")
        if settings.range:
            ends = [10**end for end in settings.range] if settings.type == "log" else settings.range
            getattr(axes, f"set_{axis}lim")(*ends)
        elif settings.autorange == "reversed":
            getattr(axes, f"invert_{axis}axis")()
        if settings.tickangle:
            axes.tick_params(axis, labelrotation=-settings.tickangle)
        if settings.visible is False or settings.showticklabels is False:
            getattr(axes, f"set_{axis}ticks")([])
    if not any(trace.type == "heatmap" for _, trace in traces):
        axes.grid(color="#8c939d", alpha=0.35, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    named = sum(bool(trace.name) for _, trace in traces)
    if layout.showlegend is not False and named > 1:
        # Half an inch below the axes there is room for their label.
        top = -0.55 / (picture.get_figheight() * axes.get_position().height)
        below = {"loc": "upper center", "bbox_to_anchor": (0.5, top), "ncol": 3}
        axes.legend(frameon=False, fontsize=8.5, **(below if named > MANY_NAMES else {}))


def _draw_scatter(axes: "Axes", trace: Any, colour: str, _bars: list[Any]) -> None:
    mode = trace.mode or ("lines+markers" if len(trace.x) < 20 else "lines")
    line = colour_of(trace.line.color, colour_of(trace.marker.color, colour))
    style = DASHES.get(trace.line.dash or "solid", "-") if "lines" in mode else "none"
    numbers = trace.marker.color is not None and not isinstance(trace.marker.color, str)
    x, y = np.asarray(trace.x), np.asarray(trace.y)
    y = y if y.dtype.kind == "U" else y.astype(float)  # names of rows stay names
    if "markers" in mode and numbers and "lines" not in mode:
        axes.scatter(x, y, c=trace.marker.color, s=(trace.marker.size or 6) ** 2, label=trace.name, alpha=trace.opacity)
        return
    size = trace.marker.size if isinstance(trace.marker.size, int | float) else 6
    symbol = str(trace.marker.symbol or "circle")
    marker = MARKERS.get(symbol.removesuffix("-open"), "o") if "markers" in mode else ""
    axes.plot(
        x,
        y,
        color=line,
        linestyle=style,
        linewidth=(trace.line.width or 2) * 0.75,
        marker=marker,
        alpha=trace.opacity,
        markersize=size * 0.75,
        markerfacecolor="none" if symbol.endswith("-open") else colour_of(trace.marker.color, line),
        label=trace.name,
    )
    if trace.fill in ("tozeroy", "toself", "tonexty"):
        axes.fill_between(x, y, color=line, alpha=0.15, linewidth=0)
    if trace.error_y.array is not None:
        axes.errorbar(x, y, np.asarray(trace.error_y.array, float), fmt="none", ecolor=line, capsize=2.5)


def _draw_bar(axes: "Axes", trace: Any, colour: str, bars: list[Any]) -> None:
    """Bars of one series, beside those of the others."""
    place = next(index for index, other in enumerate(bars) if other is trace)
    width = 0.8 / len(bars)
    sideways = trace.orientation == "h"
    names, values = (trace.y, trace.x) if sideways else (trace.x, trace.y)
    at = np.arange(len(names)) + (place - (len(bars) - 1) / 2) * width
    fill = [colour_of(c, colour) for c in trace.marker.color] if isinstance(trace.marker.color, tuple) else None
    (axes.barh if sideways else axes.bar)(
        at, values, width, color=fill or colour_of(trace.marker.color, colour), label=trace.name
    )
    ticks = axes.set_yticks if sideways else axes.set_xticks
    ticks(np.arange(len(names)), [str(name) for name in names])


def _draw_heatmap(axes: "Axes", trace: Any, _colour: str, _bars: list[Any]) -> None:
    from matplotlib.colors import LinearSegmentedColormap

    values = np.asarray(trace.z, float)
    colours = [(place, colour_of(colour)) for place, colour in trace.colorscale or ()]
    cmap = LinearSegmentedColormap.from_list("plotly", colours) if colours else "viridis"
    image = axes.imshow(values, aspect="auto", origin="lower", cmap=cmap, vmin=trace.zmin, vmax=trace.zmax)
    places = [np.asarray([] if names is None else names) for names in (trace.x, trace.y)]
    if all(place.dtype.kind in "fi" and len(place) > 1 for place in places):  # numbers: an axis with its own ticks
        steps = [(place[-1] - place[0]) / (len(place) - 1) / 2 for place in places]
        ends = [(place[0] - step, place[-1] + step) for place, step in zip(places, steps, strict=True)]
        image.set_extent([*ends[0], *ends[1]])
        axes.set(xlim=ends[0], ylim=ends[1])
    else:
        for ticks, names in zip((axes.set_xticks, axes.set_yticks), places, strict=True):
            if len(names):
                ticks(np.arange(len(names)), [str(name) for name in names])
    if trace.showscale is not False:
        axes.figure.colorbar(image, ax=axes, label=trace.colorbar.title.text or "")


def _draw_histogram(axes: "Axes", trace: Any, colour: str, _bars: list[Any]) -> None:
    density = trace.histnorm in ("probability density", "density")
    bins = trace.nbinsx or "auto"
    axes.hist(np.asarray(trace.x, float), bins=bins, density=density, color=colour_of(trace.marker.color, colour),
              alpha=trace.opacity or 0.8, label=trace.name)  # fmt: skip


DRAWERS = {"scatter": _draw_scatter, "scattergl": _draw_scatter, "bar": _draw_bar, "heatmap": _draw_heatmap,
           "histogram": _draw_histogram}  # fmt: skip


def _draw_words(picture: "Figure", layout: Any) -> None:
    """Title, and the annotations that stand on the paper (the titles of panels)."""
    if layout.title.text:
        picture.suptitle(layout.title.text, fontsize=11, x=0.02, ha="left", y=0.995)
    for note in layout.annotations or ():
        if note.xref == "paper" and note.yref == "paper" and note.text:
            picture.text(
                0.1 + 0.87 * note.x,
                0.14 + 0.76 * note.y,
                note.text,
                ha=note.xanchor or "center",
                va="bottom",
                fontsize=9,
            )
