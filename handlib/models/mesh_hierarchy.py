"""A mesh at several resolutions: its graph, coarsened by pairing neighbours, in an order that makes pooling trivial.

Each level joins nodes in pairs that share a heavy edge ("heavy-edge matching": Dhillon, Guan, Kulis, "Weighted Graph
Cuts without Eigenvectors", PAMI 2007, https://doi.org/10.1109/TPAMI.2007.1115). Who finds no partner stays alone, and
is given a *fake* sibling without edges; a fake node has two fake children. So every node has exactly two children, the
nodes of all levels are the nodes of binary trees, and, in their order, node i of a level is the parent of 2i and 2i + 1
of the next finer one: to pool is to reshape (Defferrard et al., NeurIPS 2016, section 2.2 and 2.3,
https://arxiv.org/abs/1606.09375). TASSN (section 3.2) builds its mesh over such levels from coarse to fine.

Fake nodes hold zeros. Whoever computes on all nodes sets them to zero again (``real`` says which are none).
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy import sparse
from torch import Tensor

from handlib.errors import BadInputError
from handlib.models.chebyshev import normalised_laplacian, scaled_laplacian


@dataclass(frozen=True, eq=False)
class MeshHierarchy:
    """A mesh's graph and its coarser versions; level 0 is the finest, each next one has half as many nodes.

    Attributes:
        adjacency: weights of the edges at each level, fake nodes included; 1 at level 0, then the number of original
            edges between two clusters.
        laplacian: scaled to -1..1, for :class:`handlib.models.chebyshev.ChebyshevConv`.
        real: which nodes of each level are none of the fake ones.
        place: the node of level 0 that each vertex of the mesh is.
    """

    adjacency: tuple[Float[Tensor, "_ _"], ...]
    laplacian: tuple[Float[Tensor, "_ _"], ...]
    real: tuple[Bool[Tensor, "_"], ...]
    place: Int[Tensor, "vertices"]

    def num_nodes(self, level: int) -> int:
        """Number of nodes at a level, with the fake ones."""
        return len(self.real[level])

    def cluster(self, level: int) -> Int[Tensor, "vertices"]:
        """The node of ``level`` that each vertex of the mesh belongs to."""
        return self.place >> level


def to_nodes(
    vertices: Float[Tensor, "batch vertices channels"], place: Int[Tensor, "vertices"], num_nodes: int
) -> Float[Tensor, "batch nodes channels"]:
    """From the mesh's own order to the nodes of level 0; fake nodes are zero."""
    nodes = vertices.new_zeros(len(vertices), num_nodes, vertices.shape[2])
    return nodes.index_copy(1, place, vertices)


def to_vertices(
    nodes: Float[Tensor, "batch nodes channels"], place: Int[Tensor, "vertices"]
) -> Float[Tensor, "batch vertices channels"]:
    """From the nodes of level 0 to the mesh's own order; the inverse of :func:`to_nodes`."""
    return nodes.index_select(1, place)


