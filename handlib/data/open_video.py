"""The open benchmark, films: the target domain's hand in motion, with one shape and one skin for the whole film.

Made when asked for, as the stills are, from (seed, split, index) alone. Labels are for scoring only. The keypoints that
a training sees are a detector's, run over these frames; they flicker because each frame is detected by itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from handlib.data.film_rendering import render_film
from handlib.data.film_scenes import FilmScenes, draw_film
from handlib.data.hand_scenes import HandStage, hand_stage
from handlib.data.labelled_batch import LabelledBatch
from handlib.data.open_benchmark import SMALLEST_PX
from handlib.data.random_streams import SPLITS
from handlib.data.target_domain import TARGET_HAND
from handlib.errors import BadInputError
from handlib.hand.sampler import PoseSampler

DEFAULT_FILMS = {"train": 200, "test": 40}
# Keeps the films' streams apart from those of the stills, whose keys begin with the number of a domain.
_FILM_KEY = 1000
_MOTION, _VIEW, _LOOK = range(3)


@dataclass(frozen=True, eq=False)
class Film:
    """One film with its labels.

    Attributes:
        frames: pictures and labels, in order.
        rotations: (F, 16, 3, 3) of the hand model's joints relative to their parents, the wrist's in the camera first.
        shape: (10,) coefficients of the target's own hand model, the same in all frames.
        frames_per_second: of the film.
        name: ``"video/train/0007"``.
    """

    frames: LabelledBatch
    rotations: Float[Tensor, "frames 16 3 3"]
    shape: Float[Tensor, "num_shape"]
    frames_per_second: float
    name: str

    def __len__(self) -> int:
        return len(self.frames)


class OpenVideo(Sequence[Film]):
    """Generated films of one split, drawn when asked for.

    Film ``i`` depends on (seed, split, i), the number of frames, their rate and size; not on the order or process in
    which films are drawn, nor on how many there are. Splits share no stream.

    Attributes:
        split, seed, image_px, num_frames, frames_per_second: as given.
    """

    def __init__(
        self,
        *,
        size: int | None = None,
        num_frames: int = 50,
        frames_per_second: int | float = 30.0,
        seed: int = 0,
        image_px: int = 224,
        split: str = "train",
    ) -> None:
        """Name the data set; nothing is drawn yet.

        Args:
            size: number of films; 200 for "train" and 40 for "test" by default.
            num_frames: of each film.
            frames_per_second: their rate.
            seed: names the data set.
            image_px: side of the square pictures.
            split: "train" or "test".

        Raises:
            BadInputError: an unknown split, a negative seed, no films, no frames, or pictures under 16 px.
        """
        if split not in SPLITS:
            raise BadInputError(f"split is {split!r}, expected one of {', '.join(map(repr, SPLITS))}")
        size = DEFAULT_FILMS[split] if size is None else size
        if min(size, num_frames) < 1 or image_px < SMALLEST_PX or seed < 0 or frames_per_second <= 0:
            raise BadInputError(
                f"size={size}, num_frames={num_frames}, image_px={image_px}, seed={seed}, frames_per_second="
                f"{frames_per_second}: expected at least 1 film of 1 frame of {SMALLEST_PX} px, and a seed from 0 up"
            )
        self.split, self.seed, self.image_px, self._size = split, seed, image_px, size
        self.num_frames, self.frames_per_second = num_frames, float(frames_per_second)
        motion_seed = int(self._seed_of(_MOTION).generate_state(1, np.uint64)[0])
        self._poses = PoseSampler(self.hand.model, motion_seed)

    @property
    def hand(self) -> HandStage:
        """The hand that the films show, with its faces, bones and limits."""
        return hand_stage(TARGET_HAND)

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, index: int) -> Film:
        index, scenes = self._checked(index), self.scenes(index)
        frames = render_film(self.hand, scenes, self._seed_of(_LOOK, index), self.image_px)
        return Film(frames, scenes.rotations, scenes.hands.shape[0], self.frames_per_second, self.name(index))

    def scenes(self, index: int) -> FilmScenes:
        """What a film shows, without its pictures: motion, shape and camera, in a small part of the time.

        Raises ``IndexError`` for an index outside the data set.
        """
        index = self._checked(index)
        return draw_film(
            self.hand,
            self._poses,
            index,
            np.random.Generator(np.random.Philox(self._seed_of(_VIEW, index))),
            frames=self.num_frames,
            frames_per_second=self.frames_per_second,
            image_px=self.image_px,
        )

    def render_batch(self, indices: Sequence[int]) -> LabelledBatch:
        """Frames by their number in the whole set: frame ``f`` of film ``i`` is ``i * num_frames + f``.

        A film is drawn whole, and once, whatever is asked of it: ask for neighbours together.

        Raises:
            BadInputError: no index.
            IndexError: an index outside the data set.
        """
        if len(indices) == 0:
            raise BadInputError("indices is empty: ask for at least one frame")
        places = [divmod(index, self.num_frames) for index in indices]
        films = {number: self[number].frames for number in {number for number, _ in places}}
        names = [field.name for field in fields(LabelledBatch)]
        columns = {name: [getattr(films[number], name)[frame] for number, frame in places] for name in names}
        return LabelledBatch(**{name: torch.stack(column) for name, column in columns.items()})

    def name(self, index: int) -> str:
        """What a film is called: ``"video/train/0017"``."""
        return f"video/{self.split}/{index:04d}"

    def _checked(self, index: int) -> int:
        if not -self._size <= index < self._size:
            # Sequence's own iteration ends on IndexError.
            raise IndexError(f"film {index} of a data set with {self._size}")
        return int(index) % self._size

    def _seed_of(self, purpose: int, *index: int) -> np.random.SeedSequence:
        return np.random.SeedSequence(self.seed, spawn_key=(_FILM_KEY, SPLITS.index(self.split), purpose, *index))
