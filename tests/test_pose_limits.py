"""Limits, natural movements and couplings of the anatomical angles."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pose_hands import anatomy, random_angles
from torch.autograd import gradcheck

from handlib.hand.pose_limits import (
    DIP_JOINTS,
    JOINT_LIMITS,
    PIP_JOINTS,
    angles_from_unconstrained,
    coupling_residual,
    dof_mask,
    limit_violation,
    relaxed_angles,
    unconstrained_from_angles,
)
from handlib.joint_limits import LITERATURE_LIMITS
from handlib.skeleton import MODEL_JOINT_NAMES

LIMITS = torch.deg2rad(torch.tensor(JOINT_LIMITS, dtype=torch.float64))


def test_a_hand_has_22_movements() -> None:
    mask = dof_mask()
    assert int(mask.sum()) == 22
    for row, name in enumerate(MODEL_JOINT_NAMES[1:]):
        count = 3 if name == "thumb_cmc" else 2 if name.endswith("_mcp") else 1
        assert int(mask[row].sum()) == count, name


@pytest.mark.parametrize("limit", LITERATURE_LIMITS, ids=lambda limit: f"{limit.joints[0]}-{limit.motion}")
def test_ranges_are_those_of_the_literature(limit) -> None:
    for joint in limit.joints:
        low, high = JOINT_LIMITS[MODEL_JOINT_NAMES.index(joint) - 1][("flexion", "abduction").index(limit.motion)]
        assert high - low == pytest.approx(limit.high_deg - limit.low_deg)
        assert abs(low - limit.low_deg) < 7.0, "only the zero may be laid elsewhere"


def test_the_limits_of_a_hand_model_are_the_table() -> None:
    torch.testing.assert_close(anatomy().limits, LIMITS)


def test_the_relaxed_hand_is_natural() -> None:
    relaxed = relaxed_angles().double()
    assert limit_violation(relaxed, LIMITS).max() == 0
    assert (coupling_residual(relaxed).abs() < 1e-6).all()
    assert (relaxed[~dof_mask()] == 0).all()


@given(st.floats(-3, 3), st.integers(0, 14), st.integers(0, 2))
@settings(deadline=None, max_examples=60)
def test_violation_is_the_distance_to_the_limits(angle: float, joint: int, kind: int) -> None:
    angles = relaxed_angles().double()
    angles[joint, kind] = angle
    low, high = LIMITS[joint, kind].tolist()
    violation = limit_violation(angles, LIMITS)
    assert violation[joint, kind].item() == pytest.approx(max(low - angle, angle - high, 0.0))
    assert violation.sum() == violation[joint, kind]


def test_coupling_wants_two_thirds_of_the_pip() -> None:
    angles = torch.zeros(2, 15, 3, dtype=torch.float64)
    angles[0, list(PIP_JOINTS), 0] = 0.9
    angles[:, list(DIP_JOINTS), 0] = 0.6
    expected = torch.tensor([[0.0] * 4, [0.6] * 4], dtype=torch.float64)
    torch.testing.assert_close(coupling_residual(angles), expected)


@given(st.floats(-1e4, 1e4))
@settings(deadline=None, max_examples=40)
def test_any_number_becomes_an_angle_within_the_limits(x: float) -> None:
    angles = angles_from_unconstrained(torch.full((15, 3), x, dtype=torch.float64), LIMITS)
    assert limit_violation(angles, LIMITS).max() < 1e-12


def test_zero_becomes_the_relaxed_hand_with_slope_one() -> None:
    x = torch.zeros(1, 15, 3, dtype=torch.float64, requires_grad=True)
    angles = angles_from_unconstrained(x, LIMITS)
    # The relaxed thumb sits inside its range and the fingers' flexion far from the ends: nothing was clamped.
    torch.testing.assert_close(angles[0].detach(), relaxed_angles().double(), rtol=0, atol=1e-6)
    slope = torch.autograd.grad(angles.sum(), x)[0][0]
    torch.testing.assert_close(slope, dof_mask().double(), rtol=0, atol=1e-6)


def test_the_map_is_smooth_and_has_an_inverse() -> None:
    x = 0.3 * random_angles(4)
    assert gradcheck(lambda x: angles_from_unconstrained(x, LIMITS), x.clone().requires_grad_())
    angles = angles_from_unconstrained(x, LIMITS)
    back = unconstrained_from_angles(angles, LIMITS, margin=1e-9)
    torch.testing.assert_close(back, x * dof_mask(), rtol=0, atol=1e-6)


def test_angles_outside_the_limits_are_brought_to_the_margin() -> None:
    angles = LIMITS.mean(-1)[None].clone()
    angles[0, 1, 0] = 10.0
    x = unconstrained_from_angles(angles, LIMITS, margin=0.01)
    assert torch.isfinite(x).all()
    low, high = LIMITS[1, 0].tolist()
    inside = angles_from_unconstrained(x, LIMITS)[0, 1, 0].item()
    assert inside == pytest.approx(high - 0.01 * (high - low))


def test_gradients_stay_finite_at_the_limits() -> None:
    angles = LIMITS[None, ..., 1].clone().requires_grad_()
    (limit_violation(angles, LIMITS).square().sum() + coupling_residual(angles).square().sum()).backward()
    assert torch.isfinite(angles.grad).all()
