"""Maps of high-dimensional points: t-SNE, which puts neighbours beside each other, written out.

van der Maaten & Hinton, "Visualizing data using t-SNE", JMLR 2008, https://jmlr.org/papers/v9/vandermaaten08a.html. In
the exact form, quadratic in the number of points: for some thousand of them.
"""

import numpy as np
from jaxtyping import Float

from handlib.errors import BadInputError

EXAGGERATION, EXAGGERATED_SHARE = 4.0, 0.3
_BISECTIONS = 40
_MOMENTUM = (0.5, 0.8)


def t_sne(
    points: Float[np.ndarray, "points coordinates"],
    dimensions: int = 2,
    *,
    perplexity: float = 30.0,
    steps: int = 300,
    seed: int = 0,
) -> Float[np.ndarray, "points dimensions"]:
    """Places on a map of 2 or 3 dimensions, so that points that are near in ``points`` are near on the map.

    Near neighbours are kept, and nothing else: neither the distance between groups on the map nor the size of a group
    means anything.

    Args:
        points: in any unit.
        dimensions: of the map.
        perplexity: how many neighbours a point has, roughly; less than a third of the points.
        steps: of gradient descent; in the first :data:`EXAGGERATED_SHARE` of them neighbours attract each other
            :data:`EXAGGERATION` times as much, so that groups can pass through each other.
        seed: of the noise that tells equal points apart.

    Raises:
        BadInputError: too few points for the perplexity, or values that are not finite.
    """
    count = len(points)
    if count <= 3 * perplexity or perplexity <= 1 or not np.isfinite(points).all():
        raise BadInputError(
            f"points: {count} with perplexity {perplexity}: expected finite points, more than three times as many as "
            "the perplexity, which is over 1"
        )
    wanted = neighbour_probabilities(squared_distances(points.astype(np.float64)), perplexity)
    wanted = (wanted + wanted.T) / (2 * count)
    places = _principal_places(points, dimensions) + 1e-6 * np.random.default_rng(seed).normal(size=(count, dimensions))
    velocity, rate = np.zeros_like(places), max(count / EXAGGERATION, 50.0)
    for step in range(steps):
        early = step < EXAGGERATED_SHARE * steps
        slope = embedding_gradient(places, wanted * (EXAGGERATION if early else 1))
        velocity = _MOMENTUM[not early] * velocity - rate * slope
        places = places + velocity
    return places - places.mean(0)


def squared_distances(points: Float[np.ndarray, "points coordinates"]) -> Float[np.ndarray, "points points"]:
    """Squared distance of each point from each; zero on the diagonal."""
    squares = np.square(points).sum(1)
    return np.maximum(squares[:, None] + squares - 2 * points @ points.T, 0)


def neighbour_probabilities(
    squared: Float[np.ndarray, "points points"], perplexity: float
) -> Float[np.ndarray, "points points"]:
    """How likely each point (row) is to name each other one as its neighbour: Eq. 1 of the paper.

    A normal distribution around the point, as wide as is needed for its entropy to be that of ``perplexity`` equally
    likely neighbours; found by bisection, all rows at once.
    """
    others = ~np.eye(len(squared), dtype=bool)
    # Distances beyond the nearest: the same probabilities, and no row that underflows to zeros.
    beyond = np.where(others, squared - np.where(others, squared, np.inf).min(1, keepdims=True), 0.0)
    usual = max(float(np.median(beyond[others])), 1e-12)
    low, high = np.full(len(squared), -20.0), np.full(len(squared), 20.0)
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        weight = np.exp(-beyond * (np.exp(middle) / usual)[:, None]) * others
        share = weight / weight.sum(1, keepdims=True)
        entropy = -(share * np.log(np.maximum(share, 1e-300))).sum(1)
        wide = entropy > np.log(perplexity)
        low, high = np.where(wide, middle, low), np.where(wide, high, middle)
    return share


def embedding_gradient(
    places: Float[np.ndarray, "points dimensions"], wanted: Float[np.ndarray, "points points"]
) -> Float[np.ndarray, "points dimensions"]:
    """Gradient of the Kullback-Leibler divergence from ``wanted`` to the map's own neighbourhoods: Eq. 5.

    On the map, neighbourhood falls off as 1 / (1 + d^2), Student's t: moderately far points may be far.
    """
    near = 1 / (1 + squared_distances(places))
    np.fill_diagonal(near, 0)
    pull = (wanted - near / near.sum()) * near
    return 4 * (pull.sum(1)[:, None] * places - pull @ places)


def principal_axes(
    points: Float[np.ndarray, "points coordinates"], count: int = 2
) -> tuple[Float[np.ndarray, "coordinates"], Float[np.ndarray, "count coordinates"], Float[np.ndarray, "count"]]:
    """The mean, the ``count`` directions in which points differ most, and the share of the variance along each."""
    mean = points.mean(0)
    _, lengths, axes = np.linalg.svd(points - mean, full_matrices=False)
    return mean, axes[:count], np.square(lengths[:count]) / np.square(lengths).sum()


def _principal_places(points: np.ndarray, dimensions: int) -> np.ndarray:
    mean, axes, _ = principal_axes(points.astype(np.float64), dimensions)
    flat = (points - mean) @ axes.T
    return 1e-4 * flat / max(float(flat.std()), 1e-12)
