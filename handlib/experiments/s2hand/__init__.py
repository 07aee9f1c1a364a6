"""S2HAND on the open target domain: every row of its tables, by the names of the published ones.

``handlib run s2hand --profile full`` does them one after another and goes on where it was stopped. Rows share: the
detector; the first stage of the 3D branch where its losses agree (``s2hand-3d-branch`` for all that learn from location
and orientation of the detected keypoints); the first stage of the 2D branch.

Where the 3D branch begins is part of what a row knows. Rows with ``@source`` begin with ``s2hand-source-only``: 2D and
3D labels of plain renderings of the open hand, from ImageNet's weights on; in every batch they see such renderings
again. Rows with ``@released``, and ``s2hand-adapted@source``, begin with the network of the package, which has seen 3D
labels of renderings and detected keypoints of photographs; ``s2hand-guided@source`` begins with the eyes of
``s2hand-adapted@source``, and ``s2hand-own-hand-*`` know the target's hand model beside. All other rows of S2HAND begin
with the encoder of ``s2hand-detector``, which has learnt from free 2D labels (no 3D) of renderings of the open hand
with the *target domain's looks* (domain "varied"); so none of them rests on detected keypoints alone. Only
``s2hand-paper-network`` begins with ImageNet's weights, as the paper does. So do the networks that lift
(``s2hand-lifted@source``, ``s2hand-photographs``), whose lifting head comes from ``s2hand-lifting``.
"""

from dataclasses import replace

from handlib.data.source_domain import SOURCE_HAND
from handlib.experiments.s2hand.adapted import AdaptedRecipe, train_adapted
from handlib.experiments.s2hand.baselines import score_baseline, score_derived
from handlib.experiments.s2hand.detected_lifting import DetectedLiftingRecipe, train_detected_lifting
from handlib.experiments.s2hand.found import FoundRecipe, find_keypoints
from handlib.experiments.s2hand.found_in_renderings import RenderingsRecipe, find_in_renderings
from handlib.experiments.s2hand.frames import KINDS, ORDINARY, FramesRecipe, score_frames
from handlib.experiments.s2hand.further import FurtherRecipe, train_further
from handlib.experiments.s2hand.guided import GuidedRecipe, train_guided
from handlib.experiments.s2hand.guided_scored import GuidedScoreRecipe, score_guided
from handlib.experiments.s2hand.lifted import (
    LiftedRecipe,
    PhotographsOnTarget,
    score_photographs_network,
    train_lifted,
)
from handlib.experiments.s2hand.lifting import LiftingRecipe, train_lifting
from handlib.experiments.s2hand.own_hand import OwnHandRecipe, train_own_hand
from handlib.experiments.s2hand.own_hand_scored import WAYS as OWN_HAND_WAYS
from handlib.experiments.s2hand.own_hand_scored import OwnHandScoreRecipe, score_own_hand
from handlib.experiments.s2hand.pairs import PairsRecipe, find_pairs
from handlib.experiments.s2hand.photographs import PhotographsRecipe, train_on_photographs
from handlib.experiments.s2hand.recipes import (
    CHAPTER,
    PLAIN_2D,
    PLAIN_3D,
    SOURCE_ONLY,
    BaselineRecipe,
    DerivedRecipe,
    DetectorRecipe,
    S2HandRecipe,
    with_source_labels,
)
from handlib.experiments.s2hand.released import FILM, ON_FILM, ON_TARGET, TARGET, score_released
from handlib.experiments.s2hand.supervision import train_detector
from handlib.experiments.s2hand.taught import TaughtRecipe, score_taught
from handlib.experiments.s2hand.training import train_and_score
from handlib.reproduce.experiment import Experiment

__all__ = ["CHAPTER", "EXPERIMENTS", "FULL", "FULL_SEEDS", "TABLE_4"]

