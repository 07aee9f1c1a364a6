"""Chebyshev filters against the spectral definition; the hierarchy of a mesh up and down."""

import numpy as np
import pytest
import torch
from scipy import sparse

from handlib.errors import BadInputError
from handlib.hand import HandModel
from handlib.models.chebyshev import (
    ChebyshevConv,
    chebyshev_basis,
    chebyshev_filter,
    chebyshev_values,
    normalised_laplacian,
    scaled_laplacian,
    spectral_filter,
)
from handlib.models.mesh_hierarchy import (
    MeshHierarchy,
    binary_tree_orders,
    match_heavy_edges,
    mesh_hierarchy,
    pool_nodes,
    to_nodes,
    to_vertices,
    upsample_nodes,
)


@pytest.fixture(scope="module")
def hand() -> HandModel:
    return HandModel.load("open")


@pytest.fixture(scope="module")
def levels(hand: HandModel) -> MeshHierarchy:
    return mesh_hierarchy(hand.faces, hand.num_vertices)


def path_graph(nodes: int) -> torch.Tensor:
    line = torch.ones(nodes - 1, dtype=torch.float64)
    return torch.diag(line, 1) + torch.diag(line, -1)


def test_laplacian_of_a_triangle_and_of_a_lonely_node():
    adjacency = torch.zeros(4, 4)
    adjacency[:3, :3] = 1 - torch.eye(3)
    laplacian = normalised_laplacian(adjacency)
    expected = torch.tensor([[1, -0.5, -0.5, 0], [-0.5, 1, -0.5, 0], [-0.5, -0.5, 1, 0], [0, 0, 0, 1]])
    torch.testing.assert_close(laplacian, expected)
    # The complete graph of n nodes has the eigenvalues 0 and n / (n - 1).
    torch.testing.assert_close(torch.linalg.eigvalsh(laplacian[:3, :3]), torch.tensor([0, 1.5, 1.5]), atol=1e-6, rtol=0)
    assert float(torch.linalg.eigvalsh(scaled_laplacian(laplacian)).abs().max()) == pytest.approx(1, abs=1e-6)


def test_laplacian_refuses_a_directed_graph():
    with pytest.raises(BadInputError, match="symmetric"):
        normalised_laplacian(torch.tensor([[0.0, 1.0], [0.0, 0.0]]))


def test_polynomials_are_numpys():
    x = np.linspace(-1, 1, 9)
    expected = np.polynomial.chebyshev.chebvander(x, 5).T
    np.testing.assert_allclose(chebyshev_values(torch.from_numpy(x), 6).numpy(), expected, atol=1e-12)


@pytest.mark.parametrize("terms", [1, 2, 3, 6])
def test_filter_is_the_spectral_one_on_the_hand(levels: MeshHierarchy, terms: int):
    generator = torch.Generator().manual_seed(terms)
    laplacian = levels.laplacian[2]
    features = torch.randn(2, len(laplacian), 5, generator=generator)
    weight = torch.randn(terms, 5, 4, generator=generator)
    fast = chebyshev_filter(laplacian, features, weight)
    exact = spectral_filter(laplacian.double(), features.double(), weight.double())
    assert float((fast - exact).abs().max() / exact.abs().max()) < 1e-5


