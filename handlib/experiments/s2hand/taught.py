"""The network that saw the target's pictures, on the pictures of the rows ``s2hand-released-*``: the same stills.

It reads the picture (:mod:`~handlib.experiments.s2hand.adapted`); the head that lifts a detector's keypoints
(:mod:`~handlib.experiments.s2hand.detected_lifting`) does not look at it. They err in other places: their mean is a
row, too.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from handlib.errors import BadInputError, MissingExtraError, MissingFileError
from handlib.experiments.s2hand.adapted import AdaptedRecipe, train_adapted
from handlib.experiments.s2hand.lifting import NETWORK
from handlib.experiments.s2hand.released import (
    ReleasedRecipe,
    ScoredPictures,
    answers,
    outcome_of,
    scored_pictures,
)
from handlib.reconstruction.front_door import reconstruct
from handlib.reproduce.recipe import RunContext
from handlib.reproduce.results import Outcome

WHO = ("adapted", "lifted")


@dataclass(frozen=True, kw_only=True)
class TaughtRecipe(ReleasedRecipe):
    """The adapted network, alone or with the lifted keypoints.

    Attributes:
        way: names of :data:`WHO` with "+" between them. "adapted": the network that saw the target's pictures looks,
            without a detector; "lifted": as in the rows of the released network. The answer of both is the mean of
            their joints, each from its wrist.
        adapted: the network's training, of seed 0.
    """

    adapted: AdaptedRecipe = AdaptedRecipe()


def score_taught(context: RunContext) -> Outcome:
    """The work of a :class:`TaughtRecipe`."""
    recipe: TaughtRecipe = context.recipe
    who = recipe.way.split("+")
    if unknown := set(who) - set(WHO):
        raise BadInputError(f"way {recipe.way!r}: {sorted(unknown)} is nobody; expected some of {WHO}, joined by '+'")
    try:
        pictures = scored_pictures(recipe.dataset, context)
        said = [answers(name, pictures) if name == "lifted" else _adapted_joints(context, pictures) for name in who]
    except (MissingExtraError, MissingFileError) as error:
        return Outcome(not_obtained=str(error))
    return outcome_of(np.mean([joints - joints[:, :1] for joints in said], axis=0), pictures, context)


def _adapted_joints(context: RunContext, pictures: ScoredPictures) -> Float[np.ndarray, "pictures 21 3"]:
    """Joints (m) that the adapted network says of the pictures, without a detector."""
    network = context.left_by(context.recipe.adapted, train_adapted, NETWORK, seed=0)
    how = {"checkpoint": network, "detector": False, "intrinsics": pictures.K, "progress": True}
    return reconstruct(pictures.rgb, side="right", **how).joints.astype(np.float64)
