"""What the page shows: spheres as a mesh, crops as pictures, trained networks, curves of runs beside printed points."""

import math
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from handlib.errors import MissingFileError
from handlib.experiments import stored
from handlib.experiments.stored import chapter_runs
from handlib.experiments.stored import mean_curves as mean_curves
from handlib.experiments.training_by_fitting.effort import effort_of
from handlib.experiments.training_by_fitting.prior import PRIOR_FILE
from handlib.experiments.training_by_fitting.recipes import CHAPTER, PRIOR, FittingRecipe, SyntheticRecipe
from handlib.experiments.training_by_fitting.synthetic import NETWORK
from handlib.models.depth_hourglass import DepthEstimator
from handlib.models.pose_vae import PoseVAE
from handlib.render.spheres import BACKGROUND_M, CUBE_M
from handlib.reproduce.artifacts import find_artifact
from handlib.reproduce.published import load_published
from handlib.reproduce.results import Result
from handlib.reproduce.state import read_state
from handlib.viz.figures import curve_figure
from handlib.viz.theme import COLOURS, INK

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

STATED_AT_MM = {"success_20mm": 20}
"""Columns of the published figures that are one point of a success curve, and its threshold."""

stored_runs = partial(chapter_runs, CHAPTER)
"""The chapter's stored results, of the profile ``full`` unless told."""


def trained_network(recipe: SyntheticRecipe | FittingRecipe, profile: str, seed: int = 0) -> tuple[DepthEstimator, str]:
    """The network that a row has left on this machine, that of the full profile if it is here; and its profile.

    Raises:
        MissingFileError: neither is here.
    """
    path, found = _left(recipe.name, profile, seed, NETWORK)
    network = DepthEstimator(recipe.stacks, effort_of(found, recipe.effort).features)
    network.load_state_dict(read_state(path))
    return network.eval(), found


def trained_prior(profile: str) -> tuple[PoseVAE, str]:
    """The pose prior, as :func:`trained_network` finds networks."""
    path, found = _left(PRIOR.name, profile, 0, PRIOR_FILE)
    vae = PoseVAE()
    vae.load_state_dict(read_state(path))
    return vae.requires_grad_(False).eval(), found


def _left(recipe: str, profile: str, seed: int, name: str) -> tuple[Path, str]:
    try:
        return find_artifact(CHAPTER, recipe, "full", seed, name), "full"
    except MissingFileError:
        return find_artifact(CHAPTER, recipe, profile, seed, name), profile


def by_seed(runs: Iterable[Result], recipe: str, metric: str = "mean_error") -> dict[int, float]:
    """As :func:`handlib.experiments.stored.by_seed`, of the chapter's own measure unless told."""
    return stored.by_seed(runs, recipe, metric)


def success_figure(key: str, runs: Iterable[Result], further: Mapping[str, str] | None = None) -> "Figure":
    """A published figure of success curves: our rows as lines, and the points that the paper states as diamonds.

    A row's line and diamond share a colour, and no difficulty: ours is on our target, the paper's on NYU. Rows that
    were not run have no line, and a figure without either has no trace.

    Args:
        key: such as "fitting/figure-5".
        runs: stored results; of several seeds, the mean.
        further: label -> recipe of rows of ours that the paper's figure has not; they are dotted, in ink.
    """
    runs, table = list(runs), load_published()[key]
    rows = {f"{row.label}, here": row for row in table.rows}
    curves = mean_curves(runs, {label: row.recipe for label, row in rows.items()})
    figure = curve_figure(
        curves, x_label="threshold [mm]", y_label="crops with all joints within [%]", y_range=(0, 100)
    )
    colours = {row.key: COLOURS[index % len(COLOURS)] for index, row in enumerate(table.rows)}
    for trace in figure.data:
        trace.line.color = colours[rows[trace.name].key]
    for column, threshold_mm in STATED_AT_MM.items():
        if all(column != known.key for known in table.columns):
            continue
        stated = {row.key: (row.label, table.number(row.key, column)) for row in table.rows}
        for name, (label, value) in stated.items():
            if value is not None:
                look = {"symbol": "diamond", "size": 11, "color": colours[name]}
                label = f"{label}, paper"
                figure.add_scatter(x=[threshold_mm], y=[value], mode="markers", name=label, marker=look)
    for label, (x, y) in mean_curves(runs, further or {}).items():
        figure.add_scatter(x=x, y=y, mode="lines", name=label, line={"color": INK, "dash": "dot", "width": 2.2})
    return figure


def depth_picture(depth_m: Float[Tensor, "height width"]) -> UInt8[np.ndarray, "height width"]:
    """A crop (cube frame, m) as a grey picture: the nearer, the brighter; nothing is dark."""
    share = (BACKGROUND_M - depth_m.detach()) / (BACKGROUND_M + CUBE_M / 2)
    grey = torch.where(depth_m < BACKGROUND_M, 70 + 185 * (share / 0.75).clamp(0, 1), 25)
    return grey.to(torch.uint8).numpy()


def sphere_mesh(
    centres_m: Float[Tensor, "spheres 3"], radii_m: Float[Tensor, "spheres"], rings: int = 6
) -> tuple[Float[Tensor, "vertices 3"], Int[Tensor, "faces 3"]]:
    """Spheres as one mesh to turn: each a net of ``rings`` times ``2 rings`` quads, cut into triangles."""
    polar = torch.linspace(0, math.pi, rings + 1)[:, None]
    around = torch.linspace(0, 2 * math.pi, 2 * rings + 1)[:-1]
    unit = torch.stack(
        [polar.sin() * around.cos(), polar.sin() * around.sin(), polar.cos().expand(-1, len(around))], dim=-1
    ).flatten(0, 1)
    row, column = torch.meshgrid(torch.arange(rings), torch.arange(2 * rings), indexing="ij")
    corner = [
        (row + down) * 2 * rings + (column + right) % (2 * rings) for down, right in ((0, 0), (0, 1), (1, 0), (1, 1))
    ]
    first, second, third, fourth = (index.flatten() for index in corner)
    faces = torch.cat([torch.stack([first, third, second], -1), torch.stack([second, third, fourth], -1)])
    vertices = centres_m.float()[:, None] + radii_m.float()[:, None, None] * unit
    offsets = len(unit) * torch.arange(len(centres_m))
    return vertices.flatten(0, 1), (faces + offsets[:, None, None]).flatten(0, 1)
