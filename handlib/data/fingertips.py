"""Dexter+Object and EgoDexter: videos in which five fingertips are labelled, where they can be seen.

Both come as lines of five tips, thumb to little, separated by semicolons, and in both the 3D labels are in the *depth*
camera's frame while networks are given the colour picture: they are moved to the colour camera here.
"""

import abc
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from jaxtyping import Float

from handlib.data.images import IMAGE_SUFFIXES, read_image
from handlib.data.label_cache import ArrayWriter, cached_labels
from handlib.data.official import OfficialDataset, OnBad, check_choice, joint_faults, project, read_lines
from handlib.data.sample import Sample
from handlib.errors import BadInputError
from handlib.skeleton import TIPS

IMAGE_HW = (480, 640)


@dataclass(frozen=True)
class ColourCamera:
    """The colour camera: its intrinsics, and the rotation and translation (m) from the depth camera's frame to its."""

    K: Float[np.ndarray, "3 3"]
    rotation: Float[np.ndarray, "3 3"]
    translation_m: Float[np.ndarray, "3"]


class FingertipVideos(OfficialDataset):
    """What the two data sets share; a subclass says where the files lie and what their numbers mean."""

    splits = ("test",)
    sequence_names: ClassVar[tuple[str, ...]]
    camera: ClassVar[ColourCamera]

    def __init__(
        self,
        root: str | Path | None = None,
        split: str = "test",
        *,
        sequences: tuple[str, ...] | None = None,
        on_bad: OnBad = "raise",
    ) -> None:
        """Open it; all of it is meant for testing.

        Args:
            root: the folder with ``data``; by default what HANDLIB_<NAME> names.
            split: "test".
            sequences: some of the videos; all by default.
            on_bad: see :mod:`handlib.data.official`.

        Raises:
            MissingFileError: no such folder, video or label file.
            BadInputError: damaged lines, other numbers of pictures and labels, or axes that contradict the 2D labels.
        """
        super().__init__(root, split, on_bad)
        names = self.sequence_names if sequences is None else sequences
        self.sequences = tuple(check_choice("sequences", name, self.sequence_names) for name in names)
        sources = [path for name in self.sequences for path in (*self.label_files(name), self.folder(name) / "color")]
        cache = f"{self.name}-" + ("all" if sequences is None else "-".join(self.sequences))
        self.labels = cached_labels(self.root, cache, sources, self._write, remedy=self.remedy)
        tips = np.asarray(self.labels["tips_m"])
        known = np.isfinite(tips).all(-1)
        faults = joint_faults(tips, self.camera.K[None], None, known)
        # A tip without a label has numbers of its own in both data sets: NaN in a file is damage.
        damaged = np.flatnonzero(self.labels["damaged"]).tolist()
        faults |= dict.fromkeys(damaged, "a tip is NaN or infinite")
        self.offer(range(len(tips)), faults, self.root / "data")

    def folder(self, sequence: str) -> Path:
        """Folder of a video."""
        return self.root / "data" / sequence

    @abc.abstractmethod
    def label_files(self, sequence: str) -> tuple[Path, Path]:
        """The 2D and the 3D label file of a video."""

    @abc.abstractmethod
    def tips_in_depth_camera(
        self, tips_2d: Float[np.ndarray, "frames 5 2"], tips_3d: Float[np.ndarray, "frames 5 3"], source: Path
    ) -> Float[np.ndarray, "frames 5 3"]:
        """The files' numbers as points in the depth camera's frame, OpenCV axes, m; NaN where there is no label."""

    def _write(self, out: ArrayWriter) -> None:
        for number, sequence in enumerate(self.sequences):
            flat, solid = self.label_files(sequence)
            tips_2d, tips_3d = read_tips(flat, 2, self.remedy), read_tips(solid, 3, self.remedy)
            colour = self.folder(sequence) / "color"
            pictures = sorted(path.name for path in colour.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)
            if not len(pictures) == len(tips_2d) == len(tips_3d) > 0:
                raise BadInputError(
                    f"{self.folder(sequence)}: {len(pictures)} pictures in color/, {len(tips_2d)} lines in {flat.name} "
                    f"and {len(tips_3d)} in {solid.name}, expected one of each a frame: {self.remedy}"
                )
            points = self.tips_in_depth_camera(tips_2d, tips_3d, solid)
            moved = points @ self.camera.rotation.T + self.camera.translation_m
            out.append("tips_m", moved.astype(np.float32))
            out.append("damaged", ~np.isfinite(tips_3d).all((1, 2)))
            out.append("picture", np.array([name.encode() for name in pictures], "S64"))
            out.append(
                "place", np.stack([np.full(len(pictures), number), np.arange(len(pictures))], 1).astype(np.int32)
            )

    def sample_name(self, row: int) -> str:
        """``SEQUENCE/PICTURE``, without the suffix."""
        return f"{self.sequences[self.labels['place'][row, 0]]}/{Path(self.labels['picture'][row].decode()).stem}"

    def sequence_labels(self) -> tuple[np.ndarray, np.ndarray]:
        """Name of the video and number of the frame, for each sample."""
        place = np.asarray(self.labels["place"])[self.rows]
        return np.array(self.sequences)[place[:, 0]], place[:, 1].astype(np.int64)

    def read_row(self, row: int) -> Sample:
        """Read the colour picture of a row of the labels; only fingertips that are labelled are not NaN."""
        number, frame = (int(n) for n in self.labels["place"][row])
        sequence = self.sequences[number]
        joints, pixels = np.full((21, 3), np.nan, np.float32), np.zeros((21, 2), np.float32)
        joints[list(TIPS)] = self.labels["tips_m"][row]
        known = np.isfinite(joints).all(-1)
        pixels[known] = project(joints[known], self.camera.K)
        return Sample(
            image=read_image(self.folder(sequence) / "color" / self.labels["picture"][row].decode()),
            name=self.sample_name(row),
            side="left",
            K=self.camera.K.copy(),
            joints_2d_px=pixels,
            confidence=known.astype(np.float32),
            joints_m=joints,
            sequence=sequence,
            frame=frame,
        )


def read_tips(path: Path, width: int, remedy: str) -> Float[np.ndarray, "frames 5 width"]:
    """Lines of at least five groups of ``width`` numbers, ``"x, y; x, y; ...;"``: the first five are the fingertips.

    Raises:
        MissingFileError: there is no such file.
        BadInputError: a line with fewer groups, or with something else than numbers.
    """
    rows = []
    for number, line in enumerate(read_lines(path, remedy), 1):
        if not line.strip():
            continue
        groups = [group.split(",") for group in line.split(";") if group.strip()][:5]
        try:
            row = np.array(groups, np.float64)
        except ValueError as error:
            raise BadInputError(f"{path}, line {number}: no numbers ({error}): {remedy}") from error
        if row.shape != (5, width):
            raise BadInputError(f"{path}, line {number}: shape {row.shape}, expected five tips of {width}: {remedy}")
        rows.append(row)
    return np.array(rows).reshape(-1, 5, width)
