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


class OneEuroFilter:
    """The filter of one film, to be called with each frame's values in turn."""

    def __init__(
        self,
        frames_per_second: int | float,
        *,
        min_cutoff_hz: int | float = 1.0,
        speed_coefficient: int | float = 10.0,
        speed_cutoff_hz: int | float = 1.0,
    ) -> None:
        """Set the filter; arguments as in :func:`one_euro_filter`.

        Raises:
            BadInputError: a rate or cutoff that is not positive, or a negative coefficient.
        """
        if min(frames_per_second, min_cutoff_hz, speed_cutoff_hz) <= 0 or speed_coefficient < 0:
            raise BadInputError(
                f"frames_per_second={frames_per_second}, min_cutoff_hz={min_cutoff_hz}, speed_cutoff_hz="
                f"{speed_cutoff_hz}, speed_coefficient={speed_coefficient}: expected positive, and a coefficient of at "
                "least 0"
            )
        self.rate, self.min_cutoff_hz, self.speed_coefficient = frames_per_second, min_cutoff_hz, speed_coefficient
        self.speed_share = _share_of_new(speed_cutoff_hz, frames_per_second)
        self.last: Tensor | None = None
        self.speed: Tensor | None = None

    def __call__(self, values: Float[Tensor, "*rest"]) -> Float[Tensor, "*rest"]:
        """The filtered values of the next frame; the first frame's are as they are."""
        if self.last is None:
            self.last, self.speed = values.clone(), torch.zeros_like(values)
            return self.last
        self.speed = torch.lerp(self.speed, (values - self.last) * self.rate, self.speed_share)
        cutoff_hz = self.min_cutoff_hz + self.speed_coefficient * self.speed.abs()
        self.last = torch.lerp(self.last, values, _share_of_new(cutoff_hz, self.rate))
        return self.last


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
    settings = {
        "min_cutoff_hz": min_cutoff_hz,
        "speed_coefficient": speed_coefficient,
        "speed_cutoff_hz": speed_cutoff_hz,
    }
    follow = OneEuroFilter(frames_per_second, **settings)
    if not bool(torch.isfinite(values).all()):
        raise BadInputError("values: not all are finite; fill or leave out the frames without a hand")
    ids = np.zeros(len(values), int) if sequence_ids is None else np.asarray(sequence_ids)
    if ids.shape != (len(values),):
        raise BadInputError(f"sequence_ids: shape {ids.shape}, expected one number a frame, ({len(values)},)")
    filtered = torch.empty_like(values)
    # Each output depends on the one before: this loop over frames is the filter.
    for frame in range(len(values)):
        if frame and ids[frame] != ids[frame - 1]:
            follow = OneEuroFilter(frames_per_second, **settings)
        filtered[frame] = follow(values[frame])
    return filtered


def _share_of_new(cutoff_hz: Tensor | int | float, frames_per_second: int | float) -> Tensor | float:
    """Weight of the newest value in an exponential average with this cutoff frequency."""
    time_constant_s = 1 / (2 * math.pi * cutoff_hz)
    return 1 / (1 + time_constant_s * frames_per_second)
