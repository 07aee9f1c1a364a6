"""A real hand, filmed by two cameras: what the networks are worth on it, up to scale.

Joints are triangulated from detections in both views, in an unknown unit; a network reads each view by itself, all of
its frames, as its memory wants it. The crops follow the hand, as those of the real videos in the paper do.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache

import numpy as np
from jaxtyping import Float

from handlib.data.photos import require_data
from handlib.data.stereo_video import FOLDER, LABELS, StereoCrops, read_stereo_crops
from handlib.errors import MissingFileError
from handlib.experiments.s2hand.baselines import mean_answers
from handlib.experiments.s2hand.photo_scoring import aligned_mm, as_metres
from handlib.experiments.seqhand.effort import Effort, effort_of
from handlib.experiments.seqhand.recipes import FilmRecipe, FineTunedRecipe, SeqHandRecipe
from handlib.experiments.seqhand.training import load_network
from handlib.experiments.seqhand.videos import read_video
from handlib.models.seqhand import SeqHandNetwork
from handlib.reproduce.digest import digest_files
from handlib.reproduce.recipe import RunContext
from handlib.reproduce.results import Metric, Outcome

SCORED_EVERY = 3
"""Frames from one that is scored to the next: those that the other chapters score."""
_SHUFFLED_BY = 40


@dataclass(frozen=True, kw_only=True)
class StereoRecipe(SeqHandRecipe):
    """A trained network on the real film from two cameras; it needs the data folder.

    Attributes:
        of: the row that trained it; None for one mean hand.
    """

    dataset: str = "real stereo film (triangulated, up to scale)"
    columns: Mapping[str, str] = field(default_factory=dict)
    of: FilmRecipe | FineTunedRecipe | None = None

    def data_digest(self) -> str:
        """Digest of the film's labels; "none" without the film."""
        try:
            path = require_data(f"{FOLDER}/{LABELS}")
        except MissingFileError:
            return "none"
        return digest_files(path.parent, [path])


def score_stereo(context: RunContext) -> Outcome:
    """The work of a :class:`StereoRecipe`; not obtained without the data folder."""
    recipe: StereoRecipe = context.recipe
    effort: Effort = effort_of(context.profile, recipe.effort)
    try:
        film = stereo_crops(effort.image_px)
    except MissingFileError as error:
        return Outcome(not_obtained=str(error))
    scored = film.frame % SCORED_EVERY == 0
    true = as_metres(film.joints)[scored]
    if recipe.of is None:
        answers = {"film_pa_mpjpe": mean_answers(len(true)).joints_m}
    else:
        said = answer_views(load_network(context, recipe.of, effort), film, effort.image_px)[scored]
        answers = {"film_pa_mpjpe": said, "film_pa_mpjpe_shuffled": np.roll(said, _SHUFFLED_BY, axis=0)}
    metrics = {name: Metric(aligned_mm(said, true), "mm", "procrustes") for name, said in answers.items()}
    return Outcome({**metrics, "film_frames": Metric(len(true), "1")})


@cache
def stereo_crops(image_px: int) -> StereoCrops:
    """All frames of both views; decoding them takes longer than reading them.

    Raises:
        MissingFileError: the films are not in ``HANDLIB_DATA``.
    """
    return read_stereo_crops(image_px)


def answer_views(network: SeqHandNetwork, film: StereoCrops, image_px: int) -> Float[np.ndarray, "crops 21 3"]:
    """Joints (m, from the wrist) of each crop; each view is a video of its own."""
    said = np.empty_like(film.joints, dtype=np.float32)
    for view in np.unique(film.view):
        rows = np.flatnonzero(film.view == view)
        rows = rows[np.argsort(film.frame[rows])]
        said[rows] = read_video(network, film.rgb[rows], image_px)
    return said
