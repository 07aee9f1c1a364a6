"""S2HAND on official data: the rows of its tables on FreiHAND and HO-3D.

``handlib run s2hand --data freihand --root DIR --profile full`` fills Tables 2, 4 and 5 and Figure 4, ``--data
ho3d_v2`` Tables 3 and 5; ``ho3d_v3`` is in no table of the paper. One seed, as in the paper; ``--seed 1`` gives more.
"""

from dataclasses import replace

from handlib.experiments.s2hand.official_pictures import detect_official
from handlib.experiments.s2hand.official_recipes import (
    OfficialBranchRecipe,
    OfficialS2HandRecipe,
    branch_stage,
    detector_of,
    first_stage,
)
from handlib.experiments.s2hand.official_training import score_branch, train_official
from handlib.reproduce.experiment import Experiment

_FREIHAND = {"data": "freihand", "dataset": "FreiHAND", "train_split": "training", "test_split": "evaluation"}
_HO3D = {"train_split": "train", "test_split": "evaluation", "branches": "both", "photometric": True}

FULL = OfficialS2HandRecipe(name="s2hand-full@freihand", **_FREIHAND, branches="both", photometric=True)
TABLE_4 = (
    OfficialS2HandRecipe(name="s2hand-loc@freihand", **_FREIHAND, orientation=False),
    OfficialS2HandRecipe(name="s2hand-loc-ori@freihand", **_FREIHAND),
    OfficialS2HandRecipe(name="s2hand-loc-ori-2d@freihand", **_FREIHAND, branches="both"),
    FULL,
)
TRUE_2D = replace(FULL, name="s2hand-true-2d@freihand", keypoints="true")
IN_WORDS = (
    OfficialS2HandRecipe(name="s2hand-mano-cnn@freihand", **_FREIHAND, keypoints="true", target_labels_3d=True),
    replace(FULL, name="s2hand-equal-confidences@freihand", equal_confidences=True),
    replace(FULL, name="s2hand-no-regu@freihand", regularisation=False),
)
"""Comparisons that the paper makes without numbers."""

HO3D_V2 = OfficialS2HandRecipe(name="s2hand-ho3d-full@ho3d_v2", data="ho3d_v2", dataset="HO-3D v2", **_HO3D)
HO3D_V3 = OfficialS2HandRecipe(name="s2hand-ho3d-full@ho3d_v3", data="ho3d_v3", dataset="HO-3D v3", **_HO3D)
HO3D_V2_TRUE_2D = replace(HO3D_V2, name="s2hand-ho3d-true-2d@ho3d_v2", keypoints="true")


def _trained(*recipes: OfficialS2HandRecipe) -> tuple[Experiment, ...]:
    return tuple(Experiment(recipe=recipe, work=train_official, seeds=(0,)) for recipe in recipes)


def _begun(full: OfficialS2HandRecipe) -> tuple[Experiment, ...]:
    """What the rows of a data set share: detections, and the first stage of each branch."""
    detections = Experiment(recipe=detector_of(full), work=detect_official, seeds=(0,))
    return (detections, *_trained(first_stage(full), branch_stage(full)))


OFFICIAL: tuple[Experiment, ...] = (
    *_begun(FULL),
    *_trained(*TABLE_4, TRUE_2D),
    Experiment(
        recipe=OfficialBranchRecipe(name="s2hand-full-2d-branch@freihand", **_FREIHAND, of=FULL),
        work=score_branch,
        seeds=(0,),
    ),
    *_trained(*IN_WORDS),
    *(run for full in (HO3D_V2, HO3D_V3) for run in (*_begun(full), *_trained(full))),
    *_trained(HO3D_V2_TRUE_2D),
)
