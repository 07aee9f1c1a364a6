"""A real hand, filmed by two cameras: what the networks are worth on it, up to scale.

Joints are triangulated, in an unknown unit; a network reads each view by itself. Its crops are cut around the
keypoints of that view, frame by frame, so that flow between them is not that of one camera: each frame is read as a
film of its own. These keypoints, mediapipe's, are also what a reading begins with.
"""

from functools import cache

import numpy as np
import torch
from jaxtyping import Float

from handlib.data.stereo_video import StereoCrops, read_stereo_crops
from handlib.errors import MissingFileError
from handlib.experiments.s2hand.baselines import mean_answers
from handlib.experiments.s2hand.photo_scoring import aligned_mm, as_metres
from handlib.experiments.tassn.effort import effort_of
from handlib.experiments.tassn.recipes import StereoRecipe
from handlib.experiments.tassn.scoring import read_films
from handlib.experiments.tassn.training import load_network
from handlib.models.tassn import TassnEstimator
from handlib.reproduce.recipe import RunContext
from handlib.reproduce.results import Metric, Outcome

EVERY = 3
"""Frames of the film from one that is read to the next, as in the other chapters."""


def score_stereo(context: RunContext) -> Outcome:
    """The work of a :class:`~handlib.experiments.tassn.recipes.StereoRecipe`; not obtained without the data folder."""
    recipe: StereoRecipe = context.recipe
    effort = effort_of(context.profile, recipe.effort)
    try:
        film = stereo_crops(effort.image_px)
    except MissingFileError as error:
        return Outcome(not_obtained=str(error))
    true = as_metres(film.joints)
    if recipe.of is None:
        answers = {"film_pa_mpjpe": mean_answers(len(film)).joints_m}
    else:
        network = load_network(context, recipe.of).to(context.device)
        said = stereo_answers(network, film, effort.guided)
        answers = {"film_pa_mpjpe": said, "film_pa_mpjpe_shuffled": np.roll(said, 40, axis=0)}
    metrics = {name: Metric(aligned_mm(said, true), "mm", "procrustes") for name, said in answers.items()}
    return Outcome({**metrics, "film_frames": Metric(len(film), "1")})


@cache
def stereo_crops(image_px: int) -> StereoCrops:
    """Every third frame of both views; decoding them takes longer than reading them.

    Raises:
        MissingFileError: the films are not in ``HANDLIB_DATA``.
    """
    return read_stereo_crops(image_px, EVERY)


def stereo_answers(network: TassnEstimator, film: StereoCrops, guided: bool) -> Float[np.ndarray, "crops 21 3"]:
    """Joints of each crop; ``guided`` by the keypoints that another detector has found in it."""
    frames = torch.from_numpy(film.rgb).float()[:, None] / 255
    start = torch.from_numpy(film.keypoints_px).float()[:, None] if guided else None
    return read_films(network, frames, start).joints_m
