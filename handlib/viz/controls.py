"""Sliders around a figure: moving in a live notebook, a figure with a line about them in the book.

    viz.explore(draw, viz.pose_sliders() | viz.shape_sliders(2), alt="The hand in the pose of the sliders")

calls ``draw(index=20.0, ..., shape_1=0.0, ...)`` with the sliders' values and shows the figure that it returns. In the
book nobody moves a slider: the figure of the starting values stands there, and its caption says which sliders the
notebook has.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from handlib.errors import BadInputError, MissingExtraError
from handlib.viz.display import emit, figure_html, in_book, show


@dataclass(frozen=True)
class Slider:
    """A number that the reader can change: its range, where it starts, what it is called.

    With ``logarithmic`` the ends are powers of ten away from each other, and ``low`` must be above zero.
    """

    low: float | int
    high: float | int
    start: float | int
    label: str
    unit: str = ""
    logarithmic: bool = False

    def __post_init__(self) -> None:
        if not self.low <= self.start <= self.high or self.low == self.high or (self.logarithmic and self.low <= 0):
            raise BadInputError(
                f"slider {self.label!r}: starts at {self.start} in {self.low}..{self.high}; expected "
                "low <= start <= high, low < high, and low > 0 for a logarithmic one"
            )


def pose_sliders() -> dict[str, Slider]:
    """Five fingers' flexion at the knuckle and the spread, in degrees; :func:`slider_angles` makes a pose of them."""
    fingers = {f: Slider(-10, 90, 15, f"{f} flexion", "°") for f in ("thumb", "index", "middle", "ring", "little")}
    return fingers | {"spread": Slider(-5, 15, 0, "spread", "°"), "oppose": Slider(-20, 20, 0, "thumb opposition", "°")}


def shape_sliders(count: int = 3) -> dict[str, Slider]:
    """The first shape coefficients, ``shape_1`` and on, in standard deviations."""
    return {f"shape_{i + 1}": Slider(-3, 3, 0, f"shape {i + 1}") for i in range(count)}


def camera_sliders() -> dict[str, Slider]:
    """Focal length in pixels, distance in metres, and the hand's turn about the vertical axis in degrees."""
    return {
        "focal_px": Slider(150, 1200, 480, "focal length", "px"),
        "distance_m": Slider(0.25, 1.5, 0.6, "distance", "m"),
        "azimuth_deg": Slider(-180, 180, 0, "turn", "°"),
    }


def light_sliders() -> dict[str, Slider]:
    """Ambient and directional strength, and where the light stands, in degrees."""
    return {
        "ambient": Slider(0, 1, 0.4, "ambient"),
        "directional": Slider(0, 2, 0.8, "directional"),
        "light_azimuth_deg": Slider(-180, 180, -30, "light from the side", "°"),
        "light_elevation_deg": Slider(-90, 90, 40, "light from above", "°"),
    }


def weight_sliders(weights: Mapping[str, float | int]) -> dict[str, Slider]:
    """One logarithmic slider a loss term, a hundred times below and above the weight it starts with (above zero)."""
    return {
        name: Slider(weight / 100, weight * 100, weight, f"weight of {name}", logarithmic=True)
        for name, weight in weights.items()
    }


def slider_angles(values: Mapping[str, float | int]) -> Float[Tensor, "15 3"]:
    """Anatomical angles in radians (as in :mod:`handlib.hand.anatomy`) of the values of :func:`pose_sliders`."""
    from handlib.viz.posable import hand_sliders

    angles = torch.zeros(15, 3)
    for slider in hand_sliders(0):
        for joint, axis, radians in slider.angles:
            angles[joint, axis] += radians * float(values.get(slider.name, 0.0))
    return angles


def explore(
    draw: Callable[..., Any],
    sliders: Mapping[str, Slider],
    *,
    alt: str,
    caption: str | None = None,
    name: str | None = None,
) -> None:
    """Show the figure that ``draw`` makes of the sliders' values, with the sliders where they can be moved.

    Args:
        draw: called with one keyword argument a slider; returns anything :func:`handlib.viz.show` takes.
        sliders: keyword -> slider. The functions ``*_sliders`` make the usual ones; join them with ``|``.
        alt: what the figure shows, in words.
        caption: text under the figure.
        name: the figure's address on the page becomes ``#figure-<name>``.

    Raises:
        BadInputError: there is no slider, or ``alt`` is empty.
        MissingExtraError: in a live notebook without ipywidgets.
    """
    if not sliders:
        raise BadInputError("sliders is empty; give at least one, such as viz.shape_sliders()")
    starts = {key: slider.start for key, slider in sliders.items()}
    if in_book():
        show(draw(**starts), alt=alt, caption=_with_sliders(caption, list(sliders.values())), name=name)
        return
    if find_spec("ipywidgets") is None:
        raise MissingExtraError("sliders need ipywidgets; pip install -e '.[book]'")
    _show_live(draw, sliders, alt, caption, name)


def _with_sliders(caption: str | None, sliders: Sequence[Slider]) -> str:
    """The caption with a sentence on the sliders that the live notebook has."""
    words = ", ".join(f"{slider.label} ({slider.start:g}{slider.unit})" for slider in sliders)
    return f"{caption or ''} *In the notebook, sliders change:* {words}.".strip()


def _show_live(
    draw: Callable[..., Any], sliders: Mapping[str, Slider], alt: str, caption: str | None, name: str | None
) -> None:
    """Sliders above the figure, which is drawn anew when one is let go."""
    import ipywidgets
    from IPython.display import display

    widgets = {key: _widget(slider) for key, slider in sliders.items()}
    place = ipywidgets.Output()

    def redraw(_change: Any = None) -> None:
        body = figure_html(
            draw(**{key: widget.value for key, widget in widgets.items()}), alt, caption, name, still=False
        )
        place.clear_output(wait=True)
        with place:
            emit(body, alt)

    for widget in widgets.values():
        widget.observe(redraw, names="value")
    columns = ipywidgets.Layout(grid_template_columns="repeat(auto-fill, minmax(22rem, 1fr))")
    display(ipywidgets.GridBox(list(widgets.values()), layout=columns), place)
    redraw()


def _widget(slider: Slider) -> Any:
    """The ipywidgets slider, which reports its value when it is let go."""
    import ipywidgets

    look = {"continuous_update": False, "style": {"description_width": "9rem"}, "layout": {"width": "21rem"}}
    description = f"{slider.label} {f'[{slider.unit}]' if slider.unit else ''}".strip()
    if slider.logarithmic:
        ends = {"min": math.log10(slider.low), "max": math.log10(slider.high), "base": 10}
        return ipywidgets.FloatLogSlider(value=slider.start, description=description, **ends, **look)
    step = (slider.high - slider.low) / 100
    return ipywidgets.FloatSlider(
        value=slider.start, min=slider.low, max=slider.high, step=step, description=description, **look
    )
