"""Plain measures of pictures, without any network: how two sets of pictures differ before anybody learns from them."""

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8

from handlib.errors import BadInputError

COLOUR_BINS = 16


def picture_statistics(images: UInt8[np.ndarray, "n height width 3"]) -> dict[str, Float[np.ndarray, "n"]]:
    """Measures of each picture, RGB 0..255, by name.

    * ``contrast``: standard deviation of the brightness, 0..1;
    * ``colourfulness``: of Hasler & Suesstrunk 2003 (Measuring colourfulness in natural images,
      https://doi.org/10.1117/12.477378), about 0 for grey and above 100 for garish;
    * ``edges``: mean gradient of the brightness a pixel, 0..1;
    * ``noise``: standard deviation that the finest grain would have if it were Gaussian noise, 0..1 (Immerkaer 1996,
      Fast noise variance estimation, https://doi.org/10.1006/cviu.1996.0060, with a median that edges do not pull up).

    Raises:
        BadInputError: there is no picture.
    """
    if len(images) == 0:
        raise BadInputError("images is empty: there is no picture to measure")
    rows = [_measure(image) for image in images]
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def _measure(image: UInt8[np.ndarray, "height width 3"]) -> dict[str, float]:
    red, green, blue = np.moveaxis(image.astype(np.float64), -1, 0)
    grey = (0.299 * red + 0.587 * green + 0.114 * blue) / 255
    across, down = (cv2.Sobel(grey, cv2.CV_64F, *step, scale=1 / 8) for step in ((1, 0), (0, 1)))
    # The kernel has no answer to anything that is smooth, and multiplies the deviation of white noise by 6.
    grain = cv2.filter2D(grey, cv2.CV_64F, np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], float))[1:-1, 1:-1]
    one, two = red - green, (red + green) / 2 - blue
    return {
        "contrast": float(grey.std()),
        "colourfulness": float(np.hypot(one.std(), two.std()) + 0.3 * np.hypot(one.mean(), two.mean())),
        "edges": float(np.hypot(across, down).mean()),
        "noise": float(np.median(np.abs(grain)) / 0.6745 / 6),
    }


def skin_colour_table(
    images: UInt8[np.ndarray, "n height width 3"], masks: Bool[np.ndarray, "n height width"]
) -> Float[np.ndarray, "bins bins bins"]:
    """How likely a pixel of each colour shows the hand: counted, in bins of RGB; a half where nothing was counted.

    The oldest detector of hands there is (Jones & Rehg 2002, https://doi.org/10.1023/A:1013200319198).
    """
    cells = tuple(np.moveaxis(images // (256 // COLOUR_BINS), -1, 0).reshape(3, -1))
    shape = (COLOUR_BINS,) * 3
    hand, all_pixels = (np.zeros(shape) for _ in range(2))
    np.add.at(hand, cells, masks.ravel().astype(np.float64))
    np.add.at(all_pixels, cells, 1.0)
    return (hand + 1) / (all_pixels + 2)


def skin_colour_masks(
    table: Float[np.ndarray, "bins bins bins"], images: UInt8[np.ndarray, "n height width 3"]
) -> Bool[np.ndarray, "n height width"]:
    """Pixels whose colour says "hand" in a table of :func:`skin_colour_table`."""
    return table[tuple(np.moveaxis(images // (256 // COLOUR_BINS), -1, 0))] > 0.5


def mask_iou(
    found: Bool[np.ndarray, "n height width"], true: Bool[np.ndarray, "n height width"]
) -> Float[np.ndarray, "n"]:
    """Intersection over union of each pair of masks; 1 where both are empty."""
    both, either = ((operation(found, true)).sum((1, 2)) for operation in (np.logical_and, np.logical_or))
    return np.where(either > 0, both / np.maximum(either, 1), 1.0)
