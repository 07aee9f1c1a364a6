"""A network that is told where a detector believes the joints to be, and looks at the picture with that in mind.

Two networks that each answer by themselves, a detector and ours, are hardly better in the mean than the better one of
them. Here the picture is read *given* the detector's keypoints: they are drawn as small spots into the encoder's
features, so that the later stages can ask whether a finger really is where it is said to be. What they read goes to the
lifting head beside the keypoints themselves. Ours; the paper has nothing like it.
"""

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor, nn

from handlib.models.efficientnet_lite import STAGES, PyramidFeatures
from handlib.models.keypoint_readout import LIFTING_FEATURES, ReadKeypoints, lifting_features
from handlib.models.lifting_head import LiftingHead
from handlib.models.s2hand import HandPrediction, S2HandNetwork

SPOT_CELLS = 1.0
"""Standard deviation of a spot, in cells of the features that it is drawn into (4 px of the picture each)."""
_STRIDE = 4


class GuidedNetwork(nn.Module):
    """A lifting network, and what joins a detector's keypoints to what it sees.

    The new layers begin at zero: before training it answers as ``network.lift`` does, from the detector's keypoints and
    the glance at the picture.
    """

    def __init__(self, network: S2HandNetwork, dropped: float = 0.2) -> None:
        """Put a detector's keypoints into ``network``.

        Args:
            network: with ``image_keypoints``; it is used, not copied.
            dropped: share of the pictures in training whose read keypoints the head does not get to know, so that it
                goes on believing the detector where the picture says nothing.
        """
        super().__init__()
        self.network, self.dropped = network, dropped
        head: LiftingHead = network.geometry
        self.spots = nn.Conv2d(21, STAGES[1][4], 1, bias=False)
        self.read = nn.Linear(LIFTING_FEATURES, head.entrance.out_features, bias=False)
        for layer in (self.spots, self.read):
            nn.init.zeros_(layer.weight)

    def forward(
        self,
        images: Float[Tensor, "batch 3 size size"],
        detected: ReadKeypoints,
        K: Float[Tensor, "batch 3 3"] | None = None,
    ) -> HandPrediction:
        """The hand in each picture; its ``keypoints`` are those that were read off the picture.

        Args:
            images: square pictures from :func:`~handlib.models.images.normalise_images`.
            detected: the detector's keypoints, px of these pictures.
            K: intrinsics (px) of these very pictures; as for :class:`~handlib.models.s2hand.S2HandNetwork`.
        """
        network, image_px = self.network, images.shape[3]
        features = self.encode(images, detected)
        read = network.readout(features, image_px)
        head: LiftingHead = network.geometry
        glance = head.glance(features.stride32.mean((2, 3))).float()
        own = self.read(lifting_features(read, image_px)).float()
        if self.training:
            glance = drop_rows(glance, head.dropped_glances)
            own = drop_rows(own, self.dropped)
        given = torch.cat([lifting_features(detected, image_px), glance], dim=1)
        hidden = head.residual(head.entrance(given) + own)
        code = head.heads(torch.relu(head.exit(torch.relu(hidden))))
        with torch.autocast(images.device.type, enabled=False):
            return replace(network.decode(code, image_px, K), keypoints=read)

    def encode(self, images: Float[Tensor, "batch 3 size size"], detected: ReadKeypoints) -> PyramidFeatures:
        """The encoder's features, with the keypoints drawn into those of stride 4."""
        encoder = self.network.encoder
        features = encoder.stem(images.contiguous(memory_format=torch.channels_last))
        outputs = []
        for number, stage in enumerate(encoder.stages):
            features = stage(features)
            if number == 1:
                features = features + self.spots(draw_spots(detected.points_px, features.shape[2:]))
            outputs.append(features)
        return PyramidFeatures(outputs[1], outputs[2], outputs[4], encoder.head(features))


def draw_spots(points_px: Float[Tensor, "batch 21 2"], size: tuple[int, int]) -> Float[Tensor, "batch 21 rows columns"]:
    """One map a joint at a quarter of the picture's size: 1 at the joint, a bell curve of :data:`SPOT_CELLS` around it.

    Args:
        points_px: pixels of the picture; outside of it they draw nothing.
        size: rows and columns of the maps.
    """
    # Centres of cells lie at (cell + 1/2) * 4 - 1/2 pixels.
    cells = (points_px + 0.5) / _STRIDE - 0.5
    rows, columns = (torch.arange(count, device=points_px.device, dtype=points_px.dtype) for count in size)
    down = torch.exp(-0.5 * ((rows - cells[..., 1:]) / SPOT_CELLS).square())
    across = torch.exp(-0.5 * ((columns - cells[..., :1]) / SPOT_CELLS).square())
    return down[..., :, None] * across[..., None, :]


def drop_rows(values: Float[Tensor, "batch width"], share: float) -> Float[Tensor, "batch width"]:
    """A share of the rows set to zero, the others made larger, so that the mean stays."""
    kept = torch.rand(len(values), 1, device=values.device) >= share
    return values * kept / (1 - share)
