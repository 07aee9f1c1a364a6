"""The work of the rows on NYU: the synthetic training and the fitting of the open benchmark's rows on other frames."""

import torch

from handlib.data.depth_source import SyntheticDepth
from handlib.experiments.training_by_fitting.batches import DepthDrawer, frame_counts, synthetic_crops
from handlib.experiments.training_by_fitting.effort import effort_of
from handlib.experiments.training_by_fitting.objective import FittingObjective
from handlib.experiments.training_by_fitting.official_frames import nyu_views, score_on_nyu
from handlib.experiments.training_by_fitting.official_recipes import (
    NyuFittingRecipe,
    NyuLookRecipe,
    NyuSyntheticRecipe,
    beginning,
)
from handlib.experiments.training_by_fitting.prior import frozen_prior
from handlib.experiments.training_by_fitting.recipes import PRIOR
from handlib.experiments.training_by_fitting.scoring import inference_times
from handlib.experiments.training_by_fitting.supervision import AllStacks, SyntheticObjective
from handlib.experiments.training_by_fitting.synthetic import NETWORK
from handlib.experiments.training_by_fitting.training import weights_of
from handlib.experiments.training_report import log_curves, speed_of
from handlib.models.depth_hourglass import DepthEstimator
from handlib.reproduce.recipe import RunContext
from handlib.reproduce.results import Outcome
from handlib.reproduce.state import read_state, write_state
from handlib.training.loop import TrainingLog, TrainSettings, fit_network


def train_synthetic_for_nyu(context: RunContext) -> Outcome:
    """The work of a :class:`NyuSyntheticRecipe`."""
    recipe: NyuSyntheticRecipe = context.recipe
    effort = effort_of(context.profile, recipe.effort)
    torch.manual_seed(context.seed)
    network = DepthEstimator(recipe.stacks, effort.features)
    drawer = DepthDrawer(synthetic_crops(context.seed, 0, recipe.noise), effort.synthetic_batch)
    settings = TrainSettings(effort.synthetic_steps, learning_rate=effort.learning_rate, schedule="cosine")
    log = fit_network(context, AllStacks(network), SyntheticObjective(recipe.supervision), drawer.draw, settings)
    return _finish(context, network, log)


def fit_to_nyu(context: RunContext) -> Outcome:
    """The work of a :class:`NyuFittingRecipe`: the synthetic training (shared), then the fitting, without labels."""
    recipe: NyuFittingRecipe = context.recipe
    effort = effort_of(context.profile, recipe.effort)
    network = DepthEstimator(recipe.stacks, effort.features)
    network.load_state_dict(read_state(context.left_by(beginning(recipe), train_synthetic_for_nyu, NETWORK)))
    weights = weights_of(recipe)
    objective = FittingObjective(
        spheres=SyntheticDepth().spheres,
        # The prior has learnt from sampled poses alone: that of the open benchmark, as it is.
        prior=frozen_prior(context, PRIOR) if weights.vae else None,
        weights=weights,
        average=recipe.average,
    )
    views = nyu_views(context, recipe.split)
    synthetic = synthetic_crops(context.seed, 1, noise=True)
    counts = frame_counts(recipe, len(views))
    drawer = DepthDrawer(synthetic, effort.beside, views, *counts, effort.frames_per_step, context.seed)
    settings = TrainSettings(effort.fitting_steps, learning_rate=effort.fitting_rate, schedule="cosine")
    return _finish(context, network, fit_network(context, AllStacks(network), objective, drawer.draw, settings))


def look_on_nyu(context: RunContext) -> Outcome:
    """The work of a :class:`NyuLookRecipe`: load what ``of`` has trained, and score it."""
    recipe: NyuLookRecipe = context.recipe
    network = DepthEstimator(recipe.of.stacks, effort_of(context.profile, recipe.of.effort).features)
    network.load_state_dict(read_state(context.left_by(recipe.of, fit_to_nyu, NETWORK)))
    return score_on_nyu(context, network.eval().to(context.device))


def _finish(context: RunContext, network: DepthEstimator, log: TrainingLog) -> Outcome:
    """Leave the weights for other rows, and score the network."""
    write_state(context.artifact_path(NETWORK), network.state_dict())
    scores = score_on_nyu(context, network.to(context.device))
    metrics = {**scores.metrics, **speed_of(log), **inference_times(network, context.device)}
    return Outcome(metrics, {**scores.curves, **log_curves(log)})
