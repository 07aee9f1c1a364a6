"""What the encoder makes of every frame, computed once and kept: it is not trained here.

An encoding has 35,000 numbers for a frame of 96 px, twice as many bytes: half a gigabyte for 8,000 frames. In return a
step costs a third of what it would, and rows can take hundreds of them on two cores.
"""

import os
import shutil
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.lib.format import open_memmap
from torch import Tensor, nn
from tqdm import tqdm

from handlib.experiments.s2hand_v.effort import Effort
from handlib.experiments.s2hand_v.films import films_folder, pictures
from handlib.experiments.s2hand_v.recipes import released_digest
from handlib.models.checkpoint_file import load_network
from handlib.models.efficientnet_lite import PyramidFeatures
from handlib.models.images import normalise_images
from handlib.pretrained import RELEASED
from handlib.reproduce.closure import code_digest
from handlib.reproduce.digest import digest_json
from handlib.reproduce.locks import locked
from handlib.reproduce.places import cache_folder

_BATCH = 50
_SCALES = tuple(field.name for field in fields(PyramidFeatures))


class KeptEncodings(nn.Module):
    """Stands where a network's encoder was, and gives back the encodings that it is told to.

    Attributes:
        features: of the pictures that the network will be shown next.
    """

    def __init__(self) -> None:
        super().__init__()
        self.features: PyramidFeatures | None = None

    def forward(self, images: Float[Tensor, "batch 3 height width"]) -> PyramidFeatures:
        """The kept encodings of these pictures."""
        return self.features


@dataclass(frozen=True, eq=False)
class Encodings:
    """Encodings of all frames of a set of films: half precision, one array a scale, mapped from files."""

    scales: dict[str, Float[np.ndarray, "frames channels rows columns"]]

    def of(self, rows: Int[np.ndarray, "batch"] | slice, device: torch.device | str = "cpu") -> PyramidFeatures:
        """The encodings of some frames."""
        read = {name: torch.from_numpy(np.array(values[rows])) for name, values in self.scales.items()}
        return PyramidFeatures(**{name: values.to(device).float() for name, values in read.items()})


@cache
def encodings(effort: Effort, split: str) -> Encodings:
    """Encodings of a split's films, computed where they are not in the cache: 200 frames a second."""
    films = films_folder(effort, split)
    key = digest_json([films.parent.name, released_digest(), code_digest(["handlib.models.checkpoint_file"])])
    folder = cache_folder() / "encodings" / key[:12] / films.name
    with locked(folder.with_name(f".{folder.name}.lock"), f"encodings of {films.name}"):
        if not folder.is_dir():
            _encode(pictures(effort, split).rgb, folder)
    return Encodings({name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in _SCALES})


@torch.no_grad()
def _encode(rgb: np.ndarray, folder: Path) -> None:
    """Write the encodings of all pictures into a folder, whole or not at all."""
    encoder = load_network(RELEASED)[0].encoder.to(memory_format=torch.channels_last)
    growing = folder.with_name(f".{folder.name}.growing")
    shutil.rmtree(growing, ignore_errors=True)
    growing.mkdir(parents=True)
    arrays: dict[str, np.ndarray] = {}
    for first in tqdm(range(0, len(rgb), _BATCH), desc=f"encoding {folder.name}", unit="batch"):
        rows = slice(first, first + _BATCH)
        found = encoder(normalise_images(torch.from_numpy(np.array(rgb[rows]))))
        for name in _SCALES:
            values = getattr(found, name).half().numpy()
            if first == 0:
                shape = (len(rgb), *values.shape[1:])
                arrays[name] = open_memmap(growing / f"{name}.npy", mode="w+", dtype=np.float16, shape=shape)
            arrays[name][rows] = values
    for array in arrays.values():
        array.flush()
    os.replace(growing, folder)
