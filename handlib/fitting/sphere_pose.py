"""From spheres to a hand: the pose and shape whose 41 spheres lie nearest to given ones, and so a mesh.

A network that says sphere centres says nothing of a skeleton (Wan et al., CVPR 2019, end of Sec. 4.2, name inverse
kinematics as the remedy). Here the angles are varied by gradient steps within the limits of a living hand, and in each
step the best rotation and translation are found in closed form (Kabsch): at their optimum the energy does not change
with them, so the angles' gradient needs no part of theirs.
"""

from dataclasses import dataclass

import roma
import torch
from jaxtyping import Float
from torch import Tensor

from handlib.errors import BadInputError
from handlib.hand.anatomy import AnatomicalPose
from handlib.hand.model import HandMesh
from handlib.hand.pose_limits import angles_from_unconstrained
from handlib.hand.sphere_hand import SphereHand

_MM_PER_M = 1e3


@dataclass(frozen=True)
class SphereFit:
    """Hands fitted to spheres, in the frame of the spheres.

    Attributes:
        angles: (batch, 15, 3) anatomical angles, radians.
        shape: (batch, S) shape coefficients, standard deviations.
        global_orient: (batch, 3) axis-angle, radians.
        translation: (batch, 3) metres.
        mesh: vertices (batch, V, 3) and joints (batch, 21, 3), metres.
        residual_m: (batch,) mean distance of the fitted spheres from the given ones.
    """

    angles: Float[Tensor, "batch 15 3"]
    shape: Float[Tensor, "batch num_shape"]
    global_orient: Float[Tensor, "batch 3"]
    translation: Float[Tensor, "batch 3"]
    mesh: HandMesh
    residual_m: Float[Tensor, "batch"]


def fit_to_spheres(
    spheres: SphereHand,
    centres_m: Float[Tensor, "batch 41 3"],
    *,
    steps: int = 100,
    learning_rate: float = 0.1,
    shape_weight_mm2: float = 1.0,
    pose_weight_mm2: float = 0.2,
) -> SphereFit:
    """Fit the hand under ``spheres`` to sphere centres, each row by itself.

    Args:
        spheres: the sphere hand; its model must take axis-angle poses.
        centres_m: in any right-handed frame, metres.
        steps: gradient steps (Adam, the rate falling to zero along a cosine).
        learning_rate: of angles, radians, and of shape coefficients.
        shape_weight_mm2: mean squared distance (mm^2) that a squared shape coefficient costs.
        pose_weight_mm2: the same for a squared unconstrained angle, radians from the relaxed hand.

    Raises:
        BadInputError: centres of another shape, or NaN.
    """
    if centres_m.ndim != 3 or centres_m.shape[1:] != (41, 3) or not bool(torch.isfinite(centres_m).all()):
        raise BadInputError(
            f"centres_m: shape {tuple(centres_m.shape)}, expected (batch, 41, 3), finite, metres; drop frames with NaN."
        )
    model = spheres.model
    anatomy = AnatomicalPose(model).to(model.v_template)
    target = centres_m.detach().to(model.v_template)
    free = target.new_zeros(len(target), 15, 3, requires_grad=True)
    shape = target.new_zeros(len(target), model.num_shape, requires_grad=True)
    adam = torch.optim.Adam([free, shape], lr=learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(adam, max(steps, 1))
    with torch.enable_grad():
        for _ in range(steps):
            adam.zero_grad(set_to_none=True)
            pose = anatomy.to_axis_angle(angles_from_unconstrained(free, anatomy.limits))
            own = spheres(pose, shape).centres_m
            rotation, translation = roma.rigid_points_registration(own.detach(), target)
            astray = _MM_PER_M * (own @ rotation.mT + translation[:, None] - target)
            energy = astray.square().sum(-1).mean(-1) + shape_weight_mm2 * shape.square().sum(-1)
            (energy + pose_weight_mm2 * free.square().sum((1, 2))).sum().backward()
            adam.step()
            schedule.step()
    with torch.no_grad():
        angles = angles_from_unconstrained(free, anatomy.limits)
        pose = anatomy.to_axis_angle(angles)
        rotation, translation = roma.rigid_points_registration(spheres(pose, shape).centres_m, target)
        orient = roma.rotmat_to_rotvec(rotation)
        # The model turns about its wrist, which rests at `pivot`; the registration turned about the origin.
        pivot = model.joints(pose, shape)[:, 0]
        translation = translation + (rotation @ pivot[..., None])[..., 0] - pivot
        fitted = spheres(pose, shape, orient, translation).centres_m
        residual = (fitted - target).norm(dim=-1).mean(-1)
        mesh = model(pose, shape, orient, translation)
    return SphereFit(angles, shape.detach(), orient, translation, mesh, residual)
