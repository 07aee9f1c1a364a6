"""How keypoints tremble in the picture: those of a detector that sees each frame by itself, and a network's."""

import numpy as np
from jaxtyping import Float, Int

from handlib.data.stills_cache import StillLabels
from handlib.losses.s2hand import PAPER_IMAGE_PX
from handlib.reproduce.results import Metric

Films = Int[np.ndarray, "frames"]


def flicker(
    points_px: Float[np.ndarray, "frames 21 2"], known: StillLabels, films: Films, image_px: int, which: str = ""
) -> dict[str, Metric]:
    """How keypoints tremble in the picture: mean length of their second difference, px of 224 per squared frame."""
    scale = PAPER_IMAGE_PX / image_px
    seen, true = (points * scale for points in (points_px, known.joints_2d_px[: len(points_px)]))
    return {
        f"{which}flicker": Metric(_second_difference(seen, films), "px/frame^2"),
        f"{which}flicker_true": Metric(_second_difference(true, films), "px/frame^2"),
    }


def _second_difference(points: np.ndarray, films: Films) -> float:
    inside = films[2:] == films[:-2]
    second = points[2:] - 2 * points[1:-1] + points[:-2]
    return float(np.linalg.norm(second[inside], axis=-1).mean())
