"""The hands that the pose tests share, loaded once."""

from functools import cache

import torch

from handlib.hand import HandModel
from handlib.hand.anatomy import AnatomicalPose
from handlib.hand.penetration import HandPenetration

HANDS = [("open", "right"), ("generic", "right"), ("open", "left"), ("generic", "left")]
MIRROR = torch.tensor([-1.0, 1.0, 1.0], dtype=torch.float64)


@cache
def model(source: str = "open", side: str = "right", dtype: torch.dtype = torch.float64) -> HandModel:
    return HandModel.load(source, side, dtype=dtype)


@cache
def anatomy(source: str = "open", side: str = "right", dtype: torch.dtype = torch.float64) -> AnatomicalPose:
    return AnatomicalPose(model(source, side, dtype))


@cache
def penetration(source: str = "open", side: str = "right") -> HandPenetration:
    return HandPenetration(model(source, side))


def random_angles(count: int, seed: int = 0) -> torch.Tensor:
    """Any angles, far beyond every limit, but none near an abduction of 90 degrees."""
    generator = torch.Generator().manual_seed(seed)
    return 2.0 * torch.rand(count, 15, 3, generator=generator, dtype=torch.float64) - 1.0
