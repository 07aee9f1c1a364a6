"""Real films, which nothing here was trained on: a stereo pair whose joints are known up to their unit, and a signer.

Each frame is cut out around its detected keypoints, as all single-frame methods have it. So is the tremble of the cut:
to steady it is to filter, too. Accelerations are of wrist-relative joints, brought to a hand's size by one factor for
the whole film where the unit is not metres.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8

from handlib.data.asl_video import FRAMES_PER_SECOND as SIGNING_RATE
from handlib.data.asl_video import read_signing_crops
from handlib.data.stereo_video import read_stereo_crops
from handlib.errors import MissingFileError
from handlib.experiments.s2hand.photo_scoring import aligned_mm, as_metres
from handlib.experiments.s2hand_v.baselines import answers_of_fit
from handlib.experiments.s2hand_v.effort import effort_of
from handlib.experiments.s2hand_v.network import NETWORK, starting_network, with_encoder
from handlib.experiments.s2hand_v.real_recipe import RealFilmRecipe
from handlib.experiments.s2hand_v.scoring import QUATERNION_FRAMES, accelerations
from handlib.experiments.s2hand_v.training import train_and_score
from handlib.fitting.fit import default_library, fit_to_keypoints
from handlib.fitting.one_euro import one_euro_filter
from handlib.hand.model import HandModel
from handlib.metrics.rotation import quaternion_smoothness
from handlib.metrics.temporal import acceleration_error, mean_acceleration, sequence_std
from handlib.models.images import normalise_images
from handlib.models.keypoint_readout import ReadKeypoints
from handlib.models.s2hand import S2HandNetwork
from handlib.reproduce.recipe import RunContext
from handlib.reproduce.results import Metric, Outcome

STEREO_RATE = 30.0
_BATCH = 64


@dataclass(frozen=True, eq=False)
class RealFilm:
    """A real film's crops, in order.

    Attributes:
        rgb: 8-bit crops.
        keypoints_px: (F, 21, 2) detected, in the crops.
        sequence: (F,) a number for each stretch of neighbouring frames of one view.
        frames_per_second: of the film.
        joints_m: (F, 21, 3) triangulated, as metres; None where nobody knows.
        detector_joints_m: (F, 21, 3) the guess of a detector that was trained with 3D labels; None without.
    """

    rgb: UInt8[np.ndarray, "frames px px 3"]
    keypoints_px: Float[np.ndarray, "frames 21 2"]
    sequence: Int[np.ndarray, "frames"]
    frames_per_second: float
    joints_m: Float[np.ndarray, "frames 21 3"] | None = None
    detector_joints_m: Float[np.ndarray, "frames 21 3"] | None = None

    def __len__(self) -> int:
        return len(self.rgb)


@dataclass(frozen=True, eq=False)
class RealAnswers:
    """What is said of a film's frames: joints (m), and the joints' rotations and shapes where there are any."""

    joints_m: Float[np.ndarray, "frames 21 3"]
    rotations: Float[np.ndarray, "frames 16 3 3"] | None = None
    shape: Float[np.ndarray, "frames 10"] | None = None


def score_real_film(context: RunContext) -> Outcome:
    """The work of a :class:`~handlib.experiments.s2hand_v.recipes.RealFilmRecipe`."""
    recipe: RealFilmRecipe = context.recipe
    effort = effort_of(context.profile, recipe.effort)
    try:
        film = read_film(recipe.film, effort.image_px, FRAMES.get(str(context.profile)))
    except MissingFileError as error:
        return Outcome(not_obtained=str(error))
    if recipe.method == "detector" and film.detector_joints_m is None:
        return Outcome(not_obtained="the film brings no 3D guess of its detector, only the joints triangulated from it")
    return Outcome(score(answer(context, film), film))


FRAMES = {"smoke": 12, "laptop": 120}
"""How many frames the small profiles look at."""


def read_film(name: str, image_px: int, frames: int | None = None) -> RealFilm:
    """A real film by name, "stereo" or "signing", or its first frames.

    Raises:
        MissingFileError: it is not in ``HANDLIB_DATA``.
    """
    if name == "signing":
        crops = read_signing_crops(image_px)
        whole = RealFilm(
            crops.rgb,
            crops.keypoints_px,
            stretches(np.zeros(len(crops), int), crops.frame),
            SIGNING_RATE,
            detector_joints_m=crops.detector_joints_m,
        )
    else:
        crops = read_stereo_crops(image_px)
        joints = as_metres(crops.joints).astype(np.float32)
        rows = stretches(crops.view, crops.frame)
        whole = RealFilm(crops.rgb, crops.keypoints_px, rows, STEREO_RATE, joints_m=joints)
    return first_frames(whole, len(whole) if frames is None else frames)


def first_frames(film: RealFilm, count: int) -> RealFilm:
    """The first frames of a film."""
    return RealFilm(**{n: v[:count] if isinstance(v, np.ndarray) else v for n, v in vars(film).items()})


def stretches(view: Int[np.ndarray, "frames"], frame: Int[np.ndarray, "frames"]) -> Int[np.ndarray, "frames"]:
    """Numbers the stretches of neighbouring frames: frames without a label cut a film."""
    breaks = (np.diff(frame) != 1) | (np.diff(view) != 0)
    return np.r_[0, np.cumsum(breaks)]


def answer(context: RunContext, film: RealFilm) -> RealAnswers:
    """What a recipe's method says of a film."""
    recipe: RealFilmRecipe = context.recipe
    if recipe.method == "detector":
        return RealAnswers(film.detector_joints_m)
    if recipe.method == "fit":
        return fit_film(film)
    network = starting_network(recipe.of.camera, context.seed)
    network = with_encoder(network, context.left_by(recipe.of, train_and_score, NETWORK))
    if recipe.method == "lifted":
        return lift_keypoints(network, film)
    seen = look_at(network, film)
    if recipe.method == "network":
        return seen
    joints = torch.from_numpy(seen.joints_m - seen.joints_m[:, :1])
    return RealAnswers(one_euro_filter(joints, film.frames_per_second, sequence_ids=film.sequence).numpy())


