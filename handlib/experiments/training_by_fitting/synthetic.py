"""The work of the synthetic rows, and what every trained row ends with: its weights for others, and its scores."""

import torch
from torch import nn

from handlib.experiments.training_by_fitting.batches import DepthDrawer, synthetic_crops
from handlib.experiments.training_by_fitting.data import stored_views, true_joints_m
from handlib.experiments.training_by_fitting.effort import Effort, effort_of
from handlib.experiments.training_by_fitting.recipes import SyntheticRecipe
from handlib.experiments.training_by_fitting.scoring import (
    inference_times,
    predict_views,
    score_agreement,
    score_views,
)
from handlib.experiments.training_by_fitting.supervision import AllStacks, SyntheticObjective
from handlib.experiments.training_report import log_curves, speed_of
from handlib.models.depth_hourglass import DepthEstimator
from handlib.reproduce.recipe import RunContext
from handlib.reproduce.results import Outcome
from handlib.reproduce.state import write_state
from handlib.training.loop import TrainingLog, TrainSettings, fit_network

NETWORK = "network.safetensors"


def train_synthetic(context: RunContext) -> Outcome:
    """The work of a :class:`SyntheticRecipe`."""
    recipe: SyntheticRecipe = context.recipe
    effort = effort_of(context.profile, recipe.effort)
    torch.manual_seed(context.seed)
    network = DepthEstimator(recipe.stacks, effort.features)
    drawer = DepthDrawer(synthetic_crops(context.seed, 0, recipe.noise), effort.synthetic_batch)
    settings = TrainSettings(effort.synthetic_steps, learning_rate=effort.learning_rate, schedule="cosine")
    log = fit_network(context, AllStacks(network), SyntheticObjective(recipe.supervision), drawer.draw, settings)
    return finish(context, network, log, effort)


def finish(context: RunContext, network: DepthEstimator, log: TrainingLog, effort: Effort) -> Outcome:
    """Leave the weights for other rows, and score the network on the test frames."""
    write_state(context.artifact_path(NETWORK), network.state_dict())
    scores = score_on_target(network.to(context.device), effort)
    metrics = {**scores.metrics, **speed_of(log), **inference_times(network, context.device)}
    return Outcome(metrics, {**scores.curves, **log_curves(log)})


def score_on_target(network: nn.Module, effort: Effort, shift: int = 0) -> Outcome:
    """Scores of a network on the test frames; with a shift each frame gets the answer of one that many places on."""
    views = stored_views(effort, "test")
    centres = torch.roll(predict_views(network, views), -shift, 0)
    joints = true_joints_m(effort, "test")
    scores = score_views(centres, views, joints)
    return Outcome({**scores.metrics, **score_agreement(centres, views, joints)}, scores.curves)
