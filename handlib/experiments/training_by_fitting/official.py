"""Training by fitting on NYU: ``handlib run training_by_fitting --data nyu --root DIR --profile full``.

Fills Tables 1 and 2 and Figures 5 to 8, but for the row that is scored on synthetic crops, which needs no NYU. One
seed, as in the paper; ``--seed 1`` gives more.
"""

from handlib.experiments.training_by_fitting.official_recipes import (
    SYNTHETIC_NOISE,
    NyuFittingRecipe,
    NyuLookRecipe,
    NyuSyntheticRecipe,
    beginning,
)
from handlib.experiments.training_by_fitting.official_training import fit_to_nyu, look_on_nyu, train_synthetic_for_nyu
from handlib.experiments.training_by_fitting.recipes import PRIORS
from handlib.reproduce.experiment import Experiment

MULTI_VIEW = NyuFittingRecipe(name="fitting-multi-view@nyu")
TWO_STACKS = NyuFittingRecipe(name="fitting-multi-view-stack-2@nyu", stacks=2)
_FITTED = (
    MULTI_VIEW,
    NyuFittingRecipe(name="fitting-single-view@nyu", together=0.0, apart=1.0),
    NyuFittingRecipe(name="fitting-half-multi-view@nyu", together=0.5),
    NyuFittingRecipe(name="fitting-half-multi-half-single@nyu", together=0.5, apart=0.5),
    *(NyuFittingRecipe(name=f"fitting-no-{prior.replace('_', '-')}@nyu", without=prior) for prior in PRIORS),
    NyuFittingRecipe(name="fitting-train-on-test@nyu", split="test", train_split="test"),
    NyuFittingRecipe(name="fitting-train-on-both@nyu", split="both"),
    NyuFittingRecipe(name="fitting-view-mean@nyu", average="mean"),
    NyuFittingRecipe(name="fitting-view-min-variance@nyu", average="narrowest"),
    TWO_STACKS,
)
_SYNTHETIC = (SYNTHETIC_NOISE, NyuSyntheticRecipe(name="fitting-synthetic@nyu", noise=False), beginning(TWO_STACKS))
_TIPS = {"mean_error": "tips_error"}
_TIPS_OF = (
    NyuLookRecipe(name="fitting-multi-view-tips@nyu", of=MULTI_VIEW, columns=_TIPS),
    NyuLookRecipe(name="fitting-multi-view-stack-2-tips@nyu", of=TWO_STACKS, columns=_TIPS),
)

OFFICIAL: tuple[Experiment, ...] = (
    *(Experiment(recipe=recipe, work=train_synthetic_for_nyu, seeds=(0,)) for recipe in _SYNTHETIC),
    *(Experiment(recipe=recipe, work=fit_to_nyu, seeds=(0,)) for recipe in _FITTED),
    *(Experiment(recipe=recipe, work=look_on_nyu, seeds=(0,)) for recipe in _TIPS_OF),
)
