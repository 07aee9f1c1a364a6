"""What a training step is fed: batches as a pure function of (sources, seed, step).

No loader state: whoever resumes at step 300 gets the batch of step 300, whatever happened before. A batch may mix
sources, for instance photographs with detected keypoints and rendered hands with 3D labels.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from handlib.camera import PerspectiveCamera
from handlib.crops import split_in_plane_rotation, transform_pixels
from handlib.errors import BadInputError
from handlib.training.augmentation import Augmentation, clutter, draw_affines, tint, warp_batch


@dataclass(frozen=True, eq=False)
class HandPictures:
    """Pictures of right hands and what a training may know of them.

    Attributes:
        rgb: (N, px, px, 3) 8-bit, square; may be mapped from a file.
        K: (N, 3, 3) px; pictures with an unknown camera bring an assumed one.
        keypoints_px: (N, 21, 2) as some detector or label says, finite.
        confidence: (N, 21) in 0..1, 0 for joints that are not known.
        joints_m: (N, 21, 3) camera frame, metres, where 3D labels are part of the experiment; else None.
        masks: (N, px, px) where the hand is, for pictures that may get another background; else None.
    """

    rgb: UInt8[np.ndarray, "stills height width 3"]
    K: Float[np.ndarray, "stills 3 3"]
    keypoints_px: Float[np.ndarray, "stills 21 2"]
    confidence: Float[np.ndarray, "stills 21"]
    joints_m: Float[np.ndarray, "stills 21 3"] | None = None
    masks: Bool[np.ndarray, "stills height width"] | None = None

    def __len__(self) -> int:
        return len(self.rgb)


@dataclass(frozen=True, eq=False)
class TrainingBatch:
    """One step's pictures, floats 0..1, with all that follows them through the augmentation.

    ``joints_m`` is zero where ``has_joints`` is False, and ``masks`` is one where none is known; ``source`` and
    ``index`` say which picture of which source each one is.
    """

    images: Float[Tensor, "batch height width 3"]
    K: Float[Tensor, "batch 3 3"]
    keypoints_px: Float[Tensor, "batch 21 2"]
    confidence: Float[Tensor, "batch 21"]
    joints_m: Float[Tensor, "batch 21 3"]
    has_joints: Bool[Tensor, "batch"]
    masks: Float[Tensor, "batch height width"]
    source: Tensor
    index: Tensor

    def __len__(self) -> int:
        return len(self.images)

    def to(self, device: torch.device | str) -> "TrainingBatch":
        """The batch on another device."""
        return TrainingBatch(**{field.name: getattr(self, field.name).to(device) for field in fields(self)})


@dataclass(frozen=True, eq=False)
class BatchDrawer:
    """Draws the batch of any step.

    Attributes:
        sources: where pictures come from.
        shares: how many pictures of each source a batch holds.
        image_px: side of the pictures that the network sees.
        augmentation: how they are changed.
        seed: of the order and the augmentation.
    """

    sources: Sequence[HandPictures]
    shares: Sequence[int]
    image_px: int
    augmentation: Augmentation
    seed: int

    def __post_init__(self) -> None:
        """Refuse shares that fit no source."""
        if len(self.sources) != len(self.shares) or min(self.shares, default=0) < 1:
            raise BadInputError(
                f"shares: {tuple(self.shares)} for {len(self.sources)} sources, expected one positive number for each"
            )

    def draw(self, step: int, rank: int = 0, ranks: int = 1) -> TrainingBatch:
        """The batch of a step on the CPU; of several processes each gets every ``ranks``-th picture, from ``rank`` on.

        Every picture of a source is seen once before any is seen again.
        """
        parts = [
            self._part(number, rows_of_step(len(source), share, step, (self.seed, number))[rank::ranks])
            for number, (source, share) in enumerate(zip(self.sources, self.shares, strict=True))
        ]
        names = [field.name for field in fields(TrainingBatch)]
        batch = TrainingBatch(**{name: torch.cat([getattr(part, name) for part in parts]) for name in names})
        generator = torch.Generator().manual_seed(_mixed(self.seed, step, rank))
        return augment(batch, self.augmentation, self.image_px, generator)

    def _part(self, number: int, rows: np.ndarray) -> TrainingBatch:
        source, index = self.sources[number], torch.from_numpy(rows)
        keypoints, confidence, K = (
            torch.from_numpy(np.array(array[rows])).float()
            for array in (source.keypoints_px, source.confidence, source.K)
        )
        known = source.joints_m is not None
        joints = torch.from_numpy(source.joints_m[rows]).float() if known else torch.zeros(len(rows), 21, 3)
        masks = None if source.masks is None else torch.from_numpy(source.masks[rows]).float()
        return TrainingBatch(
            images=torch.from_numpy(np.array(source.rgb[rows])).float() / 255,
            K=K,
            keypoints_px=keypoints,
            confidence=confidence,
            joints_m=joints,
            has_joints=torch.full((len(rows),), known),
            masks=torch.ones(len(rows), *source.rgb.shape[1:3]) if masks is None else masks,
            source=torch.full((len(rows),), number),
            index=index,
        )


def augment(
    batch: TrainingBatch, augmentation: Augmentation, image_px: int, generator: torch.Generator
) -> TrainingBatch:
    """Turn, zoom, shift and tint a batch of square pictures into pictures of ``image_px``; labels follow."""
    affine = draw_affines(augmentation, len(batch), batch.images.shape[1], image_px, generator).to(batch.images)
    images, masks = batch.images.movedim(-1, 1), batch.masks[:, None]
    images, masks = warp_batch(torch.cat([images, masks], dim=1), affine, image_px).split([3, 1], dim=1)
    if augmentation.clutter or augmentation.cover:
        images = clutter(images, masks, augmentation, generator)
    images = tint(images, augmentation, generator)
    # A turned camera is an upright camera that sees a turned hand.
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


def rows_of_step(size: int, count: int, step: int, seed: tuple[int, ...]) -> np.ndarray:
    """Which ``count`` of ``size`` samples a step sees: epoch after epoch, each in an order of its own."""
    wanted = np.arange(step * count, (step + 1) * count)
    epochs = wanted // size
    rows = np.empty(count, np.int64)
    for epoch in np.unique(epochs):
        order = np.random.Generator(np.random.Philox(np.random.SeedSequence((*seed, int(epoch))))).permutation(size)
        rows[epochs == epoch] = order[wanted[epochs == epoch] % size]
    return rows


def _mixed(*numbers: int) -> int:
    """One seed for a generator out of several numbers."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> np.uint64(1))
