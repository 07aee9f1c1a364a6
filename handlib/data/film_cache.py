"""Films of the open benchmark, drawn once and kept as arrays, by the code that keeps the stills.

To the cache a set of films is a set of stills in which 50 frames belong together::

    name = FilmsName.of(films=40, split="train", image_px=96)
    folder = draw_stills(name, root)            # handlib.data.stills_cache
    frames, labels = read_pictures(folder), read_labels(folder)
    runs = name.runs                            # rows of each film's frames
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from handlib.data.open_video import OpenVideo
from handlib.data.stills_cache import PART_SIZE, StillsName
from handlib.errors import BadInputError


@dataclass(frozen=True)
class FilmsName(StillsName):
    """Which films of :class:`~handlib.data.open_video.OpenVideo`: ``count`` frames in all, ``num_frames`` of each."""

    num_frames: int = 50

    def __post_init__(self) -> None:
        """Refuse films that a part of the cache would cut, since a film is drawn whole."""
        if self.num_frames < 1 or PART_SIZE % self.num_frames or self.count % self.num_frames:
            raise BadInputError(
                f"num_frames={self.num_frames}, count={self.count}: expected a divisor of {PART_SIZE}, and whole films"
            )

    @classmethod
    def of(cls, *, films: int, split: str, image_px: int, seed: int = 0, num_frames: int = 50) -> "FilmsName":
        """The first ``films`` films of a split."""
        return cls("video", split, films * num_frames, image_px, seed, num_frames)

    @property
    def folder_name(self) -> str:
        """``"video-train-2000-96px-seed0-50frames"``."""
        return f"{super().folder_name}-{self.num_frames}frames"

    @property
    def runs(self) -> Int[np.ndarray, "films frames"]:
        """The rows of each film's frames, in order."""
        return np.arange(self.count).reshape(-1, self.num_frames)

    def benchmark(self) -> OpenVideo:
        """The films, to be drawn."""
        return OpenVideo(
            size=self.count // self.num_frames,
            num_frames=self.num_frames,
            seed=self.seed,
            image_px=self.image_px,
            split=self.split,
        )
