"""STB: twelve videos of a left hand, by a stereo and by a depth camera, 640 x 480 (Zhang et al., ICIP 2017).

Layout (https://github.com/zhjwustc/icip17_stereo_hand_pose_dataset)::

    images/B1Counting/BB_left_0.png, BB_right_0.png, SK_color_0.png, SK_depth_0.png    1,500 frames of each
    labels/B1Counting_BB.mat, B1Counting_SK.mat    handPara, 3 x 21 x 1500, mm: palm centre, little, ring, ..., thumb

The stereo labels are in the left camera's frame, the others in the *depth* camera's; both are moved to the camera that
is asked for. Two things to look out for: the hand is a left one, and its first joint is the centre of the palm and no
wrist, which papers extrapolate in two ways.
"""

from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float

from handlib.data.depth_codes import join_bytes
from handlib.data.images import read_image, read_stored_pixels
from handlib.data.label_cache import ArrayWriter, cached_labels
from handlib.data.mat_files import read_mat_array
from handlib.data.official import OfficialDataset, OnBad, check_choice, joint_faults, numbers, project
from handlib.data.palm_wrist import WRISTS, joints_from_palm
from handlib.data.sample import Sample
from handlib.errors import BadInputError

IMAGE_HW = (480, 640)
SEQUENCES = tuple(f"B{background}{kind}" for background in range(1, 7) for kind in ("Counting", "Random"))
TEST_SEQUENCES = SEQUENCES[:2]
"""The split of hand3d (Zimmermann & Brox, ICCV 2017) and nearly everybody since: B1 to test, B2 to B6 to train."""


def _intrinsics(fx: float, fy: float, cx: float, cy: float) -> Float[np.ndarray, "3 3"]:
    return np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]], np.float32)


STB_K: dict[str, Float[np.ndarray, "3 3"]] = {
    "BB_left": _intrinsics(822.79041, 822.79041, 318.47345, 250.31296),
    "BB_right": _intrinsics(822.79041, 822.79041, 318.47345, 250.31296),
    "SK": _intrinsics(607.92271, 607.88192, 314.78337, 236.42484),
    "SK_depth": _intrinsics(475.62768, 474.77709, 336.41179, 238.77962),
}
BASELINE_M = 0.120054
# They take a point from the colour camera's frame to the depth camera's: here the inverse is needed.
COLOUR_TO_DEPTH_ROTVEC = np.array([0.00531, -0.01196, 0.00301])
COLOUR_TO_DEPTH_M = np.array([-24.0381, -0.4563, -1.2326]) / 1000

_FILE = {"BB_left": "BB_left", "BB_right": "BB_right", "SK": "SK_color"}


