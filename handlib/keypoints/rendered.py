"""What an off-the-shelf detector finds in rendered hands whose joints are known: its true errors, not a guess at them.

The answers lie in the package, written by ``data_scripts/detect_rendered.py`` from pictures of the open benchmark, so
that nobody needs the detector to look at them. They are stored together with the truth of the very pictures they were
found in.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Shaped, UInt8

from handlib.data.archives import read_arrays

RENDERED_DETECTIONS = Path(__file__).parent / "assets" / "detections_on_rendered.npz"
_ARRAYS = ("domain", "found", "side", "score", "keypoints_px", "true_px", "visible", "examples", "example_images")


@dataclass(frozen=True)
class RenderedDetections:
    """Detections in ``n`` rendered pictures, all of a right hand.

    Attributes:
        domain: (n,) "source" or "target".
        found: (n,) whether a hand was found at all.
        side: (n,) "left" or "right" as the detector says, "" where none was found.
        score: (n,) the detector's confidence, 0 where none was found.
        keypoints_px: (n, 21, 2) where it puts the joints, NaN where it found no hand.
        true_px: (n, 21, 2) where they are.
        visible: (n, 21) whether the joint is seen, not hidden by the hand itself or by something before it.
        examples: indices of the pictures that are kept.
        example_images: (k, H, W, 3) those pictures, RGB; keypoints are in their pixels.
        detector: its name and version.
    """

    domain: Shaped[np.ndarray, "n"]
    found: Bool[np.ndarray, "n"]
    side: Shaped[np.ndarray, "n"]
    score: Float[np.ndarray, "n"]
    keypoints_px: Float[np.ndarray, "n 21 2"]
    true_px: Float[np.ndarray, "n 21 2"]
    visible: Bool[np.ndarray, "n 21"]
    examples: Shaped[np.ndarray, "k"]
    example_images: UInt8[np.ndarray, "k h w 3"]
    detector: str = ""

    @property
    def offsets(self) -> Float[np.ndarray, "n 21 2"]:
        """Detected minus true place, as fractions of the longer edge of the true joints' box; NaN: not found."""
        size = np.ptp(self.true_px, axis=1).max(axis=-1)
        return (self.keypoints_px - self.true_px) / size[:, None, None]


def read_rendered_detections(path: Path = RENDERED_DETECTIONS) -> RenderedDetections:
    """Read what ``data_scripts/detect_rendered.py`` wrote.

    Raises:
        MissingFileError: there is no such file.
        BadInputError: it is damaged, or an array is missing.
    """
    stored = read_arrays(path, (*_ARRAYS, "detector"), "write it with data_scripts/detect_rendered.py")
    return RenderedDetections(**{name: stored[name] for name in _ARRAYS}, detector=str(stored["detector"]))
