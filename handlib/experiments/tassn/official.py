"""TASSN on official data: Table 1, and Figures 6 and 7.

``handlib run tassn --data stb --root DIR --profile full`` and ``--data mhp``. STB: the colour camera of the SK subset,
six videos, the first to be scored on, the palm moved to the wrist, as the paper says. MHP: its split is not printed;
the first of the 21 recordings, from all webcams, is scored on. One seed, as in the paper; ``--seed 1`` gives more.
"""

from dataclasses import replace

from handlib.experiments.tassn.official_recipes import OfficialTassnRecipe, stage_before
from handlib.experiments.tassn.official_training import train_official
from handlib.experiments.tassn.recipes import FULL, NO_CONSISTENCY, NO_SILHOUETTE, POSE_CONSISTENCY, TassnRecipe
from handlib.reproduce.experiment import Experiment

STB = OfficialTassnRecipe(name="tassn-full@stb", data="stb", dataset="STB", test_videos=("B1Counting",))
MHP = OfficialTassnRecipe(name="tassn-full@mhp", data="mhp", dataset="MHP", test_videos=("data_1",))
_ROWS = (FULL, NO_CONSISTENCY, POSE_CONSISTENCY, NO_SILHOUETTE)


def on_official(row: TassnRecipe, full: OfficialTassnRecipe) -> OfficialTassnRecipe:
    """A row of the open benchmark, on the data of ``full``."""
    weights = {name: getattr(row, name) for name in ("silhouette", "heatmap", "pose", "mesh", "unit_m")}
    return replace(full, name=f"{row.name}@{full.data}", **weights)


def _of(full: OfficialTassnRecipe) -> tuple[Experiment, ...]:
    """The stages that the rows of a data set share, and the rows."""
    second = stage_before(full)
    recipes = (stage_before(second), second, *(on_official(row, full) for row in _ROWS))
    return tuple(Experiment(recipe=recipe, work=train_official, seeds=(0,)) for recipe in recipes)


OFFICIAL: tuple[Experiment, ...] = (*_of(STB), *_of(MHP))
