"""The first stage of the lifted network: its lifting head alone, from hands without pictures; and the sizes of all.

The lifted network has S2HAND's encoder, hand model and projection, but reads keypoints off the picture and lifts them
(see :mod:`handlib.models.lifting_head`), because 2D losses alone do not teach depth: what they leave open is filled in
from hands that were never photographed.
"""

from dataclasses import dataclass

import torch

from handlib.experiments.s2hand.lifted_task import LiftedTask, lifted_objective, lifting_objective
from handlib.experiments.training_report import log_curves, speed_of
from handlib.models.s2hand import S2HandConfig, S2HandNetwork
from handlib.reproduce.profiles import by_profile
from handlib.reproduce.recipe import Recipe, RunContext
from handlib.reproduce.results import Outcome
from handlib.reproduce.state import read_state, write_state
from handlib.training.augmentation import Augmentation
from handlib.training.batches import BatchDrawer
from handlib.training.loop import TrainingLog, TrainSettings, fit_network

CHAPTER = "s2hand"
NETWORK = "network.safetensors"
AUGMENTATION = Augmentation(
    turn_deg=60.0, zoom=0.25, shift=0.06, gain=0.6, noise=0.03, contrast=0.2, coarse=0.2, cover=0.03
)


@dataclass(frozen=True, kw_only=True)
class LiftedEffort:
    """Sizes of one training.

    Attributes:
        image_px, stored_px: side of the pictures that the network sees, and of those that are kept to cut them from.
        before_photographs, before_drawings: rendered pictures of the two varied domains, by their backgrounds.
        hands: stock of hands without pictures.
        lifting_steps, lifting_batch: of the first stage, which sees no pictures.
        steps, rendered_batch, real_batch, hands_batch: of the second stage.
        frozen_stages: of the encoder, see :class:`~handlib.experiments.s2hand.effort.Effort`.
        learning_rate: at its highest, in both stages.
        photos_per_set: of each set of photographs; None for all.
    """

    image_px: int = 112
    stored_px: int = 144
    before_photographs: int = 20_000
    before_drawings: int = 12_000
    hands: int = 400_000
    lifting_steps: int = 4000
    lifting_batch: int = 384
    steps: int = 5000
    rendered_batch: int = 32
    real_batch: int = 16
    hands_batch: int = 128
    frozen_stages: int = 2
    learning_rate: float = 1e-3
    photos_per_set: int | None = None


SMOKE = LiftedEffort(
    image_px=32,
    stored_px=32,
    before_photographs=8,
    before_drawings=8,
    hands=64,
    lifting_steps=2,
    lifting_batch=8,
    steps=2,
    rendered_batch=4,
    real_batch=2,
    hands_batch=4,
    photos_per_set=6,
)
LAPTOP = LiftedEffort(
    image_px=64,
    stored_px=80,
    before_photographs=300,
    before_drawings=100,
    hands=20_000,
    lifting_steps=300,
    lifting_batch=256,
    steps=80,
    rendered_batch=12,
    real_batch=6,
    hands_batch=64,
    photos_per_set=200,
)


@dataclass(frozen=True, kw_only=True)
class LiftingRecipe(Recipe):
    """The first stage: the lifting head alone, from hands without pictures; nothing is scored but its loss."""

    chapter: str = CHAPTER
    name: str = "s2hand-lifting"
    dataset: str = "sampled hands, no pictures"
    lifted: LiftedEffort = LiftedEffort()


@dataclass(frozen=True)
class NoPictures:
    """A batch of hands without pictures: only their number is known before the step draws them."""

    count: int

    def __len__(self) -> int:
        return self.count

    def to(self, device: torch.device | str) -> "NoPictures":
        """Nothing to move."""
        return self


def train_lifting(context: RunContext) -> Outcome:
    """The work of a :class:`LiftingRecipe`."""
    effort = lifted_effort_of(context.profile, context.recipe.lifted)
    task = build_task(effort, effort.lifting_batch, context.seed)
    for part in (task.network.encoder, task.network.readout, task.network.geometry.glance):
        part.requires_grad_(False)
    settings = TrainSettings(
        effort.lifting_steps, effort.learning_rate, optimiser="adamw", weight_decay=1e-4, schedule="cosine"
    )
    log = fit_network(
        context, task, lifting_objective, lambda step, rank, ranks: NoPictures(effort.lifting_batch), settings
    )
    write_state(context.artifact_path(NETWORK), task.network.geometry.state_dict())
    return Outcome(speed_of(log), log_curves(log))


def train_on_pictures(
    context: RunContext, effort: LiftedEffort, drawer: BatchDrawer
) -> tuple[S2HandNetwork, TrainingLog]:
    """The second stage: train on pictures what has learnt to lift, and leave the weights as an artifact."""
    task = build_task(effort, effort.hands_batch, context.seed)
    task.network.geometry.load_state_dict(read_state(context.left_by(LiftingRecipe(), train_lifting, NETWORK, seed=0)))
    settings = TrainSettings(
        effort.steps, effort.learning_rate, optimiser="adamw", weight_decay=1e-3, schedule="cosine", clip_norm=5.0
    )
    log = fit_network(context, task, lifted_objective, drawer.draw, settings)
    network = task.network.eval()
    write_state(context.artifact_path(NETWORK), network.state_dict())
    return network, log


def build_task(effort: LiftedEffort, hands_per_step: int, seed: int) -> LiftedTask:
    """Network and objective before the first step."""
    torch.manual_seed(seed)
    network = S2HandNetwork(S2HandConfig(image_keypoints=True, texture=False, image_px=effort.image_px))
    network.encoder.freeze(effort.frozen_stages)
    return LiftedTask(network, hands=effort.hands, hands_per_step=hands_per_step, seed=seed)


def lifted_effort_of(profile: str, full: LiftedEffort) -> LiftedEffort:
    """The sizes of a profile; those of the recipe itself are its ``full``."""
    return by_profile(profile, smoke=SMOKE, laptop=LAPTOP, full=full)
