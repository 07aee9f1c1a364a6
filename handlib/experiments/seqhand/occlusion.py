"""Something slides before the hand: a straight edge behind which a given fraction of the hand disappears.

In every ten frames the hand is seen for four, and hidden in part for six: whoever remembers knows more than whoever
sees only the frame.
"""

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8

from handlib.errors import BadInputError
from handlib.training.augmentation import random_pattern

FRACTIONS = (0.0, 0.25, 0.5, 0.75)
"""Of the hand's pixels, that are hidden while something is in the way."""
COVERED = 0.5
"""The fraction in films of which one number is reported."""

_PERIOD, _SEEN_SHARE = 10, 0.4


def hidden_frames(frames: int) -> Bool[np.ndarray, "frames"]:
    """In which frames of a film something is in the way."""
    period = min(_PERIOD, frames)
    return np.arange(frames) % period >= max(1, round(_SEEN_SHARE * period))


def cover_film(
    rgb: UInt8[np.ndarray, "frames height width 3"],
    mask: Bool[np.ndarray, "frames height width"],
    fraction: float,
    number: int,
) -> UInt8[np.ndarray, "frames height width 3"]:
    """A film in which ``fraction`` of the hand's pixels are hidden in :func:`hidden_frames`.

    Args:
        rgb: the frames, square.
        mask: where the hand is seen in them.
        fraction: 0 changes nothing.
        number: of the film; says from which side the edge comes and what it looks like.

    Raises:
        BadInputError: a fraction outside of 0 to 1.
    """
    if not 0 <= fraction <= 1:
        raise BadInputError(f"fraction is {fraction}: expected 0 to 1, a part of the hand")
    covered, side = rgb.copy(), rgb.shape[1]
    if not fraction:
        return covered
    generator = torch.Generator().manual_seed(number)
    angle = 2 * np.pi * float(torch.rand((), generator=generator))
    pattern = (255 * random_pattern(1, side, generator)[0]).byte().movedim(0, -1).numpy()
    row, column = np.mgrid[:side, :side]
    along = np.cos(angle) * column + np.sin(angle) * row
    for frame in np.flatnonzero(hidden_frames(len(rgb))):
        if mask[frame].any():
            behind = along > edge_position(along[mask[frame]], fraction)
            covered[frame][behind] = pattern[behind]
    return covered


def edge_position(along_px: Float[np.ndarray, "pixels"], fraction: float) -> float:
    """Where the edge is, in pixels along its way, when ``fraction`` of the hand's pixels are behind it."""
    return float(np.quantile(along_px, 1 - fraction))
