"""Frames of the depth target, drawn once and kept as arrays: what a training reads again and again.

Crops and labels lie in different files, so that a training can be given the one and never opens the other::

    <folder>/views/depth.npy       (N, V, 64, 64) normalised crops in half precision (0.05 mm), mapped into memory
    <folder>/views/rotation.npy, origin_m.npy, usable.npy
    <folder>/labels/joints_m.npy   (N, 21, 3) in the world
"""

import contextlib
import os
import shutil
import tempfile
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy.lib.format import open_memmap
from torch import Tensor
from tqdm import trange

from handlib.data.depth_cube import CROP_PX
from handlib.data.depth_target import MultiViewDepth
from handlib.data.depth_views import CubeFrames
from handlib.errors import MissingFileError
from handlib.files import disk_full_names

_BLOCK = 20
_VIEWS = ("depth", "rotation", "origin_m", "usable")


@dataclass(frozen=True)
class FramesName:
    """Which frames: the first ``count`` of a split of :class:`~handlib.data.depth_target.MultiViewDepth`."""

    split: str
    count: int
    seed: int = 0

    @property
    def folder_name(self) -> str:
        """``"depth-target-train-2000-seed0"``."""
        return f"depth-target-{self.split}-{self.count}-seed{self.seed}"


@dataclass(frozen=True, eq=False)
class ViewCrops:
    """Normalised crops of several views of some frames, where their cubes lie, and which of them show a hand."""

    depth: Float[Tensor, "batch views size size"]
    frames: CubeFrames
    usable: Bool[Tensor, "batch views"]

    def __len__(self) -> int:
        return len(self.depth)

    def to(self, device: torch.device | str) -> "ViewCrops":
        """The crops on another device."""
        return ViewCrops(**{field.name: getattr(self, field.name).to(device) for field in fields(self)})


@dataclass(frozen=True, eq=False)
class StoredViews:
    """What anybody may see of N frames; the arrays are those of the files."""

    depth: Float[np.ndarray, "stored views size size"]
    rotation: Float[np.ndarray, "stored views 3 3"]
    origin_m: Float[np.ndarray, "stored views 3"]
    usable: Bool[np.ndarray, "stored views"]

    def __len__(self) -> int:
        return len(self.depth)

    def crops(self, rows: slice | np.ndarray) -> ViewCrops:
        """Some frames, in single precision."""
        depth, rotation, origin, usable = (torch.from_numpy(np.array(getattr(self, name)[rows])) for name in _VIEWS)
        return ViewCrops(depth.float(), CubeFrames(rotation, origin), usable)

    def followed_by(self, other: "StoredViews") -> "StoredViews":
        """These frames and then others, copied into memory."""
        return StoredViews(**{name: np.concatenate([getattr(self, name), getattr(other, name)]) for name in _VIEWS})


def draw_frames(name: FramesName, root: Path, *, progress: bool = True) -> Path:
    """Draw these frames into a folder below ``root``, unless they are there: some 25 ms a frame.

    Args:
        name: which frames.
        root: folder of the cache; it should change with the code that draws.
        progress: show a bar.

    Returns:
        their folder, for :func:`read_views` and :func:`read_frame_joints`.

    Raises:
        DiskFullError: no room; nothing is left behind.
    """
    folder = Path(root) / name.folder_name
    if folder.is_dir():
        return folder
    Path(root).mkdir(parents=True, exist_ok=True)
    # Two processes that draw at once grow folders of their own; the second to end finds the name taken.
    growing = Path(tempfile.mkdtemp(prefix=f".{name.folder_name}-", dir=root))
    try:
        with disk_full_names(folder):
            _draw_into(growing, name, progress)
        with contextlib.suppress(OSError):
            os.replace(growing, folder)
    finally:
        shutil.rmtree(growing, ignore_errors=True)
    return folder


def read_views(folder: Path) -> StoredViews:
    """The crops of a drawn folder, mapped into memory; no label is opened.

    Raises:
        MissingFileError: a file is not there.
    """
    depth, *others = (_read(folder / "views" / f"{name}.npy") for name in _VIEWS)
    return StoredViews(depth, *(np.array(other) for other in others))


def read_frame_joints(folder: Path) -> Float[np.ndarray, "stored 21 3"]:
    """The labels of a drawn folder, for scoring only: the 21 joints in the world, metres.

    Raises:
        MissingFileError: the file is not there.
    """
    return np.array(_read(folder / "labels" / "joints_m.npy"))


def _draw_into(growing: Path, name: FramesName, progress: bool) -> None:
    source = MultiViewDepth(seed=name.seed, split=name.split)
    views = len(source.rig.K)
    shapes = {
        "views/depth": ((views, CROP_PX, CROP_PX), np.float16),
        "views/rotation": ((views, 3, 3), np.float32),
        "views/origin_m": ((views, 3), np.float32),
        "views/usable": ((views,), np.bool_),
        "labels/joints_m": ((21, 3), np.float32),
    }
    for kind in ("views", "labels"):
        (growing / kind).mkdir()
    arrays = {
        field: open_memmap(growing / f"{field}.npy", mode="w+", dtype=dtype, shape=(name.count, *shape))
        for field, (shape, dtype) in shapes.items()
    }
    for start in trange(0, name.count, _BLOCK, desc=f"drawing {name.folder_name}", unit="block", disable=not progress):
        batch = source.batch(start, min(_BLOCK, name.count - start))
        parts = (batch.depth, batch.frames.rotation, batch.frames.origin_m, batch.usable, batch.joints_m)
        for array, part in zip(arrays.values(), parts, strict=True):
            array[start : start + len(batch)] = part.numpy()
    for array in arrays.values():
        array.flush()


def _read(path: Path) -> np.ndarray:
    if not path.is_file():
        raise MissingFileError(f"no {path}: remove the folder {path.parent.parent} and ask for the frames again")
    return np.load(path, mmap_mode="r", allow_pickle=False)
