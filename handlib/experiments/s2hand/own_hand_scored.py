"""The rows that know the target's hand model, on the pictures of the rows ``s2hand-released-*``.

All are given the model of the hand, the detector's keypoints and the camera, and none is given a label. The guided
network's eyes have also seen the target's training pictures with the detector's keypoints (see
:mod:`~handlib.experiments.s2hand.adapted`).
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float

from handlib.camera import PerspectiveCamera
from handlib.data.target_domain import TARGET_HAND
from handlib.errors import BadInputError, MissingExtraError, MissingFileError
from handlib.experiments.s2hand.guided import GuidedRecipe
from handlib.experiments.s2hand.guided_scored import look_at_pictures
from handlib.experiments.s2hand.own_hand import OwnHandRecipe, own_hand_lifter
from handlib.experiments.s2hand.released import ReleasedRecipe, ScoredPictures, outcome_of, scored_pictures
from handlib.fitting import fit_to_keypoints
from handlib.fitting.fit import default_library
from handlib.hand import HandModel
from handlib.metrics.alignment import procrustes_rigid
from handlib.reconstruction.looking import boxes_around
from handlib.reconstruction.refining import lift_all_round
from handlib.reproduce.recipe import RunContext
from handlib.reproduce.results import Outcome

WAYS = ("mean", "fit", "lifted", "guided")


@dataclass(frozen=True, kw_only=True)
class OwnHandScoreRecipe(ReleasedRecipe):
    """One way to a hand whose model is known.

    Attributes:
        way: "mean" (one hand for all: the mean of the model's plausible poses), "fit" (to the detected keypoints,
            without a network), "lifted" (the detected keypoints, by the head that knows the model), "guided" (the same
            head lifts the mean of what was detected and what the guided network then reads off the picture).
        lifting, guided: the two trainings, of seed 0.
    """

    guided: GuidedRecipe
    lifting: OwnHandRecipe


def score_own_hand(context: RunContext) -> Outcome:
    """The work of an :class:`OwnHandScoreRecipe`."""
    recipe: OwnHandScoreRecipe = context.recipe
    if recipe.way not in WAYS:
        raise BadInputError(f"way {recipe.way!r}: expected one of {WAYS}")
    try:
        pictures = scored_pictures(recipe.dataset, context)
        return outcome_of(_answers(context, pictures), pictures, context)
    except (MissingExtraError, MissingFileError) as error:
        return Outcome(not_obtained=str(error))


def _answers(context: RunContext, pictures: ScoredPictures) -> Float[np.ndarray, "pictures 21 3"]:
    """Joints (m) that the recipe's way says of the pictures."""
    recipe: OwnHandScoreRecipe = context.recipe
    K, keypoints = torch.from_numpy(pictures.K).float(), torch.from_numpy(pictures.keypoints).float()
    detected_px, confidence = keypoints[..., :2], keypoints[..., 2]
    if recipe.way == "mean":
        return np.broadcast_to(mean_of_model(HandModel.load(TARGET_HAND)), pictures.joints_m.shape)
    if recipe.way == "fit":
        fit = fit_to_keypoints(HandModel.load(TARGET_HAND), detected_px, confidence, PerspectiveCamera(K))
        return fit.joints.double().numpy()
    if recipe.way == "guided":
        _, read_px = look_at_pictures(context, recipe.guided, pictures)
        detected_px = (detected_px + torch.from_numpy(read_px)) / 2
    centre, side = boxes_around(detected_px, list(pictures.rgb))
    right = torch.zeros(len(K), dtype=torch.bool)
    lifted = lift_all_round(own_hand_lifter(context, recipe.lifting), detected_px, confidence, centre, side, right, K)
    # Not brought onto the keypoints (`refine`): the detector means other points by its names than this model does.
    return lifted.view.points_to_picture(lifted.joints_m).double().numpy()


def mean_of_model(model: HandModel) -> Float[np.ndarray, "21 3"]:
    """The mean of a model's plausible poses, turned alike (m), as ``mean_hand`` is of the open hand's."""
    poses = default_library(model).joints_m.double().numpy()
    return procrustes_rigid(poses, np.broadcast_to(poses[:1], poses.shape)).mean(0)
