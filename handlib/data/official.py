"""What the readers of the official data sets have in common.

A reader is a sequence of :class:`~handlib.data.sample.Sample`, made from a folder in the data set's own format. Opening
it reads labels only (from a cache, after the first time); a picture is read when its sample is asked for. A reader is
small, keeps nothing that it gave out, and can be pickled, so that several worker processes may share the work.

Damaged data: with ``on_bad="raise"`` the first bad sample is an error that names the file and what to do; with
``on_bad="skip"`` samples with bad labels are left out at the start, iteration passes over unreadable pictures, and
``skipped`` tells which and why.
"""

import abc
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from jaxtyping import Bool, Float

from handlib.data.label_cache import LabelArrays, cache_folder
from handlib.data.sample import Sample
from handlib.errors import BadInputError, MissingFileError

OnBad = Literal["raise", "skip"]
# A hand from wrist to the farthest joint, m. Further out it is a child's fist or a giant's hand: a wrong unit.
HAND_SPAN_M = (0.04, 0.35)
UNREADABLE_FILE = "unreadable.txt"
FIXTURE_FILE = "FIXTURE.txt"
"""Lies in a folder that only looks like a data set: drawn hands in its format, see ``make_format_fixtures.py``."""


class OfficialDataset(Sequence):
    """A data set in its official format; subclasses read one data set each.

    Attributes:
        name: as in ``handlib data list``.
        splits: the published names of its parts.
        landmarks: paths of which a folder of this data set has at least one: how a wrong folder is told.
        root: its folder.
        split: the part that is open.
        on_bad: "raise" or "skip".
        labels: the cached arrays, one row a sample.
        rows: (samples,) the rows of ``labels`` that are samples of this reader, in its order.
        skipped: name of each sample that was left out -> why.
        left_out_at_opening: the names among them that are no sample of this reader.
    """

    name: ClassVar[str]
    splits: ClassVar[tuple[str, ...]]
    landmarks: ClassVar[tuple[str, ...]] = ()
    remedy: ClassVar[str] = "unpack the data set again, whole, as its authors ship it"
    labels: LabelArrays

    def __init__(self, root: str | Path | None, split: str, on_bad: OnBad = "raise") -> None:
        """Check the arguments that all readers have; a subclass then calls :meth:`offer`."""
        self.root = root_folder(self.name, root)
        check_landmarks(self.name, self.root, self.landmarks, self.remedy)
        self.split = check_choice("split", split, self.splits)
        self.on_bad = check_choice("on_bad", on_bad, ("raise", "skip"))
        self.skipped: dict[str, str] = {}

    def offer(self, rows: Iterable[int], faults: dict[int, str], source: Path) -> None:
        """Decide which rows of ``labels`` are samples of this reader.

        Args:
            rows: those that belong to it.
            faults: row -> what is wrong with its label.
            source: the file that the labels come from, for the message.

        Raises:
            BadInputError: a label is bad and ``on_bad`` is "raise", or none is left.
        """
        rows = [int(row) for row in rows]
        wrong = [row for row in rows if row in faults]
        if wrong and self.on_bad == "raise":
            raise BadInputError(
                f"{source}: {len(wrong)} of {len(rows)} labels are bad, the first of them "
                f"{self.sample_name(wrong[0])}: {faults[wrong[0]]}. What to do: {self.remedy}, or leave such samples "
                "out with on_bad='skip' (--skip-bad)"
            )
        self.skipped |= {self.sample_name(row): faults[row] for row in wrong}
        left = [row for row in rows if row not in faults]
        if self.on_bad == "skip" and (known := self._known_unreadable()):
            names = {row: self.sample_name(row) for row in left}
            self.skipped |= {name: known[name] for name in names.values() if name in known}
            left = [row for row in left if names[row] not in known]
        if not left:
            raise BadInputError(f"{source}: no usable sample is left of {len(rows)} of {self.name}: {self.remedy}")
        self.rows = np.array(left, np.int64)
        self.left_out_at_opening = frozenset(self.skipped)

    @abc.abstractmethod
    def sample_name(self, row: int) -> str:
        """What a person would call the sample of a row of ``labels``."""

    @abc.abstractmethod
    def read_row(self, row: int) -> Sample:
        """Read the sample of a row of ``labels``."""

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Sample:
        """One sample.

        Raises:
            IndexError: there is no such sample.
            MissingFileError, BadInputError: its picture is missing or damaged, whatever ``on_bad`` says: a number must
                mean the same sample every time. ``handlib data prepare NAME --skip-bad`` takes such samples out.
        """
        try:
            return self._read(index)
        except (BadInputError, MissingFileError) as error:
            told = "" if self.remedy in str(error) else f" In {self.name}: {self.remedy}."
            raise type(error)(f"{error}.{told} To go on without such samples: --skip-bad (on_bad='skip')") from error

    def _read(self, index: int) -> Sample:
        if not -len(self) <= index < len(self):
            raise IndexError(f"sample {index} of {self.name} with {len(self)}")
        return self.read_row(int(self.rows[index]))

    def __iter__(self) -> Iterator[Sample]:
        return (sample for index in range(len(self)) if (sample := self.read(index)) is not None)

    def read(self, index: int) -> Sample | None:
        """One sample; with ``on_bad="skip"`` None, and a line in ``skipped``, for one that cannot be read."""
        if self.on_bad == "raise":
            return self[index]
        try:
            return self._read(index)
        except (BadInputError, MissingFileError) as error:
            self.skipped[self.sample_name(int(self.rows[index]))] = str(error)
            return None

    def forget_unreadable(self) -> None:
        """Offer all pictures again at the next opening: to read them once more, after they were repaired."""
        (cache_folder(self.root) / self._unreadable_name()).unlink(missing_ok=True)

    @property
    def was_looked_through(self) -> bool:
        """Whether it is on record which samples are damaged, even if none is: see :meth:`remember_unreadable`."""
        return (cache_folder(self.root) / self._unreadable_name()).is_file()

    def remember_unreadable(self) -> None:
        """Keep what ``skipped`` says, so that readers that are opened later leave the same samples out."""
        lines = "".join(f"{name}\t{' '.join(why.split())}\n" for name, why in self.skipped.items())
        folder = cache_folder(self.root)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / self._unreadable_name()).write_text(lines)

    def _known_unreadable(self) -> dict[str, str]:
        path = cache_folder(self.root) / self._unreadable_name()
        lines = path.read_text().splitlines() if path.is_file() else []
        return dict(line.split("\t", 1) for line in lines)

    def _unreadable_name(self) -> str:
        return f"{self.name}-{self.split}-{UNREADABLE_FILE}"

    def sequence_labels(self) -> tuple[np.ndarray, np.ndarray]:
        """Name of the video and number of the frame, for each sample that is offered.

        Raises:
            BadInputError: the data set has no videos.
        """
        raise BadInputError(f"{self.name} has single pictures and no videos; use its samples one by one")

    def run_starts(self) -> Bool[np.ndarray, "samples"] | None:
        """Samples that do not follow from the frame before them; None where only missing frames interrupt a video."""
        return None


