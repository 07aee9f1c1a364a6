"""One sphere to be moved by hand: where the two data terms pull it, drawn as a cut through the crop."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor

from handlib.data.depth_cube import CROP_PX
from handlib.losses.depth_fitting import MM_PER_M, data_to_model_loss, model_to_data_loss
from handlib.losses.sphere_priors import RELEASED_WEIGHTS
from handlib.render.spheres import BACKGROUND_M, crop_camera, pixel_rays_m, render_spheres
from handlib.viz.steps import stepped_figure
from handlib.viz.theme import COLOURS, INK

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

TWO_SPHERES_M = torch.tensor([[-0.035, 0.0, 0.0], [0.035, 0.0, 0.0]])
"""What the crop of the example shows: two spheres side by side, cube frame."""

RADIUS_M = 0.015
PULL_MM = 1.0
"""Length of an arrow, mm, for a pull of one unit of loss a millimetre."""


@dataclass(frozen=True, eq=False)
class Pulls:
    """What happens to the second sphere where it is: ``measured_m`` and ``drawn_m``, crops (cube frame), and the way
    downhill of either term with its released weight, (3,), in units of the loss a millimetre.
    """

    measured_m: Float[Tensor, "size size"]
    drawn_m: Float[Tensor, "size size"]
    model_to_data: Float[Tensor, "3"]
    data_to_model: Float[Tensor, "3"]


def pulls_at(moved_m: Float[Tensor, "3"]) -> Pulls:
    """Both data terms (released form and weights) of a model whose second sphere is off by ``moved_m``."""
    radii, camera = torch.full((1, 2), RADIUS_M), crop_camera(CROP_PX)
    measured = render_spheres(TWO_SPHERES_M[None], radii, camera, CROP_PX)
    centres = (TWO_SPHERES_M + torch.stack([torch.zeros(3), moved_m]))[None].requires_grad_()
    drawn = render_spheres(centres, radii, camera, CROP_PX)
    terms = (
        RELEASED_WEIGHTS.model_to_data * model_to_data_loss(drawn, measured, "released"),
        RELEASED_WEIGHTS.data_to_model * data_to_model_loss(centres, radii, measured),
    )
    downhill = (-torch.autograd.grad(term.sum(), centres, retain_graph=True)[0][0, 1] / MM_PER_M for term in terms)
    return Pulls(measured[0], drawn[0].detach(), *downhill)


def pull_figure(moved_m: Float[Tensor, "3"]) -> "Figure":
    """A cut through both spheres along the line of sight: measured and drawn pixels, the model, and the two pulls."""
    import plotly.graph_objects as go

    pulls = pulls_at(moved_m)
    row = CROP_PX // 2
    x_mm = MM_PER_M * pixel_rays_m(crop_camera(CROP_PX), CROP_PX)[0, row, :, 0].numpy()
    second = TWO_SPHERES_M[1] + moved_m
    figure = go.Figure()
    for name, crop, look in (
        ("measured", pulls.measured_m, {"color": INK, "symbol": "square", "size": 7}),
        ("drawn", pulls.drawn_m, {"color": COLOURS[2], "symbol": "x", "size": 6}),
    ):
        figure.add_scatter(x=x_mm, y=MM_PER_M * crop[row].numpy(), mode="markers", name=name, marker=look)
    outline = np.concatenate([_circle_mm(centre) for centre in (TWO_SPHERES_M[0], second)])
    figure.add_scatter(
        x=outline[:, 0], y=outline[:, 1], mode="lines", name="model", line={"color": COLOURS[2], "width": 2}
    )
    sizes = {}
    for name, pull, colour in (
        ("model to data", pulls.model_to_data, COLOURS[0]),
        ("data to model", pulls.data_to_model, COLOURS[1]),
    ):
        sizes[name] = float(pull.norm())
        arrow = _arrow_mm(MM_PER_M * second[[0, 2]].numpy(), PULL_MM * pull[[0, 2]].numpy())
        figure.add_scatter(x=arrow[:, 0], y=arrow[:, 1], mode="lines", name=name, line={"color": colour, "width": 4})
    said = ", ".join(f"{name} {size:.0f}" for name, size in sizes.items())
    figure.update_layout(title={"text": f"pull of {said}", "x": 0.02}, height=520, margin={"t": 70})
    figure.update_xaxes(title="x [mm]", range=(-100, 100), constrain="domain")
    figure.update_yaxes(
        title="z, away from the camera [mm]", range=(-75, 1000 * BACKGROUND_M + 15), scaleanchor="x", constrain="domain"
    )
    return figure


def moving_sphere(direction: Float[Tensor, "3"], places_mm: Iterable[int], label: str, start_mm: int) -> "Figure":
    """:func:`pull_figure` with a slider that moves the second sphere along a direction, from ``start_mm``."""
    places = list(places_mm)
    figures = {f"{mm} mm": pull_figure(mm / MM_PER_M * direction) for mm in places}
    return stepped_figure(figures, label=label, start=places.index(start_mm))


def _circle_mm(centre_m: Float[Tensor, "3"]) -> Float[np.ndarray, "points 2"]:
    """A sphere's outline in the cut, x and z; the NaN at its end lifts the pen."""
    around = np.linspace(0, 2 * np.pi, 41)
    ring = MM_PER_M * (centre_m[[0, 2]].numpy() + RADIUS_M * np.stack([np.cos(around), np.sin(around)], 1))
    return np.vstack([ring, np.full((1, 2), np.nan)])


def _arrow_mm(tail: Float32[np.ndarray, "2"], reach: Float32[np.ndarray, "2"]) -> Float[np.ndarray, "points 2"]:
    """An arrow as one line: shaft, and two barbs of a fifth of its length, at least 3 mm if there is any shaft."""
    length = float(np.hypot(*reach))
    if length < 0.5:  # less than can be seen: a dot
        return np.stack([tail, tail])
    along, across = reach / length, np.array([-reach[1], reach[0]]) / length
    barb, tip = max(0.2 * length, 3.0), tail + reach
    left, right = (tip - barb * (along + side * 0.6 * across) for side in (1, -1))
    return np.stack([tail, tip, left, tip, right])
