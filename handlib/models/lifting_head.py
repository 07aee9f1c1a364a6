"""A geometry head that lifts keypoints: from where the joints are in the picture to the 3D hand that looks so.

Not in the paper, whose geometry head sees pooled features alone. Ours sees the keypoints that the network reads off the
picture (:mod:`~handlib.models.keypoint_readout`), and beside them what the pooled features can add. The keypoints alone
suffice to be trained on: hands of the pose sampler, seen from anywhere, are free and as many as one likes, with exact
3D answers. A photograph then needs 2D keypoints only, and the depth comes from what hands can do.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from handlib.models.efficientnet_lite import HEAD_CHANNELS
from handlib.models.heads import SHARED_FEATURES, CodeHeads, GeometryCode, PlacementCode, RotationCode
from handlib.models.keypoint_readout import LIFTING_FEATURES


class ResidualBlock(nn.Module):
    """Two linear layers with batch normalisation around which the input also goes (Martinez et al., ICCV 2017)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *(nn.Linear(width, width), nn.BatchNorm1d(width), nn.ReLU(inplace=True)),
            *(nn.Linear(width, width), nn.BatchNorm1d(width), nn.ReLU(inplace=True)),
        )

    def forward(self, features: Float[Tensor, "batch width"]) -> Float[Tensor, "batch width"]:
        """The features, and what the layers make of them."""
        return features + self.layers(features)


class LiftingHead(nn.Module):
    """Residual layers over keypoints, and over a glance at the picture that training often takes away.

    The layers are those of Martinez et al., "A simple yet effective baseline for 3d human pose estimation", ICCV 2017,
    https://arxiv.org/abs/1705.03098. The glance is dropped whole for a share of the pictures in training, so that the
    keypoints alone stay enough, whatever rendered pictures teach that photographs do not show.
    """

    def __init__(
        self,
        num_pose: int = 30,
        num_shape: int = 10,
        rotation: RotationCode = "six_d",
        placement: PlacementCode = "apparent",
        width: int = 768,
        glance: int = 128,
        dropped_glances: float = 0.3,
    ) -> None:
        """Build the layers; the first four arguments are those of :class:`~handlib.models.heads.GeometryHead`.

        Args:
            width: of the residual layers.
            glance: numbers that the pooled features are cut down to.
            dropped_glances: share of the pictures that training shows the keypoints of alone.
        """
        super().__init__()
        self.glance = nn.Linear(HEAD_CHANNELS, glance)
        self.dropped_glances = dropped_glances
        self.entrance = nn.Linear(LIFTING_FEATURES + glance, width)
        self.residual = nn.Sequential(ResidualBlock(width), ResidualBlock(width))
        self.exit = nn.Linear(width, SHARED_FEATURES)
        self.heads = CodeHeads(num_pose, num_shape, rotation, placement)

    def forward(
        self,
        lifting: Float[Tensor, "batch 66"],
        features: Float[Tensor, "batch 1280 rows columns"] | None = None,
    ) -> GeometryCode:
        """The code of each hand.

        Args:
            lifting: from :func:`~handlib.models.keypoint_readout.lifting_features`.
            features: the encoder's coarsest; None where there is no picture.
        """
        if features is None:
            seen = lifting.new_zeros(len(lifting), self.glance.out_features)
        else:
            seen = self.glance(features.mean((2, 3))).to(lifting.dtype)
            if self.training:
                kept = torch.rand(len(seen), 1, device=seen.device) >= self.dropped_glances
                seen = seen * kept / (1 - self.dropped_glances)
        hidden = self.residual(self.entrance(torch.cat([lifting, seen], dim=1)))
        return self.heads(torch.relu(self.exit(torch.relu(hidden))))