def root_folder(name: str, root: str | Path | None) -> Path:
    """The folder of a data set: the argument, else what the environment variable ``HANDLIB_<NAME>`` names.

    Raises:
        MissingFileError: neither is given, or there is no such folder.
    """
    variable = root_variable(name)
    root = root or os.environ.get(variable)
    if not root:
        raise MissingFileError(
            f"{name}: no folder is known for it: give --root DIR (root=...) or set {variable}; "
            f"'handlib data list {name}' says where the data comes from"
        )
    folder = Path(root).expanduser()
    if not folder.is_dir():
        met = f"{folder} is a file" if folder.is_file() else f"no folder {folder}"
        raise MissingFileError(f"{name}: {met}: give the folder that the data set was unpacked into")
    return folder


def check_landmarks(name: str, folder: Path, landmarks: Sequence[str], remedy: str) -> None:
    """Refuse a folder that holds nothing of a data set; where the right one lies directly in it, say so.

    Raises:
        MissingFileError: none of the landmarks is there.
    """
    if not landmarks or any((folder / mark).exists() for mark in landmarks):
        return
    # From the end of the landmark upwards lies the folder that should have been given.
    nearer = {path.parents[mark.count("/")] for mark in landmarks for path in folder.glob(f"*/{mark}")}
    hint = f", it seems {' or '.join(sorted(map(str, nearer)))}," if nearer else ""
    raise MissingFileError(
        f"{name}: {folder} has no {' and no '.join(landmarks)}: give the folder that has them{hint} or {remedy}"
    )


def read_lines(path: Path, remedy: str) -> list[str]:
    """The lines of a label file of text.

    Raises:
        MissingFileError: there is no such file.
        BadInputError: it is no text, or may not be read.
    """
    if not path.is_file():
        raise MissingFileError(f"no {path}: {remedy}")
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except PermissionError as error:
        raise BadInputError(f"{path} may not be read: check its permissions") from error
    except UnicodeDecodeError as error:
        raise BadInputError(f"{path} is damaged, or no text file ({error}): {remedy}") from error


