"""Linear blend skinning up to the skinning itself, as pure functions: blend shapes and the kinematic chain.

The model is SMPL's (Loper et al. 2015, https://doi.org/10.1145/2816795.2818013, Eqs. 2-10) on MANO's hand skeleton
(Romero et al. 2017, https://doi.org/10.1145/3130800.3130883): a wrist and five chains of three joints, which advance
together. Coordinates are metres in the model's own frame; rotations act on column vectors.

Between the blend shapes and :mod:`handlib.hand.skinning`, points are stored *component first*, ``(batch, 3,
vertices)``: every elementwise operation then runs along contiguous vertices, which is fast on a CPU.
"""

import torch
from jaxtyping import Float
from torch import Tensor


def rotation_residuals(rotations: Float[Tensor, "batch joints 3 3"]) -> Float[Tensor, "batch residuals"]:
    """The entries of ``R - I``, joint by joint and row-major: what drives the pose correctives (SMPL Eq. 9)."""
    identity = torch.eye(3, dtype=rotations.dtype, device=rotations.device)
    return (rotations - identity).flatten(1)


def blend_vertices(
    coefficients: Float[Tensor, "batch coefficients"],
    template: Float[Tensor, "three_vertices"],
    directions: Float[Tensor, "coefficients three_vertices"],
) -> Float[Tensor, "batch 3 vertices"]:
    """The template plus all blend shapes, in one matrix product (SMPL Eqs. 8 and 9 together).

    Args:
        coefficients: shape coefficients and the entries of ``R - I``, side by side.
        template: rest vertices in metres, flattened component first.
        directions: one displacement field a coefficient, flattened the same way.
    """
    return torch.addmm(template, coefficients, directions).unflatten(1, (3, -1))


def chain_transforms(
    rotations: Float[Tensor, "batch 16 3 3"], rest_joints: Float[Tensor, "batch 16 3"]
) -> tuple[Float[Tensor, "batch 16 3 3"], Float[Tensor, "batch 16 3"]]:
    """World rotation and posed position of every joint (SMPL Eqs. 3 and 4), all five fingers at once.

    Args:
        rotations: each joint's rotation relative to its parent, in model order; the wrist's is relative to the world.
        rest_joints: joints of the shaped hand in its rest pose, metres.

    Returns:
        World rotations and posed joints, metres; the wrist stays where it rests.
    """
    wrist, fingers = rest_joints[:, :1], rest_joints[:, 1:].unflatten(1, (5, 3))
    bones = torch.cat([fingers[:, :, :1] - wrist[:, None], fingers[:, :, 1:] - fingers[:, :, :-1]], dim=2)
    steps = torch.cat([rotations[:, 1:].unflatten(1, (5, 3)), bones[..., None]], dim=-1)  # (B, 5, 3, 3, 4)

    turn, place = rotations[:, :1], wrist
    turns, places = [], []
    for step in steps.unbind(2):
        moved = turn @ step
        turn, place = moved[..., :3], place + moved[..., 3]
        turns.append(turn)
        places.append(place)
    world = torch.cat([rotations[:, :1], torch.stack(turns, dim=2).flatten(1, 2)], dim=1)
    posed = torch.cat([wrist, torch.stack(places, dim=2).flatten(1, 2)], dim=1)
    return world, posed


def joint_motions(
    rotations: Float[Tensor, "batch joints 3 3"],
    rest_joints: Float[Tensor, "batch joints 3"],
    posed_joints: Float[Tensor, "batch joints 3"],
) -> Float[Tensor, "batch 4 3 joints"]:
    """Each joint's rigid motion from the rest pose to the pose: ``x -> R (x - rest) + posed`` (SMPL Eq. 6).

    Args:
        rotations: world rotation of each joint.
        rest_joints: joint positions in the rest pose, metres.
        posed_joints: joint positions after posing, metres.

    Returns:
        Columns x, y, z of R, then the translation in metres, as :mod:`handlib.hand.skinning` wants them.
    """
    translations = posed_joints - (rotations @ rest_joints[..., None])[..., 0]
    return torch.cat([rotations, translations[..., None]], dim=-1).permute(0, 3, 2, 1)