class STB(OfficialDataset):
    """STB seen by one of its cameras; samples have ``image``, ``K``, ``joints_m``, ``joints_2d_px`` of a left hand."""

    name = "stb"
    splits = ("train", "test", "all")
    landmarks = ("labels", "images")
    remedy = "unpack images.zip and labels.zip of STB again, side by side"

    def __init__(
        self,
        root: str | Path | None = None,
        split: str = "train",
        *,
        camera: str = "BB_left",
        wrist: str = "ring",
        sequences: tuple[str, ...] | None = None,
        on_bad: OnBad = "raise",
    ) -> None:
        """Open a split.

        Args:
            root: the folder with ``images`` and ``labels``; by default HANDLIB_STB.
            split: "train" (B2 to B6), "test" (B1) or "all".
            camera: "BB_left", "BB_right" or "SK" (the colour camera beside the depth camera).
            wrist: a key of :data:`~handlib.data.palm_wrist.WRISTS`.
            sequences: some of :data:`SEQUENCES`, instead of those of the split: papers differ here too.
            on_bad: see :mod:`handlib.data.official`.

        Raises:
            MissingFileError: no such folder or label file, or fewer pictures than labels.
            BadInputError: a damaged label file, labels of another shape or with impossible numbers, or more pictures
                than labels.
        """
        super().__init__(root, split, on_bad)
        self.camera, self.wrist = (
            check_choice("camera", camera, tuple(_FILE)),
            check_choice("wrist", wrist, tuple(WRISTS)),
        )
        parts = {"train": SEQUENCES[2:], "test": TEST_SEQUENCES, "all": SEQUENCES}[split]
        self.sequences = (
            parts if sequences is None else tuple(check_choice("sequences", s, SEQUENCES) for s in sequences)
        )
        files = {s: self.root / "labels" / f"{s}_{camera[:2]}.mat" for s in self.sequences}
        cache = f"{self.name}-{camera[:2]}-" + "-".join(self.sequences if sequences is not None else (split,))
        self.labels = cached_labels(
            self.root, cache, list(files.values()), lambda out: self._write(files, out), remedy=self.remedy
        )
        joints = np.asarray(self.labels["joints_m"]).astype(np.float64)
        joints = to_camera(joints, camera)
        self.offer(range(len(joints)), joint_faults(joints, STB_K[camera][None], IMAGE_HW), self.root / "labels")

    def _write(self, files: dict[str, Path], out: ArrayWriter) -> None:
        for number, (sequence, path) in enumerate(files.items()):
            values = numbers(
                read_mat_array(path, "handPara", self.remedy), (3, 21, -1), f"{path}: handPara", self.remedy
            )
            self._check_count(sequence, values.shape[2], path)
            out.append("joints_m", np.ascontiguousarray(values.transpose(2, 1, 0)) / np.float32(1000))
            out.append("sequence", np.full(values.shape[2], number, np.int32))
            out.append("frame", np.arange(values.shape[2], dtype=np.int32))

    def _check_count(self, sequence: str, count: int, path: Path) -> None:
        picture = self.root / "images" / sequence / f"{_FILE[self.camera]}_{count}.png"
        if picture.is_file():
            raise BadInputError(
                f"{path} has labels for {count} frames, but there is a picture {picture}: {self.remedy}"
            )

    def sample_name(self, row: int) -> str:
        """``SEQUENCE/PICTURE``, without the suffix."""
        sequence, frame = self.sequences[self.labels["sequence"][row]], self.labels["frame"][row]
        return f"{sequence}/{_FILE[self.camera]}_{frame}"

    def sequence_labels(self) -> tuple[np.ndarray, np.ndarray]:
        """Name of the video and number of the frame, for each sample."""
        names = np.array(self.sequences)[np.asarray(self.labels["sequence"])[self.rows]]
        return names, np.asarray(self.labels["frame"])[self.rows].astype(np.int64)

    def read_row(self, row: int) -> Sample:
        """Read the picture of a row of the labels."""
        name = self.sample_name(row)
        joints = self._joints(row, self.camera)
        return Sample(
            image=read_image(self.root / "images" / f"{name}.png"),
            name=name,
            side="left",
            K=STB_K[self.camera].copy(),
            joints_2d_px=project(joints, STB_K[self.camera]),
            confidence=np.ones(21, np.float32),
            joints_m=joints,
            sequence=name.split("/")[0],
            frame=int(self.labels["frame"][row]),
        )

    def depth_view(self, index: int) -> tuple[Float[np.ndarray, "height width"], Float[np.ndarray, "21 3"]]:
        """What the depth camera saw of a sample with ``camera="SK"``: depth (m), and the joints in its own frame.

        The picture does not lie on the colour picture; its intrinsics are ``STB_K["SK_depth"]``.

        Raises:
            BadInputError: the samples are those of the stereo camera, or the picture is not of two bytes.
        """
        if self.camera != "SK":
            raise BadInputError(f"camera is {self.camera!r}: only the frames of camera='SK' have a depth picture")
        row = int(self.rows[index])
        sequence = self.sample_name(row).split("/")[0]
        path = self.root / "images" / sequence / f"SK_depth_{self.labels['frame'][row]}.png"
        pixels = read_stored_pixels(path)
        if pixels.ndim != 3 or pixels.dtype != np.uint8:
            raise BadInputError(
                f"{path} has shape {pixels.shape} of {pixels.dtype}, expected 3 channels: {self.remedy}"
            )
        depth = join_bytes(pixels[..., 0], pixels[..., 1]).astype(np.float32) / 1000
        return depth, self._joints(row, "SK_depth")

    def _joints(self, row: int, camera: str) -> Float[np.ndarray, "21 3"]:
        joints = to_camera(np.array(self.labels["joints_m"][row], np.float64), camera)
        return joints_from_palm(joints[None], "stb", self.wrist)[0].astype(np.float32)


def to_camera(points_m: Float[np.ndarray, "*points 3"], camera: str) -> Float[np.ndarray, "*points 3"]:
    """Points as the label files have them (m) to the frame of a camera: "BB_left", "BB_right", "SK" or "SK_depth".

    The stereo labels are in the left camera's frame; the right one lies :data:`BASELINE_M` to its right.
    """
    if camera == "SK":
        rotation = cv2.Rodrigues(COLOUR_TO_DEPTH_ROTVEC)[0]
        # X_depth = R X_colour + t, so X_colour = R^T (X_depth - t); with rows as points the transpose falls away.
        return (points_m - COLOUR_TO_DEPTH_M) @ rotation
    return points_m - [BASELINE_M, 0, 0] if camera == "BB_right" else points_m
