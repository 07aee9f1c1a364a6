"""The work of S2HAND's rows on FreiHAND and HO-3D: the stages of the open benchmark's rows on other pictures."""

import torch

from handlib.experiments.s2hand.effort import Effort, effort_of
from handlib.experiments.s2hand.objective import CollapseWatch, S2HandTask, s2hand_objective
from handlib.experiments.s2hand.official_pictures import labels_2d, still_pictures, training_crops, training_pictures
from handlib.experiments.s2hand.official_recipes import (
    OfficialBranchRecipe,
    OfficialS2HandRecipe,
    branch_stage,
    first_stage,
    own_hand,
)
from handlib.experiments.s2hand.official_scoring import score_evaluation
from handlib.experiments.s2hand.recipes import config_of, weights_of
from handlib.experiments.s2hand.scoring import predict, score_2d
from handlib.experiments.s2hand.supervision import NETWORK
from handlib.experiments.s2hand.training import BRANCH, branch_keypoints, build_branch, load_common, settings_of
from handlib.experiments.training_report import log_curves, speed_of
from handlib.models.s2hand import S2HandNetwork
from handlib.reproduce.recipe import RunContext
from handlib.reproduce.results import Curve, Metric, Outcome
from handlib.reproduce.state import read_state, write_state
from handlib.training.augmentation import Augmentation
from handlib.training.batches import BatchDrawer
from handlib.training.collapse import CollapseDetector, CollapseError, CollapseSettings
from handlib.training.loop import fit_network

_LONGEST_GRACE = 1000


def train_official(context: RunContext) -> Outcome:
    """The work of an :class:`OfficialS2HandRecipe`: its last stage, after those that it shares, and its scores.

    Leaves ``pred.zip`` for the data set's scoring server.
    """
    recipe: OfficialS2HandRecipe = context.recipe
    effort = effort_of(context.profile, recipe.effort)
    task = build_task(context, effort)
    seed = 10 * context.seed + recipe.stages
    drawer = BatchDrawer([training_pictures(context, effort)], [effort.batch], effort.image_px, Augmentation(), seed)
    settings = settings_of(recipe, effort)
    detector = CollapseDetector(CollapseSettings(grace=min(settings.steps // 2, _LONGEST_GRACE)))
    watch = None if task.network is None else CollapseWatch(detector, effort.image_px)
    collapse = {}
    try:
        log = fit_network(context, task, s2hand_objective, drawer.draw, settings, watch)
    except CollapseError as error:
        log, task = error.log, task.eval()
        collapse = {"collapsed_at_step": Metric(error.step, "1")}
    for name, part in ((NETWORK, task.network), (BRANCH, task.branch)):
        if part is not None:
            write_state(context.artifact_path(name), part.state_dict())
    metrics, curves = score_task(context, task, effort)
    return Outcome({**metrics, **speed_of(log), **collapse}, {**curves, **log_curves(log)})


def build_task(context: RunContext, effort: Effort) -> S2HandTask:
    """Networks and objective of a recipe, with the weights of the stages before it."""
    recipe: OfficialS2HandRecipe = context.recipe
    network = branch = None
    if recipe.branches != "2d":
        torch.manual_seed(context.seed)
        network = S2HandNetwork(config_of(recipe, effort.image_px), hand=own_hand())
        network.encoder.freeze(effort.frozen_stages)
        if recipe.stages == 2:
            load_common(network, context.left_by(first_stage(recipe), train_official, NETWORK))
    if recipe.branches != "3d":
        branch = build_branch(effort, context.seed)
        if recipe.stages == 2:
            branch.load_state_dict(read_state(context.left_by(branch_stage(recipe), train_official, BRANCH)))
    return S2HandTask(network, branch, weights_of(recipe), render_px=effort.render_px)


def score_task(context: RunContext, task: S2HandTask, effort: Effort) -> tuple[dict[str, Metric], dict[str, Curve]]:
    """Scores of a trained task: the official ones, and 2D ones on training pictures, as Fig. 4 has it."""
    crops = training_crops(context, effort.image_px)
    if task.network is None:
        return score_2d(branch_keypoints(task.branch, crops.rgb), labels_2d(crops), effort.image_px)
    metrics, curves = score_evaluation(context, task.network, effort)
    seen = predict(task.network, still_pictures(crops), effort.test_stills)
    metrics_2d, curves_2d = score_2d(seen.joints_2d_px, labels_2d(crops), effort.image_px)
    return {**metrics, **metrics_2d}, {**curves, **curves_2d}


def score_branch(context: RunContext) -> Outcome:
    """The work of an :class:`OfficialBranchRecipe`."""
    recipe: OfficialBranchRecipe = context.recipe
    effort = effort_of(context.profile, recipe.of.effort)
    branch = build_branch(effort, context.seed)
    branch.load_state_dict(read_state(context.left_by(recipe.of, train_official, BRANCH)))
    crops = training_crops(context, effort.image_px)
    return Outcome(*score_2d(branch_keypoints(branch.eval(), crops.rgb), labels_2d(crops), effort.image_px))