FULL_SEEDS = (0, 1, 2)
LOC = S2HandRecipe(name="s2hand-loc", orientation=False)
LOC_ORI = S2HandRecipe(name="s2hand-loc-ori")
LOC_ORI_2D = S2HandRecipe(name="s2hand-loc-ori-2d", branches="both")
FULL = S2HandRecipe(name="s2hand-full", branches="both", photometric=True)
TABLE_4 = (LOC, LOC_ORI, LOC_ORI_2D, FULL)
TRUE_2D = replace(FULL, name="s2hand-true-2d", keypoints="true")
EQUAL = replace(FULL, name="s2hand-equal-confidences", equal_confidences=True)
NO_REGU = replace(FULL, name="s2hand-no-regu", regularisation=False)
MANO_CNN = S2HandRecipe(name="s2hand-mano-cnn", keypoints="true", target_labels_3d=True)
PAPER_NETWORK = replace(FULL, name="s2hand-paper-network", network="paper", encoder="imagenet")
END_TO_END = replace(FULL, name="s2hand-end-to-end", stages=0)
COLLAPSE = replace(FULL, name="s2hand-collapse", stages=0, photometric_factor=50.0)
FURTHER_LOC = FurtherRecipe(name="s2hand-loc@released", orientation=False, branch=False, photometric=False)
FURTHER_TABLE_4 = (
    FURTHER_LOC,
    replace(FURTHER_LOC, name="s2hand-loc-ori@released", orientation=True),
    FurtherRecipe(name="s2hand-loc-ori-2d@released", photometric=False),
    FurtherRecipe(name="s2hand-full@released"),
)
FURTHER_TRUE_2D = FurtherRecipe(name="s2hand-true-2d@released", keypoints="true")
FURTHER_NO_HANDS = tuple(
    replace(recipe, name=f"{recipe.name.partition('@')[0]}-no-hands@released", hands=0)
    for recipe in (FURTHER_TABLE_4[0], FURTHER_TABLE_4[1], FURTHER_TABLE_4[3])
)
FURTHER_START = FurtherRecipe(name="s2hand-start@released", trained=False)
PAIRS = (PairsRecipe(), PairsRecipe(name="s2hand-pairs-photographs", domain="varied-photographs"))
RENDERINGS = (
    RenderingsRecipe(),
    RenderingsRecipe(name="s2hand-found-before-photographs", domain="varied-photographs", stills=20_000, smoke=8),
)
TAUGHT_LIFTING = DetectedLiftingRecipe(pairs=PAIRS)
TAUGHT = tuple(
    TaughtRecipe(name=f"s2hand-{name}", dataset=TARGET, way=way)
    for name, way in (("adapted-alone", "adapted"), ("adapted-and-lifted", "adapted+lifted"))
)
GUIDED = GuidedRecipe(pictures=RENDERINGS)
GUIDED_SCORES = (
    GuidedScoreRecipe(name="s2hand-guided-alone", dataset=TARGET, way="guided", guided=GUIDED),
    GuidedScoreRecipe(name="s2hand-guided-blind", dataset=TARGET, way="blind", guided=GUIDED),
)
GUIDED_ON_FILM = replace(GUIDED_SCORES[0], name="s2hand-guided-alone-on-film", dataset=FILM)
OWN_HAND_LIFTING = OwnHandRecipe(pictures=RENDERINGS)
OWN_HAND = tuple(
    OwnHandScoreRecipe(name=f"s2hand-own-hand-{way}", dataset=TARGET, way=way, guided=GUIDED, lifting=OWN_HAND_LIFTING)
    for way in OWN_HAND_WAYS
)
# The control: as much more school on the same renderings, for the open hand.
OPEN_HAND_LIFTING = replace(
    OWN_HAND_LIFTING,
    name="s2hand-open-hand-lifting",
    dataset="hands of the source's model, no pictures",
    hand=SOURCE_HAND,
)
OPEN_HAND = OwnHandScoreRecipe(
    name="s2hand-open-hand-lifted", dataset=TARGET, way="lifted", guided=GUIDED, lifting=OPEN_HAND_LIFTING
)
_LOOKS = (("s2hand-full-2d-branch", "2d-branch"), ("s2hand-shuffled", "shuffled"))


