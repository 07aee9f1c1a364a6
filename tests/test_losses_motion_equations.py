"""Equations 12 to 22 of S2HAND(V), each against a computation written out from the paper."""

import math

import pytest
import torch
from scipy.spatial.transform import Rotation, Slerp

from handlib.losses.motion import (
    VideoWeights,
    pose_to_quaternions,
    quaternion_loss,
    texture_shape_loss,
    video_loss,
)
from handlib.losses.motion_prior import (
    blend,
    included_angle,
    rotation_angle,
    rotvec_to_quaternion,
    slerp,
    transition,
    transition_quaternion,
)


def rotvecs(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def quaternions(*shape: int, seed: int = 0) -> torch.Tensor:
    values = torch.randn(*shape, 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return values / values.norm(dim=-1, keepdim=True)


def scipy_angle(first: torch.Tensor, second: torch.Tensor) -> float:
    return float((Rotation.from_quat(second.numpy()) * Rotation.from_quat(first.numpy()).inv()).magnitude())


def hamilton(a: list[float], b: list[float]) -> list[float]:
    """Product of quaternions (x, y, z, w), from i^2 = j^2 = k^2 = ijk = -1."""
    ax, ay, az, aw = a
    bx, by, bz, bw = b
    return [
        aw * bx + ax * bw + ay * bz - az * by,
        aw * by - ax * bz + ay * bw + az * bx,
        aw * bz + ax * by - ay * bx + az * bw,
        aw * bw - ax * bx - ay * by - az * bz,
    ]


def test_s2hand_v_equation_12_unit_quaternion():
    for angle in (0.0, 1e-9, 0.3, math.pi / 2, math.pi, 4.0):
        axis = torch.tensor([2.0, -1.0, 2.0], dtype=torch.float64) / 3
        expected = [math.sin(angle / 2) * part for part in axis.tolist()] + [math.cos(angle / 2)]
        assert rotvec_to_quaternion(angle * axis).tolist() == pytest.approx(expected, abs=1e-15)


def test_s2hand_v_equation_13_transition_between_orientations():
    # From a quarter turn about x on by 2 rad about y: a third of the way is 2/3 rad about y.
    quarter = Rotation.from_rotvec([math.pi / 2, 0, 0])
    start, end = (torch.from_numpy(r.as_quat()) for r in (quarter, Rotation.from_rotvec([0, 2.0, 0]) * quarter))
    third = transition(start, end, torch.tensor(1 / 3, dtype=torch.float64))
    expected = (Rotation.from_rotvec([0, 2 / 3, 0]) * quarter).as_quat()
    assert third.tolist() == pytest.approx(expected.tolist(), abs=1e-14)
    q0, q1 = quaternions(20, seed=1), quaternions(20, seed=2)
    for progress, there in ((0.0, q0), (1.0, q1)):
        reached = transition(q0, q1, torch.full((20,), progress, dtype=torch.float64))
        assert rotation_angle(reached, there).max() < 1e-7


def test_s2hand_v_equation_14_a_blend_lies_on_the_arc():
    q0, q1 = quaternions(50, seed=3), quaternions(50, seed=4)
    mu, epsilon = torch.rand(2, 50, generator=torch.Generator().manual_seed(5), dtype=torch.float64) * 3
    mixed = blend(q0, q1, mu, epsilon)
    assert (mixed.norm(dim=-1) - 1).abs().max() < 1e-14
    # How far along: in the plane of both, q0 is (1, 0) and q1 is (cos c, sin c).
    angle = included_angle(q0, q1)
    progress = torch.atan2(epsilon * angle.sin(), mu + epsilon * angle.cos()) / angle
    assert rotation_angle(mixed, transition(q0, q1, progress)).max() < 1e-7


def test_s2hand_v_equation_15_slerp():
    q0, q1 = quaternions(10, seed=6), quaternions(10, seed=7)
    for time in (0.0, 0.2, 0.7, 1.0):
        ours = slerp(q0, q1, torch.full((10,), time, dtype=torch.float64))
        for row in range(10):
            both = Rotation.from_quat(torch.stack([q0[row], q1[row]]).numpy())
            expected = torch.from_numpy(Slerp([0, 1], both)(time).as_quat())
            assert scipy_angle(ours[row], expected) < 1e-7
    assert torch.equal(slerp(q0, q0, torch.full((10,), 0.3, dtype=torch.float64)), q0 * 0.7 + q0 * 0.3)


def test_s2hand_v_equation_16_angle_between_quaternions():
    q0, q1 = quaternions(30, seed=8), quaternions(30, seed=9)
    cosine = (q0 * q1).sum(-1).abs()
    assert torch.allclose(included_angle(3 * q0, 0.5 * q1).cos(), cosine, atol=1e-14)
    # The quotient itself, as printed, is no angle.
    assert (included_angle(q0, q1) - cosine).abs().max() > 0.5


def test_s2hand_v_equation_17_quaternion_loss():
    poses = quaternions(2, 4, 5, seed=10)
    for clip, loss in enumerate(quaternion_loss(poses).tolist()):
        detours = [
            sum(scipy_angle(poses[clip, i, j], poses[clip, i + 1, j]) for i in range(3))
            - scipy_angle(poses[clip, 0, j], poses[clip, 3, j])
            for j in range(5)
        ]
        assert loss == pytest.approx(sum(detours) / 5, rel=1e-9)


def test_s2hand_v_equation_18_pose_as_quaternions():
    theta, turn = rotvecs(3, 15, seed=11), rotvecs(3, seed=12)
    H = pose_to_quaternions(theta.flatten(1), turn)
    assert H.shape == (3, 16, 4)
    for frame in range(3):
        assert scipy_angle(H[frame, 0], torch.from_numpy(Rotation.from_rotvec(turn[frame]).as_quat())) < 1e-7
        for joint in range(15):
            expected = Rotation.from_rotvec(theta[frame, joint].numpy()).as_quat()
            assert scipy_angle(H[frame, joint + 1], torch.from_numpy(expected)) < 1e-7


def test_s2hand_v_equation_19_rotation_angle_is_twice_the_angle_between_quaternions():
    q0, q1 = quaternions(30, seed=13), quaternions(30, seed=14)
    assert torch.allclose((rotation_angle(q0, q1) / 2).cos(), included_angle(q0, q1).cos(), atol=1e-14)
    for row in range(30):
        assert rotation_angle(q0[row], q1[row]).item() == pytest.approx(scipy_angle(q0[row], q1[row]), abs=1e-9)


def test_s2hand_v_equation_20_real_part_is_the_inner_product():
    q0, q1 = quaternions(20, seed=15), quaternions(20, seed=16)
    between = transition_quaternion(q0, q1)
    assert torch.allclose(between[:, 3], (q0 * q1).sum(-1), atol=1e-14)
    assert torch.allclose(between[:, 3].abs(), (rotation_angle(q0, q1) / 2).cos(), atol=1e-14)
    for row in range(20):
        x, y, z, w = q0[row].tolist()
        assert between[row].tolist() == pytest.approx(hamilton(q1[row].tolist(), [-x, -y, -z, w]), abs=1e-14)


def test_s2hand_v_equation_21_texture_and_shape_loss():
    generator = torch.Generator().manual_seed(17)
    colours = torch.rand(2, 3, 7, 3, generator=generator, dtype=torch.float64)
    shape = torch.randn(2, 3, 10, generator=generator, dtype=torch.float64)
    losses = texture_shape_loss(colours, shape).tolist()
    for clip in range(2):
        expected = 0.0
        for code in (colours[clip].flatten(1).tolist(), shape[clip].tolist()):
            mean = [sum(column) / 3 for column in zip(*code, strict=True)]
            expected += sum(math.dist(frame, mean) for frame in code)
        assert losses[clip] == pytest.approx(expected)


def test_s2hand_v_equation_22_training_objective():
    frames = torch.tensor([[1.0, 2.0, 6.0]])
    total = video_loss(frames, torch.tensor([0.4]), torch.tensor([5.0]), VideoWeights())
    assert total.item() == pytest.approx(3.0 + 0.05 * 0.4 + 0.01 * 5.0)
    other = video_loss(
        frames, torch.tensor([0.4]), torch.tensor([5.0]), VideoWeights(quaternion=2.0, texture_shape=0.0)
    )
    assert other.item() == pytest.approx(3.8)