def test_filter_of_double_numbers_is_exact():
    laplacian = scaled_laplacian(normalised_laplacian(path_graph(20)))
    features = torch.randn(1, 20, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    weight = torch.tensor([0.3, -1.0, 0.5, 2.0], dtype=torch.float64)[:, None, None].expand(4, 2, 1)
    fast, exact = (apply(laplacian, features, weight) for apply in (chebyshev_filter, spectral_filter))
    torch.testing.assert_close(fast, exact, atol=1e-12, rtol=0)


def test_a_wave_is_only_scaled_by_a_filter(levels: MeshHierarchy):
    laplacian = levels.laplacian[3].double()
    frequencies, waves = torch.linalg.eigh(laplacian)
    weight = torch.tensor([0.5, 1.0, -2.0], dtype=torch.float64)[:, None, None]
    response = (weight[:, 0] * chebyshev_values(frequencies, 3)).sum(0)
    found = chebyshev_filter(laplacian, waves.T[..., None].contiguous(), weight)[..., 0].T
    torch.testing.assert_close(found, waves * response, atol=1e-6, rtol=0)


def test_s_terms_reach_s_minus_one_edges():
    laplacian = scaled_laplacian(normalised_laplacian(path_graph(11)))
    pulse = torch.zeros(1, 11, 1, dtype=torch.float64)
    pulse[0, 5] = 1
    basis = chebyshev_basis(laplacian, pulse, 4)[0, :, :, 0]
    reached = basis.abs().cumsum(1) > 1e-12
    assert [reached[:, k].nonzero().flatten().tolist() for k in range(4)] == [
        list(range(5 - k, 6 + k)) for k in range(4)
    ]


def test_convolution_does_not_depend_on_the_numbering():
    torch.manual_seed(0)
    layer = ChebyshevConv(3, 4).double()
    adjacency = path_graph(9)
    adjacency[0, 5] = adjacency[5, 0] = 1
    features = torch.randn(2, 9, 3, dtype=torch.float64)
    order = torch.randperm(9)
    laplacian = scaled_laplacian(normalised_laplacian(adjacency))
    renumbered = layer(laplacian[order][:, order], features[:, order])
    torch.testing.assert_close(renumbered, layer(laplacian, features)[:, order])
    assert torch.autograd.gradcheck(lambda f: layer(laplacian, f), features.requires_grad_())
    with pytest.raises(BadInputError, match="terms"):
        ChebyshevConv(3, 4, terms=0)


def test_matching_takes_the_heaviest_edge_and_leaves_the_odd_one_alone():
    dense = np.zeros((5, 5))
    for a, b, weight in ((0, 1, 1.0), (1, 2, 5.0), (2, 3, 1.0), (3, 4, 4.0)):
        dense[a, b] = dense[b, a] = weight
    weights = sparse.csr_array(dense)
    cluster = match_heavy_edges(weights, dense.sum(1))
    # Node 0 has the fewest ties and chooses first; of the rest, 3 and 4 belong together, and 2 stays alone.
    assert cluster[0] == cluster[1] and cluster[3] == cluster[4]
    assert sorted(np.bincount(cluster)) == [1, 2, 2]


def test_orders_of_a_small_tree():
    orders = binary_tree_orders([np.array([0, 1, 0, 2, 1]), np.array([1, 0, 1])])
    assert [order.tolist() for order in orders] == [[1, 4, -1, -1, 0, 2, 3, -1], [1, -1, 0, 2], [0, 1]]


@pytest.mark.parametrize("source", ["open", "generic"])
def test_hierarchy_of_a_hand(source: str):
    hand = HandModel.load(source)
    levels = mesh_hierarchy(hand.faces, hand.num_vertices)
    sizes = [levels.num_nodes(level) for level in range(5)]
    assert [a // b for a, b in zip(sizes, sizes[1:], strict=False)] == [2] * 4 and sizes[0] == 16 * sizes[4]
    assert int(levels.real[0].sum()) == hand.num_vertices and bool(levels.real[4].all())
    # Each level halves the real nodes but for those who found no partner.
    real = [int(mask.sum()) for mask in levels.real]
    assert all(fine / 2 <= coarse < 0.65 * fine for fine, coarse in zip(real, real[1:], strict=False))
    for adjacency, laplacian, mask in zip(levels.adjacency, levels.laplacian, levels.real, strict=True):
        assert not adjacency[~mask].any() and torch.equal(adjacency, adjacency.T)
        assert float(torch.linalg.eigvalsh(laplacian.double()).abs().max()) < 1 + 1e-5
    # Two real siblings are neighbours.
    for adjacency, mask in zip(levels.adjacency[:-1], levels.real[:-1], strict=True):
        both = mask.unflatten(0, (-1, 2)).all(1)
        assert bool((adjacency[0::2, 1::2].diagonal()[both] > 0).all())


def test_coarse_edges_count_the_edges_between_clusters(hand: HandModel, levels: MeshHierarchy):
    pairs = (
        torch.cat([hand.faces[:, [0, 1]], hand.faces[:, [1, 2]], hand.faces[:, [2, 0]]]).sort(1).values.unique(dim=0)
    )
    for level in range(5):
        start, end = levels.cluster(level)[pairs].unbind(1)
        count = torch.zeros_like(levels.adjacency[level])
        count.index_put_((start, end), torch.ones(len(start), dtype=count.dtype), accumulate=True)
        count = (count + count.T).fill_diagonal_(0)
        assert torch.equal(count, levels.adjacency[level])


def test_up_and_down_again(hand: HandModel, levels: MeshHierarchy):
    generator = torch.Generator().manual_seed(0)
    vertices = torch.randn(2, hand.num_vertices, 3, generator=generator)
    nodes = to_nodes(vertices, levels.place, levels.num_nodes(0))
    assert torch.equal(to_vertices(nodes, levels.place), vertices)
    assert not nodes[:, ~levels.real[0]].any()
    coarse = torch.randn(2, levels.num_nodes(4), 3, generator=generator)
    for level in (3, 2, 0):
        fine = upsample_nodes(coarse, levels.real[level])
        assert not fine[:, ~levels.real[level]].any()
        assert torch.equal(pool_nodes(fine, levels.real[level], 2 ** (4 - level)), coarse)
    # All vertices of a cluster are given what the cluster has.
    assert torch.equal(to_vertices(fine, levels.place), coarse[:, levels.cluster(4)])


def test_fake_nodes_never_win_and_never_speak(levels: MeshHierarchy):
    nodes = torch.full((1, levels.num_nodes(0), 1), -2.0)
    loud = nodes.masked_fill(~levels.real[0][:, None], 100.0)
    pooled = pool_nodes(loud, levels.real[0], 4)[0, :, 0]
    assert torch.equal(pooled, torch.where(levels.real[2], -2.0, 0.0))
    weight = torch.randn(3, 1, 2, generator=torch.Generator().manual_seed(0))
    quiet, noisy = (chebyshev_filter(levels.laplacian[0], x, weight)[:, levels.real[0]] for x in (nodes, loud))
    assert torch.equal(quiet, noisy)


def test_hierarchy_is_built_once_and_alike(hand: HandModel, levels: MeshHierarchy):
    from handlib.models import mesh_hierarchy as module

    assert mesh_hierarchy(hand.faces.clone(), hand.num_vertices) is levels
    again = module._build.__wrapped__(hand.faces.numpy().tobytes(), hand.num_vertices, 4)
    assert torch.equal(again.place, levels.place)
    assert all(torch.equal(a, b) for a, b in zip(again.laplacian, levels.laplacian, strict=True))
    with pytest.raises(BadInputError, match="faces"):
        mesh_hierarchy(hand.faces, 10)
