"""The work of the trained rows: synthetic crops first, then unlabelled frames; scores, and weights for other rows."""

import torch
from torch import nn

from handlib.data.depth_source import SyntheticDepth
from handlib.experiments.training_by_fitting.batches import DepthDrawer, frame_counts, synthetic_crops
from handlib.experiments.training_by_fitting.data import stored_views, true_joints_m
from handlib.experiments.training_by_fitting.effort import Effort, effort_of
from handlib.experiments.training_by_fitting.objective import AllStacks, DepthObjective
from handlib.experiments.training_by_fitting.prior import frozen_prior
from handlib.experiments.training_by_fitting.recipes import (
    DerivedRecipe,
    FittingRecipe,
    SyntheticRecipe,
    beginning,
    weights_of,
)
from handlib.experiments.training_by_fitting.scoring import (
    inference_times,
    predict_crops,
    predict_views,
    score_agreement,
    score_synthetic,
    score_views,
)
from handlib.experiments.training_report import log_curves, speed_of
from handlib.models.depth_hourglass import DepthEstimator
from handlib.reproduce.recipe import RunContext
from handlib.reproduce.results import Outcome
from handlib.reproduce.state import read_state, write_state
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
    log = fit_network(context, AllStacks(network), DepthObjective(recipe.supervision), drawer.draw, settings)
    return finish(context, network, log, effort)


def train_by_fitting(context: RunContext) -> Outcome:
    """The work of a :class:`FittingRecipe`: the synthetic training (shared), then the fitting."""
    network, log = fit_to_frames(context)
    return finish(context, network, log, effort_of(context.profile, context.recipe.effort))


def fit_to_frames(context: RunContext) -> tuple[DepthEstimator, TrainingLog]:
    """The training of a :class:`FittingRecipe`, which opens no label of the target."""
    recipe: FittingRecipe = context.recipe
    effort = effort_of(context.profile, recipe.effort)
    network = load_network(context, beginning(recipe))
    weights = weights_of(recipe)
    objective = DepthObjective(
        spheres=SyntheticDepth().spheres,
        prior=frozen_prior(context, recipe) if weights.vae else None,
        weights=weights,
        average=recipe.average,
    )
    views = stored_views(effort, recipe.split)
    together, apart = frame_counts(recipe, len(views))
    synthetic = synthetic_crops(context.seed, 1, noise=True)
    drawer = DepthDrawer(synthetic, effort.beside, views, together, apart, effort.frames_per_step, context.seed)
    settings = TrainSettings(effort.fitting_steps, learning_rate=effort.fitting_rate, schedule="cosine")
    return network, fit_network(context, AllStacks(network), objective, drawer.draw, settings)


def load_network(context: RunContext, recipe: SyntheticRecipe | FittingRecipe) -> DepthEstimator:
    """The network that a row trains, on the CPU; it is trained first if need be."""
    network = DepthEstimator(recipe.stacks, effort_of(context.profile, recipe.effort).features)
    work = train_synthetic if isinstance(recipe, SyntheticRecipe) else train_by_fitting
    network.load_state_dict(read_state(context.left_by(recipe, work, NETWORK)))
    return network.eval()


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


def score_derived(context: RunContext) -> Outcome:
    """The work of a :class:`DerivedRecipe`: load what ``of`` has trained, and look again."""
    recipe: DerivedRecipe = context.recipe
    effort = effort_of(context.profile, recipe.of.effort)
    network = load_network(context, recipe.of).to(context.device)
    if recipe.look == "synthetic":
        noise = isinstance(recipe.of, FittingRecipe) or recipe.of.noise
        crops = SyntheticDepth(split="test", noise=noise).batch(0, effort.synthetic_test)
        return score_synthetic(predict_crops(network, crops.depth), crops.joints_m)
    return score_on_target(network, effort, shift=1 if recipe.look == "shuffled" else 0)
