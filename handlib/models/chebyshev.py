"""Convolution on a graph: filtering by frequency, without ever computing the frequencies.

The eigenvectors of a graph's Laplacian are its waves, the eigenvalues their frequencies. A filter multiplies each wave
by a number that depends on its frequency (:func:`spectral_filter`); for that all waves must be known. Where the numbers
are a polynomial of the frequency they need not be: the same polynomial of the Laplacian, applied to the features, does
it, and a polynomial of degree S looks no farther than S edges. Chebyshev's polynomials keep it well conditioned.

Defferrard, Bresson, Vandergheynst, "Convolutional Neural Networks on Graphs with Fast Localized Spectral Filtering",
NeurIPS 2016, https://arxiv.org/abs/1606.09375; TASSN (Chen et al., WACV 2021), section 3.2, where a filter has the two
factors alpha_i and theta_i: their product is what is learnt, here as one matrix a degree.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from handlib.errors import BadInputError


def normalised_laplacian(adjacency: Float[Tensor, "nodes nodes"]) -> Float[Tensor, "nodes nodes"]:
    """``L = I - D^(-1/2) A D^(-1/2)`` of an undirected graph: symmetric, its eigenvalues in 0..2.

    A node without edges has the row of the identity: nothing comes to it, and nothing from it.

    Raises:
        BadInputError: weights that are negative or not the same in both directions.
    """
    if not torch.equal(adjacency, adjacency.mT) or bool((adjacency < 0).any()):
        raise BadInputError(
            f"adjacency: {tuple(adjacency.shape)}, expected a symmetric matrix without negative weights; for a "
            "directed graph take torch.maximum(A, A.mT)"
        )
    degree = adjacency.sum(1)
    root = torch.where(degree > 0, degree.clamp(min=torch.finfo(degree.dtype).tiny).rsqrt(), 0.0)
    return torch.eye(len(adjacency)).to(adjacency) - root[:, None] * adjacency * root


def scaled_laplacian(laplacian: Float[Tensor, "nodes nodes"]) -> Float[Tensor, "nodes nodes"]:
    """``2 L / lambda_max - I``: eigenvalues in -1..1, where Chebyshev's polynomials are at most 1 themselves."""
    largest = torch.linalg.eigvalsh(laplacian.double())[-1].to(laplacian)
    return 2 * laplacian / largest - torch.eye(len(laplacian)).to(laplacian)


def chebyshev_values(frequencies: Float[Tensor, "nodes"], terms: int) -> Float[Tensor, "terms nodes"]:
    """``T_0 .. T_(terms-1)`` of numbers in -1..1: ``T_k(x) = cos(k arccos x)``."""
    degree = torch.arange(terms).to(frequencies)
    return torch.cos(degree[:, None] * frequencies.clamp(-1, 1).arccos())


def chebyshev_basis(
    scaled: Float[Tensor, "nodes nodes"], features: Float[Tensor, "batch nodes channels"], terms: int
) -> Float[Tensor, "batch nodes terms channels"]:
    """``T_k(L) F`` for k from 0: by ``T_k = 2 L T_(k-1) - T_(k-2)``, one product with the Laplacian a degree.

    Args:
        scaled: :func:`scaled_laplacian`, dense or sparse; a mesh has six edges a vertex, and sparse is ten times
            as fast.
        features: of each node.
        terms: how many polynomials; the highest reaches ``terms - 1`` edges far.
    """
    # All graphs of the batch side by side: one product of a matrix, which may be sparse, with a matrix.
    columns = features.transpose(0, 1).flatten(1)
    basis = [columns, scaled @ columns]
    for _ in range(terms - 2):
        basis.append(2 * (scaled @ basis[-1]) - basis[-2])
    of_nodes = torch.stack(basis[:terms], dim=1).unflatten(2, (len(features), features.shape[2]))
    return of_nodes.permute(2, 0, 1, 3)


def chebyshev_filter(
    scaled: Float[Tensor, "nodes nodes"],
    features: Float[Tensor, "batch nodes channels"],
    weight: Float[Tensor, "terms channels out"],
) -> Float[Tensor, "batch nodes out"]:
    """``F' = sum_k T_k(L) F theta_k``: the filter as it is computed; arguments as for :func:`chebyshev_basis`."""
    return chebyshev_basis(scaled, features, len(weight)).flatten(2) @ weight.flatten(0, 1)


def spectral_filter(
    scaled: Float[Tensor, "nodes nodes"],
    features: Float[Tensor, "batch nodes channels"],
    weight: Float[Tensor, "terms channels out"],
) -> Float[Tensor, "batch nodes out"]:
    """``F' = sum_k U T_k(Lambda) U^T F theta_k``: the same filter as it is meant, through all waves of the graph.

    To the graph's frequencies by ``U^T``, each times its number, and back by ``U``. For understanding and for tests:
    it needs the eigenvectors and takes the square of the number of nodes a channel.
    """
    frequencies, waves = torch.linalg.eigh(scaled)
    spectrum = waves.mT @ features
    response = chebyshev_values(frequencies, len(weight))
    return waves @ torch.einsum("kn,bnc,kco->bno", response, spectrum, weight)


class ChebyshevConv(nn.Module):
    """A layer of :func:`chebyshev_filter` with a bias; the graph is given with the features, so that it may differ."""

    def __init__(self, channels_in: int, channels_out: int, terms: int = 3) -> None:
        """Start with weights that keep the features' size: all terms together count as the inputs of a node."""
        super().__init__()
        if terms < 1:
            raise BadInputError(f"terms: {terms}, expected 1 (each node by itself) or more")
        self.weight = nn.Parameter(torch.empty(terms, channels_in, channels_out))
        self.bias = nn.Parameter(torch.zeros(channels_out))
        nn.init.normal_(self.weight, std=math.sqrt(2 / (terms * channels_in)))

    def forward(
        self, scaled: Float[Tensor, "nodes nodes"], features: Float[Tensor, "batch nodes channels_in"]
    ) -> Float[Tensor, "batch nodes channels_out"]:
        """Filter the features of each node on the graph of this scaled Laplacian."""
        return chebyshev_filter(scaled, features, self.weight) + self.bias
