"""What the rows read: pictures, or what the kept stages of the encoder say of them, computed once and kept.

An encoding lies in the cache, in half precision, under the digest of the weights that made it.
"""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Num, UInt8
from numpy.lib.format import open_memmap
from tqdm import tqdm

from handlib.experiments.seqhand.effort import Effort, FilmsEffort
from handlib.experiments.seqhand.films import film_labels, film_rows, films_folder, shard_count, shard_pictures
from handlib.experiments.seqhand.occlusion import cover_film
from handlib.experiments.seqhand.target import (
    placed_pictures,
    scored_pictures,
    scoring_labels,
    target_films_folder,
    target_films_name,
    target_stills_folder,
)
from handlib.models.film_encoders import normalise_films
from handlib.models.film_stand_ins import LiteEncoder
from handlib.reproduce.locks import locked
from handlib.reproduce.places import cache_folder

_BLOCK = 100


@dataclass(frozen=True)
class PictureSet:
    """A set of frames: ``name`` says which, ``count`` how many, ``blocks()`` gives them in order, 8-bit."""

    name: str
    count: int
    blocks: Callable[[], Iterable[UInt8[np.ndarray, "rows height width 3"]]]


def generated_pictures(effort: FilmsEffort, split: str, hidden: float = 0.0) -> PictureSet:
    """The frames of the generated films, with a fraction of the hand hidden."""
    folder = films_folder(effort, split)
    known = film_labels(effort, split)

    def blocks() -> Iterable[np.ndarray]:
        number = 0
        for shard in range(shard_count(effort, split)):
            rgb = shard_pictures(effort, split, shard)
            if hidden:
                rows = film_rows(len(rgb) // effort.frames, effort.frames)
                masks = known.masks(number * effort.frames + np.arange(len(rgb)))
                rgb = np.concatenate([cover_film(rgb[r], masks[r], hidden, number + k) for k, r in enumerate(rows)])
                number += len(rows)
            yield rgb

    return PictureSet(f"{folder.parent.name}-{folder.name}-hidden{hidden}", len(known), blocks)


def target_film_pictures(effort: Effort, hidden: float = 0.0) -> PictureSet:
    """The frames of the target's test films, with a fraction of the hand hidden."""
    folder = target_films_folder(effort)

    def blocks() -> Iterable[np.ndarray]:
        rgb = scored_pictures(effort, "films").rgb
        masks = scoring_labels(effort, "films").mask
        for number, rows in enumerate(target_films_name(effort).runs):
            yield cover_film(np.array(rgb[rows]), masks[rows], hidden, number)

    name = f"{folder.parent.name}-{folder.name}-hidden{hidden}"
    return PictureSet(name, effort.target_films * effort.target_frames, blocks)


def target_still_pictures(effort: Effort, split: str) -> PictureSet:
    """The target's stills: for training at all their places, for scoring as they are."""
    folder = target_stills_folder(effort, split)
    train = split == "train"
    count, places = (effort.target_stills, effort.places) if train else (effort.test_stills, 1)

    def blocks() -> Iterable[np.ndarray]:
        for place in range(places):
            for start in range(0, count, _BLOCK):
                if train:
                    yield placed_pictures(effort, place, start, start + _BLOCK)
                else:
                    yield np.array(scored_pictures(effort, "stills").rgb[start : start + _BLOCK])

    return PictureSet(f"{folder.parent.name}-{folder.name}-places{places}", places * count, blocks)


@torch.no_grad()
def encoded(
    pictures: PictureSet, encoder: LiteEncoder | None, stages: int, device: torch.device
) -> Num[np.ndarray, "rows *encoding"]:
    """What the first ``stages`` of an encoder say of every frame, mapped into memory; the frames themselves for 0.

    Args:
        pictures: the frames.
        encoder: whose stages, in evaluation mode; not needed for 0.
        stages: how many.
        device: where it is computed.
    """
    whose = weights_digest(encoder, stages) if stages else "pixels"
    path = cache_folder() / "seqhand-encodings" / whose[:12] / f"{pictures.name}.npy"
    with locked(path.with_suffix(".lock"), f"encoding {pictures.name}"):
        if not path.is_file():
            _write(path, pictures, (lambda rgb: _begin(rgb, encoder, stages, device)) if stages else None)
    return np.load(path, mmap_mode="r", allow_pickle=False)


def weights_digest(encoder: LiteEncoder, stages: int) -> str:
    """SHA-256 of the weights of the stem and of the first stages, and of their number."""
    digest = hashlib.sha256(str(stages).encode())
    for part in (encoder.network.stem, *encoder.network.stages[:stages]):
        for name, value in part.state_dict().items():
            digest.update(name.encode() + value.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _begin(rgb: np.ndarray, encoder: LiteEncoder, stages: int, device: torch.device) -> np.ndarray:
    images = normalise_films(torch.from_numpy(rgb)[None].to(device))
    return encoder.begin(images, stages)[0].half().cpu().numpy()


def _write(path: Path, pictures: PictureSet, encode: Callable[[np.ndarray], np.ndarray] | None) -> None:
    unfinished, array, row = path.with_suffix(".part"), None, 0
    with tqdm(total=pictures.count, desc=f"reading {pictures.name}", unit="frame") as bar:
        for rgb in pictures.blocks():
            block = rgb if encode is None else encode(rgb)
            if array is None:
                array = open_memmap(unfinished, "w+", block.dtype, (pictures.count, *block.shape[1:]))
            array[row : row + len(block)] = block
            row += len(block)
            bar.update(len(block))
    array.flush()
    unfinished.replace(path)
