"""Real photographs: three that come with the package, and the sets in the folder that ``HANDLIB_DATA`` names.

The labels of these sets are another network's detections, not ground truth: they play the part that OpenPose plays in
S2HAND, noisy 2D keypoints with a confidence. Everything in ``handlib`` also works without the folder.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from handlib.data.archives import read_arrays
from handlib.data.images import read_image
from handlib.data.sample import Sample
from handlib.errors import BadInputError, MissingFileError

PHOTO_SETS = {"digits": "digits_crops", "subhi": "subhi_crops"}
PACKAGED_PHOTOS = Path(__file__).parent / "assets" / "photos"
LABEL_FILE = "labels_mediapipe_pseudo.npz"


def data_folder() -> Path | None:
    """The folder that the environment variable ``HANDLIB_DATA`` names, or ``None`` where it is not set.

    Raises:
        MissingFileError: the variable is set, and no such folder is there.
    """
    named = os.environ.get("HANDLIB_DATA")
    if not named:
        return None
    folder = Path(named)
    if not folder.is_dir():
        raise MissingFileError(
            f"HANDLIB_DATA names {folder}, where there is no folder: set it to the folder with the photograph sets, or "
            "unset it to go on without them"
        )
    return folder


def require_data(relative: str) -> Path:
    """The path of a file or folder inside ``HANDLIB_DATA``.

    Args:
        relative: for instance ``"digits_crops"``.

    Raises:
        MissingFileError: ``HANDLIB_DATA`` is not set, or has no such file: says which, and what to do.
    """
    folder = data_folder()
    if folder is None:
        raise MissingFileError(
            f"{relative} is read from the data folder, and HANDLIB_DATA is not set: set it to that folder "
            "(export HANDLIB_DATA=DIR); 'handlib data list' says what belongs there"
        )
    path = folder / relative
    if not path.exists():
        raise MissingFileError(
            f"the data folder {folder} has no {relative}: 'handlib data list' says where it comes from"
        )
    return path


def packaged_photos() -> list[Path]:
    """The three real photographs that come with the package, sorted by name (480 x 640, a left hand, MIT licence)."""
    return sorted(PACKAGED_PHOTOS.glob("*.jpg"))


@dataclass(frozen=True)
class PhotoSet(Sequence):
    """A set of hand photographs with detected keypoints, read lazily, one :class:`Sample` at a time.

    Attributes:
        name: a key of :data:`PHOTO_SETS`.
        folder: where its pictures lie.
        labels: its label arrays: ``name``, ``source``, ``uv`` (N, 21, 2) px, ``world_m`` (N, 21, 3) m (the detector's
            own 3D guess, never used to train), ``side``, ``score`` (N,).
    """

    name: str
    folder: Path
    labels: dict[str, np.ndarray]

    @classmethod
    def open(cls, name: str) -> "PhotoSet":
        """Open a set by name.

        Raises:
            BadInputError: there is no such set, or its label file is damaged or lacks an array.
            MissingFileError: the data folder or the set is not there.
        """
        if name not in PHOTO_SETS:
            raise BadInputError(f"no photograph set is called {name!r}: there are {', '.join(PHOTO_SETS)}")
        folder = require_data(PHOTO_SETS[name])
        label_file = require_data(f"{PHOTO_SETS[name]}/{LABEL_FILE}")
        required = ("name", "uv", "world_m", "side", "score")
        labels = read_arrays(label_file, required, "fetch it again from its source")
        return cls(name, folder, labels)

    def __len__(self) -> int:
        return len(self.labels["name"])

    def __getitem__(self, index: int) -> Sample:
        return Sample(
            image=read_image(self.folder / str(self.labels["name"][index])),
            name=f"{self.name}/{self.labels['name'][index]}",
            side=str(self.labels["side"][index]),
            joints_2d_px=self.labels["uv"][index].astype(np.float32),
            # The detector gives one score a hand: it stands for each of its joints.
            confidence=np.full(21, self.labels["score"][index], np.float32),
        )
