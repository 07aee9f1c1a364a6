"""What teaching is worth on the pictures of the rows ``s2hand-released-*``: the same stills, keypoints and camera.

The released network has two students: one saw the target's pictures (:mod:`~handlib.experiments.s2hand.adapted`), the
lifting head of the other saw a detector's mistakes (:mod:`~handlib.experiments.s2hand.detected_lifting`). The first
reads the picture, the second the detector's keypoints, so that they err in other places: their mean is a row, too.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from handlib.errors import BadInputError, MissingExtraError, MissingFileError
from handlib.experiments.s2hand.adapted import AdaptedRecipe, train_adapted
from handlib.experiments.s2hand.detected_lifting import DetectedLiftingRecipe, train_detected_lifting
from handlib.experiments.s2hand.lifting import CHAPTER, NETWORK
from handlib.experiments.s2hand.released import ScoredPictures, outcome_of, scored_pictures
from handlib.reconstruction.front_door import reconstruct
from handlib.reproduce.recipe import Recipe, RunContext
from handlib.reproduce.results import Outcome

STUDENTS = ("adapted", "lifting")


@dataclass(frozen=True, kw_only=True)
class TaughtRecipe(Recipe):
    """Students of the released network, on one kind of pictures.

    Attributes:
        dataset: as for :class:`~handlib.experiments.s2hand.released.ReleasedRecipe`.
        students: "adapted": the network that saw the target's pictures looks, without a detector; "lifting": the taught
            head lifts detected keypoints, and the hand is brought onto them. The answer of several is the mean of
            their joints, each from its wrist.
        adapted, lifting: their trainings, both of seed 0.
    """

    chapter: str = CHAPTER
    students: tuple[str, ...]
    adapted: AdaptedRecipe = AdaptedRecipe()
    lifting: DetectedLiftingRecipe

    def data_digest(self) -> str:
        """Digest of the released network, with which both trainings begin."""
        return self.adapted.data_digest()


def score_taught(context: RunContext) -> Outcome:
    """The work of a :class:`TaughtRecipe`."""
    recipe: TaughtRecipe = context.recipe
    if unknown := set(recipe.students) - set(STUDENTS):
        raise BadInputError(f"students {sorted(unknown)}: expected some of {STUDENTS}")
    try:
        pictures = scored_pictures(recipe.dataset, context)
        said = [_joints_of(student, context, pictures) for student in recipe.students]
    except (MissingExtraError, MissingFileError) as error:
        return Outcome(not_obtained=str(error))
    return outcome_of(np.mean([joints - joints[:, :1] for joints in said], axis=0), pictures, context)


def _joints_of(student: str, context: RunContext, pictures: ScoredPictures) -> Float[np.ndarray, "pictures 21 3"]:
    """Joints (m) that a student says of the pictures."""
    recipe: TaughtRecipe = context.recipe
    if student == "adapted":
        network = context.left_by(recipe.adapted, train_adapted, NETWORK, seed=0)
    else:
        network = context.left_by(recipe.lifting, train_detected_lifting, NETWORK, seed=0)
    how = {"checkpoint": network, "detector": student == "lifting", "intrinsics": pictures.K, "progress": True}
    return reconstruct(pictures.rgb, side="right", **how).joints.astype(np.float64)
