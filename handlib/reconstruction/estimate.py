"""A batch of hands as they come out of a network or a fit, and the choice between left and right."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Estimate:
    """Hands in their pictures' camera frames.

    Attributes:
        vertices, joints: (B, V, 3) and (B, 21, 3) m.
        joints_2d_px: (B, 21, 2) the joints, projected.
        keypoints_px: (B, 21, 2) given, or read off the pictures; ``confidence`` (B, 21), 0..1.
        K: (B, 3, 3) given, or assumed, px.
        energy: (B,) what is left unexplained.
        doubt: (B,) that this is the right one of two hands; compared between left and right.
    """

    vertices: Float[Tensor, "batch vertices 3"]
    joints: Float[Tensor, "batch 21 3"]
    joints_2d_px: Float[Tensor, "batch 21 2"]
    keypoints_px: Float[Tensor, "batch 21 2"]
    confidence: Float[Tensor, "batch 21"]
    K: Float[Tensor, "batch 3 3"]
    energy: Float[Tensor, "batch"]
    doubt: Float[Tensor, "batch"]

    def __getitem__(self, rows: Int[Tensor, "rows"]) -> "Estimate":
        """Some of the hands."""
        return Estimate(*(getattr(self, field.name)[rows] for field in fields(Estimate)))


def concatenate(parts: Sequence[Estimate]) -> Estimate:
    """Batches one after another."""
    return Estimate(*(torch.cat([getattr(part, field.name) for part in parts]) for field in fields(Estimate)))


def choose(first: Bool[Tensor, "batch"], one: Estimate, other: Estimate) -> Estimate:
    """The hands of ``one`` where ``first``, and of ``other`` elsewhere."""
    pairs = ((getattr(one, field.name), getattr(other, field.name)) for field in fields(Estimate))
    return Estimate(*(torch.where(first.view(-1, *[1] * (a.ndim - 1)), a, b) for a, b in pairs))


def estimate_sides(
    estimate: Callable[[Tensor], Estimate], sides: Sequence[str]
) -> tuple[Estimate, Bool[Tensor, "batch"]]:
    """The hands, and which of them are left ones; of unknown sides, both are tried and the less doubtful one is kept.

    Args:
        estimate: takes which hands are left (B,), and gives the hands.
        sides: "left", "right" or "auto" for each.
    """
    left, unknown = (torch.tensor([side == name for side in sides]) for name in ("left", "auto"))
    if not bool(unknown.any()):
        return estimate(left), left
    as_left, as_right = estimate(left | unknown), estimate(left)
    left = torch.where(unknown, as_left.doubt < as_right.doubt, left)
    return choose(left, as_left, as_right), left
