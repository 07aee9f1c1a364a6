"""What a training step is fed: films, single frames of films, or stills; a function of the step alone."""

from dataclasses import dataclass, fields

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Num
from torch import Tensor

from handlib.experiments.seqhand.films import HandLabels
from handlib.training.batches import rows_of_step


@dataclass(frozen=True, eq=False)
class HandFilmBatch:
    """A step's films, a still being a film of one frame; what nobody knows of them is NaN, a mask everywhere true.

    ``pictures`` are 8-bit frames, or what the kept stages of the encoder say of them.
    """

    pictures: Num[Tensor, "films frames *size"]
    joints_m: Float[Tensor, "films frames 21 3"]
    joints_2d_px: Float[Tensor, "films frames 21 2"]
    confidence: Float[Tensor, "films frames 21"]
    mask: Bool[Tensor, "films frames height width"]
    code: Float[Tensor, "films frames 26"]

    def __len__(self) -> int:
        return self.joints_m.shape[0] * self.joints_m.shape[1]

    def to(self, device: torch.device | str) -> "HandFilmBatch":
        """The batch on another device."""
        return HandFilmBatch(**{field.name: getattr(self, field.name).to(device) for field in fields(self)})


@dataclass(frozen=True, eq=False)
class FilmDrawer:
    """Draws the batch of any step.

    Attributes:
        pictures: frames or encodings, one after the other.
        labels: what may be known of them.
        rows: (films, frames) the frames of each film; (frames, 1) for frames in no order.
        batch: films a step.
        image_px: side of the frames.
        seed: of the order.
    """

    pictures: Num[np.ndarray, "rows *size"]
    labels: HandLabels
    rows: Int[np.ndarray, "films frames"]
    batch: int
    image_px: int
    seed: int

    def draw(self, step: int, rank: int = 0, ranks: int = 1) -> HandFilmBatch:
        """The batch of a step on the CPU; of several processes each gets every ``ranks``-th film, from ``rank`` on."""
        rows = self.rows[rows_of_step(len(self.rows), self.batch, step, (self.seed,))[rank::ranks]]
        flat, labels = rows.ravel(), self.labels
        px, count = self.image_px, len(flat)
        masks = np.ones((count, px, px), bool) if labels.mask is None else labels.masks(flat)
        code = np.full((count, 26), np.nan, np.float32) if labels.code is None else labels.code[flat]
        parts = (self.pictures[flat], labels.joints_m[flat], labels.joints_2d_px[flat], labels.confidence[flat])
        tensors = (torch.from_numpy(np.asarray(part)) for part in (*parts, masks, code))
        return HandFilmBatch(*(part.unflatten(0, rows.shape) for part in tensors))
