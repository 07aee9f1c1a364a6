"""Average and random adult bodies, as settings of MakeHuman's sliders."""

import numpy as np
from makehuman_source import (
    AGES,
    DETAIL_TARGETS,
    HEIGHTS,
    MUSCLES,
    PROPORTIONS,
    RACES,
    SEXES,
    WEIGHTS,
)

# How far the body sliders are moved. They only have to span the bodies: the spread of the measured dimensions is
# replaced by the survey's, and what remains is their say on proportions that no survey column covers.
SLIDER_SD = 0.2
DETAIL_SD = {
    "hands/r-hand-scale": 0.06,
    "hands/r-hand-fingers-length": 0.25,
    "hands/r-hand-fingers-diameter": 0.15,
    "hands/measure-wrist-circ": 0.4,
    "arms/r-lowerarm-fat": 0.3,
    "arms/r-lowerarm-muscle": 0.3,
}


def average_body() -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Factors and details (batch of one) of the body in the middle of all sliders, young adult."""
    return _factors(*(np.array([0.5]) for _ in range(5)), age=np.array([0.0]), race=np.full((1, 3), 1 / 3)), np.zeros(
        (1, len(DETAIL_TARGETS))
    )


def random_bodies(count: int, rng: np.random.Generator) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Factors and details of ``count`` adult bodies: half of them men, ages young to old, sliders about the middle."""

    def slider():
        return np.clip(rng.normal(0.5, SLIDER_SD, count), 0, 1)

    sex = np.tile([0.0, 1.0], count // 2 + 1)[:count]
    factors = _factors(
        sex, slider(), slider(), slider(), slider(), age=rng.uniform(0, 1, count), race=rng.dirichlet(np.ones(3), count)
    )
    spread = np.array([DETAIL_SD[name] for name in DETAIL_TARGETS])
    return factors, np.clip(rng.normal(size=(count, len(spread))) * spread, -1, 1)


def _factors(male, muscle, weight, height, proportion, *, age, race) -> dict[str, np.ndarray]:
    """MakeHuman's interpolation: how much of each named end of a slider a body has."""
    factors = dict(zip(SEXES, (1 - male, male), strict=True)) | dict(zip(AGES, (1 - age, age), strict=True))
    factors |= dict(zip(RACES, race.T, strict=True))
    for names, value in ((MUSCLES, muscle), (WEIGHTS, weight)):
        low, high = np.clip(1 - 2 * value, 0, 1), np.clip(2 * value - 1, 0, 1)
        factors |= dict(zip(names, (low, 1 - low - high, high), strict=True))
    for names, value in ((HEIGHTS, height), (PROPORTIONS, proportion)):
        factors |= dict(zip(names, (np.clip(1 - 2 * value, 0, 1), np.clip(2 * value - 1, 0, 1)), strict=True))
    return factors
