"""From sampled hands to a ten-component hand shape space with the spread of real adults.

Points are skin vertices followed by the 16 joints, so that every linear map below moves both together.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

NUM_SHAPES = 10
NUM_LATENT = 40  # directions of the sampled hands kept before calibration (the rest is below a micrometre)


@dataclass(frozen=True)
class ShapeSpace:
    """mean + directions @ beta, beta in standard deviations; points in metres, canonical frame."""

    mean: Float[np.ndarray, "points 3"]
    directions: Float[np.ndarray, "points 3 shapes"]


def calibrated_shape_space(
    samples: Float[np.ndarray, "samples points 3"],
    measured: Float[np.ndarray, "samples measures"],
    target_mean: Float[np.ndarray, " measures"],
    target_covariance: Float[np.ndarray, "measures measures"],
) -> ShapeSpace:
    """The normal distribution of shapes nearest to the sampled one whose measurements are those of the survey.

    The sampled hands give p(shape) and, through the measurements m that are (nearly) linear in shape, p(shape | m). Of
    all normal distributions with the wanted p(m), the one at the smallest Kullback-Leibler distance keeps p(shape | m)
    and replaces p(m):  mean' = mean + G (mu - m),  covariance' = C + G (S - M C M^T) G^T  with  G = C M^T (M C M^T)^-1.
    Its ten leading axes are kept, and since cutting the rest would lose a little of the wanted spread, the same step is
    taken once more inside those ten.
    """
    flat = samples.reshape(len(samples), -1)
    mean, measured_mean = flat.mean(0), measured.mean(0)
    _, scale, axes = np.linalg.svd(flat - mean, full_matrices=False)
    axes, variance = axes[:NUM_LATENT], scale[:NUM_LATENT] ** 2 / (len(flat) - 1)
    latent = (flat - mean) @ axes.T
    slopes = np.linalg.lstsq(latent, measured - measured_mean, rcond=None)[0].T

    shift, covariance = _with_measurements(np.diag(variance), slopes, target_mean - measured_mean, target_covariance)
    values, vectors = np.linalg.eigh(covariance)
    kept = vectors[:, ::-1][:, :NUM_SHAPES]
    inner_slopes = slopes @ kept
    _, inner = _with_measurements(
        np.diag(values[::-1][:NUM_SHAPES]), inner_slopes, np.zeros(len(slopes)), target_covariance
    )
    values_kept, rotation = np.linalg.eigh(inner)
    basis = (kept @ rotation[:, ::-1] * np.sqrt(values_kept[::-1])).T @ axes
    # Every component's sign is free: make its plus end the hand with the larger sum of measurements.
    basis *= np.where(inner_slopes.sum(0) @ rotation[:, ::-1] < 0, -1, 1)[:, None]
    return ShapeSpace(
        mean=(mean + shift @ axes).reshape(samples.shape[1:]),
        directions=basis.reshape(NUM_SHAPES, *samples.shape[1:]).transpose(1, 2, 0),
    )


def _with_measurements(covariance, slopes, mean_shift, target_covariance):
    """Shift of the mean, and new covariance, that give a normal distribution the wanted measurements."""
    own = slopes @ covariance @ slopes.T
    gain = covariance @ slopes.T @ np.linalg.inv(own)
    return gain @ mean_shift, covariance + gain @ (target_covariance - own) @ gain.T
