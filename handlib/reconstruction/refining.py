"""Lift a detector's keypoints from all sides, and then bring the hand onto them.

A lifting network answers a little differently when the picture is turned, though the hand does not change: the mean
over turns is nearer to the truth than any one answer. And it answers from experience, some percent of the hand's size
beside the very keypoints that it was given. A few gradient steps bring the hand onto them, held to the shape that was
lifted: a fit (:mod:`handlib.fitting`) that starts at a good guess and does not forget it.
"""

import math
from dataclasses import dataclass, replace

import roma
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from handlib.models.heads import GeometryCode
from handlib.models.keypoint_readout import ReadKeypoints, lifting_features
from handlib.models.s2hand import HandPrediction, S2HandNetwork
from handlib.reconstruction.views import Views, make_views

TURNS = 8
STEPS, LEARNING_RATE = 20, 0.05
FAR = 0.05
"""Distance from a keypoint, in sizes of the hand, from which on it pulls with one strength (Huber)."""
TRUST_M = 0.008
"""Deviation (m, root mean square) from the lifted hand that costs as much as keypoints a ``FAR`` away. On 318
pairs of hands that the lifting head has not met, 17 mm brings the hand nearer to the detected points (2.9 % of its size
instead of 3.4), no nearer to the true ones (8.9 and 8.8), and farther from the hand (11.5 mm instead of 11.1)."""
SHAPE_WEIGHT = 0.01


@dataclass(frozen=True, eq=False)
class Lifted:
    """Hands as a network lifts them.

    Attributes:
        view: how the straight, unturned view looks at them.
        code: what the network says of that view.
        keypoints_px, confidence: in that view, what was lifted.
        joints_m: mean over all turns, from the wrist, in that view's frame.
    """

    view: Views
    code: GeometryCode
    keypoints_px: Float[Tensor, "batch 21 2"]
    confidence: Float[Tensor, "batch 21"]
    joints_m: Float[Tensor, "batch 21 3"]


@torch.no_grad()
def lift_all_round(
    network: S2HandNetwork,
    keypoints_px: Float[Tensor, "batch 21 2"],
    confidence: Float[Tensor, "batch 21"],
    centre_px: Float[Tensor, "batch 2"],
    side_px: Float[Tensor, "batch"],
    left: Bool[Tensor, "batch"],
    K: Float[Tensor, "batch 3 3"] | None = None,
) -> Lifted:
    """Lift keypoints alone, without a glance at the picture, in :data:`TURNS` views around the full circle.

    Args:
        network: one that lifts keypoints (``image_keypoints``), in evaluation mode.
        keypoints_px: pixels of the pictures.
        confidence: 0..1.
        centre_px, side_px, left, K: the squares that are looked at, as for
            :func:`handlib.reconstruction.views.make_views`.
    """
    view_px = network.config.image_px
    mean = torch.zeros(len(keypoints_px), 21, 3)
    for turn in range(TURNS):
        view = make_views(centre_px, side_px, left, view_px, K, 2 * math.pi * turn / TURNS)
        seen = ReadKeypoints(view.pixels_to_view(keypoints_px), confidence)
        code = network.geometry(lifting_features(seen, view_px))
        joints = network.decode(code, view_px, view.K).joints
        mean += view.points_to_picture(joints - joints[:, :1]) / TURNS
        if turn == 0:
            straight = view, code, seen.points_px, confidence
    return Lifted(*straight, joints_m=mean @ straight[0].to_frame.mT)


def refine(network: S2HandNetwork, lifted: Lifted) -> HandPrediction:
    """Bring lifted hands onto their keypoints, each by itself: Adam on pose, shape, turn, place and size.

    Returns:
        the hands in the straight view's camera frame; one that the steps made worse than it was stays as it was.
    """
    code, view_px = lifted.code, network.config.image_px
    start = (code.pose, code.shape, torch.zeros_like(lifted.joints_m[:, 0]), code.placement, code.scale)
    varied = [values.clone().requires_grad_() for values in start]

    def hands(pose: Tensor, shape: Tensor, turn: Tensor, placement: Tensor, scale: Tensor) -> HandPrediction:
        rotation = roma.rotvec_to_rotmat(turn) @ code.rotation
        moved = replace(code, pose=pose, shape=shape, rotation=rotation, placement=placement, scale=scale)
        return network.decode(moved, view_px, lifted.view.K)

    adam = torch.optim.Adam([{"params": varied[:3]}, {"params": varied[3:], "lr": LEARNING_RATE / 2}], LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(adam, STEPS)
    with torch.enable_grad():
        for _ in range(STEPS):
            adam.zero_grad()
            torch.autograd.backward(refinement_energy(hands(*varied), lifted).sum(), inputs=varied)
            adam.step()
            schedule.step()
    with torch.no_grad():
        before, after = hands(*start), hands(*varied)
        # A comparison with NaN is false: such a hand stays as it was.
        better = refinement_energy(after, lifted) < refinement_energy(before, lifted)
        return hands(*(_where(better, new, old) for new, old in zip(varied, start, strict=True)))


def refinement_energy(hands: HandPrediction, lifted: Lifted) -> Float[Tensor, "batch"]:
    """What is made small: distance from the keypoints, deviation from the lifted hand, unusual shapes."""
    size = (lifted.keypoints_px.amax(1) - lifted.keypoints_px.amin(1)).amax(1).clamp(min=1.0)
    offset = (hands.joints_2d_px - lifted.keypoints_px) / size[:, None, None]
    # In units of FAR. Where a joint is behind the camera it has no place in the picture, and pulls at nothing.
    apart = torch.where(offset.isfinite(), offset, 0.0).square().sum(-1).add(1e-12).sqrt() / FAR
    pull = torch.where(apart < 1, apart.square(), 2 * apart - 1)
    shape_of = (points - points.mean(1, keepdim=True) for points in (hands.joints, lifted.joints_m))
    deviation = torch.sub(*shape_of).square().sum(-1).mean(1) / TRUST_M**2
    return (lifted.confidence * pull).mean(1) + deviation + SHAPE_WEIGHT * hands.shape.square().sum(1)


def _where(chosen: Bool[Tensor, "batch"], one: Tensor, other: Tensor) -> Tensor:
    return torch.where(chosen.view(-1, *[1] * (one.ndim - 1)), one, other)
