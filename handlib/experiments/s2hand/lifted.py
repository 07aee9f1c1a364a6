"""The lifted network on the target domain, and how the photographs' network does there.

``s2hand-lifted@source`` sees the target's pictures with the detector's keypoints, and the source domain's with all of
their labels. ``s2hand-photographs-on-target`` scores the network of ``s2hand-photographs``, which has seen the target's
looks on another hand, and none of its pictures.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from handlib.experiments.s2hand.data import labels, pictures
from handlib.experiments.s2hand.effort import Effort, effort_of
from handlib.experiments.s2hand.lifting import (
    AUGMENTATION,
    NETWORK,
    LiftedEffort,
    build_task,
    lifted_effort_of,
    train_on_pictures,
)
from handlib.experiments.s2hand.photographs import PhotographsRecipe, train_on_photographs
from handlib.experiments.s2hand.recipes import TargetRecipe
from handlib.experiments.s2hand.scoring import predict, score_2d, score_3d
from handlib.experiments.s2hand.supervision import detections, source_pictures
from handlib.experiments.training_report import log_curves, speed_of
from handlib.models.s2hand import S2HandNetwork
from handlib.reproduce.recipe import RunContext
from handlib.reproduce.results import Curve, Metric, Outcome
from handlib.reproduce.state import read_state
from handlib.training.batches import BatchDrawer, HandPictures


@dataclass(frozen=True, kw_only=True)
class LiftedRecipe(TargetRecipe):
    """The lifted network trained on the target domain's pictures; ``lifted`` has its sizes."""

    name: str = "s2hand-lifted@source"
    lifted: LiftedEffort = LiftedEffort(image_px=96, stored_px=96, steps=2000)


@dataclass(frozen=True, kw_only=True)
class PhotographsOnTarget(TargetRecipe):
    """The photographs' network on the target domain's test stills."""

    name: str = "s2hand-photographs-on-target"
    columns: Mapping[str, str] = field(default_factory=dict)


def train_lifted(context: RunContext) -> Outcome:
    """The work of a :class:`LiftedRecipe`."""
    sizes = effort_of(context.profile, context.recipe.effort)
    effort = lifted_effort_of(context.profile, context.recipe.lifted)
    found, seen = detections(context, "train"), pictures(sizes, "target", "train")
    target = HandPictures(seen.rgb, seen.K, found["keypoints_px"], found["confidence"])
    shares = [effort.rendered_batch, effort.real_batch]
    augmentation = replace(AUGMENTATION, clutter=0.8)  # of the source's pictures: only they have masks
    drawer = BatchDrawer([source_pictures(sizes), target], shares, effort.image_px, augmentation, context.seed)
    network, log = train_on_pictures(context, effort, drawer)
    metrics, curves = score_on_target(network, sizes)
    return Outcome({**metrics, **speed_of(log)}, {**curves, **log_curves(log)})


def score_photographs_network(context: RunContext) -> Outcome:
    """The work of a :class:`PhotographsOnTarget`."""
    recipe = PhotographsRecipe()
    network = build_task(lifted_effort_of(context.profile, recipe.lifted), 1, context.seed).network
    network.load_state_dict(read_state(context.left_by(recipe, train_on_photographs, NETWORK)))
    return Outcome(*score_on_target(network.eval(), effort_of(context.profile, context.recipe.effort)))


def score_on_target(network: S2HandNetwork, effort: Effort) -> tuple[dict[str, Metric], dict[str, Curve]]:
    """FreiHAND's protocol on the target domain's test stills, and 2D."""
    known = labels(effort, "target", "test")
    answers = predict(network, pictures(effort, "target", "test"))
    metrics, curves = score_3d(answers, known)
    flat = score_2d(answers.joints_2d_px, known, effort.image_px, "test_")
    return {**metrics, **flat[0]}, {**curves, **flat[1]}
