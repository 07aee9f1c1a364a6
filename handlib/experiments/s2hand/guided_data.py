"""What the guided network learns from: upright squares of rendered pictures, with what a detector found in them."""

import math
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from handlib.data.stills_cache import read_labels, read_pictures
from handlib.experiments.s2hand.found_in_renderings import FOUND, RenderingsRecipe, find_in_renderings, renderings_of
from handlib.experiments.s2hand.lifting import AUGMENTATION
from handlib.experiments.stills import drawn
from handlib.reconstruction.guided import upright_views
from handlib.reproduce.recipe import RunContext
from handlib.reproduce.state import read_state
from handlib.training.augmentation import clutter, tint, warp_batch

_TURN_DEG, _ZOOM, _SHIFT = 25.0, 0.15, 0.05


@dataclass(frozen=True, eq=False)
class FoundRenderings:
    """Rendered pictures of one size with a detected hand: ``rgb``, of which ``rows`` are used, and for those the
    detector's ``detected_px`` and ``confidence``, the true ``joints_2d_px`` and ``joints_m``, and ``K``."""

    rgb: np.ndarray
    rows: np.ndarray
    detected_px: Float[Tensor, "hands 21 2"]
    confidence: Float[Tensor, "hands 21"]
    joints_2d_px: Float[Tensor, "hands 21 2"]
    joints_m: Float[Tensor, "hands 21 3"]
    K: Float[Tensor, "hands 3 3"]

    def __len__(self) -> int:
        return len(self.rows)

    def where(self, chosen: Bool[np.ndarray, "hands"]) -> "FoundRenderings":
        """Some of them."""
        kept = torch.from_numpy(chosen)
        tensors = {name: value[kept] for name, value in vars(self).items() if isinstance(value, Tensor)}
        return replace(self, rows=self.rows[chosen], **tensors)


@dataclass(frozen=True, eq=False)
class GuidedBatch:
    """Upright squares of pictures (B, px, px, 3) in 0..1, what the detector said and what is true, in their pixels."""

    images: Float[Tensor, "batch height width 3"]
    K: Float[Tensor, "batch 3 3"]
    detected_px: Float[Tensor, "batch 21 2"]
    detected_confidence: Float[Tensor, "batch 21"]
    keypoints_px: Float[Tensor, "batch 21 2"]
    confidence: Float[Tensor, "batch 21"]
    joints_m: Float[Tensor, "batch 21 3"]
    has_joints: Bool[Tensor, "batch"]

    def __len__(self) -> int:
        return len(self.images)

    def to(self, device: torch.device | str) -> "GuidedBatch":
        """On another device."""
        return GuidedBatch(**{field.name: getattr(self, field.name).to(device) for field in fields(self)})


def read_found(context: RunContext, recipe: RenderingsRecipe) -> FoundRenderings:
    """The pictures of a recipe in which the detector found a hand, with their labels.

    Raises:
        MissingFileError: the detector has left nothing, because it is not installed.
    """
    found = read_state(context.left_by(recipe, find_in_renderings, FOUND, seed=0))
    rows, folder = np.array(found["rows"]), drawn(renderings_of(context, recipe))
    pictures, labels = read_pictures(folder), read_labels(folder)
    values = (found["keypoints_px"], found["confidence"], labels.joints_2d_px[rows], labels.joints_m[rows])
    tensors = (torch.from_numpy(np.array(value)).float() for value in (*values, pictures.K[rows]))
    return FoundRenderings(pictures.rgb, rows, *tensors)


def cut_squares(
    source: FoundRenderings, rows: np.ndarray, image_px: int, generator: torch.Generator | None = None
) -> GuidedBatch:
    """The squares around some detections; moved a little, tinted and covered where there is a ``generator``."""
    index = torch.from_numpy(rows)
    detected, K = source.detected_px[index], source.K[index]
    if generator is None:
        view = upright_views(detected, image_px, K)
    else:
        turn, zoom, across, down = (2 * torch.rand(4, len(rows), generator=generator) - 1).unbind()
        shift = _SHIFT * torch.stack([across, down], dim=-1)
        view = upright_views(detected, image_px, K, math.radians(_TURN_DEG) * turn, (1 + _ZOOM) ** zoom, shift)
    images = torch.from_numpy(source.rgb[source.rows[rows]]).movedim(-1, 1).float() / 255
    images = warp_batch(images, view.affine, image_px)
    if generator is not None:
        images = tint(clutter(images, torch.ones_like(images[:, :1]), AUGMENTATION, generator), AUGMENTATION, generator)
    keypoints = source.joints_2d_px[index]
    side = source.rgb.shape[1]
    inside = ((keypoints > -0.1 * side) & (keypoints < 1.1 * side)).all(-1)
    return GuidedBatch(
        images=images.movedim(1, -1).contiguous(),
        K=view.K,
        detected_px=view.pixels_to_view(detected),
        detected_confidence=source.confidence[index],
        keypoints_px=view.pixels_to_view(keypoints),
        confidence=inside.float(),
        joints_m=source.joints_m[index] @ view.to_frame.mT,
        has_joints=torch.ones(len(rows), dtype=torch.bool),
    )


def join(parts: list[GuidedBatch]) -> GuidedBatch:
    """One batch of several."""
    names = [field.name for field in fields(GuidedBatch)]
    return GuidedBatch(**{name: torch.cat([getattr(part, name) for part in parts]) for name in names})
