"""Learning-rate schedules as functions of the step: nothing to keep, nothing to resume."""

import math
from collections.abc import Callable

from handlib.errors import BadInputError

WARM_UP = 0.05
"""Share of the steps in which "cosine" rises from zero."""


def _falling(divisor: float) -> Callable[[float], float]:
    """Divided by ``divisor`` after each third of the training."""
    return lambda done: divisor ** -math.floor(3 * done)


def _cosine(done: float) -> float:
    if done < WARM_UP:
        return (done + 1e-3) / (WARM_UP + 1e-3)
    return 0.5 * (1 + math.cos(math.pi * (done - WARM_UP) / (1 - WARM_UP)))


SCHEDULES: dict[str, Callable[[float], float]] = {
    "constant": lambda done: 1.0,
    "halves": _falling(2.0),
    "thirds": _falling(3.0),
    "cosine": _cosine,
}
"""Share of the training that is done (0..1) to a factor of the learning rate.

"halves" and "thirds" are S2HAND's (Sec. 4.2): 90 epochs, "reduced by a factor of 2 after every 30 epochs"; fine-tuning
of 60, "by a factor of 3 after every 20 epochs".
"""


def learning_rate_factor(schedule: str, step: int, steps: int) -> float:
    """The factor of a step, counted from 0, of so many.

    Raises:
        BadInputError: no schedule has that name.
    """
    if schedule not in SCHEDULES:
        raise BadInputError(f"schedule {schedule!r} is not known: choose one of {', '.join(SCHEDULES)}")
    return SCHEDULES[schedule](step / steps)
