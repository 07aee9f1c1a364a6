"""The objective of the lifted network: three kinds of hands in every step, and what each of them may teach.

Rendered hands of the source domain have 2D and 3D labels for nothing. Hands without a picture teach the lifting head
alone. Real (or target) pictures have detected keypoints: they teach where joints are in such pictures, and the 3D that
they are pulled towards is what the head itself makes of the *detected* keypoints, whose depth it knows from the
others. No 3D label of a real picture is anywhere in it.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy

from handlib.hand import HandModel
from handlib.losses.heatmaps import heatmap_cross_entropy
from handlib.losses.keypoints import joint_location_loss
from handlib.losses.regularisation import squared_shape_prior
from handlib.losses.s2hand import PAPER_IMAGE_PX
from handlib.losses.supervised import joints_3d_loss
from handlib.models.images import normalise_images
from handlib.models.keypoint_readout import ReadKeypoints
from handlib.models.s2hand import HandPrediction, S2HandNetwork
from handlib.training.lifting import as_detected, draw_hands, see_from_anywhere, step_generator
from handlib.training.loop import StepOutput

# An answer within this distance (px of 224) counts as right when the confidence is learnt; about a finger's width.
RIGHT_PX = 8.0


@dataclass(frozen=True)
class LiftedWeights:
    """Weights of the terms; lengths in metres, positions in px of 224.

    Attributes:
        cells, location, sureness: of the keypoints that are read off the picture.
        joints_3d: of hands with 3D labels; lifted: of hands without a picture.
        own_3d: of real pictures, towards what the head makes of their detected keypoints.
        projection: of the hand's joints in the picture.
        shape, scale: squared distance from the mean hand.
    """

    cells: float = 1.0
    location: float = 0.02
    sureness: float = 0.1
    joints_3d: float = 10.0
    lifted: float = 10.0
    own_3d: float = 5.0
    projection: float = 0.02
    shape: float = 1e-3
    scale: float = 0.02


class LiftedTask(nn.Module):
    """What is trained, with its objective around it."""

    def __init__(
        self,
        network: S2HandNetwork,
        *,
        hands: int,
        hands_per_step: int,
        seed: int,
        weights: LiftedWeights | None = None,
    ) -> None:
        """Put the parts together.

        Args:
            network: with ``image_keypoints``.
            hands: size of the stock of hands without pictures.
            hands_per_step: how many of them a step sees.
            seed: of the stock and of the views.
            weights: of the terms.
        """
        super().__init__()
        self.network, self.weights = network, weights or LiftedWeights()
        self.hands_per_step, self.seed = hands_per_step, seed
        model = HandModel.load(network.config.hand)
        self.register_buffer("hands_m", draw_hands(model, hands, seed), persistent=False)

    def forward(self, inputs: dict[str, Tensor] | None, step: int) -> dict[str, Any]:
        """The loss of a step and its parts.

        Args:
            inputs: the fields of a :class:`~handlib.training.batches.TrainingBatch`; None for hands without pictures
                alone.
            step: gives the hands without pictures, and their views.
        """
        terms = self.lifting_terms(step, 224 if inputs is None else inputs["images"].shape[1])
        if inputs is not None:
            terms |= self.picture_terms(inputs, self.network(normalise_images(inputs["images"]), inputs["K"]))
        total = sum(getattr(self.weights, name) * value for name, value in terms.items())
        return {"loss": total, "terms": terms}

    def lifting_terms(self, step: int, image_px: int) -> dict[str, Tensor]:
        """Hands without a picture: how far the lifted hand is from the one that was seen."""
        generator = step_generator(self.seed, step)
        rows = torch.randint(len(self.hands_m), (self.hands_per_step,), generator=generator).to(self.hands_m.device)
        seen = see_from_anywhere(self.hands_m[rows], image_px, generator)
        lifted = self.network.lift(as_detected(seen, generator), image_px)
        return {"lifted": joints_3d_loss(lifted.joints, seen.joints_m).mean(), **_priors(lifted)}

    def picture_terms(self, inputs: dict[str, Tensor], found: HandPrediction) -> dict[str, Tensor]:
        """Pictures: the keypoints that were read, the hand's projection, and its 3D."""
        image_px = inputs["images"].shape[1]
        to_paper, keypoints_px, confidence = PAPER_IMAGE_PX / image_px, inputs["keypoints_px"], inputs["confidence"]
        read = found.keypoints
        apart = torch.linalg.vector_norm(read.points_px.detach() - keypoints_px, dim=-1) * to_paper
        cells = heatmap_cross_entropy(read.scores.float(), keypoints_px, image_px)
        # A joint that perspective sends behind the camera has no place in the picture; the 3D terms bring it back.
        shown = found.joints_2d_px.isfinite().all(-1, keepdim=True)
        projected = torch.where(shown, found.joints_2d_px, keypoints_px)
        labelled = inputs["has_joints"]
        return {
            "cells": (confidence * cells).mean(),
            "location": joint_location_loss(read.points_px * to_paper, keypoints_px * to_paper, confidence).mean(),
            # No gradient into the places: a network should not move an answer to look sure of it.
            "sureness": binary_cross_entropy(read.confidence.float(), (apart < RIGHT_PX).float()),
            "projection": joint_location_loss(projected * to_paper, keypoints_px * to_paper, confidence).mean(),
            "joints_3d": _mean_where(labelled, joints_3d_loss(found.joints, inputs["joints_m"])),
            "own_3d": _mean_where(~labelled, joints_3d_loss(found.joints, self.own_answer(inputs, image_px))),
        }

    @torch.no_grad()
    def own_answer(self, inputs: dict[str, Tensor], image_px: int) -> Tensor:
        """What the lifting head, as it is now, makes of the keypoints that came with the pictures (m, camera frame)."""
        geometry = self.network.geometry
        training = geometry.training
        geometry.eval()
        given = ReadKeypoints(inputs["keypoints_px"], inputs["confidence"])
        joints = self.network.lift(given, image_px, inputs["K"]).joints
        geometry.train(training)
        return joints


def lifted_objective(task: nn.Module, batch: Any, step: int) -> StepOutput:
    """The objective of a batch, as :func:`handlib.training.loop.fit_network` asks for it."""
    found = task(vars(batch), step)
    return StepOutput(found["loss"], found["terms"])


def lifting_objective(task: nn.Module, batch: Any, step: int) -> StepOutput:
    """The objective of hands without pictures alone, for the first stage."""
    found = task(None, step)
    return StepOutput(found["loss"], found["terms"])


def _priors(hands: HandPrediction) -> dict[str, Tensor]:
    return {"shape": squared_shape_prior(hands.shape).mean(), "scale": (hands.scale - 1).square().mean()}


def _mean_where(chosen: Tensor, values: Tensor) -> Tensor:
    """Sum over the chosen ones divided by the size of the batch; zero where none is chosen."""
    return torch.where(chosen, values, 0.0).mean()
