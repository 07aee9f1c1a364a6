"""The detector's own 3D on the stereo film: what a network that was trained with 3D labels says of the same crops.

The film's truth is triangulated from this detector's 2D keypoints in both views, which flatters it.
"""

import numpy as np
from jaxtyping import Float, Int

from handlib.errors import MissingExtraError, MissingFileError
from handlib.experiments.s2hand_v.real_films import FRAMES, RealAnswers, read_film, score
from handlib.keypoints.detector_guess import guess_joints
from handlib.reproduce.recipe import RunContext
from handlib.reproduce.results import Metric, Outcome

CROP_PX = 224
"""Side of the crops; at the 96 px of the networks' films, the detector misses hands."""


def score_stereo_detector(context: RunContext) -> Outcome:
    """The work of the detector's row on the stereo film; not obtained without the film or the detector."""
    try:
        film = read_film("stereo", CROP_PX, FRAMES.get(str(context.profile)))
        guess = guess_joints(context.progress(film.rgb, what="detecting"))
    except (MissingExtraError, MissingFileError) as error:
        return Outcome(not_obtained=str(error))
    missed = np.isnan(guess).any((1, 2))
    if missed.all():
        return Outcome(not_obtained="the detector finds a hand in no frame")
    metrics = score(RealAnswers(held(guess, film.sequence)), film)
    return Outcome({**metrics, "frames_missed": Metric(int(missed.sum()), "1")})


def held(
    guess: Float[np.ndarray, "frames 21 3"], sequence: Int[np.ndarray, "frames"]
) -> Float[np.ndarray, "frames 21 3"]:
    """The guesses, and for a frame without one the last guess of its stretch; before the first, the next one at all."""
    known = np.isfinite(guess).all((1, 2))
    rows = np.arange(len(guess))
    begins = np.searchsorted(sequence, sequence)
    last = np.maximum.accumulate(np.where(known, rows, -1))
    following = np.minimum.accumulate(np.where(known, rows, len(rows))[::-1])[::-1]
    anywhere = np.where(following < len(rows), following, last)
    return guess[np.where(last >= begins, last, anywhere)]
