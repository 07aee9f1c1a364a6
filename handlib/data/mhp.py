"""MHP: 21 videos of a hand from four webcams, 640 x 480 (Gomez-Donoso et al., 2019).

Layout, as public loaders read it (leads, not checked on the data)::

    annotated_frames/data_1/0_webcam_1.jpg ... 0_webcam_4.jpg
    annotated_frames/data_1/0_joints.txt   or annotations/data_1/0_joints.txt: 22 lines "NAME x y z", mm, world frame
    calibrations/data_1/webcam_1/{rvec,tvec}.pkl     world to camera, mm

Two public loaders disagree on which of F1 and F2 is the little finger. The knuckles tell: along the palm they lie in
the order index, middle, ring, little, and a reader whose names contradict that is an error. The lens distorts by up to
four pixels: pictures are straightened here, so that K projects the joints onto them. Which hand is seen is also told by
the labels.
"""

import re
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float

from handlib.data.images import read_image
from handlib.data.label_cache import ArrayWriter, cached_labels
from handlib.data.label_checks import handedness_mm
from handlib.data.official import OfficialDataset, OnBad, check_choice, joint_faults, numbers, project, read_lines
from handlib.data.palm_wrist import WRISTS, joints_from_palm
from handlib.data.sample import Sample
from handlib.errors import BadInputError, MissingFileError
from handlib.hand.pickled_arrays import to_array
from handlib.hand.safe_pickle import read_any_pickle
from handlib.skeleton import FINGER_JOINTS

IMAGE_HW = (480, 640)
MHP_K = np.array([[614.878, 0, 313.219], [0, 615.479, 231.288], [0, 0, 1]], np.float32)
MHP_DISTORTION = np.array([0.092701, -0.175877, -0.0035687, -0.00302299, 0.0])
_PARTS = ("KNU1_A", "KNU1_B", "KNU2_A", "KNU3_A")


