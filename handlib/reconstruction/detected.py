"""Keypoints of an off-the-shelf detector, where one is installed, in the place of those that the network reads.

The network's second half lifts keypoints to 3D, whoever found them. A detector that has learnt from hundreds of
thousands of labelled photographs places them better than ours, which has learnt from a few thousand.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from handlib.keypoints import HandDetection, find_hands
from handlib.models.keypoint_readout import ReadKeypoints


@dataclass(frozen=True, eq=False)
class Detected:
    """The surest hand in each picture: ``keypoints_px`` (B, 21, 2), ``confidence`` (B, 21), and if there is one."""

    keypoints_px: Float[Tensor, "batch 21 2"]
    confidence: Float[Tensor, "batch 21"]
    found: Bool[Tensor, "batch"]

    @classmethod
    def of(cls, hands: list[HandDetection | None]) -> "Detected":
        """One detection, or none, a picture."""
        points, confidence = torch.zeros(len(hands), 21, 2), torch.zeros(len(hands), 21)
        for row, hand in enumerate(hands):
            if hand is not None:
                points[row] = torch.from_numpy(hand.keypoints_px)
                confidence[row] = torch.from_numpy(hand.confidence)
        return cls(points, confidence, confidence.amax(1) > 0)

    def __getitem__(self, rows: slice | Int[Tensor, "rows"]) -> "Detected":
        """Some of the pictures."""
        return Detected(self.keypoints_px[rows], self.confidence[rows], self.found[rows])

    def in_place_of(self, read: ReadKeypoints, seen_px: Float[Tensor, "batch 21 2"]) -> ReadKeypoints:
        """The detected keypoints where there are some, at ``seen_px`` in the network's own view; else those read."""
        found = self.found[:, None]
        return ReadKeypoints(
            torch.where(found[..., None], seen_px, read.points_px),
            torch.where(found, self.confidence, read.confidence),
        )


def detect(pictures: list[np.ndarray]) -> Detected:
    """Look for the surest hand in each picture.

    Raises:
        MissingExtraError: no detector is installed.
    """
    return Detected.of([next(iter(find_hands(picture, max_hands=1)), None) for picture in pictures])
