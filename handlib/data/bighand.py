"""BigHand2.2M: labels of 2.2 million depth pictures of ten people, and the pictures (Yuan et al., CVPR 2017).

Layout, from third-party loaders (leads, not checked on the data)::

    full_annotation/Subject_1/301 375_....txt       a line a picture: name, then 63 numbers (mm), separated by tabs
    Subject_1/301 375/image_D00000001.png           16-bit depth in mm, 640 x 480

The name is that of the picture, or its number alone. Joints: wrist, five knuckles, then three joints a finger.
"""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
from jaxtyping import Float

from handlib.data.images import read_stored_pixels
from handlib.data.label_cache import ArrayWriter, cached_labels
from handlib.data.official import OfficialDataset, OnBad, joint_faults, project
from handlib.data.sample import Sample
from handlib.errors import BadInputError, MissingFileError
from handlib.skeleton import reorder_joints

IMAGE_HW = (480, 640)
BIGHAND_K = np.array([[475.065948, 0, 315.944855], [0, 475.065857, 245.287079], [0, 0, 1]], np.float32)
_LINES_AT_ONCE = 20_000
_NAME_BYTES = 96
# The farthest (m) that a hand is seen in the grey picture.
_GREY_RANGE_M = 1.0


class BigHand(OfficialDataset):
    """BigHand2.2M. ``joints_m`` gives all labels at once without any picture; samples need the pictures.

    Samples have ``depth_m``, ``K``, ``joints_m``, ``joints_2d_px`` and ``subject``; their ``image`` is the depth drawn
    in grey, near bright, because there is no other picture.
    """

    name = "bighand"
    splits = ("all",)
    landmarks = ("full_annotation",)
    remedy = "unpack full_annotation.zip again, one folder a subject"

    def __init__(
        self,
        root: str | Path | None = None,
        split: str = "all",
        *,
        subjects: tuple[int, ...] | None = None,
        on_bad: OnBad = "raise",
    ) -> None:
        """Open the labels of some subjects.

        Args:
            root: the folder with ``full_annotation``; by default HANDLIB_BIGHAND.
            split: "all".
            subjects: numbers (``Subject_1`` is 1); all by default.
            on_bad: see :mod:`handlib.data.official`.

        Raises:
            MissingFileError: no such folder or label file.
            BadInputError: a line without 63 numbers, or impossible labels.
        """
        super().__init__(root, split, on_bad)
        folder = self.root / "full_annotation"
        found = (
            {int(p.name[8:]): p for p in folder.glob("Subject_*") if p.name[8:].isdigit()} if folder.is_dir() else {}
        )
        wanted = sorted(found) if subjects is None else subjects
        if missing := [number for number in wanted if number not in found] or (not wanted and ["1"]):
            raise MissingFileError(f"no {folder / f'Subject_{missing[0]}'}: {self.remedy}")
        files = [p for n in wanted for p in sorted(found[n].glob("*.txt")) if not p.name.upper().startswith("README")]
        self.files = tuple(str(path.relative_to(folder)) for path in files)
        if empty := [found[n] for n in wanted if found[n] not in {path.parent for path in files}]:
            raise MissingFileError(f"no .txt file in {empty[0]}: {self.remedy}")
        cache = f"{self.name}-" + ("all" if subjects is None else "-".join(map(str, subjects)))
        self.labels = cached_labels(self.root, cache, files, lambda out: self._write(files, out), remedy=self.remedy)
        faults = {}
        for start in range(0, len(self.labels["joints_m"]), _LINES_AT_ONCE):
            block = np.asarray(self.labels["joints_m"][start : start + _LINES_AT_ONCE])
            faults |= {start + row: why for row, why in joint_faults(block, BIGHAND_K[None], IMAGE_HW).items()}
        self.offer(range(len(self.labels["joints_m"])), faults, folder)

    def _write(self, files: list[Path], out: ArrayWriter) -> None:
        for number, path in enumerate(files):
            first = 1
            for lines in _blocks(path):
                names, values = self._parse(lines, path, first)
                joints = reorder_joints(values.reshape(-1, 21, 3), "bighand") / np.float32(1000)
                out.append("joints_m", joints)
                out.append("name", np.array(names, f"S{_NAME_BYTES}"))
                out.append("file", np.full(len(names), number, np.int32))
                first += len(lines)
            if first == 1:
                raise BadInputError(f"{path} is empty: {self.remedy}, or remove it to go on without")

    def _parse(self, lines: list[str], path: Path, first: int) -> tuple[list[bytes], Float[np.ndarray, "lines 63"]]:
        # The name may hold spaces, so that only tabs, or the last 63 fields, separate it.
        rows = [line.split("\t") if "\t" in line else line.rsplit(maxsplit=63) for line in lines]
        rows = [(row[0].strip(), [field for field in row[1:] if field.strip()]) for row in rows]
        for offset, (name, fields) in enumerate(rows):
            if len(fields) != 63 or len(name.encode()) > _NAME_BYTES:
                raise BadInputError(
                    f"{path}, line {first + offset}: {len(fields)} numbers after the name, expected 63: {self.remedy}"
                )
        try:
            values = np.array([fields for _, fields in rows], np.float64).astype(np.float32)
        except ValueError as error:
            raise BadInputError(f"{path}, lines from {first} on: no numbers ({error}): {self.remedy}") from error
        return [name.encode() for name, _ in rows], values

    @property
    def joints_m(self) -> Float[np.ndarray, "samples 21 3"]:
        """All labels, camera frame, m, our order: for pose spaces and pose flows, which need no picture."""
        return np.asarray(self.labels["joints_m"])[self.rows]

    def sample_name(self, row: int) -> str:
        """Subject, views and picture."""
        return str(self._picture(row).relative_to(self.root).with_suffix(""))

    def _picture(self, row: int) -> Path:
        subject, _, file = self.files[self.labels["file"][row]].partition("/")
        name = self.labels["name"][row].decode().replace("\\", "/")
        views = file.removesuffix(".txt").split("_")[0]
        if name.endswith(".png"):
            # Some files give the whole path, some only what follows the subject, some the bare name.
            parts = name.split("/")
            return self.root.joinpath(subject, *(parts if len(parts) > 1 else (views, *parts))[-2:])
        return self.root / subject / views / f"image_D{name.removeprefix('image_D')}.png"

    def sequence_labels(self) -> tuple[np.ndarray, np.ndarray]:
        """A video is one file of labels; its frames are numbered by line, in the order they were taken."""
        file = np.asarray(self.labels["file"])
        starts = np.searchsorted(file, np.arange(len(self.files)))
        return np.array(self.files)[file[self.rows]], self.rows - starts[file[self.rows]]

    def read_row(self, row: int) -> Sample:
        """Read the depth picture of a row of the labels."""
        path = self._picture(row)
        pixels = read_stored_pixels(path)
        if pixels.ndim != 2 or pixels.dtype != np.uint16:
            raise BadInputError(
                f"{path} has shape {pixels.shape} of {pixels.dtype}, expected 16-bit depth: {self.remedy}"
            )
        depth = pixels.astype(np.float32) / 1000
        grey = np.where(depth > 0, np.clip(1 - depth / _GREY_RANGE_M, 0.05, 1), 0)
        joints = np.array(self.labels["joints_m"][row])
        file = self.files[self.labels["file"][row]]
        return Sample(
            image=np.repeat(np.rint(grey * 255).astype(np.uint8)[..., None], 3, -1),
            name=self.sample_name(row),
            K=BIGHAND_K.copy(),
            joints_2d_px=project(joints, BIGHAND_K),
            confidence=np.ones(21, np.float32),
            joints_m=joints,
            depth_m=depth,
            sequence=file,
            frame=int(row - np.searchsorted(self.labels["file"], self.labels["file"][row])),
            subject=file.split("/")[0],
        )


def _blocks(path: Path) -> Iterator[list[str]]:
    with path.open(encoding="utf-8", errors="replace") as stream:
        while lines := [line.rstrip("\r\n") for line in islice(stream, _LINES_AT_ONCE)]:
            if kept := [line for line in lines if line.strip()]:
                yield kept
