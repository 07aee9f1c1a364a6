"""Real pictures at a random place each time they are shown, as the paper has it of FreiHAND's.

The open target's stills are moved beforehand, to a few places each, because the encoder's view of them is kept. Real
sets are far too large for that; their pictures are moved as a step asks for them.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch

from handlib.crops import transform_pixels
from handlib.experiments.seqhand.batches import FilmDrawer, HandFilmBatch
from handlib.experiments.seqhand.target import REPOSITIONING
from handlib.training.augmentation import draw_affines, warp_batch


@dataclass(frozen=True, eq=False)
class RepositionedDrawer(FilmDrawer):
    """Draws the batch of any step, each film's frames moved together; of 8-bit pictures whose masks nobody knows."""

    def draw(self, step: int, rank: int = 0, ranks: int = 1) -> HandFilmBatch:
        """The batch of a step: its pictures and 2D joints where they are moved to; 3D, from the wrist, stays."""
        batch = super().draw(step, rank, ranks)
        films, frames = batch.pictures.shape[:2]
        stream = np.random.SeedSequence(self.seed, spawn_key=(step, rank))
        generator = torch.Generator().manual_seed(int(stream.generate_state(1)[0]))
        affines = draw_affines(REPOSITIONING, films, self.image_px, self.image_px, generator)
        affines = affines.repeat_interleave(frames, dim=0)
        moved = warp_batch(batch.pictures.flatten(0, 1).movedim(-1, 1).float(), affines, self.image_px)
        pictures = moved.movedim(1, -1).round().clamp(0, 255).to(torch.uint8)
        points = transform_pixels(batch.joints_2d_px.flatten(0, 1), affines)
        shape = (films, frames)
        return replace(batch, pictures=pictures.unflatten(0, shape), joints_2d_px=points.unflatten(0, shape))