class MHP(OfficialDataset):
    """MHP: every frame from every webcam; samples have ``image``, ``K``, ``joints_m``, ``joints_2d_px``."""

    name = "mhp"
    splits = ("all",)
    landmarks = ("annotated_frames",)
    remedy = "unpack the data set again, with annotated_frames and calibrations side by side"

    def __init__(
        self,
        root: str | Path | None = None,
        split: str = "all",
        *,
        sequences: tuple[int, ...] | None = None,
        wrist: str = "ring",
        little: str = "F1",
        on_bad: OnBad = "raise",
    ) -> None:
        """Open it; no split of it is published, so papers name their videos.

        Args:
            root: the folder with ``annotated_frames``; by default HANDLIB_MHP.
            split: "all".
            sequences: numbers of the videos (``data_1`` is 1); all by default.
            wrist: a key of :data:`~handlib.data.palm_wrist.WRISTS`.
            little: "F1" or "F2": what the little finger is called in the files; the ring finger is the other.
            on_bad: see :mod:`handlib.data.official`.

        Raises:
            MissingFileError: no such folder, no joint file or no calibration.
            BadInputError: a damaged label, an unknown joint name, or finger names that the knuckles contradict.
        """
        super().__init__(root, split, on_bad)
        self.wrist = check_choice("wrist", wrist, tuple(WRISTS))
        check_choice("little", little, ("F1", "F2"))
        # The order of skeleton.JOINT_ORDERS["mhp"]: index, middle, little, ring, thumb.
        fingers = ("F4", "F3", little, {"F1": "F2", "F2": "F1"}[little], "TH")
        self.rows_in_file = (*(f"{finger}_{part}" for finger in fingers for part in _PARTS), "PALM_POSITION")
        folders = self._video_folders(sequences)
        cache = f"{self.name}-{little}-" + ("all" if sequences is None else "-".join(map(str, sequences)))
        self.labels = cached_labels(
            self.root, cache, list(folders.values()), lambda out: self._write(folders, out), remedy=self.remedy
        )
        joints = np.asarray(self.labels["joints_m"])
        self._check_fingers(joints)
        self.sides = self._sides(joints)
        self.offer(range(len(joints)), joint_faults(joints, MHP_K[None], IMAGE_HW), self.root / "annotated_frames")

    def _video_folders(self, sequences: tuple[int, ...] | None) -> dict[int, Path]:
        frames = self.root / "annotated_frames"
        found = {int(p.name[5:]): p for p in frames.glob("data_*") if p.name[5:].isdigit()} if frames.is_dir() else {}
        wanted = sorted(found) if sequences is None else sequences
        if missing := [number for number in wanted if number not in found] or (not wanted and ["1"]):
            raise MissingFileError(f"no {frames / f'data_{missing[0]}'}: {self.remedy}")
        return {number: found[number] for number in wanted}

    def _write(self, folders: dict[int, Path], out: ArrayWriter) -> None:
        for number, folder in folders.items():
            pictures: dict[int, list[int]] = {}
            for path in folder.glob("*_webcam_*.jpg"):
                if match := re.fullmatch(r"(\d+)_webcam_(\d+)\.jpg", path.name):
                    pictures.setdefault(int(match[1]), []).append(int(match[2]))
            poses = {}
            for frame in sorted(pictures):
                world = self._read_joints(folder, frame)
                for webcam in sorted(pictures[frame]):
                    if webcam not in poses:
                        poses[webcam] = self._read_calibration(number, webcam)
                    rotation, translation = poses[webcam]
                    out.append("joints_m", ((world @ rotation.T + translation) / 1000).astype(np.float32)[None])
                    out.append("place", np.array([[number, frame, webcam]], np.int32))
        if not out.rows("place"):
            raise MissingFileError(f"no picture *_webcam_*.jpg below {self.root / 'annotated_frames'}: {self.remedy}")

    def _read_joints(self, folder: Path, frame: int) -> Float[np.ndarray, "21 3"]:
        path = folder / f"{frame}_joints.txt"
        if not path.is_file():
            path = self.root / "annotations" / folder.name / f"{frame}_joints.txt"
        if not path.is_file():
            raise MissingFileError(f"no {path}, the labels of a picture that is there: {self.remedy}")
        fields = [line.split() for line in read_lines(path, self.remedy) if line.strip()]
        try:
            named = {row[0]: [float(value) for value in row[1:]] for row in fields}
        except ValueError as error:
            raise BadInputError(f"{path} is damaged ({error}): {self.remedy}") from error
        if missing := [name for name in self.rows_in_file if name not in named]:
            raise BadInputError(f"{path} has no joint {missing[0]} but {', '.join(named) or 'nothing'}: {self.remedy}")
        return numbers([named[name] for name in self.rows_in_file], (21, 3), str(path), self.remedy)

    def _read_calibration(self, number: int, webcam: int) -> tuple[np.ndarray, np.ndarray]:
        folder = self.root / "calibrations" / f"data_{number}" / f"webcam_{webcam}"
        vectors = []
        for name in ("rvec", "tvec"):
            path = folder / f"{name}.pkl"
            if not path.is_file():
                raise MissingFileError(f"no {path}: {self.remedy}")
            content = read_any_pickle(path)
            try:
                value = to_array(content).astype(np.float64)
            except BadInputError as error:
                raise BadInputError(f"{path}: {error}: {self.remedy}") from error
            if value.size != 3 or not np.isfinite(value).all():
                raise BadInputError(f"{path} holds an array {value.shape}, expected three numbers: {self.remedy}")
            vectors.append(value.reshape(3))
        return cv2.Rodrigues(vectors[0])[0], vectors[1]

    def _check_fingers(self, joints: np.ndarray) -> None:
        ours = joints_from_palm(joints, "mhp", self.wrist)
        knuckles = {finger: ours[:, rows[0]] for finger, rows in FINGER_JOINTS.items()}
        away = {
            finger: float(np.nanmedian(np.linalg.norm(knuckles[finger] - knuckles["index"], axis=-1)))
            for finger in ("middle", "ring", "little")
        }
        if not away["middle"] < away["ring"] < away["little"]:
            told = ", ".join(f"{finger} {1000 * metres:.0f} mm" for finger, metres in away.items())
            raise BadInputError(
                f"{self.root}: the knuckles' distances from the index finger's are {told}, expected to grow: the files "
                "call the fingers otherwise; open them with the other little finger, little='F2' or little='F1'"
            )

    def _sides(self, joints: np.ndarray) -> dict[int, str]:
        number = np.asarray(self.labels["place"])[:, 0]
        bend = handedness_mm(joints_from_palm(joints, "mhp", self.wrist))
        return {int(n): "left" if np.nanmedian(bend[number == n]) < 0 else "right" for n in np.unique(number)}

    def sample_name(self, row: int) -> str:
        """The picture's path below ``annotated_frames``, without the suffix."""
        number, frame, webcam = self.labels["place"][row]
        return f"data_{number}/{frame}_webcam_{webcam}"

    def sequence_labels(self) -> tuple[np.ndarray, np.ndarray]:
        """A video is one webcam's view of a recording."""
        place = np.asarray(self.labels["place"])[self.rows]
        return np.array([f"data_{n}/webcam_{w}" for n, _, w in place]), place[:, 1].astype(np.int64)

    def read_row(self, row: int) -> Sample:
        """Read and straighten the picture of a row of the labels."""
        number, frame, webcam = (int(n) for n in self.labels["place"][row])
        image = read_image(self.root / "annotated_frames" / f"{self.sample_name(row)}.jpg")
        joints = joints_from_palm(np.array(self.labels["joints_m"][row])[None], "mhp", self.wrist)[0]
        return Sample(
            image=cv2.undistort(image, MHP_K.astype(np.float64), MHP_DISTORTION),
            name=self.sample_name(row),
            side=self.sides[number],
            K=MHP_K.copy(),
            joints_2d_px=project(joints, MHP_K),
            confidence=np.ones(21, np.float32),
            joints_m=joints,
            sequence=f"data_{number}/webcam_{webcam}",
            frame=frame,
        )