def root_variable(name: str) -> str:
    """The environment variable that names a data set's folder, for instance ``HANDLIB_FREIHAND``."""
    return f"HANDLIB_{name.upper()}"


def check_choice(argument: str, value: str, choices: Sequence[str]) -> str:
    """The value, if it is one of the choices.

    Raises:
        BadInputError: it is none of them.
    """
    if value not in choices:
        raise BadInputError(f"{argument} is {value!r}, expected one of {', '.join(choices)}")
    return value


def numbers(values: object, shape: tuple[int, ...], what: str, remedy: str) -> Float[np.ndarray, "*shape"]:
    """A list out of a file as float32 of the shape it must have; a length of -1 may be any.

    Raises:
        BadInputError: not numbers, or of another shape; ``what`` names file and entry.
    """
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise BadInputError(f"{what} has rows of different lengths ({error}): {remedy}") from error
    if array.dtype.kind not in "iuf" or (array.dtype.kind == "f" and array.dtype.itemsize < 4):
        raise BadInputError(f"{what} holds {array.dtype}, expected numbers of at least 32 bits: {remedy}")
    fits = array.ndim == len(shape) and all(w in (-1, n) for n, w in zip(array.shape, shape, strict=True))
    if not fits:
        wanted = ", ".join("any" if n == -1 else str(n) for n in shape)
        raise BadInputError(f"{what} has shape {array.shape}, expected ({wanted}): {remedy}")
    return array.astype(np.float32)


def joint_faults(
    joints_m: Float[np.ndarray, "frames joints 3"],
    K: Float[np.ndarray, "#frames 3 3"] | None = None,
    image_hw: tuple[int, int] | None = None,
    labelled: Bool[np.ndarray, "frames joints"] | None = None,
) -> dict[int, str]:
    """What cannot be true of 3D labels: NaN, a hand of another unit, a hand behind the camera or beside the picture.

    The last two are how swapped or flipped axes show. Joints that are not ``labelled`` may be anything.

    Args:
        joints_m: camera frame, OpenCV axes, metres.
        K: intrinsics; with ``image_hw`` (height, width) the hand must be at least partly in the picture.
        image_hw: size of the picture.
        labelled: which joints have a label; all by default.

    Returns:
        frame -> what is wrong with it, for those with a fault.
    """
    joints = np.asarray(joints_m, np.float64)
    counts = np.ones(joints.shape[:2], bool) if labelled is None else labelled
    finite = np.isfinite(joints).all(-1)
    faults = dict.fromkeys(np.flatnonzero((counts & ~finite).any(1)).tolist(), "a joint is NaN or infinite")
    counts = counts & finite
    joints = np.where(counts[..., None], joints, 0.0)
    low = np.where(counts[..., None], joints, np.inf).min(1)
    high = np.where(counts[..., None], joints, -np.inf).max(1)
    several = counts.sum(1) > 1
    span = np.linalg.norm(np.where(several[:, None], high - low, 0.0), axis=-1)
    # Part of a hand may be small, never larger than a hand.
    wrong = several & ((span > 2 * HAND_SPAN_M[1]) | ((span < HAND_SPAN_M[0]) & counts.all(1)))
    for frame in np.flatnonzero(wrong).tolist():
        met = f"the hand is {span[frame]:.3g} m large, expected some 0.2 m: the unit is another"
        faults.setdefault(frame, met)
    behind = ((joints[..., 2] <= 0) & counts).any(1)
    for frame in np.flatnonzero(behind).tolist():
        faults.setdefault(frame, "the hand lies behind the camera: the axes are flipped or swapped")
    if K is not None and image_hw is not None:
        depth = np.where(counts & (joints[..., 2] > 0), joints[..., 2], 1.0)
        pixels = np.einsum("fij,fkj->fki", np.broadcast_to(K, (len(joints), 3, 3))[:, :2], joints) / depth[..., None]
        inside = ((pixels > -0.5) & (pixels < np.array(image_hw)[::-1] - 0.5)).all(-1) & counts
        for frame in np.flatnonzero(counts.any(1) & ~inside.any(1)).tolist():
            faults.setdefault(frame, "no joint falls into the picture: the axes are swapped, or K is another camera's")
    return faults


def project(joints_m: Float[np.ndarray, "joints 3"], K: Float[np.ndarray, "3 3"]) -> Float[np.ndarray, "joints 2"]:
    """Pixels of camera-frame points (m); like :func:`handlib.camera.project_perspective`, in numpy."""
    pixels = joints_m @ K.T
    return (pixels[:, :2] / pixels[:, 2:]).astype(np.float32)
