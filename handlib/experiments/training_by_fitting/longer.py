"""The fitting of the best row again, for longer: what the short trainings that compare rows leave undone."""

from dataclasses import dataclass

from handlib.experiments.training_by_fitting.effort import effort_of
from handlib.experiments.training_by_fitting.recipes import FittingRecipe
from handlib.experiments.training_by_fitting.synthetic import finish
from handlib.experiments.training_by_fitting.training import fit_to_frames
from handlib.reproduce.recipe import RunContext
from handlib.reproduce.results import Outcome


@dataclass(frozen=True, kw_only=True)
class LongerRecipe(FittingRecipe):
    """A fitting that takes ``longer`` times as many steps as the other rows, from the same beginning."""

    longer: int = 6


def train_longer(context: RunContext) -> Outcome:
    """The work of a :class:`LongerRecipe`."""
    network, log = fit_to_frames(context, context.recipe.longer)
    return finish(context, network, log, effort_of(context.profile, context.recipe.effort))
