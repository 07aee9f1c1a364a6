"""Batches of clips for S2HAND(V): some films, some successive frames of each, and stills beside them if wanted.

Section 4.3: "randomly sample a fixed number of sequences, then randomly sample successive frames of fixed length in
these". As in :mod:`handlib.training.batches` the batch is a pure function of (sources, seed, step). All frames of a
clip are turned, zoomed, shifted and tinted alike: a hand that did not turn must not seem to, nor its skin to change.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from handlib.camera import PerspectiveCamera
from handlib.crops import split_in_plane_rotation, transform_pixels
from handlib.errors import BadInputError
from handlib.training.augmentation import Augmentation, draw_affines, tint, warp_batch
from handlib.training.batches import BatchDrawer, HandPictures, TrainingBatch, rows_of_step

# Purposes of the seed, apart from the numbers of sources that the stills' order is drawn with.
_FILMS, _PLACES, _CHANGES = 1000, 1001, 1002


@dataclass(frozen=True, eq=False)
class FilmPictures:
    """Frames of films and what a training may know of them.

    Attributes:
        pictures: all frames of all films; their masks are not used.
        runs: for each film the rows of its frames, in order, without gaps; a film that was cut is several runs (see
            :func:`handlib.data.clips.continuous_runs`).
    """

    pictures: HandPictures
    runs: Sequence[Int[np.ndarray, "_frames"]]


@dataclass(frozen=True, eq=False)
class ClipBatch:
    """One step's pictures: the frames of each clip one after the other, then the stills.

    ``clips`` clips of ``frames`` frames; ``pictures.source`` is 0 for frames and 1 for stills.
    """

    pictures: TrainingBatch
    clips: int
    frames: int

    def __len__(self) -> int:
        return len(self.pictures)

    def to(self, device: torch.device | str) -> "ClipBatch":
        """The batch on another device."""
        return ClipBatch(self.pictures.to(device), self.clips, self.frames)

    def by_clip(self, values: Float[Tensor, "pictures *rest"]) -> Float[Tensor, "clips frames *rest"]:
        """What a network says of the batch's pictures, as (clips, frames, ...); without the stills."""
        return values[: self.clips * self.frames].unflatten(0, (self.clips, self.frames))


@dataclass(frozen=True, eq=False)
class ClipDrawer:
    """Draws the clips of any step.

    Attributes:
        films: where clips come from; each film is as likely as any other, whatever its length.
        clips: clips a batch.
        frames: frames a clip, n of Eq. 17.
        interval: frames of the film from one frame of a clip to the next.
        image_px: side of the pictures that the network sees.
        augmentation: how clips are changed; backgrounds are not, since films have no known masks.
        seed: of the order, the places in the films and the augmentation.
        stills: pictures that are mixed in, or None; ``num_stills`` of them a batch.
    """

    films: FilmPictures
    clips: int
    frames: int
    interval: int
    image_px: int
    augmentation: Augmentation
    seed: int
    stills: HandPictures | None = None
    num_stills: int = 0

    def __post_init__(self) -> None:
        """Refuse numbers that make no clip, and stills that are not there."""
        if min(self.clips, self.frames, self.interval) < 1 or (self.num_stills > 0) != (self.stills is not None):
            raise BadInputError(
                f"clips={self.clips}, frames={self.frames}, interval={self.interval}, num_stills={self.num_stills}: "
                "expected at least 1 of each, and num_stills with stills only"
            )
        if not self.long_enough:
            raise BadInputError(
                f"no film has {self.span} successive frames for {self.frames} frames at an interval of {self.interval}"
            )

    @property
    def span(self) -> int:
        """Frames of the film from the first to the last of a clip, both counted."""
        return (self.frames - 1) * self.interval + 1

    @property
    def long_enough(self) -> list[Int[np.ndarray, "_frames"]]:
        """The runs that a clip fits into."""
        return [run for run in self.films.runs if len(run) >= self.span]

    def draw(self, step: int, rank: int = 0, ranks: int = 1) -> ClipBatch:
        """The batch of a step on the CPU; of several processes each gets every ``ranks``-th clip, from ``rank`` on.

        Every film gives a clip before any gives another.
        """
        rows = self.rows(step)[rank::ranks]
        reader = BatchDrawer([self.films.pictures], [1], self.image_px, self.augmentation, self.seed)
        state = np.random.SeedSequence((self.seed, _CHANGES, step, rank)).generate_state(1)
        generator = torch.Generator().manual_seed(int(state[0]))
        read = reader._part(0, rows.flatten())
        batch = augment_clips(read, self.frames, self.augmentation, self.image_px, generator)
        if self.stills is not None:
            drawer = BatchDrawer([self.stills], [self.num_stills], self.image_px, self.augmentation, self.seed)
            stills = drawer.draw(step, rank, ranks)
            batch = _joined(batch, replace(stills, source=stills.source + 1))
        return ClipBatch(batch, len(rows), self.frames)

    def rows(self, step: int) -> Int[np.ndarray, "clips frames"]:
        """Which frames the clips of a step are made of."""
        runs = self.long_enough
        chosen = rows_of_step(len(runs), self.clips, step, (self.seed, _FILMS))
        stream = np.random.Generator(np.random.Philox(np.random.SeedSequence((self.seed, _PLACES, step))))
        starts = [int(stream.integers(len(runs[film]) - self.span + 1)) for film in chosen]
        offsets = self.interval * np.arange(self.frames)
        return np.stack([runs[film][start + offsets] for film, start in zip(chosen, starts, strict=True)])


def augment_clips(
    batch: TrainingBatch, frames: int, augmentation: Augmentation, image_px: int, generator: torch.Generator
) -> TrainingBatch:
    """As :func:`~handlib.training.batches.augment`, but one change for all ``frames`` frames of a clip; noise differs.

    Random backgrounds and patches (``clutter``, ``cover``) are left out.
    """
    clips = len(batch) // frames
    affine = draw_affines(augmentation, clips, batch.images.shape[1], image_px, generator).to(batch.images)
    affine = affine.repeat_interleave(frames, dim=0)
    pictures = torch.cat([batch.images.movedim(-1, 1), batch.masks[:, None]], dim=1)
    images, masks = warp_batch(pictures, affine, image_px).split([3, 1], dim=1)
    # A clip's frames one above the other are one picture, which gets one brightness, contrast and sharpness.
    tall = images.unflatten(0, (clips, frames)).movedim(1, 2).flatten(2, 3)
    images = tint(tall, augmentation, generator).unflatten(2, (frames, image_px)).movedim(2, 1).flatten(0, 1)
    K, turn = split_in_plane_rotation(PerspectiveCamera(batch.K).transform(affine).K)
    return TrainingBatch(
        images=images.movedim(1, -1).contiguous(),
        K=K,
        keypoints_px=transform_pixels(batch.keypoints_px, affine),
        confidence=batch.confidence,
        joints_m=batch.joints_m @ turn.mT,
        has_joints=batch.has_joints,
        masks=masks[:, 0],
        source=batch.source,
        index=batch.index,
    )


def _joined(first: TrainingBatch, second: TrainingBatch) -> TrainingBatch:
    """Both batches, one after the other."""
    names = [field.name for field in fields(TrainingBatch)]
    return TrainingBatch(**{name: torch.cat([getattr(first, name), getattr(second, name)]) for name in names})
