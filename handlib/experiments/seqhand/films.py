"""The generated films of the experiments: drawn once into the cache, with checksums, and read as arrays.

The films are the same for every seed, as a recorded data set is.
"""

import os
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from handlib.data.archives import read_arrays
from handlib.data.film_folder import ARRAYS, begin_folder, finish_folder, read_manifest, shard_path, write_shard
from handlib.data.pose_database import PoseDatabase, sampled_poses
from handlib.data.seqhand_films import SeqHandFilms
from handlib.data.shard_workers import run_shards
from handlib.experiments.seqhand.effort import FilmsEffort
from handlib.reproduce.closure import code_digest
from handlib.reproduce.locks import locked
from handlib.reproduce.places import cache_folder

_CODE = ("handlib.data.seqhand_films", "handlib.data.film_folder")
_LABELS = ("mask", "code", "joints_m", "joints_2d_px", "egocentric")
_REMAKE = "delete its folder, and ask for the films again"


@dataclass(frozen=True, eq=False)
class HandLabels:
    """What is known of N frames of hands, one after the other.

    Attributes:
        joints_m: (N, 21, 3) the wrist at the origin, the axes of an OpenCV camera.
        joints_2d_px: (N, 21, 2).
        confidence: (N, 21) how far ``joints_2d_px`` can be trusted; 1 for labels.
        mask: (N, px, px / 8) where the hand is seen, eight pixels a byte; None where nobody knows.
        code: (N, 26) the numbers of :class:`~handlib.hand.hand_code.HandCode`; None where nobody knows.
    """

    joints_m: Float[np.ndarray, "rows 21 3"]
    joints_2d_px: Float[np.ndarray, "rows 21 2"]
    confidence: Float[np.ndarray, "rows 21"]
    mask: UInt8[np.ndarray, "rows height packed"] | None = None
    code: Float[np.ndarray, "rows numbers"] | None = None

    def __len__(self) -> int:
        return len(self.joints_m)

    def masks(self, rows: Int[np.ndarray, "chosen"]) -> Bool[np.ndarray, "chosen height width"]:
        """The masks of some frames, a pixel each."""
        return np.unpackbits(self.mask[rows], axis=-1, count=self.mask.shape[1]).astype(bool)


@cache
def pose_database(effort: FilmsEffort) -> PoseDatabase:
    """The poses that the flows walk on: the open sampler's, which need no data."""
    return sampled_poses(effort.poses)


def generated_films(effort: FilmsEffort, split: str) -> SeqHandFilms:
    """The films that an effort asks for, to be drawn."""
    size = effort.test_films if split == "test" else effort.films
    database = pose_database(effort)
    return SeqHandFilms(database, size=size, split=split, image_px=effort.image_px, num_frames=effort.frames)


@cache
def films_folder(effort: FilmsEffort, split: str) -> Path:
    """Their folder, drawn if it is not there, by as many processes as there are cores; goes on after a kill."""
    code = code_digest(_CODE)
    size = effort.test_films if split == "test" else effort.films
    name = f"{split}-{size}-{effort.image_px}px-{effort.frames}frames-{effort.poses}poses"
    # Films that older code drew lie in another folder, and are never taken for these.
    folder = cache_folder() / "seqhand-films" / code[:12] / name
    with locked(folder.with_name(f".{name}.lock"), f"drawing {name}"):
        if not (folder.is_dir() and read_manifest(folder)["shards"]):
            films = generated_films(effort, split)
            shards = begin_folder(films, folder, code)
            workers = min(os.cpu_count() or 1, len(shards))
            finish_folder(folder, run_shards(partial(write_shard, films, folder), shards, workers=workers))
    return folder


def shard_pictures(effort: FilmsEffort, split: str, shard: int) -> UInt8[np.ndarray, "rows height width 3"]:
    """The frames of a shard's films, one film after the other."""
    rgb = read_arrays(shard_path(films_folder(effort, split), shard), ("rgb",), _REMAKE)["rgb"]
    return rgb.reshape(-1, *rgb.shape[2:])


def shard_count(effort: FilmsEffort, split: str) -> int:
    """How many shards the films are in."""
    return len(read_manifest(films_folder(effort, split))["shards"])


@cache
def film_labels(effort: FilmsEffort, split: str) -> HandLabels:
    """All that is known of the frames of a split, which is everything."""
    folder = films_folder(effort, split)
    shards = [read_arrays(shard_path(folder, shard), ARRAYS, _REMAKE) for shard in range(shard_count(effort, split))]
    joined = {name: np.concatenate([shard[name] for shard in shards]) for name in _LABELS}
    flat = {name: joined[name].reshape(-1, *joined[name].shape[2:]) for name in _LABELS if name != "egocentric"}
    return HandLabels(**flat, confidence=np.ones((len(flat["code"]), 21), np.float32))


def film_rows(count: int, frames: int) -> Int[np.ndarray, "films frames"]:
    """The rows of each film's frames."""
    return np.arange(count * frames).reshape(count, frames)
