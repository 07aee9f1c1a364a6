"""A batch of rendered pictures with labels as tensors, and the labels that a depth picture decides."""

from dataclasses import dataclass, fields

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from handlib.data.sample import Sample

# Depth is stored in tenths of a millimetre, so that a 16-bit file holds it without loss.
DEPTH_STEP_M = 1e-4
# How far (m) a joint lies under the skin that shows it: the palm is thicker than a finger.
_FLESH_M = torch.tensor([0.025 if joint in (0, 1, 5, 9, 13, 17) else 0.015 for joint in range(21)])


@dataclass(frozen=True, eq=False)
class LabelledBatch:
    """Pictures and labels of a batch; camera frame, OpenCV axes, metres and pixels.

    ``rgb`` (B, H, W, 3) 8-bit sRGB; ``mask`` (B, H, W) where the centre of the pixel shows the hand itself; ``depth_m``
    (B, H, W) of the nearest surface of all that was rendered, 0 behind it; ``visible`` (B, 21).
    """

    rgb: UInt8[Tensor, "batch height width 3"]
    mask: Bool[Tensor, "batch height width"]
    depth_m: Float[Tensor, "batch height width"]
    K: Float[Tensor, "batch 3 3"]
    joints_m: Float[Tensor, "batch 21 3"]
    joints_2d_px: Float[Tensor, "batch 21 2"]
    vertices_m: Float[Tensor, "batch vertices 3"]
    visible: Bool[Tensor, "batch 21"]

    def __len__(self) -> int:
        return len(self.rgb)

    def to(self, device: torch.device | str) -> "LabelledBatch":
        """The batch on another device."""
        return LabelledBatch(**{field.name: getattr(self, field.name).to(device) for field in fields(self)})

    def sample(self, row: int, name: str) -> Sample:
        """One picture of the batch as a :class:`~handlib.data.sample.Sample`, with confidence 1 for every joint."""
        arrays = {field.name: getattr(self, field.name)[row].numpy(force=True).copy() for field in fields(self)}
        return Sample(
            image=arrays.pop("rgb"),
            mask=arrays.pop("mask").astype(np.float32),
            name=name,
            confidence=np.ones(21, np.float32),
            **arrays,
        )


def round_depth(depth_m: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Depth on the grid of :data:`DEPTH_STEP_M`."""
    # Multiplied in float32 as the reader of stored depth does it, so that both give the same bits.
    return (depth_m / DEPTH_STEP_M).round() * torch.tensor(DEPTH_STEP_M, dtype=torch.float32)


def visible_joints(
    joints_m: Float[Tensor, "batch 21 3"],
    joints_2d_px: Float[Tensor, "batch 21 2"],
    depth_m: Float[Tensor, "batch height width"],
) -> Bool[Tensor, "batch 21"]:
    """Whether each joint is in the picture and nothing stands in front of the flesh around it.

    A joint lies inside the hand: it is seen if the surface at its pixel is at most 1.5 cm nearer than the joint (2.5 cm
    for the wrist and the joints at the root of each finger, which lie in the palm). Where the picture has no surface at
    the joint's pixel (a fingertip on the outline), nothing hides it.
    """
    batch, height, width = depth_m.shape
    column, row = joints_2d_px.round().long().unbind(-1)
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    pixel = row.clamp(0, height - 1) * width + column.clamp(0, width - 1)
    seen_m = depth_m.flatten(1).gather(1, pixel)
    covered = (seen_m > 0) & (joints_m[..., 2] - seen_m > _FLESH_M.to(depth_m))
    return inside & ~covered
