"""What a training step is fed: synthetic crops with labels, frames of the target without; a function of the step."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor

from handlib.data.depth_cache import StoredViews, ViewCrops
from handlib.data.depth_source import DepthBatch, SyntheticDepth
from handlib.errors import BadInputError
from handlib.experiments.training_by_fitting.recipes import FittingRecipe
from handlib.training.batches import rows_of_step


@dataclass(frozen=True, eq=False)
class DepthTrainingBatch:
    """One step's crops: ``synthetic`` with labels; ``views`` of frames of which ``together`` says whether the views are
    known to belong together. ``views`` is None before the fitting begins.
    """

    synthetic: DepthBatch
    views: ViewCrops | None = None
    together: Bool[Tensor, "frames"] | None = None

    def __len__(self) -> int:
        return len(self.synthetic) + (0 if self.views is None else self.views.usable.numel())

    def to(self, device: torch.device | str) -> "DepthTrainingBatch":
        """The batch on another device."""
        moved = (None if part is None else part.to(device) for part in (self.synthetic, self.views, self.together))
        return DepthTrainingBatch(*moved)


@dataclass(frozen=True, eq=False)
class DepthDrawer:
    """Draws the batch of any step.

    Attributes:
        synthetic: labelled crops without end, drawn online.
        beside: how many of them a step sees.
        views: frames of the target; None for none.
        together, apart: how many of them, from the first on, are seen with their views together, and how many after
            these with each crop by itself; the others are not seen.
        frames_per_step: how many a step sees.
        seed: of their order.
    """

    synthetic: SyntheticDepth
    beside: int
    views: StoredViews | None = None
    together: int = 0
    apart: int = 0
    frames_per_step: int = 0
    seed: int = 0

    def draw(self, step: int, rank: int = 0, ranks: int = 1) -> DepthTrainingBatch:
        """The batch of a step on the CPU; of several processes each gets its share of either part."""
        share = max(1, self.beside // ranks)
        synthetic = self.synthetic.batch((step * ranks + rank) * share, share)
        if self.views is None:
            return DepthTrainingBatch(synthetic)
        rows = rows_of_step(self.together + self.apart, self.frames_per_step, step, (self.seed,))[rank::ranks]
        return DepthTrainingBatch(synthetic, self.views.crops(rows), torch.from_numpy(rows < self.together))


def synthetic_crops(seed: int, stage: int, noise: bool) -> SyntheticDepth:
    """The labelled crops of a stage of training, none of which another stage or seed sees."""
    return SyntheticDepth(seed=10 * seed + stage, noise=noise)


def frame_counts(recipe: FittingRecipe, available: int) -> tuple[int, int]:
    """How many frames a row sees with their views together, and how many with each crop by itself.

    Raises:
        BadInputError: shares outside 0..1, or none at all.
    """
    shares = (recipe.together, recipe.apart)
    if min(shares) < 0 or not 0 < sum(shares) <= 1:
        raise BadInputError(
            f"together {shares[0]:g}, apart {shares[1]:g}: expected shares whose sum is above 0, up to 1"
        )
    counts = [round(share * available) for share in shares]
    if not any(counts):
        counts[int(np.argmax(shares))] = 1
    return counts[0], counts[1]
