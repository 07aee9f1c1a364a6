"""The rows of the real films as recipes."""

from dataclasses import dataclass

from handlib.data import asl_video, stereo_video
from handlib.data.photos import require_data
from handlib.errors import MissingFileError
from handlib.experiments.s2hand_v.effort import Effort
from handlib.experiments.s2hand_v.recipes import CHAPTER, VideoRecipe, released_digest
from handlib.reproduce.digest import digest_files
from handlib.reproduce.recipe import Recipe

LABELS = {
    "stereo": (stereo_video.FOLDER, stereo_video.LABELS),
    "signing": (asl_video.FOLDER, asl_video.JOINTS),
}
"""Folder and label file of each real film, below ``HANDLIB_DATA``."""


@dataclass(frozen=True, kw_only=True)
class RealFilmRecipe(Recipe):
    """A trained row on a real film, which nothing here was trained on.

    Attributes:
        film: "stereo" (two views, triangulated joints of unknown unit) or "signing" (no truth).
        of: the row; None for what needs no training.
        method: "network", "one-euro" (filtered afterwards), "lifted" (what the network makes of the detected keypoints,
            without a look at the picture), "fit" (a hand fitted to each frame's keypoints), or "detector" (its own
            guess in 3D, where the film's labels bring it: a network with 3D labels).
    """

    chapter: str = CHAPTER
    dataset: str = ""
    film: str
    of: VideoRecipe | None = None
    method: str = "network"
    effort: Effort = Effort()

    def data_digest(self) -> str:
        """Digest of the film's labels and the released network; "none" without the film."""
        folder, labels = LABELS[self.film]
        try:
            path = require_data(f"{folder}/{labels}")
        except MissingFileError:
            return "none"
        return f"{released_digest()} {digest_files(path.parent, [path])}"
