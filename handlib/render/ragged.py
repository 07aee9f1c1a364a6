"""Two vector idioms that replace the inner loops of a rasteriser.

A rasteriser written in C runs "for each face, for each row, for each pixel, keep the nearest". Written for
tensors, the loops become one flat list of candidates (:func:`expand_counts`) and the comparison becomes one
scatter (:func:`argmin_per_cell`).
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor


def expand_counts(counts: Int[Tensor, "owners"]) -> tuple[Int[Tensor, "items"], Int[Tensor, "items"]]:
    """List ``counts[i]`` items for every owner ``i``.

    Returns the owner of each item and the item's number within its owner: counts (2, 0, 3) give owners
    (0, 0, 2, 2, 2) and numbers (0, 1, 0, 1, 2).
    """
    owner = torch.repeat_interleave(counts)
    first = counts.cumsum(0) - counts
    return owner, torch.arange(len(owner), device=counts.device) - first[owner]


def argmin_per_cell(cell: Int[Tensor, "items"], value: Float[Tensor, "items"], num_cells: int) -> Int[Tensor, "cells"]:
    """For each cell, which of the items that fall into it has the least ``value``; -1 in an empty cell.

    Ties go to the earlier item, so the answer is the same on every device and in every run. The value
    (rounded to float32) and the item's number travel in one 64-bit key, value in the high half, so that one
    ``amin`` compares both.
    """
    # The bits of a float order like an integer, once those of the negative ones are turned round.
    bits = value.float().view(torch.int32)
    ordered = bits ^ ((bits >> 31) & 0x7FFFFFFF)
    key = (ordered.long() << 32) | torch.arange(len(value), device=value.device)
    empty = torch.iinfo(torch.int64).max
    best = torch.full((num_cells,), empty, dtype=torch.int64, device=value.device)
    best.scatter_reduce_(0, cell, key, "amin")
    return torch.where(best == empty, -1, best & 0xFFFFFFFF)
