"""2D keypoint losses of S2HAND (Chen et al., CVPR 2021, Sec. 3.4.1): where the joints are, and where the bones point.

All positions are in pixels of the same picture, in the order of :data:`handlib.skeleton.JOINT_NAMES`. Every loss is
returned for each hand of the batch, not averaged over it: the mean belongs to the one who trains, and an optimiser that
fits many hands at once wants them apart.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from handlib.skeleton import BONES

_PARENTS, _CHILDREN = ([bone[end] for bone in BONES] for end in (0, 1))
# Below this length (px) a bone points nowhere: its direction is the zero vector, and its gradient stays finite.
_SHORTEST_BONE_PX = 1e-4


def smooth_l1(distance: Float[Tensor, "*batch"], delta: float) -> Float[Tensor, "*batch"]:
    """Huber's loss of a non-negative distance: quadratic below ``delta``, linear with slope one above it.

    ``d^2 / (2 delta)`` below and ``d - delta / 2`` above, so that value and slope are continuous at ``delta``. With
    ``delta = 5`` px these are the numbers of S2HAND's released code, ``d^2 / 10`` and ``d - 2.5``.

    Source: Huber 1964, https://doi.org/10.1214/aoms/1177703732; S2HAND Eq. 3, which leaves ``delta`` open.
    """
    return torch.where(distance < delta, distance.square() / (2 * delta), distance - delta / 2)


def joint_location_loss(
    projected_px: Float[Tensor, "batch 21 2"],
    detected_px: Float[Tensor, "batch 21 2"],
    confidence: Float[Tensor, "batch 21"],
    delta_px: float = 5.0,
) -> Float[Tensor, "batch"]:
    """E_loc: the projected joints should lie on the detected ones, each as far as its detection is trusted.

    Args:
        projected_px: joints of the model, projected, px.
        detected_px: joints of the detector, px. A joint that was not found may be anywhere (but finite).
        confidence: 0..1 a joint; 0 takes it out.
        delta_px: where Huber's loss turns from quadratic to linear.

    Returns:
        one number a hand, in px.

    Source: S2HAND Eq. 3, the mean over the 21 joints of ``con_i`` times the smooth L1 loss.
    """
    # The norm has no gradient at zero, where the loss is flat anyway: the offset keeps it finite there.
    distance = ((projected_px - detected_px).square().sum(-1) + 1e-12).sqrt()
    return (confidence * smooth_l1(distance, delta_px)).mean(-1)


def bone_directions_2d(joints_px: Float[Tensor, "*batch 21 2"]) -> Float[Tensor, "*batch 20 2"]:
    """Unit vectors of the 20 bones in the picture, from the wrist outwards, in the order of ``skeleton.BONES``."""
    bones = joints_px[..., _CHILDREN, :] - joints_px[..., _PARENTS, :]
    return torch.nn.functional.normalize(bones, dim=-1, eps=_SHORTEST_BONE_PX)


def bone_orientation_loss(
    projected_px: Float[Tensor, "batch 21 2"],
    detected_px: Float[Tensor, "batch 21 2"],
    confidence: Float[Tensor, "batch 21"],
) -> Float[Tensor, "batch"]:
    """E_ori: each projected bone should point as the detected one does, whatever its length and place.

    Args:
        projected_px: joints of the model, projected, px.
        detected_px: joints of the detector, px.
        confidence: 0..1 a joint; a bone's is the product of its two joints'.

    Returns:
        one number a hand, 0 where all bones agree, at most 4.

    Source: S2HAND Eq. 4, the mean over the 20 bones of ``con_bone`` times the squared difference of unit vectors.
    """
    bone_confidence = confidence[:, _PARENTS] * confidence[:, _CHILDREN]
    difference = bone_directions_2d(projected_px) - bone_directions_2d(detected_px)
    return (bone_confidence * difference.square().sum(-1)).mean(-1)


def geometric_alignment_loss(
    projected_px: Float[Tensor, "batch 21 2"],
    detected_px: Float[Tensor, "batch 21 2"],
    confidence: Float[Tensor, "batch 21"],
    orientation_weight: float,
    delta_px: float = 5.0,
) -> Float[Tensor, "batch"]:
    """E_geo: location and bone orientation, weighted (S2HAND Eq. 5: ``E_loc + w_ori E_ori``).

    Args and shapes as in :func:`joint_location_loss`; the paper's and the released code's weights differ, so none is
    preset.
    """
    location = joint_location_loss(projected_px, detected_px, confidence, delta_px)
    return location + orientation_weight * bone_orientation_loss(projected_px, detected_px, confidence)
