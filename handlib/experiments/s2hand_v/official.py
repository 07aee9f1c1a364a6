"""S2HAND(V) on official data: the rows of its tables on HO-3D.

``handlib run s2hand_v --data ho3d_v2 --root DIR --profile full`` fills Tables 2, 4, 5, 7 and 9, and of Table 8 what
needs no further videos; ``ho3d_v3`` is in no table of the paper. The row with YouTube-3D-Hands is left out: those films
come as whole frames without boxes, and finding the hand in them is not part of these experiments. One seed, as in the
paper; ``--seed 1`` gives more.
"""

from handlib.experiments.s2hand.official import HO3D_V2, HO3D_V3
from handlib.experiments.s2hand_v import FULL, ORTHO, ORTHO_QUATERNION, QUATERNION, SMOOTH, TABLE_7, TEMPORAL
from handlib.experiments.s2hand_v.official_recipes import motion_of, on_official
from handlib.experiments.s2hand_v.official_training import score_motion_only, train_video
from handlib.reproduce.experiment import Experiment

_ROWS = ((HO3D_V2, (FULL, QUATERNION, TEMPORAL, SMOOTH, *TABLE_7, ORTHO, ORTHO_QUATERNION)), (HO3D_V3, (FULL,)))

OFFICIAL: tuple[Experiment, ...] = tuple(
    experiment
    for of, rows in _ROWS
    for experiment in (
        Experiment(recipe=motion_of(of), work=score_motion_only, seeds=(0,)),
        *(Experiment(recipe=on_official(row, of), work=train_video, seeds=(0,)) for row in rows),
    )
)
