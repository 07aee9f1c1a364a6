"""The graph of a mesh to look at: its waves, a hand built of few of them, and its coarser and coarser versions."""

from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from handlib.errors import BadInputError
from handlib.models.chebyshev import normalised_laplacian
from handlib.models.mesh_hierarchy import MeshHierarchy

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_SHADE = 0.6
"""How much children differ from their parent, in parts of what their parents differ by."""


def mesh_adjacency(hierarchy: MeshHierarchy) -> Float[Tensor, "vertices vertices"]:
    """1 where two vertices of the mesh share an edge, in the mesh's own order and without fake nodes."""
    return hierarchy.adjacency[0][hierarchy.place][:, hierarchy.place].double()


def mesh_waves(
    hierarchy: MeshHierarchy,
) -> tuple[Float[Tensor, "vertices"], Float[Tensor, "vertices vertices"]]:
    """Frequencies (0..2, rising) and waves (columns, of length 1) of the normalised Laplacian of a mesh's graph."""
    return torch.linalg.eigh(normalised_laplacian(mesh_adjacency(hierarchy)))


def built_of_waves(
    vertices: Float[Tensor, "vertices channels"], hierarchy: MeshHierarchy, count: int
) -> Float[Tensor, "vertices channels"]:
    """A mesh of which only the ``count`` slowest waves are left.

    A signal that is the same everywhere is the slowest wave of the graph only after each vertex is weighted by the root
    of its number of neighbours; that is done before, and undone after.

    Raises:
        BadInputError: no wave, or more than there are vertices.
    """
    if not 1 <= count <= len(vertices):
        raise BadInputError(f"count: {count}, expected 1 to {len(vertices)} waves")
    _, waves = mesh_waves(hierarchy)
    root = mesh_adjacency(hierarchy).sum(1).clamp(min=1).sqrt()[:, None]
    kept = waves[:, :count]
    return (kept @ (kept.mT @ (root * vertices.double())) / root).to(vertices)


def cluster_colours(hierarchy: MeshHierarchy, level: int, seed: int = 0) -> Float[np.ndarray, "vertices 3"]:
    """A colour (RGB 0..1) for each vertex, the same within a cluster of ``level``.

    Clusters that are joined at the next level have shades of one colour, so that one sees who joins whom: a colour is
    drawn for each node of the coarsest level, and children differ from their parent the less, the finer they are.
    """
    generator = np.random.default_rng(seed)
    last = len(hierarchy.real) - 1
    colours = generator.uniform(0.3, 0.95, (hierarchy.num_nodes(last), 3))
    for finer in reversed(range(level, last)):
        colours = colours.repeat(2, axis=0)
        colours = colours + _SHADE ** (last - finer) * generator.uniform(-0.5, 0.5, colours.shape)
    return colours[hierarchy.cluster(level).numpy()].clip(0, 1)


def cluster_centres(
    vertices: Float[Tensor, "vertices 3"], hierarchy: MeshHierarchy, level: int
) -> Float[Tensor, "nodes 3"]:
    """The mean of each cluster's vertices; NaN for fake nodes."""
    cluster = hierarchy.cluster(level)
    total = vertices.new_zeros(hierarchy.num_nodes(level), 3).index_add(0, cluster, vertices)
    return total / torch.bincount(cluster, minlength=len(total))[:, None].where(
        hierarchy.real[level][:, None], torch.nan
    )


def coarse_graph_figure(
    vertices: Float[Tensor, "vertices 3"],
    faces: Int[Tensor, "faces 3"],
    hierarchy: MeshHierarchy,
    level: int,
    *,
    view: str = "palm",
    height: int = 460,
) -> "Figure":
    """A hand coloured by the clusters of a level, with the graph that is left of it there, to turn.

    Args:
        vertices: of the mesh, in the frame that ``view`` names.
        faces: of the mesh.
        hierarchy: of the mesh.
        level: 0 is the mesh itself.
        view: as for :func:`handlib.viz.mesh_figure`.
        height: CSS pixels.
    """
    import plotly.graph_objects as go

    from handlib.viz.figures import mesh_figure
    from handlib.viz.theme import INK

    real, weights = hierarchy.real[level], hierarchy.adjacency[level]
    title = f"{int(real.sum())} nodes, and {int((~real).sum())} fake ones"
    figure = mesh_figure(
        vertices, faces, cluster_colours(hierarchy, level), view=view, title=title, height=height, opacity=0.7
    )
    centres = cluster_centres(vertices, hierarchy, level).numpy()
    start, end = (index.numpy() for index in torch.triu(weights, 1).nonzero(as_tuple=True))
    lines = np.full((len(start), 3, 3), np.nan, np.float32)
    lines[:, 0], lines[:, 1] = centres[start], centres[end]
    x, y, z = lines.reshape(-1, 3).T
    figure.add_trace(
        go.Scatter3d(x=x, y=y, z=z, mode="lines", line={"width": 2.5, "color": INK}, hoverinfo="skip", showlegend=False)
    )
    return figure
