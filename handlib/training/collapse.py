"""Collapse: the state from which an end-to-end training does not come back, and how to notice it.

The authors of S2HAND warn (issue 4 of https://github.com/TerenceCYJ/S2HAND) that training everything at once may
collapse because of the render losses. A photometric term can be made small without any hand: by one hand for every
picture, by a hand outside the picture, or by one so small that it covers no pixel.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from handlib.errors import HandlibError

CURE = (
    "Train in stages (keypoints first, the photometric term after them), or lower the photometric weight and the "
    "learning rate"
)


class CollapseError(HandlibError):
    """A training has collapsed; the message names the sign that was seen and the cure.

    Attributes:
        step: at which it was noticed.
        log: what the training loop had logged until then; None where no loop of ours was running.
    """

    def __init__(self, step: int, sign: str) -> None:
        super().__init__(f"step {step}: {sign}. {CURE}")
        self.step = step
        self.log: Any = None


@dataclass(frozen=True)
class CollapseSettings:
    """When a training counts as collapsed.

    Attributes:
        least_spread_m: standard deviation over the batch that joints relative to the wrist must keep, metres (people's
            hands in a batch: about 0.05).
        least_inside: share of projected joints that must lie in the picture.
        least_covered: share of the picture that rendered hands must cover on average.
        patience: steps in a row that must show the same sign; NaN counts at once.
        grace: steps at the start that are not judged: an untrained network predicts one hand for every picture.
    """

    least_spread_m: float = 0.002
    least_inside: float = 0.2
    least_covered: float = 0.005
    patience: int = 10
    grace: int = 100


@dataclass
class CollapseDetector:
    """Watches the predictions of a training, step by step; see :class:`CollapseSettings`."""

    settings: CollapseSettings = field(default_factory=CollapseSettings)
    _signs: deque[str | None] = field(default_factory=deque)

    def watch(
        self,
        step: int,
        loss: float,
        joints_m: Float[Tensor, "batch 21 3"],
        joints_2d_px: Float[Tensor, "batch 21 2"],
        image_px: int,
        silhouette: Float[Tensor, "batch height width"] | None = None,
    ) -> None:
        """Look at one step's predictions.

        Args:
            step: counted from 0.
            loss: of the whole batch.
            joints_m: predicted joints, metres, camera frame.
            joints_2d_px: the same, projected, px.
            image_px: side of the pictures.
            silhouette: rendered coverage in 0..1, where there is a photometric term.

        Raises:
            CollapseError: the training has collapsed.
        """
        if loss != loss or abs(loss) == float("inf"):
            raise CollapseError(step, f"the loss is {loss}")
        sign = None
        if step >= self.settings.grace:
            sign = collapse_sign(self.settings, joints_m, joints_2d_px, image_px, silhouette)
        self._signs.append(sign)
        while len(self._signs) > self.settings.patience:
            self._signs.popleft()
        if len(self._signs) == self.settings.patience and all(self._signs):
            raise CollapseError(step, f"{sign}, for {self.settings.patience} steps in a row")


@torch.no_grad()
def collapse_sign(
    settings: CollapseSettings,
    joints_m: Float[Tensor, "batch 21 3"],
    joints_2d_px: Float[Tensor, "batch 21 2"],
    image_px: int,
    silhouette: Float[Tensor, "batch height width"] | None = None,
) -> str | None:
    """What is wrong with a batch of predictions, in words; None where nothing is."""
    if not bool(torch.isfinite(joints_m).all()):
        return "predicted joints are not finite"
    spread = joint_spread(joints_m)
    if len(joints_m) > 1 and spread < settings.least_spread_m:
        return f"one hand for every picture (joints differ by {1000 * spread:.2f} mm between pictures)"
    inside = share_inside(joints_2d_px, image_px)
    if inside < settings.least_inside:
        return f"the hand has left the picture ({100 * inside:.0f} % of its joints are in it)"
    if silhouette is not None and float(silhouette.mean()) < settings.least_covered:
        return f"the rendered hand has vanished (it covers {100 * float(silhouette.mean()):.2f} % of the picture)"
    return None


def joint_spread(joints_m: Float[Tensor, "batch 21 3"]) -> float:
    """Standard deviation over the batch of joints relative to the wrist, mean over joints and axes, metres."""
    relative = joints_m - joints_m[:, :1]
    return float(relative[:, 1:].std(0, correction=0).mean())


def share_inside(joints_2d_px: Float[Tensor, "batch 21 2"], image_px: int) -> float:
    """Share of projected joints that lie in the picture; joints without an image (NaN) do not."""
    inside = (joints_2d_px > -0.5) & (joints_2d_px < image_px - 0.5)
    return float(inside.all(-1).float().mean())
