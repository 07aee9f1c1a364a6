"""The last step of linear blend skinning, where nearly all of a hand layer's time goes.

Every vertex moves by its own rigid motion ``[R | t]``, the weighted mean of its joints' motions (SMPL Eq. 7, Loper et
al. 2015, https://doi.org/10.1145/2816795.2818013). One formula says it, :func:`blend_and_move`; :func:`skin_points`
computes the same with a backward pass by hand, about twice as fast on a CPU. Points are component first, ``(batch, 3,
vertices)``, and motions column first, ``(batch, 4, 3, joints)``: columns x, y, z of R, then t.
"""

from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

# The blended motions of so many hands (2.4 MB) stay in the cache; larger blocks go through main memory again and again,
# smaller ones pay for more calls. Measured on one core: 32 hands 17 ms, 64 and 128 16 ms, 512 24 ms, all 1,024 64 ms.
_HANDS_PER_CORE = 64


def blend_and_move(
    points: Float[Tensor, "batch 3 vertices"],
    motions: Float[Tensor, "batch 4 3 joints"],
    weights: Float[Tensor, "joints vertices"],
) -> Float[Tensor, "batch 3 vertices"]:
    """The formula: blend the joints' motions for each vertex, then apply them, ``R v + t``."""
    blended = motions @ weights  # (B, 4, 3, V)
    return (blended[:, :3] * points[:, :, None]).sum(1) + blended[:, 3]


def skin_points(
    points: Float[Tensor, "batch 3 vertices"],
    motions: Float[Tensor, "batch 4 3 joints"],
    weights: Float[Tensor, "joints vertices"],
) -> Float[Tensor, "batch vertices 3"]:
    """:func:`blend_and_move` with the components last, fast, and differentiable to any order and in forward mode.

    Args:
        points: rest vertices, metres.
        motions: each joint's motion from rest to pose; the translation in metres.
        weights: skinning weights, held fixed: they get no gradient.
    """
    return _SkinPoints.apply(points, motions, weights)


class _SkinPoints(torch.autograd.Function):
    """Skinning in blocks that stay in the cache, with buffers used over and over; backward blends again."""

    @staticmethod
    def forward(points: Tensor, motions: Tensor, weights: Tensor) -> Tensor:
        skinned = torch.empty_like(points.mT, memory_format=torch.contiguous_format)
        for block, blended, moved in _blocks(points):
            _blend(motions[block], weights, blended)
            x, y, z = points[block, :, None].unbind(1)
            torch.addcmul(blended[:, 3], blended[:, 0], x, out=moved)
            moved.addcmul_(blended[:, 1], y).addcmul_(blended[:, 2], z)
            skinned[block] = moved.mT
        return skinned

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)
        ctx.save_for_forward(*inputs)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None]:
        points, motions, weights = ctx.saved_tensors
        # Somebody wants derivatives of this gradient: give them one that is made of differentiable steps.
        if torch.is_grad_enabled():
            return *_differentiable_backward(points, motions, weights, grad.mT), None
        grad_points, grad_motions = torch.empty_like(points), torch.empty_like(motions)
        for block, blended, grad_block in _blocks(points):
            grad_block.copy_(grad[block].mT)
            _blend(motions[block], weights, blended)
            rows = blended[:, :3].unbind(2)
            turned_back = torch.mul(rows[0], grad_block[:, :1], out=grad_points[block])
            turned_back.addcmul_(rows[1], grad_block[:, 1:2]).addcmul_(rows[2], grad_block[:, 2:])
            torch.mul(grad_block[:, None], points[block, :, None], out=blended[:, :3])
            blended[:, 3] = grad_block
            grad_motions[block] = (blended.flatten(0, 2) @ weights.mT).view(motions[block].shape)
        return grad_points, grad_motions, None

    @staticmethod
    def jvp(ctx: Any, points_dot: Tensor, motions_dot: Tensor, weights_dot: Tensor | None) -> Tensor:
        points, motions, weights = ctx.saved_tensors
        turned = ((motions[:, :3] @ weights) * points_dot[:, :, None]).sum(1)
        return (turned + blend_and_move(points, motions_dot, weights)).mT

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *inputs: Tensor) -> tuple[Tensor, int]:
        return torch.vmap(lambda *x: blend_and_move(*x).mT, in_dims)(*inputs), 0


def _blocks(points: Tensor) -> Iterator[tuple[slice, Tensor, Tensor]]:
    """Slices of the batch, each with a buffer for its blended motions (b, 4, 3, V) and one for its points (b, 3, V)."""
    size = len(points)
    if points.device.type == "cpu":
        size = min(size, _HANDS_PER_CORE * torch.get_num_threads())
    blended, moved = points.new_empty(size, 4, *points.shape[1:]), points.new_empty(size, *points.shape[1:])
    for start in range(0, len(points), size):
        count = min(size, len(points) - start)
        yield slice(start, start + count), blended[:count], moved[:count]


def _blend(motions: Tensor, weights: Tensor, out: Tensor) -> None:
    """Blend a block's motions into ``out`` as one matrix product."""
    torch.mm(motions.reshape(-1, len(weights)), weights, out=out.view(-1, out.shape[-1]))


def _differentiable_backward(points: Tensor, motions: Tensor, weights: Tensor, grad: Tensor) -> tuple[Tensor, Tensor]:
    """Gradients of :func:`blend_and_move` for ``grad`` (batch, 3, vertices), in steps that autograd can follow."""
    grad_points = ((motions[:, :3] @ weights) * grad[:, None]).sum(2)
    homogeneous = torch.cat([points, torch.ones_like(points[:, :1])], dim=1)
    return grad_points, (homogeneous[:, :, None] * grad[:, None]) @ weights.mT