def upsample_nodes(
    nodes: Float[Tensor, "batch coarse channels"], real: Bool[Tensor, "fine"]
) -> Float[Tensor, "batch fine channels"]:
    """To a finer level: each child is given what its parent has, fake children zero. ``real`` is the finer level's."""
    return nodes.repeat_interleave(len(real) // nodes.shape[1], dim=1) * real[:, None]


def pool_nodes(
    nodes: Float[Tensor, "batch fine channels"], real: Bool[Tensor, "fine"], factor: int
) -> Float[Tensor, "batch coarse channels"]:
    """To a coarser level: the largest value of the real ones among ``factor`` descendants; zero if there are none.

    Args:
        nodes: features of the finer level.
        real: of the finer level.
        factor: 2 for the next level, 4 for the one after it.
    """
    largest = nodes.masked_fill(~real[:, None], -torch.inf).unflatten(1, (-1, factor)).amax(2)
    return torch.where(real.unflatten(0, (-1, factor)).any(1)[:, None], largest, 0.0)


def mesh_hierarchy(faces: Int[Tensor, "faces 3"], num_vertices: int, levels: int = 4) -> MeshHierarchy:
    """Coarsen the graph of a mesh's edges ``levels`` times.

    Nothing is random: equal meshes have equal hierarchies, and each is built once in a process.

    Args:
        faces: triangles.
        num_vertices: vertices of the mesh; those in no face are nodes without edges.
        levels: how often; Ge et al. (CVPR 2019), whom TASSN follows, take 4.

    Raises:
        BadInputError: faces of other vertices, or no level.
    """
    array = np.ascontiguousarray(faces.cpu().numpy(), dtype=np.int64)
    if levels < 1 or not len(array) or array.min() < 0 or array.max() >= num_vertices:
        raise BadInputError(
            f"mesh_hierarchy: levels {levels}, {len(array)} faces, {num_vertices} vertices; expected at least one "
            "level, and faces that name vertices 0 to num_vertices - 1"
        )
    return _build(array.tobytes(), num_vertices, levels)


def match_heavy_edges(weights: sparse.csr_array, volume: Float[np.ndarray, "nodes"]) -> Int[np.ndarray, "nodes"]:
    """Join nodes in pairs, greedily, each with the free neighbour that it shares most with.

    What two nodes share is measured as for a normalised cut: ``w_ij (1 / d_i + 1 / d_j)``. Nodes with few ties choose
    first, since they have the least choice; equals in the order of their numbers. One after the other: who is still
    free depends on all who chose before.

    Args:
        weights: of the edges, symmetric; the diagonal (edges within a cluster) does not count.
        volume: d: all edge ends at the node, those within its cluster included.

    Returns:
        the number of each node's cluster, 0, 1, 2, ... in the order in which the clusters were made.
    """
    cluster = np.full(len(volume), -1)
    share = 1 / np.maximum(volume, 1e-12)
    count = 0
    for node in np.argsort(volume, kind="stable"):
        if cluster[node] >= 0:
            continue
        begin, end = weights.indptr[node], weights.indptr[node + 1]
        others, heavy = weights.indices[begin:end], weights.data[begin:end]
        free = (cluster[others] < 0) & (others != node)
        cluster[node] = count
        if free.any():
            others = others[free]
            cluster[others[np.argmax(heavy[free] * (share[node] + share[others]))]] = count
        count += 1
    return cluster


def binary_tree_orders(parents: list[Int[np.ndarray, "_"]]) -> list[Int[np.ndarray, "_"]]:
    """Orders of the nodes, finest level first, in which siblings stand side by side; -1 is a fake node.

    Args:
        parents: for each level but the coarsest, the number of each node's parent in the next.
    """
    orders = [np.arange(parents[-1].max() + 1)]
    for parent in reversed(parents):
        # Two columns of children; a last row of nobody, for the fake parents (-1) to point at.
        children = np.full((parent.max() + 2, 2), -1)
        by_parent = np.argsort(parent, kind="stable")
        sorted_parent = parent[by_parent]
        second = np.r_[False, sorted_parent[1:] == sorted_parent[:-1]]
        children[sorted_parent, second.astype(int)] = by_parent
        orders.append(children[orders[-1]].ravel())
    return orders[::-1]


@lru_cache(maxsize=8)
def _build(faces: bytes, num_vertices: int, levels: int) -> MeshHierarchy:
    triangles = np.frombuffer(faces, dtype=np.int64).reshape(-1, 3)
    start, end = triangles.ravel(), np.roll(triangles, 1, axis=1).ravel()
    both = np.r_[start, end], np.r_[end, start]
    weights = sparse.csr_array((np.ones(len(both[0])), both), shape=(num_vertices, num_vertices))
    weights.data[:] = 1.0  # an edge of two faces was counted twice
    graphs, parents = [weights], []
    for _ in range(levels):
        parent = match_heavy_edges(weights, weights.sum(axis=1))
        member = sparse.csr_array((np.ones(len(parent)), (parent, np.arange(len(parent)))))
        # The diagonal of the product counts the edges that now lie within a cluster: it keeps the volumes right.
        weights = sparse.csr_array(member @ weights @ member.T)
        weights.sort_indices()
        parents.append(parent)
        graphs.append(weights)
    orders = binary_tree_orders(parents)
    place = np.argsort(orders[0], kind="stable")[-num_vertices:]
    adjacency = tuple(_in_order(graph, order) for graph, order in zip(graphs, orders, strict=True))
    return MeshHierarchy(
        adjacency=adjacency,
        laplacian=tuple(scaled_laplacian(normalised_laplacian(weights)).float() for weights in adjacency),
        real=tuple(torch.from_numpy(order >= 0) for order in orders),
        place=torch.from_numpy(place),
    )


def _in_order(weights: sparse.csr_array, order: Int[np.ndarray, "places"]) -> Float[Tensor, "nodes nodes"]:
    """Dense weights of the nodes in this order, without loops; zeros for fake ones."""
    dense = np.zeros((len(weights.indptr), len(weights.indptr)))  # one more row: that of -1
    dense[:-1, :-1] = weights.toarray()
    np.fill_diagonal(dense, 0)
    return torch.from_numpy(dense[np.ix_(order, order)])
