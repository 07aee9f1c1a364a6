"""Training by fitting on the open depth target: every row of its tables and curves, by the published names.

``handlib run training_by_fitting --profile full`` does them one after another and goes on where it was stopped. Rows
share the pose prior (trained once) and, of each seed, the synthetic network that the fitting begins with.
"""

from handlib.experiments.training_by_fitting.baselines import score_mean_hand, track_and_score
from handlib.experiments.training_by_fitting.longer import LongerRecipe, train_longer
from handlib.experiments.training_by_fitting.prior import train_prior
from handlib.experiments.training_by_fitting.recipes import (
    CHAPTER,
    PRIOR,
    PRIORS,
    SYNTHETIC_CROPS,
    SYNTHETIC_NOISE,
    DerivedRecipe,
    FittingRecipe,
    MeanHandRecipe,
    SyntheticRecipe,
    TrackingRecipe,
    beginning,
)
from handlib.experiments.training_by_fitting.synthetic import train_synthetic
from handlib.experiments.training_by_fitting.thorough import ThoroughRecipe, train_thoroughly
from handlib.experiments.training_by_fitting.training import score_derived, train_by_fitting
from handlib.reproduce.experiment import Experiment

__all__ = ["CHAPTER", "DATA_FRACTIONS", "EXPERIMENTS", "FULL_SEEDS", "MULTI_VIEW", "SINGLE_VIEW", "WITHOUT_PRIORS"]

FULL_SEEDS = (0, 1, 2)

SYNTHETIC = SyntheticRecipe(name="fitting-synthetic", noise=False)
SYNTHETIC_POSITIONS = SyntheticRecipe(name="fitting-synthetic-coordinates", noise=False, supervision="positions")
MULTI_VIEW = FittingRecipe(name="fitting-multi-view")
SINGLE_VIEW = FittingRecipe(name="fitting-single-view", together=0.0, apart=1.0)
HALF = FittingRecipe(name="fitting-half-multi-view", together=0.5)
HALF_AND_HALF = FittingRecipe(name="fitting-half-multi-half-single", together=0.5, apart=0.5)
WITHOUT_PRIORS = tuple(FittingRecipe(name=f"fitting-no-{prior.replace('_', '-')}", without=prior) for prior in PRIORS)
ON_TEST = FittingRecipe(name="fitting-train-on-test", split="test")
ON_BOTH = FittingRecipe(name="fitting-train-on-both", split="both")
DATA_FRACTIONS = (
    FittingRecipe(name="fitting-32nd-multi-view", together=1 / 32),
    FittingRecipe(name="fitting-8th-multi-view", together=1 / 8),
    HALF,
    MULTI_VIEW,
)
"""Not in the paper but for the last two: the effect of the number of unlabelled frames, seen farther."""

OTHER_AVERAGES = (
    FittingRecipe(name="fitting-view-mean", average="mean"),
    FittingRecipe(name="fitting-view-min-variance", average="narrowest"),
)
TWO_STACKS = FittingRecipe(name="fitting-multi-view-stack-2", stacks=2)
LONGER = LongerRecipe(name="fitting-multi-view-longer")
LONGEST = LongerRecipe(name="fitting-multi-view-longest", longer=24)
THOROUGH = ThoroughRecipe(name="fitting-multi-view-thorough")
WITHOUT_FRAMES = ThoroughRecipe(name="fitting-synthetic-thorough", frames=False)
RELEASED_WEIGHTS = FittingRecipe(name="fitting-released-weights", weights="released")
_TIPS = {"mean_error": "tips_error"}


def _fitted(*recipes: FittingRecipe, seeds: tuple[int, ...] = FULL_SEEDS) -> tuple[Experiment, ...]:
    return tuple(Experiment(recipe=recipe, work=train_by_fitting, seeds=seeds) for recipe in recipes)


def _synthetic(*recipes: SyntheticRecipe, seeds: tuple[int, ...] = FULL_SEEDS) -> tuple[Experiment, ...]:
    return tuple(Experiment(recipe=recipe, work=train_synthetic, seeds=seeds) for recipe in recipes)


def _derived(*recipes: DerivedRecipe, seeds: tuple[int, ...] = FULL_SEEDS) -> tuple[Experiment, ...]:
    return tuple(Experiment(recipe=recipe, work=score_derived, seeds=seeds) for recipe in recipes)


# In the order of their importance to the page, so that whoever runs out of time has the first columns of Table 1.
EXPERIMENTS: tuple[Experiment, ...] = (
    Experiment(recipe=PRIOR, work=train_prior, seeds=(0,)),
    Experiment(recipe=MeanHandRecipe(), work=score_mean_hand, seeds=(0,)),
    *_synthetic(SYNTHETIC_NOISE),
    *_fitted(MULTI_VIEW, SINGLE_VIEW),
    Experiment(recipe=LONGER, work=train_longer, seeds=FULL_SEEDS),
    Experiment(recipe=TrackingRecipe(name="fitting-tracking"), work=track_and_score, seeds=(0,)),
    Experiment(recipe=TrackingRecipe(name="fitting-tracking-one-view", views=1), work=track_and_score, seeds=(0,)),
    Experiment(
        recipe=TrackingRecipe(name="fitting-tracking-mean-hand", start="mean"), work=track_and_score, seeds=(0,)
    ),
    Experiment(
        recipe=TrackingRecipe(name="fitting-tracking-from-truth", start="truth"), work=track_and_score, seeds=(0,)
    ),
    Experiment(recipe=THOROUGH, work=train_thoroughly, seeds=FULL_SEEDS),
    Experiment(recipe=WITHOUT_FRAMES, work=train_thoroughly, seeds=FULL_SEEDS),
    Experiment(recipe=LONGEST, work=train_longer, seeds=(0,)),
    *_derived(
        DerivedRecipe(name="fitting-multi-view-tips", of=MULTI_VIEW, columns=_TIPS),
        DerivedRecipe(name="fitting-shuffled", of=MULTI_VIEW, look="shuffled"),
    ),
    *_fitted(*WITHOUT_PRIORS, HALF, ON_BOTH),
    *_fitted(RELEASED_WEIGHTS, HALF_AND_HALF, ON_TEST, *DATA_FRACTIONS[:2], *OTHER_AVERAGES, seeds=(0,)),
    *_synthetic(SYNTHETIC, seeds=(0,)),
    *_derived(
        DerivedRecipe(name="fitting-synthetic-on-synthetic", of=SYNTHETIC, look="synthetic", dataset=SYNTHETIC_CROPS),
        seeds=(0,),
    ),
    *_synthetic(SYNTHETIC_POSITIONS, seeds=(0,)),
    *_derived(
        DerivedRecipe(
            name="fitting-coordinates-on-synthetic",
            of=SYNTHETIC_POSITIONS,
            look="synthetic",
            dataset=SYNTHETIC_CROPS,
        ),
        seeds=(0,),
    ),
    *_synthetic(beginning(TWO_STACKS), seeds=(0,)),
    *_fitted(TWO_STACKS, seeds=(0,)),
    *_derived(DerivedRecipe(name="fitting-multi-view-stack-2-tips", of=TWO_STACKS, columns=_TIPS), seeds=(0,)),
)
