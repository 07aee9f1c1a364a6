"""One figure out of several, with a slider that steps through them: moves in the book without a kernel."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from handlib.errors import BadInputError
from handlib.viz.figures import SCENE_TRACES, scene_layout
from handlib.viz.theme import INK

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


def stepped_figure(
    figures: Mapping[str, "Figure"], *, label: str = "", start: int = 0, play_ms: int | None = None
) -> "Figure":
    """Put several figures behind one slider; the page shows one at a time, print the one it starts with.

    The axes are those of the first figure, so that nothing jumps from step to step: give it the ranges that all need
    (3D scenes are widened to hold every step). A step's title becomes the figure's, and so do the names of its axes.

    Args:
        figures: what stands under the slider's mark -> a plotly figure with one panel.
        label: what the slider changes, such as ``"aligned by"``; stands before the mark.
        start: index of the figure that is shown first.
        play_ms: time a step of an animation, which a button below the slider starts; None: no button.

    Raises:
        BadInputError: there is no figure, or no figure ``start``.
    """
    import plotly.graph_objects as go

    if not 0 <= start < len(figures):
        raise BadInputError(f"start={start} with {len(figures)} figures; expected an index from 0 on")
    traces, owners = [], []
    for index, figure in enumerate(figures.values()):
        for trace in figure.data:
            traces.append(trace)
            owners.append(index)
    merged = go.Figure(traces, next(iter(figures.values())).layout)
    if any(trace.type in SCENE_TRACES for trace in traces):
        merged.update_layout(scene=scene_layout(traces, merged.layout.scene.camera.to_plotly_json()))
    below_px = 40 if any(trace.type in SCENE_TRACES for trace in traces) else 70  # room for an axis and its title
    merged.update_traces(visible=False)
    for trace, owner in zip(merged.data, owners, strict=True):
        trace.visible = owner == start
    height, margin = merged.layout.height or 420, merged.layout.margin.to_plotly_json()
    merged.update_layout(
        title=list(figures.values())[start].layout.title,
        meta=None if play_ms is None else {"play_ms": play_ms},
        sliders=[_slider(figures, owners, label, start, below_px)],
        height=height + 50 + below_px,
        margin={**margin, "b": max(margin.get("b") or 0, 40) + 50 + below_px},
    )
    merged.update_layout(_axis_titles(list(figures.values())[start]))
    # A legend below the plot would lie on the slider.
    merged.update_layout(legend={"orientation": "h", "y": 1.0, "yanchor": "bottom"})
    return merged


def _slider(
    figures: Mapping[str, "Figure"], owners: list[int], label: str, start: int, below_px: int
) -> dict[str, Any]:
    """Plotly's slider: each step shows the traces that its figure owns, under its title."""
    steps = [
        {
            "label": name,
            "method": "update",
            "args": [
                {"visible": [owner == index for owner in owners]},
                {"title.text": figure.layout.title.text or "", **_axis_titles(figure)},
            ],
        }
        for index, (name, figure) in enumerate(figures.items())
    ]
    return {
        "active": start,
        "steps": steps,
        "currentvalue": {"prefix": f"{label}: " if label else "", "font": {"size": 14}},
        "pad": {"t": below_px, "l": 32, "r": 32},
        "bgcolor": "var(--hl-grid)",
        "activebgcolor": INK,
        "bordercolor": "var(--hl-grid)",
        "tickcolor": INK,
        "font": {"color": INK},
    }


def _axis_titles(figure: "Figure") -> dict[str, str]:
    """Names of the axes that have one, as plotly's settings; a step may show another quantity than the one before."""
    titles = {axis: figure.layout[axis].title.text for axis in ("xaxis", "yaxis")}
    return {f"{axis}.title.text": text for axis, text in titles.items() if text}
