"""From a batch of films to SeqHAND's objective: Eq. 14 where all is known, Eq. 15 where less is."""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from handlib.losses.seqhand import (
    SeqHandWeights,
    camera_loss,
    finetuning_loss,
    joints_2d_loss,
    joints_3d_loss,
    mask_loss,
    pretraining_loss,
    temporal_loss,
)
from handlib.models.film_encoders import normalise_films
from handlib.models.seqhand import FilmPrediction, SeqHandNetwork
from handlib.training.loop import StepOutput

KNOWN = {
    "everything": ("joints_2d", "points_3d", "temporal", "camera", "mask"),
    "labels": ("joints_2d", "points_3d", "temporal", "mask"),
    "detected": ("joints_2d", "temporal"),
}
"""What is known of the hands, to the terms that can be computed: of generated films, of labelled stills, of stills on
which a detector has run."""


class FilmTask(nn.Module):
    """A network with the objective around it, so that precision and devices are arranged around one call."""

    def __init__(self, network: SeqHandNetwork, known: str, image_px: int, kept_stages: int) -> None:
        """Put the parts together.

        Args:
            network: to train.
            known: a key of :data:`KNOWN`.
            image_px: side of the frames.
            kept_stages: how many stages have been computed already; 0 where batches hold frames.
        """
        super().__init__()
        self.network, self.known = network, known
        self.image_px, self.kept_stages = image_px, kept_stages
        terms, weights = KNOWN[known], SeqHandWeights()
        self.weights = replace(weights, **{name: 0.0 for name in vars(weights) if name not in terms})

    def to(self, *args: Any, **changes: Any) -> "FilmTask":
        """As any module, but that filters through time, with their five axes, have no channels-last order of four."""
        if any(parameter.ndim == 5 for parameter in self.parameters()):
            changes.pop("memory_format", None)
        return super().to(*args, **changes) if args or changes else self

    def forward(self, inputs: dict[str, Tensor]) -> dict[str, Any]:
        """Loss and terms, the means over the batch.

        Args:
            inputs: the fields of a :class:`~handlib.experiments.seqhand.batches.HandFilmBatch`.
        """
        prediction = predict_films(self.network, inputs["pictures"], self.image_px, self.kept_stages)[0]
        with torch.autocast(inputs["joints_m"].device.type, enabled=False):
            terms = film_terms(prediction, inputs, self.image_px, KNOWN[self.known])
            total = (pretraining_loss if self.known == "everything" else finetuning_loss)(terms, self.weights)
        return {"loss": total.mean(), "terms": {name: term.mean() for name, term in terms.items()}}


def predict_films(
    network: SeqHandNetwork, pictures: Tensor, image_px: int, kept_stages: int, state: Any = None
) -> tuple[FilmPrediction, Any]:
    """The hands of films: of 8-bit frames, or of what the first ``kept_stages`` of the encoder say of them."""
    if not kept_stages:
        return network(normalise_films(pictures), state)
    return network.read(network.encoder.go_on(pictures.float(), kept_stages), image_px, state)


def film_terms(
    prediction: FilmPrediction, inputs: dict[str, Tensor], image_px: int, names: tuple[str, ...]
) -> dict[str, Tensor]:
    """The terms of those names, one number a film each.

    A joint's share of Eq. 8 is multiplied with its confidence, which is 1 for labels: a target that is moved towards
    the prediction by one less the confidence makes the L1 distance, and its gradient, just as much smaller.
    """
    code, seen = prediction.code, prediction.seen
    sure = inputs["confidence"][..., None]
    wanted_px = seen.joints_2d_px + sure * (inputs["joints_2d_px"] - seen.joints_2d_px)
    terms = {
        "joints_2d": lambda: joints_2d_loss(seen.joints_2d_px, wanted_px, image_px),
        "points_3d": lambda: joints_3d_loss(seen.joints_m, inputs["joints_m"]),
        "temporal": lambda: temporal_loss(code.shape, code.pose),
        "camera": lambda: camera_loss(code.numbers, inputs["code"]),
        "mask": lambda: mask_loss(seen.vertices_2d_px, inputs["mask"]),
    }
    return {name: terms[name]() for name in names}


def film_objective(task: nn.Module, batch: Any, step: int) -> StepOutput:
    """The objective of a batch, as :func:`handlib.training.loop.fit_network` asks for it."""
    found = task(vars(batch))
    return StepOutput(found["loss"], found["terms"])
