"""Short films of the source domain: the open hand in motion, rendered plainly, with every label that rendering gives.

The hand, its looks and its background are those of the source domain's stills; what moves is what moves in the target's
films. Each film keeps its skin, light and background.
"""

from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from tqdm import tqdm

from handlib.data.film_scenes import draw_film
from handlib.data.hand_scenes import hand_stage
from handlib.data.source_domain import SOURCE_HAND, render_source
from handlib.errors import BadInputError
from handlib.hand.sampler import PoseSampler
from handlib.reproduce.closure import code_digest
from handlib.reproduce.places import cache_folder
from handlib.reproduce.state import read_state, write_state

FRAMES_PER_SECOND = 30.0
# Keeps these streams apart from those of other data sets.
_KEY = 2000
_SEEDS = {"train": 0, "test": 1}
_MOTION, _VIEW, _LOOK = range(3)


@dataclass(frozen=True, eq=False)
class SourceFilms:
    """All frames of some source films, film after film, ``frames`` of each; camera frame, metres and pixels."""

    rgb: UInt8[np.ndarray, "stills height width 3"]
    mask: Bool[np.ndarray, "stills height width"]
    K: Float[np.ndarray, "stills 3 3"]
    joints_m: Float[np.ndarray, "stills 21 3"]
    joints_2d_px: Float[np.ndarray, "stills 21 2"]
    vertices_m: Float[np.ndarray, "stills vertices 3"]
    frames: int

    @property
    def runs(self) -> Int[np.ndarray, "films frames"]:
        """The rows of each film's frames."""
        return np.arange(len(self.rgb)).reshape(-1, self.frames)


@cache
def stored_source_films(count: int, frames: int, interval: int, image_px: int, split: str) -> SourceFilms:
    """As :func:`draw_source_films`, ``interval`` frames of a usual film apart; drawn once and kept in the cache."""
    path = _folder() / f"{split}-{count}x{frames}-{image_px}px-{interval}.safetensors"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        drawn = draw_source_films(count, frames, FRAMES_PER_SECOND / interval, image_px, split)
        write_state(path, {field.name: getattr(drawn, field.name) for field in fields(SourceFilms)})
    return SourceFilms(**read_state(path))


def draw_source_films(
    count: int, frames: int, frames_per_second: float, image_px: int, split: str = "train"
) -> SourceFilms:
    """Draw films 0 to ``count`` - 1 of a split; each depends on its number alone.

    Raises:
        BadInputError: no films or frames, or an unknown split.
    """
    if min(count, frames) < 1 or split not in _SEEDS:
        raise BadInputError(f"count={count}, frames={frames}, split={split!r}: expected 1 or more, 'train' or 'test'")
    stage = hand_stage(SOURCE_HAND)
    sampler = PoseSampler(stage.model, int(_seed(split, _MOTION).generate_state(1, np.uint64)[0]))
    films = []
    for number in tqdm(range(count), desc="drawing source films", unit="film"):
        view = np.random.Generator(np.random.Philox(_seed(split, _VIEW, number)))
        film = draw_film(
            stage, sampler, number, view, frames=frames, frames_per_second=frames_per_second, image_px=image_px
        )
        # The same numbers for each frame: the same skin, light and background.
        looks = [np.random.Generator(np.random.Philox(_seed(split, _LOOK, number))) for _ in range(frames)]
        films.append(render_source(stage, film.hands, looks, image_px))
    names = ("rgb", "mask", "K", "joints_m", "joints_2d_px", "vertices_m")
    arrays = {name: torch.cat([getattr(film, name) for film in films]).numpy() for name in names}
    return SourceFilms(**arrays, frames=frames)


def _seed(split: str, *purpose: int) -> np.random.SeedSequence:
    return np.random.SeedSequence(_SEEDS[split], spawn_key=(_KEY, *purpose))


def _folder() -> Path:
    # As for the target's films: other code, another folder.
    return cache_folder() / "source-films" / code_digest(["handlib.data.film_scenes", __name__])[:12]
