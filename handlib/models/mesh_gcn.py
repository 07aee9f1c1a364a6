"""From a picture's features to a mesh, and from a mesh to joints, by convolution on the mesh's own graph.

TASSN (Chen et al., WACV 2021, section 3.2) takes both from Ge et al., "3D Hand Shape and Pose Estimation from a Single
RGB Image" (CVPR 2019, https://arxiv.org/abs/1903.00812), whose widths these are: features become a coarse graph, which
grows by four, twice, with two convolutions each time; back to joints the same way in the other direction. Where Ge et
al. normalise over the batch, this normalises each node by itself, so that neither the fake nodes of the hierarchy nor
the other hands of a batch have a part in it.
"""

from jaxtyping import Float
from torch import Tensor, nn

from handlib.models.chebyshev import ChebyshevConv
from handlib.models.mesh_hierarchy import MeshHierarchy, pool_nodes, to_nodes, to_vertices, upsample_nodes

LENGTH_UNIT_M = 0.1
"""Networks compute in this unit, in which a hand is about 1 in size."""

STEP = 2
"""Levels of the hierarchy from one graph to the next: twice a half is the paper's quarter."""


class GraphBlock(nn.Module):
    """Graph convolutions at one level, each but for a bare last one normalised and rectified; fake nodes stay zero."""

    def __init__(self, hierarchy: MeshHierarchy, level: int, widths: tuple[int, ...], terms: int, bare: bool) -> None:
        """Build a layer between each two of ``widths``."""
        super().__init__()
        # What follows from the mesh is no part of a checkpoint.
        self.register_buffer("laplacian", hierarchy.laplacian[level].to_sparse(), persistent=False)
        self.register_buffer("real", hierarchy.real[level], persistent=False)
        pairs = list(zip(widths, widths[1:], strict=False))
        self.layers = nn.ModuleList(ChebyshevConv(width_in, width, terms) for width_in, width in pairs)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for width in widths[1 : len(widths) - bare])

    def forward(self, nodes: Float[Tensor, "batch nodes channels"]) -> Float[Tensor, "batch nodes out"]:
        """Features of the same nodes."""
        for number, layer in enumerate(self.layers):
            nodes = layer(self.laplacian, nodes)
            if number < len(self.norms):
                nodes = self.norms[number](nodes).relu()
            nodes = nodes * self.real[:, None]
        return nodes


class MeshDecoder(nn.Module):
    """Features to vertices: two dense layers make the coarsest graph (64 channels a node), which then grows twice.

    4096 -> 512 -> nodes x 64; x4, 64 -> 64 -> 32; x4, 32 -> 32 -> 3 (Ge et al.; their coarsest graph has 80 nodes, that
    of the open hand has what its own coarsening leaves).
    """

    def __init__(self, hierarchy: MeshHierarchy, num_features: int, terms: int = 3) -> None:
        """Build the layers on a hierarchy of four levels; ``terms`` are Chebyshev's."""
        super().__init__()
        coarsest = hierarchy.num_nodes(2 * STEP)
        self.register_buffer("place", hierarchy.place, persistent=False)
        self.dense = nn.Sequential(
            *(
                nn.Linear(num_features, 512),
                nn.ReLU(inplace=True),
                nn.Linear(512, coarsest * 64),
                nn.ReLU(inplace=True),
            ),
            nn.Unflatten(1, (coarsest, 64)),
        )
        self.middle = GraphBlock(hierarchy, STEP, (64, 64, 32), terms, bare=False)
        self.fine = GraphBlock(hierarchy, 0, (32, 32, 3), terms, bare=True)

    def forward(self, features: Float[Tensor, "batch features"]) -> Float[Tensor, "batch vertices 3"]:
        """Vertices, metres."""
        nodes = self.dense(features)
        for block in (self.middle, self.fine):
            nodes = block(upsample_nodes(nodes, block.real))
        return LENGTH_UNIT_M * to_vertices(nodes, self.place)


class PoseFromMesh(nn.Module):
    """Vertices to joints: 3 -> 32 -> 32, pool 4; 32 -> 64 -> 64, pool 4; dense 512; 21 x 3.

    Two stacked graph networks with pooling and two dense layers (TASSN section 3.2; widths of Ge et al.). No regressor
    of a hand model: what a joint is, the network is to find out.
    """

    def __init__(self, hierarchy: MeshHierarchy, num_joints: int = 21, terms: int = 3) -> None:
        """Build the layers on a hierarchy of four levels; ``terms`` are Chebyshev's."""
        super().__init__()
        self.register_buffer("place", hierarchy.place, persistent=False)
        self.fine = GraphBlock(hierarchy, 0, (3, 32, 32), terms, bare=False)
        self.middle = GraphBlock(hierarchy, STEP, (32, 64, 64), terms, bare=False)
        self.dense = nn.Sequential(
            *(nn.Flatten(), nn.Linear(hierarchy.num_nodes(2 * STEP) * 64, 512), nn.ReLU(inplace=True)),
            *(nn.Linear(512, num_joints * 3), nn.Unflatten(1, (num_joints, 3))),
        )

    def forward(self, vertices: Float[Tensor, "batch vertices 3"]) -> Float[Tensor, "batch joints 3"]:
        """Joints (metres) from vertices (metres), in the same frame."""
        nodes = to_nodes(vertices / LENGTH_UNIT_M, self.place, len(self.fine.real))
        for block in (self.fine, self.middle):
            nodes = pool_nodes(block(nodes), block.real, 2**STEP)
        return LENGTH_UNIT_M * self.dense(nodes)


def from_wrist(
    vertices: Float[Tensor, "batch vertices 3"], joints: Float[Tensor, "batch joints 3"]
) -> tuple[Float[Tensor, "batch vertices 3"], Float[Tensor, "batch joints 3"]]:
    """Both with the wrist (joint 0) moved to the origin: where a hand is, one picture does not tell in metres."""
    wrist = joints[:, :1]
    return vertices - wrist, joints - wrist