def _trained(*recipes: S2HandRecipe, seeds: tuple[int, ...] = FULL_SEEDS) -> tuple[Experiment, ...]:
    return tuple(Experiment(recipe=recipe, work=train_and_score, seeds=seeds) for recipe in recipes)


# In the order of their importance to the page, so that whoever runs out of time has Table 4 and 5 first.
EXPERIMENTS: tuple[Experiment, ...] = (
    Experiment(recipe=DetectorRecipe(), work=train_detector, seeds=(0,)),
    Experiment(recipe=BaselineRecipe(name="s2hand-mean-hand", method="mean"), work=score_baseline, seeds=(0,)),
    Experiment(recipe=BaselineRecipe(name="s2hand-untrained", method="untrained"), work=score_baseline, seeds=(0,)),
    Experiment(recipe=BaselineRecipe(name="s2hand-fit-detected", method="fit"), work=score_baseline, seeds=(0,)),
    *_trained(PLAIN_3D, PLAIN_2D, *TABLE_4, TRUE_2D),
    *(Experiment(recipe=DerivedRecipe(name=name, of=FULL, look=look), work=score_derived) for name, look in _LOOKS),
    *(
        Experiment(recipe=FramesRecipe(name=f"{FULL.name}-on-{kind}", of=FULL, kind=kind), work=score_frames)
        for kind in (ORDINARY, *KINDS)
    ),
    *_trained(SOURCE_ONLY, seeds=(0,)),
    *_trained(*(with_source_labels(recipe) for recipe in (*TABLE_4, TRUE_2D))),
    *_trained(MANO_CNN, EQUAL, NO_REGU),
    *_trained(END_TO_END, COLLAPSE, PAPER_NETWORK, with_source_labels(MANO_CNN), seeds=(0,)),
    Experiment(recipe=LiftingRecipe(), work=train_lifting, seeds=(0,)),
    Experiment(recipe=PhotographsRecipe(), work=train_on_photographs, seeds=(0,)),
    Experiment(recipe=PhotographsOnTarget(), work=score_photographs_network, seeds=(0,)),
    Experiment(recipe=LiftedRecipe(), work=train_lifted, seeds=FULL_SEEDS),
    *(Experiment(recipe=recipe, work=score_released, seeds=FULL_SEEDS) for recipe in ON_TARGET),
    *(Experiment(recipe=recipe, work=score_released, seeds=(0,)) for recipe in ON_FILM),
    Experiment(recipe=FoundRecipe(), work=find_keypoints, seeds=(0,)),
    *(Experiment(recipe=recipe, work=find_pairs, seeds=(0,)) for recipe in PAIRS),
    Experiment(recipe=TAUGHT_LIFTING, work=train_detected_lifting, seeds=(0,)),
    Experiment(recipe=FURTHER_START, work=train_further, seeds=(0,)),
    *(
        Experiment(recipe=recipe, work=train_further, seeds=FULL_SEEDS)
        for recipe in (*FURTHER_TABLE_4, FURTHER_TRUE_2D, *FURTHER_NO_HANDS)
    ),
    Experiment(recipe=AdaptedRecipe(), work=train_adapted, seeds=(0,)),
    *(Experiment(recipe=recipe, work=score_taught, seeds=FULL_SEEDS) for recipe in TAUGHT),
    *(Experiment(recipe=recipe, work=find_in_renderings, seeds=(0,)) for recipe in RENDERINGS),
    Experiment(recipe=GUIDED, work=train_guided, seeds=(0,)),
    *(Experiment(recipe=recipe, work=score_guided, seeds=FULL_SEEDS) for recipe in GUIDED_SCORES),
    Experiment(recipe=GUIDED_ON_FILM, work=score_guided, seeds=(0,)),
    *(Experiment(recipe=recipe, work=train_own_hand, seeds=(0,)) for recipe in (OWN_HAND_LIFTING, OPEN_HAND_LIFTING)),
    *(Experiment(recipe=recipe, work=score_own_hand, seeds=FULL_SEEDS) for recipe in (*OWN_HAND, OPEN_HAND)),
)
