"""What every training tells about itself: throughput, samples, and its loss against the step."""

import torch

from handlib.reproduce.results import Curve, Metric
from handlib.training.loop import TrainingLog


def speed_of(log: TrainingLog) -> dict[str, Metric]:
    """How many pictures a second were trained on, and how many in all."""
    return {
        "training_images_per_second": Metric(round(log.images_per_second, 2), "1/s"),
        "training_samples": Metric(log.samples, "1"),
    }


def log_curves(log: TrainingLog) -> dict[str, Curve]:
    """The loss and its terms against the step."""
    return {
        f"training_{name}": Curve(tuple(log.steps), tuple(round(value, 6) for value in values), "step", name)
        for name, values in log.terms.items()
        if len(values) == len(log.steps) and bool(torch.isfinite(torch.tensor(values)).all())
    }
