"""Losses against 3D labels."""

import math

import pytest
import roma
import torch

from handlib.losses.supervised import joints_3d_loss, parameter_loss, rotation_loss


def rand(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_joints_are_compared_without_their_place():
    joints = rand(2, 21, 3)
    assert joints_3d_loss(joints + torch.tensor([0.3, -0.1, 0.8]), joints).max() < 1e-12
    moved = joints.clone()
    moved[0, 5] += torch.tensor([0.03, 0.0, 0.04], dtype=torch.float64)
    assert joints_3d_loss(moved, joints).tolist() == pytest.approx([0.05 / 21, 0.0])
    # Seen from that joint, it is the 20 others that moved.
    assert joints_3d_loss(moved, joints, root=5).tolist() == pytest.approx([0.05 * 20 / 21, 0.0])


def test_joints_gradient_is_right_and_finite_where_they_agree():
    joints = rand(1, 21, 3, seed=1).requires_grad_()
    # The root of both is the origin: the norm's kink there has no gradient.
    assert torch.autograd.gradcheck(lambda j: joints_3d_loss(j, rand(1, 21, 3)), joints)
    (gradient,) = torch.autograd.grad(joints_3d_loss(joints, joints.detach()).sum(), joints)
    assert torch.equal(gradient, torch.zeros_like(gradient))


def test_parameter_loss_by_hand():
    assert parameter_loss(torch.tensor([[1.0, 2.0], [0.0, 0.0]]), torch.tensor([[0.0, 0.0], [0.0, 0.0]])).tolist() == [
        2.5,
        0.0,
    ]


@pytest.mark.parametrize("angle", [0.0, 0.4, math.pi / 2, math.pi])
def test_rotation_loss_is_one_minus_the_cosine(angle):
    axis = torch.nn.functional.normalize(rand(1, 3), dim=-1)
    first = roma.rotvec_to_rotmat(rand(1, 3, seed=1))
    second = first @ roma.rotvec_to_rotmat(angle * axis)
    assert rotation_loss(second, first).item() == pytest.approx(1 - math.cos(angle), abs=1e-12)


def test_rotation_gradient_also_where_they_agree():
    rotvec = rand(2, 3).requires_grad_()
    other = roma.rotvec_to_rotmat(rand(2, 3, seed=2))
    assert torch.autograd.gradcheck(lambda r: rotation_loss(roma.rotvec_to_rotmat(r), other), rotvec)
    still = torch.zeros(1, 3, dtype=torch.float64, requires_grad=True)
    identity = torch.eye(3, dtype=torch.float64)[None]
    assert torch.autograd.gradcheck(lambda r: rotation_loss(roma.rotvec_to_rotmat(r), identity), still)
