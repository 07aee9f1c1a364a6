"""The estimator of Wan et al. (CVPR 2019): an hourglass from a depth crop to 41 heatmaps and 41 latent depth maps.

Newell et al., "Stacked hourglass networks for human pose estimation" (ECCV 2016), with the sizes that were released:
depth 2, 128 features, GroupNorm in 16 groups (Wu & He 2018) instead of BatchNorm, maps of 16 x 16 from 64 x 64 pixels.
GroupNorm knows no batch: synthetic and real crops may share one, and a crop alone is treated as among many.
"""

from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import interpolate, max_pool2d

from handlib.errors import BadInputError
from handlib.hand.sphere_hand import NUM_SPHERES
from handlib.models.depth_readout import centres_from_maps

FEATURES, GROUPS = 128, 16


class SphereEstimate(NamedTuple):
    """What the network says of a batch of crops.

    ``heatmaps`` and ``latent_depth`` (B, 41, 16, 16) are those of the last stack; ``centres_m`` (B, 41, 3), cube frame,
    is read from them.
    """

    heatmaps: Float[Tensor, "batch points size size"]
    latent_depth: Float[Tensor, "batch points size size"]
    centres_m: Float[Tensor, "batch points 3"]


class Residual(nn.Module):
    """A bottleneck with a skip connection, normalised before each convolution (He et al. 2016, pre-activation)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        half = outputs // 2
        self.branch = nn.Sequential(
            *_normed(inputs),
            nn.Conv2d(inputs, half, 1),
            *_normed(half),
            nn.Conv2d(half, half, 3, padding=1),
            *_normed(half),
            nn.Conv2d(half, outputs, 1),
        )
        self.skip = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Float[Tensor, "batch inputs height width"]) -> Float[Tensor, "batch outputs height width"]:
        """The same picture size, other channels."""
        return self.skip(x) + self.branch(x)


class Hourglass(nn.Module):
    """Halve the picture ``depth`` times and double it again, with a skip connection at every size."""

    def __init__(self, depth: int, features: int) -> None:
        super().__init__()
        self.skip, self.before, self.after = (Residual(features, features) for _ in range(3))
        self.inner = Hourglass(depth - 1, features) if depth > 1 else Residual(features, features)

    def forward(self, x: Float[Tensor, "batch features height width"]) -> Float[Tensor, "batch features height width"]:
        """The same size; height and width must be multiples of ``2 ** depth``."""
        low = self.after(self.inner(self.before(max_pool2d(x, 2))))
        return self.skip(x) + interpolate(low, scale_factor=2.0, mode="nearest")


class DepthEstimator(nn.Module):
    """Depth crops to sphere centres, by ``stacks`` hourglasses one after the other (the paper's tables: 1 and 2).

    ``forward`` gives the last stack's estimate; ``estimates`` those of all stacks, each of which is supervised.
    """

    def __init__(self, stacks: int = 1, features: int = FEATURES, num_points: int = NUM_SPHERES) -> None:
        super().__init__()
        if stacks < 1:
            raise BadInputError(f"stacks is {stacks}, expected 1 or more")
        self.num_points = num_points
        self.stem = nn.Sequential(
            nn.Conv2d(1, features // 2, 7, stride=2, padding=3),
            *_normed(features // 2),
            Residual(features // 2, features),
            nn.MaxPool2d(2),
            Residual(features, features),
        )
        self.stacks = nn.ModuleList(
            nn.Sequential(
                Hourglass(2, features),
                Residual(features, features),
                *_normed(features),
                nn.Conv2d(features, features, 1),
                *_normed(features),
            )
            for _ in range(stacks)
        )
        self.heads = nn.ModuleList(nn.Conv2d(features, 2 * num_points, 1) for _ in range(stacks))
        # Between two stacks, features and maps are added to what the next one sees (Newell et al., Section 3.2).
        self.back = nn.ModuleList(
            nn.ModuleList([nn.Conv2d(features, features, 1), nn.Conv2d(2 * num_points, features, 1)])
            for _ in range(stacks - 1)
        )

    def forward(self, depth: Float[Tensor, "batch size size"]) -> SphereEstimate:
        """Estimate the spheres of normalised crops (see :func:`~handlib.data.depth_cube.normalise_depth`).

        Raises:
            BadInputError: crops of the wrong shape, NaN, or depth that is not normalised.
        """
        return self.estimates(depth)[-1]

    def estimates(self, depth: Float[Tensor, "batch size size"]) -> list[SphereEstimate]:
        """The estimate of every stack, the last one best; errors as in :meth:`forward`."""
        _check_crops(depth)
        x = self.stem(depth[:, None])
        estimates = []
        for number, (stack, head) in enumerate(zip(self.stacks, self.heads, strict=True)):
            features = stack(x)
            maps = head(features)
            heatmaps, latent_depth = maps.split(self.num_points, dim=1)
            estimates.append(SphereEstimate(heatmaps, latent_depth, centres_from_maps(heatmaps, latent_depth)))
            if number < len(self.back):
                from_features, from_maps = self.back[number]
                x = x + from_features(features) + from_maps(maps)
        return estimates


def _normed(features: int) -> tuple[nn.Module, nn.Module]:
    return nn.GroupNorm(GROUPS, features), nn.ReLU(inplace=True)


def _check_crops(depth: Tensor) -> None:
    if depth.ndim != 3 or depth.shape[1] != depth.shape[2] or depth.shape[1] % 16 or not len(depth):
        raise BadInputError(
            f"depth has shape {tuple(depth.shape)}, expected (batch, 64, 64): square crops whose side is a multiple of "
            "16; crop_cube makes them"
        )
    greatest = depth.detach().abs().amax()
    # NaN compares false with everything, so the comparison is written the way that NaN fails.
    if not bool(greatest <= 10):
        raise BadInputError(
            f"depth reaches {float(greatest):.4g}: expected normalised crops, -1.5 to 1 without NaN; pass "
            "normalise_depth(crop) of a crop in metres"
        )
