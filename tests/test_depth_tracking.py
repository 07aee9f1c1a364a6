"""Tracking from depth, frame by frame: it must find hands that it starts near, and leave alone what it cannot see."""

import pytest
import torch
from depth_frames import crops, hands, sphere_hand, three_views

from handlib.errors import BadInputError
from handlib.fitting.depth_tracking import TrackingSettings, track_frames, tracking_energy

QUICK = TrackingSettings(steps=40)


@pytest.fixture(scope="module")
def scene():
    """Two hands in three views, seen without noise, and a start some 10 mm away."""
    frames = three_views(2)
    true = frames.to_world(hands(2)[:, None].expand(2, 3, 41, 3))[:, 0]
    in_views = frames.from_world(true[:, None])
    depth = crops(in_views.flatten(0, 1)).unflatten(0, (2, 3))
    noise = 0.006 * torch.randn(true.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return frames, true, depth, true + noise


def error_mm(found: torch.Tensor, true: torch.Tensor) -> float:
    return 1000 * float((found - true).norm(dim=-1).mean())


def test_a_near_start_comes_nearer(scene):
    frames, true, depth, start = scene
    result = track_frames(start, depth, frames, sphere_hand(), settings=QUICK)
    assert error_mm(result.centres_m, true) < 0.8 * error_mm(start, true)
    assert result.energy.shape == (41, 2)
    assert (result.energy[-1] < 0.5 * result.energy[0]).all()


def test_the_true_hand_has_less_energy_than_its_neighbours(scene):
    frames, true, depth, start = scene
    here = tracking_energy(true, depth, frames, sphere_hand())
    assert (here < tracking_energy(start, depth, frames, sphere_hand())).all()
    shifted = tracking_energy(true + torch.tensor([0.01, 0.0, 0.0]), depth, frames, sphere_hand())
    assert (here < shifted).all()


def test_frames_do_not_know_of_each_other(scene):
    frames, _, depth, start = scene
    few = TrackingSettings(steps=5)
    together = track_frames(start, depth, frames, sphere_hand(), settings=few).centres_m
    alone = track_frames(start[1:], depth[1:], frames[1:], sphere_hand(), settings=few).centres_m
    assert torch.allclose(together[1:], alone, atol=1e-9)


def test_views_that_do_not_count_change_nothing(scene):
    frames, _, depth, start = scene
    usable = torch.tensor([[True, True, False], [True, True, True]])
    damaged = depth.clone()
    damaged[0, 2] = 0.1
    few = TrackingSettings(steps=5)
    first = track_frames(start, depth, frames, sphere_hand(), usable=usable, settings=few).centres_m
    second = track_frames(start, damaged, frames, sphere_hand(), usable=usable, settings=few).centres_m
    assert torch.equal(first, second)


def test_bad_input_is_refused(scene):
    frames, _, depth, start = scene
    with pytest.raises(BadInputError, match="at least one"):
        track_frames(start, depth, frames, sphere_hand(), settings=TrackingSettings(steps=0))
    with pytest.raises(BadInputError, match="one start a frame"):
        track_frames(start[:1], depth, frames, sphere_hand(), settings=QUICK)
    with pytest.raises(BadInputError, match="metres"):
        track_frames(start, 1000 * depth, frames, sphere_hand(), settings=QUICK)
