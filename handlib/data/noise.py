"""Band-limited noise in the plane and in space: the raw material of skin, cloth, wood and walls.

Value noise: random numbers on a grid, interpolated, summed over octaves. Evaluated in the space in which an object lies
at rest, it is a solid texture (Perlin, "An image synthesizer", SIGGRAPH 1985): it needs no map of the surface and
follows the hand into every pose.
"""

import cv2
import numpy as np
from jaxtyping import Float
from scipy.ndimage import map_coordinates

_TABLE = 24


def plane_noise(
    stream: np.random.Generator,
    size_px: int,
    cells: int | float | tuple[float, float],
    octaves: int = 4,
    channels: int = 1,
    roughness: float = 0.5,
) -> Float[np.ndarray, "size size channels"]:
    """Noise over a square picture, mean 0, standard deviation about 1.

    Args:
        stream: random numbers.
        size_px: side of the picture.
        cells: grid cells across the picture in the lowest octave, or (down, across) for noise with a grain.
        octaves: each has twice the cells of the one before.
        channels: independent pictures.
        roughness: amplitude of an octave relative to the one before.
    """
    rows, columns = (cells, cells) if np.isscalar(cells) else cells
    total, power = np.zeros((size_px, size_px, channels), np.float32), 0.0
    for octave in range(octaves):
        # Finer than two cells a pixel is white noise, whatever the grid.
        grid = [int(np.clip(np.ceil(n * 2**octave) + 1, 2, 2 * size_px)) for n in (rows, columns)]
        values = stream.standard_normal((*grid, channels), dtype=np.float32)
        fine = cv2.resize(values, (size_px, size_px), interpolation=cv2.INTER_CUBIC)
        total += roughness**octave * fine.reshape(size_px, size_px, channels)
        power += roughness ** (2 * octave)
    # Interpolation between grid points takes away about half of the variance.
    return total / np.float32(np.sqrt(power / 2))


class SolidNoise:
    """Noise in space, repeating after ``24 * cell_m`` metres; mean 0, standard deviation about 1."""

    def __init__(self, stream: np.random.Generator) -> None:
        self._table = stream.standard_normal((_TABLE,) * 3, dtype=np.float32)

    def __call__(
        self,
        points_m: Float[np.ndarray, "points 3"],
        cell_m: float,
        octaves: int = 1,
        shift: float = 0.0,
    ) -> Float[np.ndarray, "points"]:
        """Values at ``points_m``; ``cell_m`` is the grain, ``shift`` (cells) gives another, unrelated noise."""
        total, power = np.zeros(len(points_m), np.float32), 0.0
        for octave in range(octaves):
            where = points_m / cell_m * 2.0**octave + shift + 7.3 * octave
            total += 0.5**octave * map_coordinates(self._table, where.T, order=1, mode="grid-wrap", prefilter=False)
            power += 0.25**octave
        return total / np.float32(np.sqrt(0.45 * power))
