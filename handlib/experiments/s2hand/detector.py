"""The keypoint detector of the experiments: learnt from rendered pictures, whose labels are free; used on the target.

It plays the part that OpenPose plays in the paper: it has learnt from 2D labels of other people's hands and has no 3D.
Its mistakes are real ones, of a network that never saw the target's hand, and so are its confidences: what it learnt of
its own error, lowered where it contradicts itself when the picture is turned, zoomed or tinted.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy
from tqdm import tqdm

from handlib.crops import invert_affine, transform_pixels
from handlib.losses.heatmaps import heatmap_cross_entropy
from handlib.losses.keypoints import joint_location_loss
from handlib.losses.s2hand import PAPER_IMAGE_PX
from handlib.models.efficientnet_lite import EfficientNetLite0
from handlib.models.images import normalise_images
from handlib.models.keypoint_readout import KeypointReadout
from handlib.training.augmentation import Augmentation, draw_affines, tint, warp_batch
from handlib.training.loop import StepOutput

STRONG = Augmentation(turn_deg=45.0, zoom=0.25, shift=0.06, gain=0.8, noise=0.05, clutter=0.8, cover=0.04)
MODERATE = Augmentation(turn_deg=30.0, zoom=0.2, shift=0.05, gain=0.4, noise=0.02, cover=0.01)
# An answer within this distance (px of 224) counts as right when the confidence is learnt; about a finger's width.
RIGHT_PX = 8.0
# Answers that scatter this far (px of 224) between views have their confidence divided by e.
SCATTER_PX = 8.0
_VIEWS = Augmentation(turn_deg=25.0, zoom=0.15, shift=0.03, gain=0.3, noise=0.0)
_BATCH = 64


@dataclass(frozen=True, eq=False)
class Detections:
    """Keypoints (N, 21, 2) px, their confidence (N, 21) in 0..1, and how far views disagreed (N, 21) px."""

    keypoints_px: Float[np.ndarray, "stills 21 2"]
    confidence: Float[np.ndarray, "stills 21"]
    scatter_px: Float[np.ndarray, "stills 21"]


class KeypointDetector(nn.Module):
    """EfficientNet-Lite0 with ImageNet's weights and a small feature pyramid that reads keypoints off."""

    def __init__(self, imagenet: bool = True) -> None:
        super().__init__()
        self.encoder = EfficientNetLite0.imagenet() if imagenet else EfficientNetLite0()
        self.readout = KeypointReadout()

    def forward(
        self, images: Float[Tensor, "batch height width 3"]
    ) -> tuple[Float[Tensor, "batch 21 2"], Float[Tensor, "batch 21"], Float[Tensor, "batch 21 rows columns"]]:
        """Keypoints (px), confidences and heatmaps of pictures in 0..1."""
        read = self.readout(self.encoder(normalise_images(images)), images.shape[2])
        return read.points_px, read.confidence, read.scores


def detector_objective(network: nn.Module, batch: object, step: int) -> StepOutput:
    """Place the joints, and say of each whether the answer is within :data:`RIGHT_PX` of the truth.

    The second part has no gradient into the places: a network should not move an answer to look sure of it.
    """
    points, confidence, scores = network(batch.images)
    scale = PAPER_IMAGE_PX / batch.images.shape[1]
    cells = heatmap_cross_entropy(scores.float(), batch.keypoints_px, batch.images.shape[1]).mean()
    location = joint_location_loss(points * scale, batch.keypoints_px * scale, batch.confidence).mean()
    apart = (points.detach() - batch.keypoints_px).norm(dim=-1) * scale
    sureness = binary_cross_entropy(confidence.float(), (apart < RIGHT_PX).float())
    loss = cells + 0.05 * location + 0.1 * sureness
    return StepOutput(loss, {"cells": cells, "location": location, "sureness": sureness})


@torch.no_grad()
def detect(
    network: nn.Module, rgb: UInt8[np.ndarray, "stills height width 3"], views: int = 4, seed: int = 0
) -> Detections:
    """Detect keypoints in square pictures, each looked at as it is and in ``views - 1`` changed versions.

    The answer is the mean over the views, taken back to the picture; the confidence is the mean of the network's own
    times ``exp(-scatter / SCATTER_PX)``.
    """
    device = next(network.parameters()).device
    image_px = rgb.shape[1]
    generator = torch.Generator().manual_seed(seed)
    found: list[tuple[Tensor, Tensor, Tensor]] = []
    for first in tqdm(range(0, len(rgb), _BATCH), desc="detecting keypoints", unit="batch"):
        images = torch.from_numpy(np.array(rgb[first : first + _BATCH])).to(device).float() / 255
        points, trust = (answer[None] for answer in network(images)[:2])
        for _ in range(views - 1):
            affine = draw_affines(_VIEWS, len(images), image_px, image_px, generator).to(images)
            changed = tint(warp_batch(images.movedim(-1, 1), affine, image_px), _VIEWS, generator)
            seen, sure, _ = network(changed.movedim(1, -1).contiguous())
            points = torch.cat([points, transform_pixels(seen, invert_affine(affine))[None]])
            trust = torch.cat([trust, sure[None]])
        scatter = (points - points.mean(0)).square().sum(-1).mean(0).sqrt()
        confidence = trust.mean(0) * torch.exp(-scatter * (PAPER_IMAGE_PX / image_px) / SCATTER_PX)
        found.append((points.mean(0).cpu(), confidence.cpu(), scatter.cpu()))
    return Detections(*(torch.cat(parts).float().numpy() for parts in zip(*found, strict=True)))
