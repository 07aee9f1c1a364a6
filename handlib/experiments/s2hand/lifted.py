"""The lifted network, for photographs or for the target domain: recipes and their work.

It has S2HAND's encoder, hand model and projection, but reads keypoints off the picture and lifts them (see
:mod:`handlib.models.lifting_head`), because 2D losses alone do not teach depth: what they leave open is filled in from
hands that were never photographed. ``s2hand-photographs`` trains the network that the package brings along.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch

from handlib.data.photo_crops import PhotoCrops, read_photo_crops
from handlib.data.stills_cache import StillsName, read_labels, read_pictures
from handlib.errors import MissingFileError
from handlib.experiments.s2hand.data import drawn, pictures
from handlib.experiments.s2hand.effort import Effort, effort_of
from handlib.experiments.s2hand.lifted_scoring import score_on_films, score_on_photographs, score_on_target
from handlib.experiments.s2hand.lifted_task import LiftedTask, lifted_objective, lifting_objective
from handlib.experiments.s2hand.recipes import COLUMNS, TargetRecipe
from handlib.experiments.s2hand.supervision import NETWORK, detections, log_curves, source_pictures, speed_of
from handlib.models.placement import assumed_intrinsics
from handlib.models.s2hand import S2HandConfig, S2HandNetwork
from handlib.reproduce.profiles import by_profile
from handlib.reproduce.recipe import RunContext
from handlib.reproduce.results import Outcome
from handlib.reproduce.state import read_state, write_state
from handlib.training.augmentation import Augmentation
from handlib.training.batches import BatchDrawer, HandPictures
from handlib.training.loop import TrainSettings, fit_network

AUGMENTATION = Augmentation(
    turn_deg=60.0, zoom=0.25, shift=0.06, gain=0.6, noise=0.03, contrast=0.2, coarse=0.2, clutter=0.8, cover=0.03
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
class LiftingRecipe(TargetRecipe):
    """The first stage: the lifting head alone, from hands without pictures; nothing is scored but its loss."""

    name: str = "s2hand-lifting"
    dataset: str = "sampled hands, no pictures"
    columns: Mapping[str, str] = field(default_factory=dict)
    lifted: LiftedEffort = LiftedEffort()


@dataclass(frozen=True, kw_only=True)
class LiftedRecipe(TargetRecipe):
    """The second stage: pictures.

    Attributes:
        real: "photographs", with rendered pictures of the varied domains beside them; or "target": the target domain's
            pictures with the keypoints of the source domain's detector, and the source domain's beside them.
        lifted: sizes in the profile ``full``.
    """

    columns: Mapping[str, str] = field(default_factory=lambda: dict(COLUMNS))
    real: str
    lifted: LiftedEffort = LiftedEffort()


PHOTOGRAPHS = LiftedRecipe(
    name="s2hand-photographs", real="photographs", dataset="photographs, detected keypoints", columns={}
)
LIFTED_TARGET = LiftedRecipe(
    name="s2hand-lifted@source", real="target", lifted=LiftedEffort(image_px=96, stored_px=96, steps=3000)
)


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


def train_lifted(context: RunContext) -> Outcome:
    """The work of a :class:`LiftedRecipe`: train on pictures what has learnt to lift; score on what is at hand."""
    recipe: LiftedRecipe = context.recipe
    effort = lifted_effort_of(context.profile, recipe.lifted)
    try:
        drawer = lifted_batches(context, effort)
    except MissingFileError as error:
        return Outcome(not_obtained=str(error))
    task = build_task(effort, effort.hands_batch, context.seed)
    first = LiftingRecipe()
    task.network.geometry.load_state_dict(read_state(context.left_by(first, train_lifting, NETWORK, seed=0)))
    settings = TrainSettings(
        effort.steps, effort.learning_rate, optimiser="adamw", weight_decay=1e-3, schedule="cosine", clip_norm=5.0
    )
    log = fit_network(context, task, lifted_objective, drawer.draw, settings)
    network = task.network.eval()
    write_state(context.artifact_path(NETWORK), network.state_dict())
    scores = [score_on_target(network, sizes(context))]
    if recipe.real == "photographs":
        scores += [score_on_photographs(network, photographs(effort)), score_on_films(network, effort.stored_px)]
    metrics, curves = ({k: v for score in scores for k, v in score[part].items()} for part in (0, 1))
    return Outcome({**metrics, **speed_of(log)}, {**curves, **log_curves(log)})


def build_task(effort: LiftedEffort, hands_per_step: int, seed: int) -> LiftedTask:
    """Network and objective before the first step."""
    torch.manual_seed(seed)
    network = S2HandNetwork(S2HandConfig(image_keypoints=True, texture=False, image_px=effort.image_px))
    network.encoder.freeze(effort.frozen_stages)
    return LiftedTask(network, hands=effort.hands, hands_per_step=hands_per_step, seed=seed)


def lifted_batches(context: RunContext, effort: LiftedEffort) -> BatchDrawer:
    """Rendered and real pictures, a third of each step real.

    Raises:
        MissingFileError: photographs are asked for, and ``HANDLIB_DATA`` has none.
    """
    recipe: LiftedRecipe = context.recipe
    if recipe.real == "target":
        sources = [source_pictures(sizes(context)), target_pictures_without_labels(context)]
        shares = [effort.rendered_batch, effort.real_batch]
    else:
        real = photographs(effort)
        third = effort.rendered_batch // 3
        shares = [effort.rendered_batch - third, third, effort.real_batch]
        sources = [
            varied_pictures(effort, "varied-photographs", effort.before_photographs),
            varied_pictures(effort, "varied", effort.before_drawings),
            training_photographs(real),
        ]
    return BatchDrawer(sources, shares, effort.image_px, AUGMENTATION, context.seed)


def varied_pictures(effort: LiftedEffort, domain: str, count: int) -> HandPictures:
    """Rendered pictures of the open hand with all that photographs have, and their free labels.

    Joints that are cut off count for nothing in 2D, and in full in 3D.
    """
    folder = drawn(StillsName(domain, "train", count, effort.stored_px))
    seen, known = read_pictures(folder), read_labels(folder)
    inside = ((known.joints_2d_px > -0.1 * effort.stored_px) & (known.joints_2d_px < 1.1 * effort.stored_px)).all(-1)
    return HandPictures(seen.rgb, seen.K, known.joints_2d_px, inside.astype(np.float32), known.joints_m)


def photographs(effort: LiftedEffort) -> PhotoCrops:
    """Both sets of photographs.

    Raises:
        MissingFileError: ``HANDLIB_DATA`` has none.
    """
    return read_photo_crops(effort.stored_px, per_set=effort.photos_per_set)


def training_photographs(photos: PhotoCrops) -> HandPictures:
    """What a training may know of the photographs: pictures and detected keypoints, of those that are not held out."""
    kept = ~photos.held_out
    count, image_px = int(kept.sum()), photos.rgb.shape[1]
    K = assumed_intrinsics(torch.zeros(count), image_px).numpy()
    return HandPictures(photos.rgb[kept], K, photos.keypoints_px[kept], photos.confidence[kept])


def target_pictures_without_labels(context: RunContext) -> HandPictures:
    """The target domain's pictures with what the source domain's detector says of them."""
    found, seen = detections(context, "train"), pictures(sizes(context), "target", "train")
    return HandPictures(seen.rgb, seen.K, found["keypoints_px"], found["confidence"])


def sizes(context: RunContext) -> Effort:
    """The sizes of the target domain's experiments, whose pictures and detections are used."""
    return effort_of(context.profile, context.recipe.effort)


def lifted_effort_of(profile: str, full: LiftedEffort) -> LiftedEffort:
    """The sizes of a profile; those of the recipe itself are its ``full``."""
    return by_profile(profile, smoke=SMOKE, laptop=LAPTOP, full=full)
