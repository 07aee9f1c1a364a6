"""The sampler: plausible, reproducible, and the same however its samples are split into batches."""

import os
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from pose_hands import anatomy, model, penetration

from handlib.errors import BadInputError
from handlib.hand.anatomy import chain_angles
from handlib.hand.pose_limits import DIP_JOINTS, coupling_residual, dof_mask, limit_violation
from handlib.hand.sampler import MAX_DEPTH_M, PoseSampler, uniform_numbers


@cache
def samples(seed: int = 0) -> torch.Tensor:
    return PoseSampler(model(dtype=torch.float32), seed).sample(2000)


def test_a_split_into_batches_changes_nothing() -> None:
    sampler = PoseSampler(model(dtype=torch.float32), seed=0)
    parts = [sampler.sample(1), sampler.sample(6, start=1), sampler.sample(93, start=7)]
    assert torch.equal(torch.cat(parts), samples()[:100])
    assert torch.equal(sampler.sample(1, start=1999)[0], samples()[1999])


def test_samples_own_their_numbers() -> None:
    whole = uniform_numbers(5, 0, 50)
    assert torch.equal(uniform_numbers(5, 17, 3), whole[17:20])
    assert whole.unique().numel() == whole.numel()


def test_seeds_differ_and_samples_do_not_repeat() -> None:
    assert (samples(0)[:50] - samples(1)[:50]).abs().amax(dim=(1, 2)).min() > 0.01
    assert torch.pdist(samples().flatten(1)[:500]).min() > 0.01


@pytest.mark.parametrize("source", ["open", "generic"])
@pytest.mark.parametrize("side", ["right", "left"])
def test_limits_and_depth_hold_on_every_hand(source: str, side: str) -> None:
    hand = model(source, side, torch.float32)
    angles = PoseSampler(hand, seed=3).sample(500)
    assert limit_violation(angles, anatomy(source, side, torch.float32).limits).max() == 0
    assert (angles[:, ~dof_mask()] == 0).all()
    joints = hand(anatomy(source, side, torch.float32).to_axis_angle(angles)).joints.double()
    assert penetration(source, side)(joints).max() < MAX_DEPTH_M + 2e-4


def test_fingers_move_together_and_neighbours_most() -> None:
    flexion = samples()[:, [0, 3, 9, 6], 0].numpy()
    correlation = np.corrcoef(flexion.T)
    assert min(correlation[0, 1], correlation[1, 2], correlation[2, 3]) > 0.4
    assert correlation[2, 3] > correlation[0, 3] > 0
    assert correlation[0, 1] < correlation[2, 3], "the index is the freest finger"


def test_dip_follows_pip_and_every_movement_is_used() -> None:
    dip = samples()[:, list(DIP_JOINTS), 0]
    assert coupling_residual(samples()).abs().mean() < 0.6 * (dip - dip.mean(0)).abs().mean()
    assert torch.rad2deg(samples().std(dim=0)[dof_mask()]).min() > 3.0


def test_a_tighter_depth_is_kept_too() -> None:
    sampler = PoseSampler(model(dtype=torch.float32), seed=0, max_depth_m=0.001)
    assert sampler.penetration(sampler.anatomy.to_joints(sampler.sample(300))).max() <= 0.001


def test_single_samples_are_varied_by_index_not_by_state() -> None:
    sampler = PoseSampler(model(dtype=torch.float32), seed=0)
    torch.manual_seed(1)
    first = sampler.sample(2)
    torch.manual_seed(2)
    assert torch.equal(sampler.sample(2), first)


@pytest.mark.parametrize(("count", "start"), [(0, 0), (-1, 0), (1, -1)])
def test_bad_counts_are_named(count: int, start: int) -> None:
    with pytest.raises(BadInputError, match=f"count {count}"):
        PoseSampler(model(dtype=torch.float32)).sample(count, start)


def test_bad_settings_are_named() -> None:
    with pytest.raises(BadInputError, match="seed -1"):
        PoseSampler(model(dtype=torch.float32), seed=-1)


@pytest.mark.skipif("HANDLIB_DATA" not in os.environ, reason="the real poses lie in HANDLIB_DATA")
def test_real_poses_are_near_samples() -> None:
    with np.load(Path(os.environ["HANDLIB_DATA"]) / "stb_joint_poses.npz") as archive:
        real = chain_angles(torch.from_numpy(archive["test_m"][::15]))[0]
    assert (limit_violation(real, anatomy(dtype=torch.float32).limits)[:, :12, 0] < 0.2).float().mean() > 0.98
    hand = anatomy(dtype=torch.float32)
    real_joints, sampled = (hand.to_joints(x) for x in (real, PoseSampler(model(dtype=torch.float32)).sample(10_000)))
    nearest = torch.cdist(real_joints.flatten(1), sampled.flatten(1)).argmin(dim=1)
    error_mm = 1000 * (real_joints - sampled[nearest]).norm(dim=-1).mean()
    assert error_mm < 10.0
