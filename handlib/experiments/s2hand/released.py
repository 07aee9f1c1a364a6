"""What the released network is worth through :func:`handlib.reconstruct`, on pictures whose 3D is known.

All ways are scored on the same pictures: those in which the off-the-shelf detector finds a hand. So the network alone,
the lifting of detected keypoints and the fit to the very same keypoints stand side by side.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float

from handlib.data.stereo_video import read_stereo_crops
from handlib.errors import BadInputError, MissingExtraError, MissingFileError
from handlib.experiments.fitting_baseline import mean_hand, target_hands
from handlib.experiments.s2hand.lifting import CHAPTER
from handlib.experiments.s2hand.photo_scoring import as_metres
from handlib.keypoints import detect_hands
from handlib.metrics.alignment import procrustes_rigid
from handlib.metrics.errors import point_errors
from handlib.pretrained import RELEASED
from handlib.reconstruction.front_door import reconstruct
from handlib.reconstruction.lifter import LIFTING_HEAD
from handlib.reproduce.digest import digest_files
from handlib.reproduce.profiles import by_profile
from handlib.reproduce.recipe import Recipe, RunContext
from handlib.reproduce.results import Metric, Outcome

TARGET, FILM = "open target domain, test stills", "stereo film"
WAYS = ("alone", "lifted", "lifted-by-itself", "fit", "mean")
_FILM_PX = 224


@dataclass(frozen=True, kw_only=True)
class ReleasedRecipe(Recipe):
    """One way to a hand, on one kind of pictures.

    Attributes:
        dataset: :data:`TARGET` (cameras known) or :data:`FILM` (crops of an unknown camera; 3D triangulated from the
            same detector's keypoints in two views, which flatters whatever uses them).
        way: "alone" (the network without a detector), "lifted" (detected keypoints are lifted by the head that was
            taught this detector's mistakes, and the hand is brought onto them: what ``reconstruct`` does where a
            detector is installed), "lifted-by-itself" (the same, but by the network's own head), "fit" (to the same
            keypoints, without a network), "mean" (one hand for all).
    """

    chapter: str = CHAPTER
    way: str

    def data_digest(self) -> str:
        """Digest of the released weights, network and head; the target's pictures are generated."""
        return digest_files(RELEASED.parent, [RELEASED, LIFTING_HEAD])


@dataclass(frozen=True, eq=False)
class ScoredPictures:
    """Pictures with a detected hand: ``rgb``, ``keypoints`` (N, 21, 3) with confidence, ``K`` (N, 3, 3) or None where
    nobody knows it, ``joints_m`` (N, 21, 3), and how many pictures were looked at.
    """

    rgb: np.ndarray
    keypoints: Float[np.ndarray, "pictures 21 3"]
    K: Float[np.ndarray, "pictures 3 3"] | None
    joints_m: Float[np.ndarray, "pictures 21 3"]
    asked_for: int


def score_released(context: RunContext) -> Outcome:
    """The work of a :class:`ReleasedRecipe`: PA-MPJPE with scale, and the same of answers to other pictures."""
    recipe: ReleasedRecipe = context.recipe
    if recipe.way not in WAYS:
        raise BadInputError(f"way {recipe.way!r}: expected one of {WAYS}")
    try:
        pictures = scored_pictures(recipe.dataset, context)
    except (MissingExtraError, MissingFileError) as error:
        return Outcome(not_obtained=str(error))
    return outcome_of(answers(recipe.way, pictures), pictures, context)


def outcome_of(said: Float[np.ndarray, "pictures 21 3"], pictures: ScoredPictures, context: RunContext) -> Outcome:
    """What joints (m) that somebody says of the pictures are worth."""
    true = pictures.joints_m.astype(np.float64)
    errors_mm, shuffled_mm = (
        1000 * point_errors(procrustes_rigid(joints, true), true)
        for joints in (said, np.roll(said, len(said) // 3 + 1, axis=0))
    )
    context.samples_seen = len(said)
    return Outcome(
        {
            "pa_mpjpe": Metric(float(errors_mm.mean()), "mm", "procrustes"),
            "pa_mpjpe_median_hand": Metric(float(np.median(errors_mm.mean(1))), "mm", "procrustes"),
            "pa_mpjpe_shuffled": Metric(float(shuffled_mm.mean()), "mm", "procrustes"),
            "hands": Metric(len(said), "1"),
            "hands_asked_for": Metric(pictures.asked_for, "1"),
        }
    )


def scored_pictures(dataset: str, context: RunContext) -> ScoredPictures:
    """The pictures of a recipe.

    Raises:
        BadInputError: no such pictures.
        MissingExtraError: no detector is installed.
        MissingFileError: the film is not at hand.
    """
    if dataset == TARGET:
        count = by_profile(context.profile, smoke=4, laptop=16, full=200)
        hands = target_hands("detected", count, context.seed)
        keypoints = torch.cat([hands.keypoints_px, hands.confidence[..., None]], dim=-1).numpy()
        return ScoredPictures(hands.images, keypoints, hands.K.numpy(), hands.joints_m.numpy(), count)
    if dataset != FILM:
        raise BadInputError(f"dataset {dataset!r}: expected {TARGET!r} or {FILM!r}")
    film = read_stereo_crops(_FILM_PX, by_profile(context.profile, smoke=200, laptop=40, full=3))
    found = [detect_hands(picture, max_hands=1) for picture in film.rgb]
    kept = [row for row, hands in enumerate(found) if hands]
    keypoints = np.stack(
        [np.concatenate([found[row][0].keypoints_px, found[row][0].confidence[:, None]], axis=1) for row in kept]
    )
    return ScoredPictures(film.rgb[kept], keypoints, None, as_metres(film.joints)[kept], len(film))


def answers(way: str, pictures: ScoredPictures) -> Float[np.ndarray, "pictures 21 3"]:
    """Joints (m) that a way says of the pictures."""
    if way == "mean":
        return np.broadcast_to(mean_hand(), pictures.joints_m.shape)
    how = {
        "alone": {"detector": False},
        "lifted": {"detector": True},
        # A network that is named lifts keypoints itself.
        "lifted-by-itself": {"detector": True, "checkpoint": RELEASED},
        "fit": {"keypoints": pictures.keypoints},
    }[way]
    hands = reconstruct(pictures.rgb, side="right", intrinsics=pictures.K, progress=True, **how)
    return hands.joints.astype(np.float64)


ON_TARGET = tuple(ReleasedRecipe(name=f"s2hand-released-{way}", dataset=TARGET, way=way) for way in WAYS)
ON_FILM = tuple(ReleasedRecipe(name=f"s2hand-released-{way}-on-film", dataset=FILM, way=way) for way in WAYS)
