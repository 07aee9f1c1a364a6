"""What the joints of a living hand can do: ranges of motion, natural movements, and how fingers bend
together.

All tables are in the model's joint order 1..15 (index, middle, little, ring, thumb; three joints each) and in
the angles of `handlib.hand.anatomy`: flexion, abduction, twist. Tables are in degrees, functions in radians.

The ranges and their sources are those of `handlib.joint_limits`; here they are laid into the joints' frames.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from handlib.joint_limits import LITERATURE_LIMITS
from handlib.skeleton import MODEL_JOINT_NAMES

_Range = tuple[float, float]

# Measured from another zero than ours. The line from the wrist to the little finger's knuckle splays more
# than the metacarpal does, so its finger needs more abduction to lie beside the others. The ranges of the
# thumb's base are totals, and lie around the neutral thumb of `anatomy` so that its tip reaches every
# fingertip.
_ZERO_SHIFT_DEG = {
    ("little_mcp", "abduction"): 6.0,
    ("thumb_cmc", "flexion"): 6.5,
    ("thumb_cmc", "abduction"): -1.0,
}

# 21 degrees of axial turn in all, over 101 people (https://doi.org/10.1016/j.main.2009.07.003); opposition
# pronates. No source for the sideways play of the thumb's knuckle: 10 degrees let the pinches of both
# packaged hands close.
_FURTHER_DEG: dict[tuple[str, str], _Range] = {
    ("thumb_cmc", "twist"): (-16.0, 5.0),
    ("thumb_mcp", "abduction"): (-10.0, 10.0),
}


def _limits_in_frames() -> tuple[tuple[_Range, _Range, _Range], ...]:
    ranges = dict(_FURTHER_DEG)
    for limit in LITERATURE_LIMITS:
        for joint in limit.joints:
            shift = _ZERO_SHIFT_DEG.get((joint, limit.motion), 0.0)
            ranges[joint, limit.motion] = (limit.low_deg + shift, limit.high_deg + shift)
    fixed = (0.0, 0.0)
    return tuple(
        (
            ranges.get((joint, "flexion"), fixed),
            ranges.get((joint, "abduction"), fixed),
            ranges.get((joint, "twist"), fixed),
        )
        for joint in MODEL_JOINT_NAMES[1:]
    )


JOINT_LIMITS: tuple[tuple[_Range, _Range, _Range], ...] = _limits_in_frames()
"""(15, 3, 2): lowest and highest angle in degrees; equal where the joint has no such movement."""

RELAXED_FLEXION: tuple[float, ...] = (20.0, 30.0, 20.0) * 4 + (0.0, 10.0, 10.0)
"""Flexion in degrees of a hand at ease, where optimisation starts; every other angle is zero."""

DIP_PER_PIP = 2.0 / 3.0
"""DIP flexion as a fraction of PIP flexion in an unloaded finger (Lin, Wu & Huang 2000, Modeling the
constraints of human hand motion, https://doi.org/10.1109/HUMO.2000.897381)."""

PIP_JOINTS, DIP_JOINTS = (1, 4, 7, 10), (2, 5, 8, 11)
"""Rows of the four fingers' PIP and DIP in the 15 joints."""


def dof_mask() -> Bool[Tensor, "15 3"]:
    """True at the 22 angles that move in a living hand.

    A finger has MCP flexion and abduction, PIP and DIP flexion; the thumb CMC flexion, abduction and twist,
    MCP flexion and abduction, IP flexion.
    """
    limits = torch.tensor(JOINT_LIMITS)
    return limits[..., 1] > limits[..., 0]


def relaxed_angles() -> Float[Tensor, "15 3"]:
    """Angles of a hand at ease, radians: the start of optimisation and the image of zero in
    `angles_from_unconstrained`."""
    angles = torch.zeros(15, 3)
    angles[:, 0] = torch.tensor(RELAXED_FLEXION).deg2rad()
    return angles


def limit_violation(
    angles: Float[Tensor, "*batch 15 3"], limits: Float[Tensor, "15 3 2"]
) -> Float[Tensor, "*batch 15 3"]:
    """How far each angle lies outside its limits, in radians; zero within (a hinge: square it for a smooth
    penalty)."""
    return (limits[..., 0] - angles).clamp(min=0.0) + (angles - limits[..., 1]).clamp(min=0.0)


def coupling_residual(angles: Float[Tensor, "*batch 15 3"]) -> Float[Tensor, "*batch 4"]:
    """DIP flexion less two thirds of PIP flexion, radians, of index, middle, little and ring; a soft prior's
    residual."""
    return angles[..., list(DIP_JOINTS), 0] - DIP_PER_PIP * angles[..., list(PIP_JOINTS), 0]


def angles_from_unconstrained(
    x: Float[Tensor, "*batch 15 3"], limits: Float[Tensor, "15 3 2"]
) -> Float[Tensor, "*batch 15 3"]:
    """Smooth map of any numbers to angles strictly within the limits, for optimisation without constraints.

    A logistic curve per angle, shifted and scaled so that zero maps to `relaxed_angles` with slope one: near
    it `x` is the angle's deviation in radians, and a squared penalty on `x` is a prior around the relaxed
    hand. An angle with equal limits stays there and has zero gradient.
    """
    low, span = limits[..., 0], limits[..., 1] - limits[..., 0]
    share, slope = _relaxed_share(limits)
    return low + span * torch.sigmoid(torch.logit(share) + x * slope)


def unconstrained_from_angles(
    angles: Float[Tensor, "*batch 15 3"], limits: Float[Tensor, "15 3 2"], margin: float = 1e-3
) -> Float[Tensor, "*batch 15 3"]:
    """Inverse of `angles_from_unconstrained`; zero where the limits are equal.

    An angle outside its limits, or nearer to one than `margin` of their span, is first moved there: the
    limits themselves are infinitely far away in `x`.
    """
    low, span = limits[..., 0], limits[..., 1] - limits[..., 0]
    free = span > 0
    share, slope = _relaxed_share(limits)
    at = ((angles - low) / torch.where(free, span, 1.0)).clamp(margin, 1.0 - margin)
    return torch.where(free, (torch.logit(at) - torch.logit(share)) / torch.where(free, slope, 1.0), 0.0)


def _relaxed_share(limits: Float[Tensor, "15 3 2"]) -> tuple[Float[Tensor, "15 3"], Float[Tensor, "15 3"]]:
    """Where in its range each relaxed angle lies (0..1), and the slope that makes the map's derivative one
    there."""
    low, span = limits[..., 0], limits[..., 1] - limits[..., 0]
    free = span > 0
    share = torch.where(free, (relaxed_angles().to(limits) - low) / torch.where(free, span, 1.0), 0.5).clamp(0.05, 0.95)
    return share, torch.where(free, 1.0 / (torch.where(free, span, 1.0) * share * (1.0 - share)), 0.0)
