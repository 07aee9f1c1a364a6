"""The One-Euro filter: against its published steps written out, and what it must and must not do."""

import math

import numpy as np
import pytest
import torch

from handlib.errors import BadInputError
from handlib.fitting.one_euro import one_euro_filter

RATE = 30.0


def by_hand(values: list[float], rate: float, min_cutoff: float, beta: float, speed_cutoff: float) -> list[float]:
    """Algorithm 1 of Casiez et al. 2012 on plain numbers."""

    def share(cutoff: float) -> float:
        tau = 1 / (2 * math.pi * cutoff)
        return 1 / (1 + tau * rate)

    found, speed = [values[0]], 0.0
    for value in values[1:]:
        alpha = share(speed_cutoff)
        speed = alpha * (value - found[-1]) * rate + (1 - alpha) * speed
        alpha = share(min_cutoff + beta * abs(speed))
        found.append(alpha * value + (1 - alpha) * found[-1])
    return found


def noisy(frames: int = 40) -> torch.Tensor:
    return torch.randn(frames, 2, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 0.004


def test_equals_the_published_algorithm():
    values = noisy()
    found = one_euro_filter(values, RATE, min_cutoff_hz=1.5, speed_coefficient=7.0, speed_cutoff_hz=0.8)
    expected = by_hand(values[:, 1, 2].tolist(), RATE, 1.5, 7.0, 0.8)
    assert found[:, 1, 2].tolist() == pytest.approx(expected, rel=1e-6)


def test_trembling_goes_and_movement_stays():
    trembling = noisy(90)
    assert one_euro_filter(trembling, RATE)[30:].std() < 0.5 * trembling[30:].std()
    moving = (torch.arange(60, dtype=torch.float64) / RATE)[:, None]  # a metre a second
    eager, slow = (moving - one_euro_filter(moving, RATE, speed_coefficient=beta) for beta in (10.0, 0.0))
    assert eager[-1] < 0.3 * slow[-1]


def test_each_film_begins_anew_and_each_number_is_its_own():
    values = noisy(20)
    ids = np.repeat([3, 7], 10)
    both = one_euro_filter(values, RATE, sequence_ids=ids)
    assert torch.equal(both[10:], one_euro_filter(values[10:], RATE))
    assert torch.equal(both[:10, :1], one_euro_filter(values[:10, :1], RATE))


def test_the_past_alone_counts_and_rest_is_rest():
    values = noisy(20)
    later = values.clone()
    later[10:] += 1
    assert torch.equal(one_euro_filter(values, RATE)[:10], one_euro_filter(later, RATE)[:10])
    still = values[:1].expand(5, -1, -1)
    assert torch.allclose(one_euro_filter(still, RATE), still)


@pytest.mark.parametrize(
    "bad", [{"min_cutoff_hz": 0.0}, {"speed_coefficient": -1.0}, {"sequence_ids": np.zeros(3, int)}]
)
def test_bad_settings_are_refused(bad):
    with pytest.raises(BadInputError):
        one_euro_filter(noisy(5), RATE, **bad)


def test_numbers_that_are_not_finite_are_refused():
    values = noisy(5)
    values[2, 0, 0] = math.nan
    with pytest.raises(BadInputError, match="finite"):
        one_euro_filter(values, RATE)
