"""Pose sequences: smooth, within speed limits, reproducible, and the same at any length."""

from functools import cache

import pytest
import roma
import torch
from pose_hands import model

from handlib.errors import BadInputError
from handlib.hand.pose_limits import limit_violation
from handlib.hand.sampler import PoseSampler
from handlib.hand.sequences import PEAK_TO_MEAN_SPEED, PoseSequence, clear_path, minimum_jerk, sample_sequence


@cache
def sampler() -> PoseSampler:
    return PoseSampler(model(dtype=torch.float32), seed=4)


@cache
def sequence(num_frames: int = 240) -> PoseSequence:
    return sample_sequence(sampler(), num_frames)


def test_minimum_jerk_starts_and_ends_at_rest() -> None:
    t = torch.linspace(0, 1, 1001, dtype=torch.float64, requires_grad=True)
    s = minimum_jerk(t)
    speed = torch.autograd.grad(s.sum(), t)[0]
    assert s[0].item() == 0 and s[-1].item() == pytest.approx(1.0)
    assert speed[0].item() == 0 and speed[-1].abs() < 1e-12 and (speed >= -1e-12).all()
    assert speed.max().item() == pytest.approx(PEAK_TO_MEAN_SPEED)


@pytest.mark.parametrize("joint_speed", [2.0, 6.0])
def test_speeds_are_limited(joint_speed: float) -> None:
    s = sample_sequence(sampler(), 200, fps=60.0, joint_speed=joint_speed, turn_speed=1.0)
    assert (s.angles.diff(dim=0).abs().max() * 60.0) <= joint_speed * 1.001
    turns = roma.rotvec_to_rotmat(s.global_orient)
    assert roma.rotmat_geodesic_distance(turns[1:], turns[:-1]).max() * 60.0 <= 1.01


def test_motion_is_smooth_and_the_hand_moves() -> None:
    velocity = sequence().angles.diff(dim=0) * 30.0
    assert velocity.diff(dim=0).abs().max() < 0.5 * velocity.abs().max() + 1.5
    assert sequence().angles.std(dim=0).amax() > 0.2
    orientation = roma.rotvec_to_rotmat(sequence().global_orient)
    assert roma.rotmat_geodesic_distance(orientation[:1], orientation).max() > 0.2


def test_every_frame_is_plausible() -> None:
    s, hand = sequence(), sampler()
    assert limit_violation(s.angles, hand.anatomy.limits).max() < 1e-6
    assert hand.penetration(hand.anatomy.to_joints(s.angles)).max() < 1.5 * hand.max_depth_m
    torch.testing.assert_close(s.pose, hand.anatomy.to_axis_angle(s.angles))


def test_a_longer_sequence_begins_with_the_shorter_one() -> None:
    short = sample_sequence(sampler(), 31)
    assert torch.equal(short.angles, sequence().angles[:31])
    assert torch.equal(short.global_orient, sequence().global_orient[:31])


def test_same_numbers_same_motion_other_index_another() -> None:
    again = sample_sequence(PoseSampler(model(dtype=torch.float32), seed=4), 240)
    assert torch.equal(again.angles, sequence().angles)
    assert not torch.allclose(sample_sequence(sampler(), 10, index=1).angles, sequence().angles[:10])


def test_frame_rate_samples_the_same_motion() -> None:
    fine = sample_sequence(sampler(), 121, fps=60.0)
    torch.testing.assert_close(fine.angles[::2], sequence().angles[:61], rtol=0, atol=1e-4)


def test_keys_do_not_depend_on_how_many_are_wanted() -> None:
    assert torch.equal(clear_path(sampler(), 3, start=0), clear_path(sampler(), 12, start=0)[:3])


@pytest.mark.parametrize("wrong", [{"num_frames": 0}, {"fps": 0.0}, {"index": -1}, {"joint_speed": -1.0}])
def test_bad_settings_are_named(wrong: dict) -> None:
    name, value = next(iter(wrong.items()))
    with pytest.raises(BadInputError, match=f"{name} {value}"):
        sample_sequence(sampler(), **({"num_frames": 5} | wrong))


def test_a_model_in_double_precision_moves_too() -> None:
    double = sample_sequence(PoseSampler(model(dtype=torch.float64), seed=4), 31)
    assert double.pose.dtype == double.angles.dtype == double.global_orient.dtype == torch.float64
    torch.testing.assert_close(double.angles.float(), sequence().angles[:31], rtol=0, atol=1e-4)


def test_no_way_leads_through_the_hand() -> None:
    keys = clear_path(sampler(), 60, start=0)
    halfway = sampler().anatomy.to_joints((keys[1:] + keys[:-1]) / 2)
    assert float(sampler().penetration(halfway).max()) <= sampler().max_depth_m + 1e-6
    assert not torch.equal(keys, sampler().sample(60))  # one of these does, and is left out
