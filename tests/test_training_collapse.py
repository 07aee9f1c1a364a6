"""The collapse detector: it fires on each kind of collapse, names it, and is quiet about healthy trainings."""

import pytest
import torch

from handlib.training.collapse import CollapseDetector, CollapseError, CollapseSettings, joint_spread

QUICK = CollapseSettings(patience=3, grace=2)
PX = 64


def healthy(step: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(step)
    joints = 0.04 * torch.randn(8, 21, 3, generator=generator) + torch.tensor([0, 0, 0.5])
    return joints, 20 + 24 * torch.rand(8, 21, 2, generator=generator)


def watch(change, steps: int = 12, settings: CollapseSettings = QUICK) -> int:
    """Show a detector healthy predictions that ``change`` spoils; the steps it endured."""
    detector = CollapseDetector(settings)
    for step in range(steps):
        joints, pixels, loss, silhouette = change(*healthy(step))
        detector.watch(step, loss, joints, pixels, PX, silhouette)
    return steps


def test_a_healthy_training_is_left_alone():
    assert watch(lambda joints, pixels: (joints, pixels, 1.0, torch.full((8, 16, 16), 0.3)), steps=50) == 50


@pytest.mark.parametrize(
    ("sign", "change"),
    [
        ("one hand for every picture", lambda j, p: (j[:1].expand(8, 21, 3) + 1e-5 * j, p, 1.0, None)),
        ("left the picture", lambda j, p: (j, p + 100, 1.0, None)),
        ("left the picture", lambda j, p: (j, torch.full_like(p, torch.nan), 1.0, None)),
        ("vanished", lambda j, p: (j, p, 1.0, torch.zeros(8, 16, 16))),
        ("not finite", lambda j, p: (j * torch.nan, p, 1.0, None)),
    ],
)
def test_each_collapse_is_named_with_its_cure(sign, change):
    with pytest.raises(CollapseError, match=sign) as caught:
        watch(change)
    assert caught.value.step == QUICK.grace + QUICK.patience - 1
    assert "stages" in str(caught.value) and "photometric weight" in str(caught.value)


def test_nan_stops_at_once():
    with pytest.raises(CollapseError, match="loss is nan") as caught:
        watch(lambda joints, pixels: (joints, pixels, float("nan"), None))
    assert caught.value.step == 0


def test_a_bad_step_now_and_then_is_no_collapse():
    detector = CollapseDetector(QUICK)
    for step in range(30):
        joints, pixels = healthy(step)
        detector.watch(step, 1.0, joints, pixels + (200 if step % 3 else 0), PX)
    assert list(detector._signs)[-3:].count(None) == 1


def test_the_start_is_not_judged():
    same = torch.zeros(8, 21, 3).index_fill(2, torch.tensor([2]), 0.5)
    settings = CollapseSettings(patience=2, grace=20)
    assert watch(lambda joints, pixels: (same, pixels, 1.0, None), steps=20, settings=settings) == 20


def test_spread_ignores_where_the_hand_is():
    joints = torch.rand(1, 21, 3).expand(5, 21, 3) + torch.rand(5, 1, 3)
    assert joint_spread(joints) == pytest.approx(0, abs=1e-6)
    assert joint_spread(healthy(0)[0]) == pytest.approx(0.04 * 2**0.5, rel=0.15)
