"""``s2hand-guided@source``: a network that looks at rendered pictures with a real detector's keypoints in mind.

Everything it is told in 3D is rendered and free; the detector's mistakes are real. It begins with the encoder of
``s2hand-adapted@source`` and with the package's lifting head. See :mod:`handlib.models.guided`.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from handlib.errors import MissingFileError
from handlib.experiments.s2hand.adapted import AdaptedRecipe, train_adapted
from handlib.experiments.s2hand.found_in_renderings import RenderingsRecipe
from handlib.experiments.s2hand.guided_data import FoundRenderings, GuidedBatch, cut_squares, join, read_found
from handlib.experiments.s2hand.lifted_task import LiftedTask
from handlib.experiments.s2hand.lifting import CHAPTER, NETWORK
from handlib.experiments.training_report import log_curves, speed_of
from handlib.metrics.alignment import procrustes_rigid
from handlib.metrics.errors import point_errors
from handlib.models.checkpoint_file import load_network
from handlib.models.guided import GuidedNetwork
from handlib.models.images import normalise_images
from handlib.models.keypoint_readout import ReadKeypoints
from handlib.reconstruction.lifter import LIFTING_HEAD, released_lifter
from handlib.reproduce.digest import digest_files
from handlib.reproduce.profiles import by_profile
from handlib.reproduce.recipe import Recipe, RunContext
from handlib.reproduce.results import Metric, Outcome
from handlib.reproduce.state import write_state
from handlib.training.batches import rows_of_step
from handlib.training.lifting import step_generator
from handlib.training.loop import StepOutput, TrainSettings, fit_network

HELD_OUT = 20
"""One picture in so many is kept for scoring; both domains show the same hands in the same order. The adapted network,
whose encoder this one begins with, has learnt from these pictures, too."""


@dataclass(frozen=True, kw_only=True)
class GuidedRecipe(Recipe):
    """The training of the guided network.

    Attributes:
        pictures: what it learns from, with what the detector finds there.
        adapted: whose encoder it begins with.
        image_px: side of the squares that it looks at.
        steps, batch, hands_batch, learning_rate: pictures, and hands without a picture, in a step.
        hands: stock of hands without a picture.
        frozen_stages: of the encoder.
    """

    chapter: str = CHAPTER
    name: str = "s2hand-guided@source"
    dataset: str = "rendered pictures of the source's hand"
    pictures: tuple[RenderingsRecipe, ...]
    adapted: AdaptedRecipe = AdaptedRecipe()
    image_px: int = 128
    steps: int = 3600
    batch: int = 48
    hands_batch: int = 128
    learning_rate: float = 6e-4
    hands: int = 400_000
    frozen_stages: int = 2

    def data_digest(self) -> str:
        """Digest of the package's lifting head, with which the training begins; the pictures are generated."""
        return digest_files(LIFTING_HEAD.parent, [LIFTING_HEAD])


class GuidedTask(nn.Module):
    """What is trained, with its objective: pictures with detected keypoints, and hands without a picture."""

    def __init__(self, guided: GuidedNetwork, *, hands: int, hands_per_step: int, seed: int) -> None:
        """Put the parts together; arguments as for :class:`LiftedTask`."""
        super().__init__()
        self.guided = guided
        self.objective = LiftedTask(guided.network, hands=hands, hands_per_step=hands_per_step, seed=seed)

    def forward(self, inputs: dict[str, Tensor], step: int) -> dict[str, Any]:
        """The loss of a step and its parts; ``inputs`` are the fields of a :class:`GuidedBatch`."""
        detected = ReadKeypoints(inputs["detected_px"], inputs["detected_confidence"])
        found = self.guided(normalise_images(inputs["images"]), detected, inputs["K"])
        terms = self.objective.lifting_terms(step, inputs["images"].shape[1])
        terms |= self.objective.picture_terms(inputs, found)
        total = sum(getattr(self.objective.weights, name) * value for name, value in terms.items())
        return {"loss": total, "terms": terms}


def guided_objective(task: nn.Module, batch: GuidedBatch, step: int) -> StepOutput:
    """The objective of a batch, as :func:`handlib.training.loop.fit_network` asks for it."""
    found = task(vars(batch), step)
    return StepOutput(found["loss"], found["terms"])


