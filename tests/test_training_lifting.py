"""Synthetic keypoints for the lifting head: geometry, noise that means something, and the same draws again."""

import pytest
import torch

from handlib.hand import HandModel
from handlib.training.lifting import DetectorNoise, as_detected, draw_hands, see_from_anywhere, step_generator

PX = 112


@pytest.fixture(scope="module")
def hands() -> torch.Tensor:
    return draw_hands(HandModel.load("open"), 400, seed=3)


def test_hands_are_rooted_and_a_larger_draw_begins_with_a_smaller_one(hands):
    assert hands.shape == (400, 21, 3) and hands[:, 0].abs().max() == 0
    torch.testing.assert_close(draw_hands(HandModel.load("open"), 50, seed=3), hands[:50])
    assert not torch.allclose(draw_hands(HandModel.load("open"), 50, seed=4), hands[:50])
    lengths = (hands[:, 9] - hands[:, 0]).norm(dim=-1)
    assert 0.07 < lengths.min() and lengths.max() < 0.12


def test_seen_hands_are_turned_and_framed_as_the_box_says(hands):
    seen = see_from_anywhere(hands, PX, step_generator(0, 0))
    bones = [(points[:, 1:] - points[:, :-1]).norm(dim=-1) for points in (hands, seen.joints_m)]
    torch.testing.assert_close(*bones, atol=1e-5, rtol=1e-4)
    box = (seen.keypoints_px.amax(1) - seen.keypoints_px.amin(1)).amax(1)
    torch.testing.assert_close(box, seen.side_px, atol=1e-2, rtol=1e-4)
    assert 0.44 * PX < box.min() and box.max() < 0.96 * PX
    # Uniform over all rotations: no direction of the middle finger is preferred.
    middle = torch.nn.functional.normalize(seen.joints_m[:, 9], dim=-1)
    assert middle.mean(0).abs().max() < 0.12


def test_a_point_nearer_to_the_camera_is_seen_farther_from_the_axis(hands):
    """Perspective, not a parallel projection: the ratio of seen to true offset falls with depth."""
    seen = see_from_anywhere(hands, PX, step_generator(0, 1))
    true = seen.joints_m[:, 4::4, :2] - seen.joints_m[:, :1, :2]
    shown = seen.keypoints_px[:, 4::4] - seen.keypoints_px[:, :1]
    ratio = shown.norm(dim=-1) / true.norm(dim=-1).clamp(min=5e-3)
    depth = seen.joints_m[:, 4::4, 2]
    correlations = [torch.corrcoef(torch.stack([r, d]))[0, 1] for r, d in zip(ratio, depth, strict=True)]
    assert torch.stack(correlations).nanmean() < -0.15


def test_confidence_tells_large_mistakes_from_small_ones_but_not_surely(hands):
    seen = see_from_anywhere(hands, PX, step_generator(0, 2))
    found = as_detected(seen, step_generator(0, 3))
    error = (found.points_px - seen.keypoints_px).norm(dim=-1) / seen.side_px[:, None]
    assert found.confidence.min() >= 0 and found.confidence.max() <= 1
    assert error[found.confidence < 0.3].mean() > 4 * error[found.confidence > 0.7].mean()
    assert (error[found.confidence > 0.7] > 0.03).any()
    exact = as_detected(seen, step_generator(0, 3), DetectorNoise(spread=0.0, wrong=0.0))
    torch.testing.assert_close(exact.points_px, seen.keypoints_px)


def test_a_step_draws_the_same_numbers_again(hands):
    first, again, other = (see_from_anywhere(hands[:4], PX, step_generator(1, step)) for step in (7, 7, 8))
    torch.testing.assert_close(first.keypoints_px, again.keypoints_px)
    assert not torch.allclose(first.keypoints_px, other.keypoints_px)
