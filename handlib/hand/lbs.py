"""Linear blend skinning, as pure functions: blend shapes, the kinematic chain, and the skinning itself.

The model is SMPL's (Loper et al. 2015, https://doi.org/10.1145/2816795.2818013, Eqs. 2-10) with MANO's hand skeleton
(Romero et al. 2017, https://doi.org/10.1145/3130800.3130883). Coordinates are metres in the model's own frame.

Points are stored *component first*, ``(batch, 3, vertices)``, between the blend shapes and the skinning: every
elementwise operation then runs along contiguous vertices, which is what makes forward and backward fast on a CPU.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor


def blend_vertices(
    coefficients: Float[Tensor, "batch coefficients"],
    template: Float[Tensor, "three_vertices"],
    directions: Float[Tensor, "coefficients three_vertices"],
) -> Float[Tensor, "batch 3 vertices"]:
    """The template plus all blend shapes, in one matrix product (SMPL Eqs. 8-9 added together).

    Args:
        coefficients: shape coefficients and the entries of ``R - I``, side by side.
        template: rest vertices, flattened component first.
        directions: one flattened displacement field a coefficient.
    """
    return torch.addmm(template, coefficients, directions).unflatten(1, (3, -1))


def kinematic_levels(parents: tuple[int, ...]) -> tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]:
    """Joints grouped by depth below the root: ``(joints, parents)`` a level, so that all fingers advance together."""
    depth = [0] * len(parents)
    for joint in range(1, len(parents)):
        depth[joint] = depth[parents[joint]] + 1
    levels = []
    for level in range(1, max(depth) + 1):
        joints = tuple(j for j in range(len(parents)) if depth[j] == level)
        levels.append((joints, tuple(parents[j] for j in joints)))
    return tuple(levels)


def chain_transforms(
    rotations: Float[Tensor, "batch joints 3 3"],
    rest_joints: Float[Tensor, "batch joints 3"],
    parents: tuple[int, ...],
) -> tuple[Float[Tensor, "batch joints 3 3"], Float[Tensor, "batch joints 3"]]:
    """World rotation and posed position of every joint (SMPL Eqs. 3-4).

    Args:
        rotations: each joint's rotation relative to its parent; the root's is relative to the world.
        rest_joints: joint positions of the shaped hand in the rest pose, metres.
        parents: parent index of each joint, the root first with -1.
    """
    num_joints = len(parents)
    world, posed = [None] * num_joints, [None] * num_joints
    world[0], posed[0] = rotations[:, 0], rest_joints[:, 0]
    for joints, above in kinematic_levels(parents):
        up = torch.stack([world[p] for p in above], dim=1)
        bone = rest_joints[:, list(joints)] - rest_joints[:, list(above)]
        turned = up @ rotations[:, list(joints)]
        moved = torch.stack([posed[p] for p in above], dim=1) + (up @ bone[..., None])[..., 0]
        for row, joint in enumerate(joints):
            world[joint], posed[joint] = turned[:, row], moved[:, row]
    return torch.stack(world, dim=1), torch.stack(posed, dim=1)


def skin_vertices(
    vertices: Float[Tensor, "batch 3 vertices"],
    rotations: Float[Tensor, "batch joints 3 3"],
    rest_joints: Float[Tensor, "batch joints 3"],
    posed_joints: Float[Tensor, "batch joints 3"],
    weights: Float[Tensor, "joints vertices"],
) -> Float[Tensor, "batch vertices 3"]:
    """Move each vertex by the weighted mean of its joints' rigid motions (SMPL Eq. 7).

    Args:
        vertices: shaped and corrected rest vertices, component first.
        rotations: world rotation of each joint.
        rest_joints: joint positions in the rest pose.
        posed_joints: joint positions after posing.
        weights: skinning weights; each column sums to one.
    """
    offset = posed_joints - (rotations @ rest_joints[..., None])[..., 0]
    motions = torch.cat([rotations, offset[..., None]], dim=-1).flatten(2).mT  # (B, 12, joints)
    blended = (motions @ weights).unflatten(1, (3, 4))  # (B, 3, 4, V)
    moved = (blended[:, :, :3] * vertices[:, None]).sum(2) + blended[:, :, 3]
    return moved.mT.contiguous()


def rotation_residuals(rotations: Float[Tensor, "batch joints 3 3"]) -> Float[Tensor, "batch residuals"]:
    """The entries of ``R - I``, flattened row-major: what drives the pose correctives (SMPL Eq. 9)."""
    identity = torch.eye(3, dtype=rotations.dtype, device=rotations.device)
    return (rotations - identity).flatten(1)


def regress_joints(
    regressor: Float[Tensor, "joints vertices"], vertices: Float[Tensor, "*extra vertices 3"]
) -> Float[Tensor, "*extra joints 3"]:
    """Joint positions as fixed weighted means of vertices (SMPL Eq. 10)."""
    return regressor @ vertices


def tip_positions(
    vertices: Float[Tensor, "batch vertices 3"], tip_vertices: Int[Tensor, "tips"]
) -> Float[Tensor, "batch tips 3"]:
    """Fingertips, which no joint marks: chosen vertices of the posed mesh."""
    return vertices.index_select(1, tip_vertices)
