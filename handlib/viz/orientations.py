"""Orientations of a joint that does not twist, on the sphere that they are: to be turned by hand.

Unit quaternions are a sphere in four dimensions. A joint that bends and spreads, but does not twist about its bone
(x here), has only three of the four numbers, and its orientations are an ordinary sphere: the pole is "not turned", and
a point is half as far from the pole as the joint is turned. Opposite points are the same orientation.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from handlib.errors import BadInputError
from handlib.losses.motion_prior import rotvec_to_quaternion
from handlib.viz.figures import scene_layout
from handlib.viz.theme import COLOURS, INK

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

MOST_TWIST = 1e-4
# As in handlib.viz.turning: bending goes to the right, and the pole leans towards the reader.
_CAMERA = {"eye": {"x": 1.0, "y": 0.0, "z": 1.0}, "up": {"x": 0.0, "y": 0.0, "z": 1.0}}


@dataclass(frozen=True, eq=False)
class SpherePath:
    """Some orientations in order: unit quaternions (points, 4), joined by a line, shown as dots, or both."""

    quaternions: Float[Tensor, "points 4"]
    line: bool = True
    dots: bool = False
    colour: str | None = None


def bent_and_spread(
    bend_rad: Float[Tensor, "*batch"], spread_rad: Float[Tensor, "*batch"]
) -> Float[Tensor, "*batch 4"]:
    """Unit quaternions (real part last) of a finger's joint that bends about z and spreads about y, without twist."""
    return rotvec_to_quaternion(torch.stack([torch.zeros_like(bend_rad), spread_rad, bend_rad], dim=-1))


def sphere_points(quaternions: Float[Tensor, "*batch 4"]) -> Float[Tensor, "*batch 3"]:
    """Where orientations without twist lie on the sphere: (spread, bend, real part), of length 1.

    Raises:
        BadInputError: one of them twists about x.
    """
    twist = quaternions[..., 0].abs()
    if bool((twist > MOST_TWIST).any()):
        raise BadInputError(
            f"quaternions: {int((twist > MOST_TWIST).sum())} of them twist about x (by {float(twist.max()):.3f}); "
            "only orientations without twist lie on this sphere"
        )
    return quaternions[..., 1:]


def orientation_sphere(paths: Mapping[str, SpherePath], *, title: str | None = None, height: int = 440) -> "Figure":
    """The sphere with paths on it, as a figure to turn.

    Args:
        paths: name in the legend -> orientations.
        title: above the figure.
        height: in CSS pixels.

    Raises:
        BadInputError: an orientation twists about x.
    """
    import plotly.graph_objects as go

    traces = [_ball(), *_graticule()]
    for index, (name, path) in enumerate(paths.items()):
        # A little outside of the ball, so that it does not hide them.
        x, y, z = (1.012 * sphere_points(path.quaternions.detach())).numpy().T
        colour = path.colour or COLOURS[index % len(COLOURS)]
        mode = "+".join(word for word, wanted in (("lines", path.line), ("markers", path.dots)) if wanted)
        traces.append(
            go.Scatter3d(
                x=x,
                y=y,
                z=z,
                mode=mode or "markers",
                name=name,
                hoverinfo="name",
                line={"width": 6, "color": colour},
                marker={"size": 6, "color": colour},
            )  # fmt: skip
        )
    figure = go.Figure(traces)
    figure.update_layout(
        title=title,
        height=height,
        margin={"l": 0, "r": 0, "t": 40 if title else 0, "b": 0},
        legend={"orientation": "h"},
        scene=scene_layout(traces, {**_CAMERA, "projection": {"type": "perspective"}}),
    )
    return figure


def graticule_circles(degrees: Sequence[int] = (60, 120, 180)) -> list[Float[np.ndarray, "points 3"]]:
    """Circles of orientations that are turned equally far, and the two great circles of bending and of spreading."""
    around = np.linspace(0, 2 * np.pi, 73)
    rings = [np.deg2rad(angle / 2) for angle in degrees]
    circles = [
        np.stack([np.sin(r) * np.cos(around), np.sin(r) * np.sin(around), np.full(73, np.cos(r))], 1) for r in rings
    ]
    still = np.zeros(73)
    circles.append(np.stack([still, np.sin(around), np.cos(around)], 1))
    circles.append(np.stack([np.sin(around), still, np.cos(around)], 1))
    return circles


def _graticule() -> list:
    import plotly.graph_objects as go

    chain = np.concatenate([np.concatenate([circle, np.full((1, 3), np.nan)]) for circle in graticule_circles()])
    x, y, z = chain.T
    style = {"mode": "lines", "showlegend": False, "hoverinfo": "skip"}
    grid = go.Scatter3d(x=x, y=y, z=z, line={"width": 2, "color": COLOURS[-1]}, **style)
    pole = go.Scatter3d(
        x=[0.0], y=[0.0], z=[1.01], mode="markers", name="not turned", marker={"size": 4, "color": INK},
        line={"color": INK}, hoverinfo="name",
    )  # fmt: skip
    return [grid, pole]


def _ball(rings: int = 20) -> object:
    """A pale ball, so that the far side looks far: a net of ``rings`` times ``2 rings`` quads, cut into triangles."""
    import plotly.graph_objects as go

    polar, around = np.meshgrid(
        np.linspace(0, np.pi, rings + 1), np.linspace(0, 2 * np.pi, 2 * rings + 1), indexing="ij"
    )
    points = 0.985 * np.stack([np.sin(polar) * np.cos(around), np.sin(polar) * np.sin(around), np.cos(polar)], -1)
    corner = np.arange(polar.size).reshape(polar.shape)
    a, b, c, d = corner[:-1, :-1], corner[:-1, 1:], corner[1:, :-1], corner[1:, 1:]
    i, j, k = np.stack([np.stack([a, c, b]), np.stack([b, c, d])]).transpose(1, 0, 2, 3).reshape(3, -1).astype(np.int16)
    x, y, z = points.reshape(-1, 3).T.astype(np.float32)
    return go.Mesh3d(x=x, y=y, z=z, i=i, j=j, k=k, color=COLOURS[-1], opacity=0.16, hoverinfo="skip")
