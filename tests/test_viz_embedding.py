"""t-SNE written out: its gradient, its neighbourhoods, and whether neighbours stay neighbours."""

import numpy as np
import pytest

from handlib.errors import BadInputError
from handlib.viz.embedding import (
    embedding_gradient,
    neighbour_probabilities,
    principal_axes,
    squared_distances,
    t_sne,
)


def groups(each: int = 40) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    middles = 3 * random.normal(size=(3, 20))
    return np.concatenate([m + random.normal(size=(each, 20)) for m in middles]), np.repeat(np.arange(3), each)


def divergence(places: np.ndarray, wanted: np.ndarray) -> float:
    near = 1 / (1 + squared_distances(places))
    np.fill_diagonal(near, 0)
    shown, off = near / near.sum(), ~np.eye(len(places), dtype=bool)
    return float((wanted[off] * np.log(wanted[off] / shown[off])).sum())


def test_every_point_has_as_many_neighbours_as_asked():
    share = neighbour_probabilities(squared_distances(groups()[0]), 15.0)
    assert np.allclose(share.sum(1), 1) and (np.diag(share) == 0).all()
    entropy = -(share * np.log(np.maximum(share, 1e-300))).sum(1)
    assert np.allclose(np.exp(entropy), 15.0, rtol=1e-6)


def test_the_gradient_is_that_of_the_divergence():
    points = groups(5)[0]
    wanted = neighbour_probabilities(squared_distances(points), 4.0)
    wanted = (wanted + wanted.T) / (2 * len(points))
    places = np.random.default_rng(1).normal(size=(len(points), 2))
    slope, step = embedding_gradient(places, wanted), 1e-5
    for point, axis in ((0, 0), (3, 1), (14, 0)):
        moved = np.zeros_like(places)
        moved[point, axis] = step
        numeric = (divergence(places + moved, wanted) - divergence(places - moved, wanted)) / (2 * step)
        assert slope[point, axis] == pytest.approx(numeric, rel=1e-4, abs=1e-9)


@pytest.mark.parametrize("dimensions", [2, 3])
def test_neighbours_on_the_map_are_neighbours(dimensions):
    points, group = groups()
    places = t_sne(points, dimensions, perplexity=12.0, steps=250)
    squared = squared_distances(places)
    np.fill_diagonal(squared, np.inf)
    assert places.shape == (120, dimensions) and np.isfinite(places).all()
    assert (group[squared.argmin(1)] == group).mean() > 0.97
    assert np.allclose(places, t_sne(points, dimensions, perplexity=12.0, steps=250))


def test_principal_axes_find_the_direction_that_was_put_in():
    random = np.random.default_rng(0)
    along = np.array([0.6, 0.8, 0.0])
    mean, axes, share = principal_axes(
        5 + random.normal(size=(500, 1)) * 3 * along + 0.1 * random.normal(size=(500, 3))
    )
    assert abs(axes[0] @ along) > 0.999 and share[0] > 0.99 and np.allclose(mean, 5, atol=0.6)


@pytest.mark.parametrize("points", [np.zeros((20, 3)), np.full((200, 3), np.nan)])
def test_too_few_points_and_broken_ones_are_refused(points):
    with pytest.raises(BadInputError, match="expected finite points"):
        t_sne(points)