def train_guided(context: RunContext) -> Outcome:
    """The work of a :class:`GuidedRecipe`: leaves the network's weights."""
    recipe: GuidedRecipe = context.recipe
    try:
        sources = [read_found(context, pictures) for pictures in recipe.pictures]
        guided = first_network(context)
    except MissingFileError as error:
        return Outcome(not_obtained=str(error))
    known = [source.where(source.rows % HELD_OUT != 0) for source in sources]
    new = [source.where(source.rows % HELD_OUT == 0) for source in sources]
    batch = by_profile(context.profile, smoke=2, laptop=12, full=recipe.batch)
    task = GuidedTask(
        guided,
        hands=by_profile(context.profile, smoke=64, laptop=20_000, full=recipe.hands),
        hands_per_step=by_profile(context.profile, smoke=4, laptop=64, full=recipe.hands_batch),
        seed=context.seed,
    )
    settings = TrainSettings(
        by_profile(context.profile, smoke=2, laptop=60, full=recipe.steps),
        recipe.learning_rate,
        optimiser="adamw",
        weight_decay=1e-3,
        schedule="cosine",
        clip_norm=5.0,
    )

    def draw(step: int, rank: int, ranks: int) -> GuidedBatch:
        parts = []
        for number, source in enumerate(known):
            share = batch // len(known)
            rows = rows_of_step(len(source), share, step, (context.seed, number))[rank::ranks]
            parts.append(cut_squares(source, rows, recipe.image_px, step_generator(context.seed + number, step)))
        return join(parts)

    log = fit_network(context, task, guided_objective, draw, settings)
    write_state(context.artifact_path(NETWORK), guided.state_dict())
    metrics = {f"held_out_{name}": value for name, value in score_squares(guided, new, recipe.image_px).items()}
    return Outcome({**metrics, **speed_of(log)}, log_curves(log))


def first_network(context: RunContext) -> GuidedNetwork:
    """The adapted network's encoder and readout, the package's lifting head, and new layers at zero.

    Raises:
        MissingFileError: the adapted network could not be trained.
    """
    recipe: GuidedRecipe = context.recipe
    network, _ = load_network(context.left_by(recipe.adapted, train_adapted, NETWORK, seed=0))
    glance = {name: value for name, value in network.geometry.state_dict().items() if name.startswith("glance")}
    network.geometry.load_state_dict({**released_lifter().geometry.state_dict(), **glance})
    network.config = replace(network.config, image_px=recipe.image_px)
    network.encoder.freeze(recipe.frozen_stages)
    return GuidedNetwork(network)


@torch.no_grad()
def score_squares(guided: GuidedNetwork, sources: list[FoundRenderings], image_px: int) -> dict[str, Metric]:
    """How well hands of rendered pictures are seen, beside what the detector's keypoints alone are lifted to."""
    guided.eval()
    off: dict[str, list[float]] = {"pa_mpjpe": [], "lifted_pa_mpjpe": [], "mpjpe_2d": [], "detected_mpjpe_2d": []}
    device = next(guided.parameters()).device
    for source in sources:
        for rows in np.array_split(np.arange(len(source)), max(1, len(source) // 64)):
            batch = cut_squares(source, rows, image_px).to(device)
            detected = ReadKeypoints(batch.detected_px, batch.detected_confidence)
            seen = guided(normalise_images(batch.images), detected, batch.K)
            lifted = guided.network.lift(detected, image_px, batch.K)
            for name, joints in (("pa_mpjpe", seen.joints), ("lifted_pa_mpjpe", lifted.joints)):
                said, true = joints.double().cpu().numpy(), batch.joints_m.double().cpu().numpy()
                off[name] += (1000 * point_errors(procrustes_rigid(said, true), true)).mean(1).tolist()
            for name, points in (("mpjpe_2d", seen.keypoints.points_px), ("detected_mpjpe_2d", batch.detected_px)):
                off[name] += ((points - batch.keypoints_px).norm(dim=-1).mean(1) * 224 / image_px).tolist()
    how = {"pa_mpjpe": ("mm", "procrustes"), "lifted_pa_mpjpe": ("mm", "procrustes")}
    return {name: Metric(float(np.mean(values)), *how.get(name, ("px",))) for name, values in off.items()}
