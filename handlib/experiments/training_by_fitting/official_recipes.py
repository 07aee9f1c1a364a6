"""Training by fitting on NYU: the rows of its tables as recipes."""

from dataclasses import dataclass, replace

from handlib.experiments.official_run import OfficialRecipe
from handlib.experiments.training_by_fitting.effort import Effort
from handlib.experiments.training_by_fitting.recipes import DepthRecipe, FittingRecipe, SyntheticRecipe

PAPER_EFFORT = Effort(
    synthetic_steps=416_000,
    synthetic_batch=48,
    fitting_steps=218_000,
    frames_per_step=25,
    beside=48,
)
"""The paper's: 20 million synthetic crops, then 75 epochs of NYU's 72,757 frames; all frames are used."""


@dataclass(frozen=True, kw_only=True)
class NyuSyntheticRecipe(SyntheticRecipe, OfficialRecipe):
    """A network that knows labelled synthetic crops only, scored on NYU."""

    data: str = "nyu"
    dataset: str = "NYU"
    test_split: str = "test"
    effort: Effort = PAPER_EFFORT


@dataclass(frozen=True, kw_only=True)
class NyuFittingRecipe(FittingRecipe, OfficialRecipe):
    """A network that goes on from there by fitting spheres to NYU's unlabelled frames; ``split`` says to which.

    Labels are used to find where the cameras stand, as in the paper, and to score.
    """

    data: str = "nyu"
    dataset: str = "NYU"
    train_split: str = "train"
    test_split: str = "test"
    effort: Effort = PAPER_EFFORT


@dataclass(frozen=True, kw_only=True)
class NyuLookRecipe(DepthRecipe, OfficialRecipe):
    """The same network as ``of`` under another name, for other columns."""

    data: str = "nyu"
    dataset: str = "NYU"
    train_split: str = "train"
    test_split: str = "test"
    of: NyuFittingRecipe


SYNTHETIC_NOISE = NyuSyntheticRecipe(name="fitting-synthetic-noise@nyu")


def beginning(recipe: NyuFittingRecipe) -> NyuSyntheticRecipe:
    """The synthetic training that comes before; all rows of as many stacks share it."""
    stem = SYNTHETIC_NOISE.name.partition("@")[0]
    name = SYNTHETIC_NOISE.name if recipe.stacks == 1 else f"{stem}-stack-{recipe.stacks}@nyu"
    return replace(SYNTHETIC_NOISE, name=name, stacks=recipe.stacks, effort=recipe.effort)
