"""The released network, taught further on the target domain: by keypoints that a detector finds in its pictures.

The released network has seen the target's looks on another hand, and none of its pictures. Here it sees them, beside
rendered pictures of its own domain with their free labels; what it is told of the target are 2D keypoints alone.
"""

from dataclasses import dataclass, replace

from handlib.errors import MissingFileError
from handlib.experiments.s2hand.effort import Effort, effort_of
from handlib.experiments.s2hand.found import found_pictures
from handlib.experiments.s2hand.lifted import score_on_target
from handlib.experiments.s2hand.lifted_task import LiftedTask, lifted_objective
from handlib.experiments.s2hand.lifting import AUGMENTATION, NETWORK, LiftedEffort, lifted_effort_of
from handlib.experiments.s2hand.photographs import varied_pictures
from handlib.experiments.s2hand.recipes import TargetRecipe
from handlib.experiments.training_report import log_curves, speed_of
from handlib.models.checkpoint_file import load_network, save_network
from handlib.pretrained import RELEASED
from handlib.reproduce.digest import digest_files
from handlib.reproduce.recipe import RunContext
from handlib.reproduce.results import Outcome
from handlib.training.batches import BatchDrawer
from handlib.training.loop import TrainSettings, fit_network


@dataclass(frozen=True, kw_only=True)
class AdaptedRecipe(TargetRecipe):
    """The released network, trained on with the target's pictures.

    Attributes:
        lifted: sizes; the first stage, which sees no pictures, is the released network's own.
        own_pictures: whether the target's pictures are seen at all; without, the same steps see rendered ones alone.
    """

    name: str = "s2hand-adapted@source"
    effort: Effort = Effort(image_px=128)
    lifted: LiftedEffort = LiftedEffort(image_px=128, before_drawings=24_000, steps=6000, learning_rate=6e-4)
    own_pictures: bool = True

    def data_digest(self) -> str:
        """Digest of the released network, with which the training begins; the pictures are generated."""
        return digest_files(RELEASED.parent, [RELEASED])


def train_adapted(context: RunContext) -> Outcome:
    """The work of an :class:`AdaptedRecipe`: train, leave the network as a file, and score it on all test stills."""
    recipe: AdaptedRecipe = context.recipe
    effort = lifted_effort_of(context.profile, recipe.lifted)
    try:
        drawer = adapting_batches(context, effort)
    except MissingFileError as error:
        return Outcome(not_obtained=str(error))
    network, _ = load_network(RELEASED)
    network.config = replace(network.config, image_px=effort.image_px)
    network.encoder.freeze(effort.frozen_stages)
    task = LiftedTask(network, hands=effort.hands, hands_per_step=effort.hands_batch, seed=context.seed)
    settings = TrainSettings(
        effort.steps, effort.learning_rate, optimiser="adamw", weight_decay=1e-3, schedule="cosine", clip_norm=5.0
    )
    log = fit_network(context, task, lifted_objective, drawer.draw, settings)
    save_network(context.artifact_path(NETWORK), network.eval(), {"recipe": recipe.name, "seed": context.seed})
    metrics, curves = score_on_target(network, effort_of(context.profile, recipe.effort))
    return Outcome({**metrics, **speed_of(log)}, {**curves, **log_curves(log)})


def adapting_batches(context: RunContext, effort: LiftedEffort) -> BatchDrawer:
    """A third of a step the target's pictures; of the rendered ones a third before photographs.

    Raises:
        MissingFileError: no photographs to stand behind hands, or no detector.
    """
    recipe: AdaptedRecipe = context.recipe
    third = effort.rendered_batch // 3
    sources = [
        varied_pictures(effort, "varied", effort.before_drawings),
        varied_pictures(effort, "varied-photographs", effort.before_photographs),
    ]
    shares = [effort.rendered_batch - third, third]
    if recipe.own_pictures:
        sources, shares = [*sources, found_pictures(context, effort.stored_px)], [*shares, effort.real_batch]
    else:
        shares[0] += effort.real_batch
    return BatchDrawer(sources, shares, effort.image_px, AUGMENTATION, context.seed)