@torch.no_grad()
def look_at(network: S2HandNetwork, film: RealFilm) -> RealAnswers:
    """A network's answers, frame by frame; the lens is an assumed one, as for any photograph."""
    parts = []
    for block in torch.from_numpy(film.rgb).split(_BATCH):
        found = network(normalise_images(block))
        parts.append((found.joints, found.rotations, found.shape))
    return RealAnswers(*(torch.cat(column).numpy() for column in zip(*parts, strict=True)))


@torch.no_grad()
def lift_keypoints(network: S2HandNetwork, film: RealFilm) -> RealAnswers:
    """What a network makes of the detected keypoints, without a look at the pictures."""
    keypoints = torch.from_numpy(film.keypoints_px).float()
    found = network.lift(ReadKeypoints(keypoints, torch.ones_like(keypoints[..., 0])), film.rgb.shape[1])
    return RealAnswers(*(part.numpy() for part in (found.joints, found.rotations, found.shape)))


def fit_film(film: RealFilm) -> RealAnswers:
    """The hand model fitted to each frame's detected keypoints by itself, through an assumed lens."""
    model = HandModel.load("open")
    keypoints = torch.from_numpy(film.keypoints_px).float()
    fit = fit_to_keypoints(model, keypoints, library=default_library(model), progress=True)
    found = answers_of_fit(fit, model)
    return RealAnswers(found.joints_m, found.rotations, found.shape)


def score(said: RealAnswers, film: RealFilm) -> dict[str, Metric]:
    """Smoothness, and where joints are known the error after the best scale, rotation and translation of each frame."""
    predicted = hand_sized(said.joints_m)
    over = {"films": film.sequence, "frames_per_second": film.frames_per_second, "alignment": "scale-root"}
    metrics = {**accelerations("acc", mean_acceleration, predicted, **over), "frames": Metric(len(film), "1")}
    if film.joints_m is not None:
        true = hand_sized(film.joints_m)
        shuffled = np.roll(predicted, 40, axis=0)
        metrics |= {
            "pa_mpjpe": Metric(aligned_mm(predicted, true), "mm", "procrustes"),
            "pa_mpjpe_shuffled": Metric(aligned_mm(shuffled, true), "mm", "procrustes"),
            **accelerations("acc_err", acceleration_error, predicted, true, **over),
            **accelerations("true_acc", mean_acceleration, true, **over),
        }
    if said.rotations is not None:
        value = quaternion_smoothness(said.rotations, frames=QUATERNION_FRAMES, sequence_ids=film.sequence)
        metrics["quaternion"] = Metric(value, "1")
    if said.shape is not None:
        metrics["shape_sd"] = Metric(sequence_std(said.shape, film.sequence), "1")
    return metrics


def hand_sized(joints: Float[np.ndarray, "frames 21 3"]) -> Float[np.ndarray, "frames 21 3"]:
    """Joints from the wrist, with one factor for the whole film that gives the hand an average size."""
    return as_metres((joints - joints[:, :1]).astype(np.float64))
