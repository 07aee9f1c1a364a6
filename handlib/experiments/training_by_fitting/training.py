"""The work of the fitted rows: unlabelled frames after synthetic crops; and further looks at trained networks."""

from dataclasses import replace

from handlib.data.depth_source import SyntheticDepth
from handlib.errors import BadInputError
from handlib.experiments.training_by_fitting.batches import DepthDrawer, frame_counts, synthetic_crops
from handlib.experiments.training_by_fitting.data import stored_views
from handlib.experiments.training_by_fitting.effort import effort_of
from handlib.experiments.training_by_fitting.objective import FittingObjective
from handlib.experiments.training_by_fitting.prior import frozen_prior
from handlib.experiments.training_by_fitting.recipes import (
    PRIORS,
    DerivedRecipe,
    FittingRecipe,
    SyntheticRecipe,
    beginning,
)
from handlib.experiments.training_by_fitting.scoring import predict_crops, score_synthetic
from handlib.experiments.training_by_fitting.supervision import AllStacks
from handlib.experiments.training_by_fitting.synthetic import NETWORK, finish, score_on_target, train_synthetic
from handlib.losses.sphere_priors import BALANCED_WEIGHTS, RELEASED_WEIGHTS_PER_FRAME, FittingWeights
from handlib.models.depth_hourglass import DepthEstimator
from handlib.reproduce.recipe import RunContext
from handlib.reproduce.results import Outcome
from handlib.reproduce.state import read_state
from handlib.training.loop import TrainingLog, TrainSettings, fit_network

WEIGHTS = {"balanced": BALANCED_WEIGHTS, "released": RELEASED_WEIGHTS_PER_FRAME}


def train_by_fitting(context: RunContext) -> Outcome:
    """The work of a :class:`FittingRecipe`: the synthetic training (shared), then the fitting."""
    network, log = fit_to_frames(context)
    return finish(context, network, log, effort_of(context.profile, context.recipe.effort))


def fit_to_frames(context: RunContext, longer: int = 1) -> tuple[DepthEstimator, TrainingLog]:
    """The training of a :class:`FittingRecipe`, which opens no label of the target; ``longer`` multiplies its steps."""
    recipe: FittingRecipe = context.recipe
    effort = effort_of(context.profile, recipe.effort)
    network = load_network(context, beginning(recipe))
    weights = weights_of(recipe)
    objective = FittingObjective(
        spheres=SyntheticDepth().spheres,
        prior=frozen_prior(context, recipe) if weights.vae else None,
        weights=weights,
        average=recipe.average,
    )
    views = stored_views(effort, recipe.split)
    together, apart = frame_counts(recipe, len(views))
    synthetic = synthetic_crops(context.seed, 1, noise=True)
    drawer = DepthDrawer(synthetic, effort.beside, views, together, apart, effort.frames_per_step, context.seed)
    settings = TrainSettings(longer * effort.fitting_steps, learning_rate=effort.fitting_rate, schedule="cosine")
    return network, fit_network(context, AllStacks(network), objective, drawer.draw, settings)


def load_network(context: RunContext, recipe: SyntheticRecipe | FittingRecipe) -> DepthEstimator:
    """The network that a row trains, on the CPU; it is trained first if need be."""
    network = DepthEstimator(recipe.stacks, effort_of(context.profile, recipe.effort).features)
    work = train_synthetic if isinstance(recipe, SyntheticRecipe) else train_by_fitting
    network.load_state_dict(read_state(context.left_by(recipe, work, NETWORK)))
    return network.eval()


def weights_of(recipe: FittingRecipe) -> FittingWeights:
    """The weights of Eq. 4 that a row names, without the prior that it leaves out.

    Raises:
        BadInputError: there are no such weights, or there is no such prior.
    """
    if recipe.weights not in WEIGHTS:
        raise BadInputError(f"weights {recipe.weights!r}: expected one of {sorted(WEIGHTS)}")
    if recipe.without not in ("", *PRIORS):
        raise BadInputError(f"without {recipe.without!r}: expected one of {PRIORS}, or '' for none")
    return replace(WEIGHTS[recipe.weights], **{recipe.without: 0.0} if recipe.without else {})


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
