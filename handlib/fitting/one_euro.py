"""The One-Euro filter: what can be had by smoothing afterwards, without any training.

Casiez, Roussel and Vogel, "1 Euro filter: a simple speed-based low-pass filter for noisy input in interactive
systems", CHI 2012 (https://doi.org/10.1145/2207676.2208639): an exponential average that follows faster the faster the
signal moves, so that a resting hand does not tremble and a moving one does not lag much. It sees the past alone, as a
live film does.
"""

import math

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from handlib.errors import BadInputError
from handlib.metrics.temporal import Sequences


@torch.no_grad()
def one_euro_filter(
    values: Float[Tensor, "frames *rest"],
    frames_per_second: int | float,
    *,
    min_cutoff_hz: int | float = 1.0,
    speed_coefficient: int | float = 10.0,
    speed_cutoff_hz: int | float = 1.0,
    sequence_ids: Sequences | None = None,
) -> Float[Tensor, "frames *rest"]:
    """Smooth every number of a film over time, each by itself.

    The authors' way to tune: hold still and lower ``min_cutoff_hz`` until the trembling is gone; then move fast and
    raise ``speed_coefficient`` until the lag is.

    Args:
        values: joints or vertices, metres, one row a frame; not rotation vectors, which jump at pi.
        frames_per_second: of the film.
        min_cutoff_hz: cutoff frequency at rest.
        speed_coefficient: how much the cutoff rises with the speed, Hz for each unit of ``values`` a second (the
            paper's beta). The default is for metres.
        speed_cutoff_hz: of the average that the speed itself is taken from.
        sequence_ids: (frames,) which film each frame belongs to: the filter starts anew where it changes.

    Raises:
        BadInputError: a rate or cutoff that is not positive, a negative coefficient, or numbers that are not finite,
            after which a recursive filter would never recover.
    """
    if min(frames_per_second, min_cutoff_hz, speed_cutoff_hz) <= 0 or speed_coefficient < 0:
        raise BadInputError(
            f"frames_per_second={frames_per_second}, min_cutoff_hz={min_cutoff_hz}, speed_cutoff_hz={speed_cutoff_hz}, "
            f"speed_coefficient={speed_coefficient}: expected positive, and a coefficient of at least 0"
        )
    if not bool(torch.isfinite(values).all()):
        raise BadInputError("values: not all are finite; fill or leave out the frames without a hand")
    ids = np.zeros(len(values), int) if sequence_ids is None else np.asarray(sequence_ids)
    if ids.shape != (len(values),):
        raise BadInputError(f"sequence_ids: shape {ids.shape}, expected one number a frame, ({len(values)},)")
    filtered = torch.empty_like(values)
    speed_share = _share_of_new(speed_cutoff_hz, frames_per_second)
    # Each output depends on the one before: this loop over frames is the filter.
    for frame in range(len(values)):
        if frame == 0 or ids[frame] != ids[frame - 1]:
            filtered[frame], speed = values[frame], torch.zeros_like(values[0])
            continue
        speed = torch.lerp(speed, (values[frame] - filtered[frame - 1]) * frames_per_second, speed_share)
        share = _share_of_new(min_cutoff_hz + speed_coefficient * speed.abs(), frames_per_second)
        filtered[frame] = torch.lerp(filtered[frame - 1], values[frame], share)
    return filtered


def _share_of_new(cutoff_hz: Tensor | int | float, frames_per_second: int | float) -> Tensor | float:
    """Weight of the newest value in an exponential average with this cutoff frequency."""
    time_constant_s = 1 / (2 * math.pi * cutoff_hz)
    return 1 / (1 + time_constant_s * frames_per_second)
