"""Stills of the open benchmark, drawn once and kept as arrays: what a training reads thousands of times.

Pictures and labels lie in different files, so that a training of the target domain can be given the one and not the
other::

    <folder>/pictures/rgb.npy      (N, px, px, 3) 8-bit, mapped into memory
    <folder>/pictures/K.npy        (N, 3, 3) px
    <folder>/labels/joints_m.npy, joints_2d_px.npy, mask.npy; for a test split also vertices_m.npy

Parts of a hundred stills are drawn by several processes; an interrupted drawing goes on where it was.
"""

import io
import multiprocessing
import os
import shutil
import threading
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from numpy.lib.format import open_memmap
from tqdm import tqdm

from handlib.data.archives import read_arrays
from handlib.data.open_benchmark import OpenBenchmark
from handlib.errors import MissingFileError
from handlib.files import atomic_write

PART_SIZE = 100
_PICTURES = ("rgb", "K")
_LABELS = ("joints_m", "joints_2d_px", "mask")
_REMAKE = "remove it and ask for the stills again"


@dataclass(frozen=True)
class StillsName:
    """Which stills: the first ``count`` of a set of :class:`~handlib.data.open_benchmark.OpenBenchmark`."""

    domain: str
    split: str
    count: int
    image_px: int
    seed: int = 0

    @property
    def folder_name(self) -> str:
        """``"target-train-8000-96px-seed0"``."""
        return f"{self.domain}-{self.split}-{self.count}-{self.image_px}px-seed{self.seed}"

    @property
    def label_fields(self) -> tuple[str, ...]:
        """Which labels are kept: meshes are large, and only scores need them."""
        return (*_LABELS, "vertices_m") if self.split == "test" else _LABELS

    def benchmark(self) -> OpenBenchmark:
        """The stills, to be drawn."""
        return OpenBenchmark(self.domain, size=self.count, seed=self.seed, image_px=self.image_px, split=self.split)


@dataclass(frozen=True, eq=False)
class StillPictures:
    """What anybody may see of N stills: pictures and their cameras (K in px)."""

    rgb: UInt8[np.ndarray, "stills height width 3"]
    K: Float[np.ndarray, "stills 3 3"]

    def __len__(self) -> int:
        return len(self.rgb)


@dataclass(frozen=True, eq=False)
class StillLabels:
    """The answers of N stills, camera frame, metres and pixels; ``vertices_m`` of a test split only.

    ``mask`` says where the hand itself is seen.
    """

    joints_m: Float[np.ndarray, "stills 21 3"]
    joints_2d_px: Float[np.ndarray, "stills 21 2"]
    mask: Bool[np.ndarray, "stills height width"]
    vertices_m: Float[np.ndarray, "stills vertices 3"] | None = None


def draw_stills(name: StillsName, root: Path, *, processes: int | None = None, progress: bool = True) -> Path:
    """Draw these stills into a folder below ``root``, unless they are there.

    Args:
        name: which stills.
        root: folder of the cache; it should change with the code that draws.
        processes: how many draw side by side; by default one a core, and 1 draws in this process.
        progress: show a bar.

    Returns:
        their folder, for :func:`read_pictures` and :func:`read_labels`.

    Raises:
        DiskFullError: no room; what was drawn is kept, and the same call goes on.
    """
    folder = Path(root) / name.folder_name
    if folder.is_dir():
        return folder
    growing = folder.with_name(f".{folder.name}.parts")
    growing.mkdir(parents=True, exist_ok=True)
    parts = range(-(-name.count // PART_SIZE))
    missing = [part for part in parts if not _part_path(growing, part).is_file()]
    draw = partial(_draw_part, name, growing)
    processes = min(processes or os.cpu_count() or 1, max(len(missing), 1))
    bar = partial(tqdm, total=len(missing), desc=f"drawing {name.folder_name}", unit="part", disable=not progress)
    if processes == 1:
        for _ in bar(map(draw, missing)):
            pass
    else:
        # Spawned, not forked: a forked child inherits PyTorch's thread pools in whatever state they are.
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(processes, mp_context=context, initializer=_leave_with_parent) as pool:
            for _ in bar(pool.map(draw, missing)):
                pass
    _join_parts(name, growing, folder)
    return folder


def read_pictures(folder: Path) -> StillPictures:
    """The pictures of a drawn folder, mapped into memory, and their cameras; no label is opened.

    Raises:
        MissingFileError: a file is not there.
    """
    rgb, K = (_read_array(folder / "pictures" / f"{field}.npy") for field in _PICTURES)
    return StillPictures(rgb, np.array(K))


def read_labels(folder: Path) -> StillLabels:
    """The labels of a drawn folder.

    Raises:
        MissingFileError: a file is not there.
    """
    arrays = {field: np.array(_read_array(folder / "labels" / f"{field}.npy")) for field in _LABELS}
    vertices = folder / "labels" / "vertices_m.npy"
    return StillLabels(**arrays, vertices_m=_read_array(vertices) if vertices.is_file() else None)


def _leave_with_parent() -> None:
    """End this process when the one that started it has ended, even if that was killed."""

    def wait_and_leave() -> None:
        multiprocessing.parent_process().join()
        os._exit(1)

    threading.Thread(target=wait_and_leave, daemon=True).start()


def _draw_part(name: StillsName, growing: Path, part: int) -> None:
    """Draw a hundred stills into one file, whole or not at all."""
    # Processes side by side share the cores: more threads in each would only wait for one another.
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    indices = range(part * PART_SIZE, min((part + 1) * PART_SIZE, name.count))
    batch = name.benchmark().render_batch(list(indices))
    torch.set_num_threads(threads)
    buffer = io.BytesIO()
    np.savez(buffer, **{field: getattr(batch, field).numpy() for field in (*_PICTURES, *name.label_fields)})
    atomic_write(_part_path(growing, part), buffer.getvalue())


def _join_parts(name: StillsName, growing: Path, folder: Path) -> None:
    """Copy the parts into one array a field, part by part, and give the folder its name."""
    whole = growing.with_name(f".{folder.name}.whole")
    shutil.rmtree(whole, ignore_errors=True)
    arrays: dict[str, np.ndarray] = {}
    fields = {field: "pictures" for field in _PICTURES} | {field: "labels" for field in name.label_fields}
    for part in range(-(-name.count // PART_SIZE)):
        content = read_arrays(_part_path(growing, part), tuple(fields), _REMAKE)
        for field, kind in fields.items():
            if part == 0:
                path = whole / kind / f"{field}.npy"
                path.parent.mkdir(parents=True, exist_ok=True)
                shape = (name.count, *content[field].shape[1:])
                arrays[field] = open_memmap(path, mode="w+", dtype=content[field].dtype, shape=shape)
            arrays[field][part * PART_SIZE : part * PART_SIZE + len(content[field])] = content[field]
    for array in arrays.values():
        array.flush()
    (whole / "name.txt").write_text(f"{asdict(name)}\n", encoding="utf-8")
    os.replace(whole, folder)
    shutil.rmtree(growing)


def _part_path(growing: Path, part: int) -> Path:
    return growing / f"{part:05d}.npz"


def _read_array(path: Path) -> np.ndarray:
    if not path.is_file():
        raise MissingFileError(f"no {path}: {_REMAKE}")
    return np.load(path, mmap_mode="r", allow_pickle=False)
