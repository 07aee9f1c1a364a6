"""S2HAND Eq. 3-5: naive references, hand-computed values, gradients, invariances."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from handlib.losses.keypoints import (
    bone_directions_2d,
    bone_orientation_loss,
    geometric_alignment_loss,
    joint_location_loss,
    smooth_l1,
)
from handlib.skeleton import BONES


def random_hands(seed: int = 0, batch: int = 3) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(seed)
    return (
        torch.rand(batch, 21, 2, generator=draw, dtype=torch.float64) * 200,
        torch.rand(batch, 21, 2, generator=draw, dtype=torch.float64) * 200,
        torch.rand(batch, 21, generator=draw, dtype=torch.float64),
    )


@given(st.floats(0, 100), st.floats(0.1, 20))
def test_smooth_l1_is_torchs_huber_over_delta(distance, delta):
    d = torch.tensor(distance, dtype=torch.float64)
    expected = torch.nn.functional.huber_loss(d, torch.zeros_like(d), delta=delta) / delta
    assert torch.allclose(smooth_l1(d, delta), expected)


@pytest.mark.parametrize(("distance", "expected"), [(0.0, 0.0), (2.0, 0.4), (5.0, 2.5), (8.0, 5.5)])
def test_smooth_l1_has_the_released_codes_values(distance, expected):
    # S2HAND's released code: d < 5: d^2 / 10, else d - 2.5.
    assert smooth_l1(torch.tensor(distance), 5.0).item() == pytest.approx(expected)


def test_s2hand_equation_3_joint_location_loss():
    projected, detected, confidence = random_hands()
    naive = torch.zeros(3, dtype=torch.float64)
    for hand in range(3):
        for joint in range(21):
            d = math.dist(projected[hand, joint].tolist(), detected[hand, joint].tolist())
            naive[hand] += confidence[hand, joint] * (d * d / 10 if d < 5 else d - 2.5) / 21
    assert torch.allclose(joint_location_loss(projected, detected, confidence), naive, atol=1e-9)


def test_s2hand_equation_4_bone_orientation_loss():
    projected, detected, confidence = random_hands(1)
    naive = torch.zeros(3, dtype=torch.float64)
    for hand in range(3):
        for parent, child in BONES:
            directions = []
            for joints in (projected, detected):
                bone = joints[hand, child] - joints[hand, parent]
                directions.append(bone / bone.norm())
            weight = confidence[hand, parent] * confidence[hand, child]
            naive[hand] += weight * (directions[0] - directions[1]).square().sum() / 20
    assert torch.allclose(bone_orientation_loss(projected, detected, confidence), naive)


def test_s2hand_equation_5_geometric_alignment_loss():
    projected, detected, confidence = random_hands(2)
    total = geometric_alignment_loss(projected, detected, confidence, orientation_weight=7.0)
    parts = joint_location_loss(projected, detected, confidence) + 7 * bone_orientation_loss(
        projected, detected, confidence
    )
    assert torch.equal(total, parts)


def test_opposite_bones_cost_four():
    projected, _, _ = random_hands(3)
    turned = -projected
    cost = bone_orientation_loss(projected, turned, torch.ones(3, 21, dtype=torch.float64))
    assert torch.allclose(cost, torch.full((3,), 4.0, dtype=torch.float64))


def test_orientation_forgives_place_and_size_and_location_does_not():
    projected, _, confidence = random_hands(4)
    moved = 1.7 * projected + torch.tensor([30.0, -4.0])
    assert bone_orientation_loss(moved, projected, confidence).abs().max() < 1e-12
    assert joint_location_loss(moved, projected, confidence).min() > 1


def test_a_joint_without_confidence_counts_for_nothing():
    projected, detected, confidence = random_hands(5)
    confidence[:, 7] = 0
    elsewhere = detected.clone()
    elsewhere[:, 7] += 500
    for loss in (joint_location_loss, bone_orientation_loss):
        assert torch.equal(loss(projected, detected, confidence), loss(projected, elsewhere, confidence))


def test_each_hand_is_by_itself():
    projected, detected, confidence = random_hands(6)
    order = [2, 0, 1]
    for loss in (joint_location_loss, bone_orientation_loss):
        shuffled = loss(projected[order], detected[order], confidence[order])
        assert torch.equal(shuffled, loss(projected, detected, confidence)[order])


@pytest.mark.parametrize("loss", [joint_location_loss, bone_orientation_loss])
def test_gradients(loss):
    projected, detected, confidence = random_hands(7, batch=2)
    projected.requires_grad_()
    assert torch.autograd.gradcheck(lambda p: loss(p, detected, confidence), projected)


def test_gradients_stay_finite_where_hands_coincide_or_collapse():
    same = torch.zeros(1, 21, 2, dtype=torch.float64, requires_grad=True)
    total = geometric_alignment_loss(same, torch.zeros_like(same), torch.ones(1, 21, dtype=torch.float64), 1.0)
    (gradient,) = torch.autograd.grad(total.sum(), same)
    assert torch.isfinite(gradient).all()
    assert torch.equal(bone_directions_2d(same), torch.zeros(1, 20, 2, dtype=torch.float64))


def test_a_bone_too_short_to_see_points_nowhere():
    joints = torch.zeros(1, 21, 2, dtype=torch.float64)
    joints[0, 1, 0] = 1e-6
    joints.requires_grad_()
    directions = bone_directions_2d(joints)
    assert directions.norm(dim=-1).max() <= 0.011
    (gradient,) = torch.autograd.grad(directions.sum(), joints)
    assert gradient.abs().max() <= 1e6 and torch.isfinite(gradient).all()
