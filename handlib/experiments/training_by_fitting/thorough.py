"""The fitting taken to where it goes: many more steps than the rows that are compared, and larger ones.

The short trainings are stopped far above what the energy allows (see ``fitting-tracking-from-truth``). Gradients are
hundreds of times as long as the length that they are cut to, so that the learning rate alone says how far a step goes.
On the frames that it was chosen on, six times the steps end at 18.0 mm with :data:`RATE`, at 18.4 with half of it, and
at 19.6 with the short rows' rate, which ends at 17.5 after 24 times the steps.
"""

from dataclasses import dataclass, replace

from handlib.data.depth_source import SyntheticDepth
from handlib.experiments.training_by_fitting.batches import DepthDrawer, frame_counts, synthetic_crops
from handlib.experiments.training_by_fitting.data import stored_views
from handlib.experiments.training_by_fitting.effort import effort_of
from handlib.experiments.training_by_fitting.objective import FittingObjective
from handlib.experiments.training_by_fitting.prior import frozen_prior
from handlib.experiments.training_by_fitting.recipes import FittingRecipe, beginning
from handlib.experiments.training_by_fitting.supervision import AllStacks, SyntheticObjective
from handlib.experiments.training_by_fitting.synthetic import finish
from handlib.experiments.training_by_fitting.training import load_network, weights_of
from handlib.reproduce.recipe import RunContext
from handlib.reproduce.results import Outcome
from handlib.training.loop import TrainSettings, fit_network

RATE = 2e-3
"""Chosen among 3e-4, 1e-3 and 2e-3 by the error on 300 training frames after 3,000 steps, seed 0."""


@dataclass(frozen=True, kw_only=True)
class ThoroughRecipe(FittingRecipe):
    """A fitting from the same beginning as the other rows, but longer and faster.

    Attributes:
        longer: times as many steps.
        rate: learning rate at its highest.
        frames: whether the target's frames are seen. False is the control: as many steps on the synthetic crops alone,
            which says how much of the gain is nothing but longer training.
    """

    longer: int = 24
    rate: float = RATE
    frames: bool = True


def train_thoroughly(context: RunContext) -> Outcome:
    """The work of a :class:`ThoroughRecipe`, which opens no label of the target but to be scored."""
    recipe: ThoroughRecipe = context.recipe
    effort = effort_of(context.profile, recipe.effort)
    network = load_network(context, beginning(recipe))
    objective, drawer = SyntheticObjective(), DepthDrawer(synthetic_crops(context.seed, 1, noise=True), effort.beside)
    if recipe.frames:
        objective = FittingObjective(
            spheres=SyntheticDepth().spheres,
            prior=frozen_prior(context, recipe),
            weights=weights_of(recipe),
            average=recipe.average,
            synthetic=objective,
        )
        drawer = _beside_frames(drawer, context)
    settings = TrainSettings(recipe.longer * effort.fitting_steps, learning_rate=recipe.rate, schedule="cosine")
    log = fit_network(context, AllStacks(network), objective, drawer.draw, settings)
    return finish(context, network, log, effort)


def _beside_frames(drawer: DepthDrawer, context: RunContext) -> DepthDrawer:
    effort = effort_of(context.profile, context.recipe.effort)
    views = stored_views(effort, context.recipe.split)
    together, apart = frame_counts(context.recipe, len(views))
    per_step = effort.frames_per_step
    return replace(drawer, views=views, together=together, apart=apart, frames_per_step=per_step, seed=context.seed)
