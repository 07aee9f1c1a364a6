"""Rows without the hands that have no picture, which keep the paper's objective to the letter.

2D losses say nothing of depth; in the other rows sampled hands do. What a motion term adds may depend on that.
"""

from dataclasses import dataclass, replace

from handlib.experiments.s2hand_v.effort import effort_of
from handlib.experiments.s2hand_v.recipes import VideoRecipe
from handlib.experiments.s2hand_v.training import train_row
from handlib.reproduce.recipe import RunContext
from handlib.reproduce.results import Outcome


@dataclass(frozen=True, kw_only=True)
class WithoutHandsRecipe(VideoRecipe):
    """A row that sees films alone; ``hands`` in a step: none."""

    hands: int = 0


def train_without_hands(context: RunContext) -> Outcome:
    """The work of a :class:`WithoutHandsRecipe`."""
    recipe: WithoutHandsRecipe = context.recipe
    effort = effort_of(context.profile, recipe.effort)
    return train_row(context, replace(effort, hands=recipe.hands))


def without_hands(row: VideoRecipe) -> WithoutHandsRecipe:
    """The same row without them, by the name of the row and what it lacks."""
    fields = {name: value for name, value in vars(row).items() if name != "name"}
    return WithoutHandsRecipe(name=f"{row.name}-without-hands", **fields)
