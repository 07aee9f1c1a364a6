"""From sampled hands to a ten-component hand shape space with the spread of real adults.

Points are skin vertices followed by the 16 joints, so that every linear map below moves both together.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from hand_anthropometry import HandMeasures
from jaxtyping import Float

NUM_SHAPES = 10
MEAN_STEPS = 3  # measurements are only nearly linear, and are taken at places found on the mean
NUM_LATENT = 40  # directions of the sampled hands kept before calibration (the rest is below a micrometre)


@dataclass(frozen=True)
class ShapeSpace:
    """mean + directions @ beta, beta in standard deviations; points in metres, canonical frame."""

    mean: Float[np.ndarray, "points 3"]
    directions: Float[np.ndarray, "points 3 shapes"]


def calibrated_shape_space(
    samples: Float[np.ndarray, "samples points 3"],
    place: Callable[[Float[np.ndarray, "points 3"]], HandMeasures],
    target_mean: Float[np.ndarray, " measures"],
    target_covariance: Float[np.ndarray, "measures measures"],
) -> ShapeSpace:
    """The normal distribution of shapes nearest to the sampled one whose measurements are those of the survey.

    The sampled hands give p(shape) and, through the measurements m that are (nearly) linear in shape, p(shape | m). Of
    all normal distributions with the wanted p(m), the one at the smallest Kullback-Leibler distance keeps p(shape | m)
    and replaces p(m):  mean' = mean + G (mu - m),  covariance' = C + G (S - M C M^T) G^T  with  G = C M^T (M C M^T)^-1.
    Its ten leading axes are kept, and since cutting the rest would lose a little of the wanted spread, the same step is
    taken once more inside those ten.

    Args:
        samples: hands in the canonical frame and rest pose, metres.
        place: finds where to measure on a mean hand; the mean moves, so it is asked again.
        target_mean: of the survey, millimetres.
        target_covariance: of the survey, square millimetres.
    """
    flat = samples.reshape(len(samples), -1)
    mean = flat.mean(0)
    _, scale, axes = np.linalg.svd(flat - mean, full_matrices=False)
    axes, variance = axes[:NUM_LATENT], np.diag(scale[:NUM_LATENT] ** 2 / (len(flat) - 1))
    latent = (flat - mean) @ axes.T
    for _ in range(MEAN_STEPS):
        measures = place(mean.reshape(samples.shape[1:]))
        measured = measures.measure_mm(samples)
        slopes = np.linalg.lstsq(latent, measured - measured.mean(0), rcond=None)[0].T
        missing = target_mean - measures.measure_mm(mean.reshape(1, *samples.shape[1:]))[0]
        shift, covariance = _with_measurements(variance, slopes, missing, target_covariance)
        mean = mean + shift @ axes

    values, vectors = np.linalg.eigh(covariance)
    kept, values = vectors[:, ::-1][:, :NUM_SHAPES], values[::-1][:NUM_SHAPES]
    slopes = slopes @ kept
    _, covariance = _with_measurements(np.diag(values), slopes, np.zeros(len(slopes)), target_covariance)
    values, rotation = (part[..., ::-1] for part in np.linalg.eigh(covariance))
    # Every component's sign is free: make its plus end the hand with the larger sum of measurements.
    signs = np.where(slopes.sum(0) @ rotation < 0, -1, 1)
    basis = (kept @ rotation * np.sqrt(values) * signs).T @ axes
    return ShapeSpace(
        mean=mean.reshape(samples.shape[1:]),
        directions=basis.reshape(NUM_SHAPES, *samples.shape[1:]).transpose(1, 2, 0),
    )


def _with_measurements(covariance, slopes, mean_shift, target_covariance):
    """Shift of the mean, and new covariance, that give a normal distribution the wanted measurements."""
    own = slopes @ covariance @ slopes.T
    gain = covariance @ slopes.T @ np.linalg.inv(own)
    return gain @ mean_shift, covariance + gain @ (target_covariance - own) @ gain.T
