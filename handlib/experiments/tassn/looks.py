"""Trained networks of this chapter, for whoever wants to look at what they say: pages and demonstrations.

Nothing that trains imports this.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from handlib.crops import resize_affine, transform_pixels
from handlib.data.asl_video import read_signing_crops
from handlib.data.stereo_video import read_stereo_crops
from handlib.errors import MissingFileError
from handlib.experiments.tassn.data import labels, pictures
from handlib.experiments.tassn.effort import Effort, effort_of
from handlib.experiments.tassn.flow import FLOW_NETWORK, train_flow
from handlib.experiments.tassn.recipes import (
    CHAPTER,
    FLOW,
    LABELS,
    FilmRecipe,
    PretrainRecipe,
    StillRecipe,
    TassnRecipe,
)
from handlib.experiments.tassn.scoring import FilmAnswers, read_films, shrunk, test_rows
from handlib.experiments.tassn.stored import stored_runs
from handlib.experiments.tassn.supervision import SUPERVISION, Supervision
from handlib.experiments.tassn.training import NETWORK, build_network, pretrain, train_on_stills, train_on_video
from handlib.metrics.errors import point_errors
from handlib.models.flow_net import FlowNetS
from handlib.models.keypoint_placement import translation_from_keypoints
from handlib.models.tassn import TassnEstimator
from handlib.reproduce.artifacts import find_artifact
from handlib.reproduce.places import results_folder
from handlib.reproduce.recipe import run
from handlib.reproduce.results import Result, load_results
from handlib.reproduce.state import read_state

Trained = TassnRecipe | StillRecipe | PretrainRecipe
_WORK = {PretrainRecipe: pretrain, StillRecipe: train_on_stills, TassnRecipe: train_on_video}


@dataclass(frozen=True, eq=False)
class TrainedEstimator:
    """A network, the profile in which it was trained, and the sizes that go with it."""

    network: TassnEstimator
    profile: str
    effort: Effort


def runs_of(recipe: str, profile: str) -> list[Result]:
    """Stored results of a recipe by its name, in the order of their seeds."""
    return sorted((run for run in stored_runs(profile) if run.recipe == recipe), key=lambda run: run.seed)


def runs_with(metric: str) -> dict[str, list[Result]]:
    """Full runs of other chapters that have a metric, by recipe."""
    found: dict[str, list[Result]] = {}
    for result in load_results(results_folder()):
        if result.chapter != CHAPTER and result.profile == "full" and metric in result.outcome.metrics:
            found.setdefault(result.recipe, []).append(result)
    return found


def profile_of(recipe: FilmRecipe, profile: str, seed: int = 0, name: str = NETWORK) -> str:
    """``"full"`` if what the full run has left (``name``, its weights) is on this machine, else ``profile``."""
    try:
        find_artifact(recipe.chapter, recipe.name, "full", seed, name)
    except MissingFileError:
        return profile
    return "full"


def trained_network(recipe: Trained, profile: str, seed: int = 0) -> TrainedEstimator:
    """The weights of a recipe in a profile, which is run if need be."""
    try:
        path = find_artifact(recipe.chapter, recipe.name, profile, seed, NETWORK)
    except MissingFileError:
        run(recipe, profile, seed, _WORK[type(recipe)], needs=(NETWORK,))
        path = find_artifact(recipe.chapter, recipe.name, profile, seed, NETWORK)
    effort = effort_of(profile, recipe.effort)
    network = build_network(effort, seed)
    network.load_state_dict(read_state(path))
    return TrainedEstimator(network.eval(), profile, effort)


def flow_network(profile: str) -> tuple[FlowNetS, str]:
    """The trained flow network and its profile: the full one's if it is on this machine, else run in ``profile``."""
    try:
        path, used = find_artifact(FLOW.chapter, FLOW.name, "full", 0, FLOW_NETWORK), "full"
    except MissingFileError:
        run(FLOW, profile, 0, train_flow, needs=(FLOW_NETWORK,))
        path, used = find_artifact(FLOW.chapter, FLOW.name, profile, 0, FLOW_NETWORK), profile
    network = FlowNetS()
    network.load_state_dict(read_state(path))
    return network.eval(), used


def seen_in(profile: str, split: str = "test") -> Supervision:
    """What the detector and GrabCut have found in a split's films, in a profile that has been run here."""
    found = read_state(find_artifact(CHAPTER, LABELS.name, profile, 0, SUPERVISION))[split]
    return Supervision(**{name: np.asarray(value) for name, value in found.items()})


@dataclass(frozen=True, eq=False)
class ClipsLook:
    """Some test clips, what is true of them and what a network says, frame by frame; camera frame, metres.

    Attributes:
        rgb: as they were drawn.
        K: px of the drawn pictures.
        joints_m, vertices_m: said, placed where the network's own keypoints are.
        true_joints_m, true_vertices_m: true; the mesh is that of the target's hand.
        true_mask: true silhouettes.
        error_mm: of each frame's joints, from the wrist.
        answers: as they were said, both ways.
    """

    rgb: UInt8[np.ndarray, "frames px px 3"]
    K: Float[np.ndarray, "frames 3 3"]
    joints_m: Float[np.ndarray, "frames 21 3"]
    vertices_m: Float[np.ndarray, "frames vertices 3"]
    true_joints_m: Float[np.ndarray, "frames 21 3"]
    true_vertices_m: Float[np.ndarray, "frames true_vertices 3"]
    true_mask: Bool[np.ndarray, "frames px px"]
    error_mm: Float[np.ndarray, "frames"]
    answers: FilmAnswers


def look_at_clips(trained: TrainedEstimator, clips: Int[np.ndarray, "clips"]) -> ClipsLook:
    """Let a network read some clips of the test films, as it does to be scored."""
    effort, rows = trained.effort, test_rows(trained.effort)[clips]
    shape, flat = rows.shape, rows.ravel()
    seen, known = pictures(effort, "test"), labels(effort, "test")
    rgb, K = np.array(seen.rgb[flat]), np.array(seen.K[flat], np.float32)
    start = _resized(seen_in(trained.profile).keypoints_px[flat], effort.drawn_px, effort.image_px)
    frames = shrunk(rgb, effort.image_px).unflatten(0, shape)
    said = read_films(trained.network, frames, start.unflatten(0, shape) if effort.guided else None)
    place = place_in(said, K, effort.image_px, effort.drawn_px)
    true = np.array(known.joints_m[flat], np.float32)
    return ClipsLook(
        rgb=rgb,
        K=K,
        joints_m=said.joints_m + place,
        vertices_m=said.vertices_m + place,
        true_joints_m=true,
        true_vertices_m=np.array(known.vertices_m[flat], np.float32),
        true_mask=np.array(known.mask[flat]),
        error_mm=1000 * point_errors(said.joints_m, true - true[:, :1]).mean(-1),
        answers=said,
    )


@dataclass(frozen=True, eq=False)
class RealCrops:
    """Crops of a real film with keypoints that mediapipe found, and cameras (px)."""

    rgb: UInt8[np.ndarray, "frames px px 3"]
    keypoints_px: Float[np.ndarray, "frames 21 2"]
    K: Float[np.ndarray, "frames 3 3"]


def real_crops(image_px: int, frames: int) -> dict[str, RealCrops]:
    """Some crops of the two real films; the signing hand's camera is unknown, a usual one is taken.

    Raises:
        MissingFileError: the films are not in ``HANDLIB_DATA``.
    """
    stereo, signing = read_stereo_crops(image_px, 60), read_signing_crops(image_px, 60)
    middle = (image_px - 1) / 2
    usual = np.array([[2 * image_px, 0, middle], [0, 2 * image_px, middle], [0, 0, 1]], np.float32)
    cameras = {"two cameras": stereo.K, "signing": np.repeat(usual[None], len(signing), axis=0)}
    return {
        name: RealCrops(film.rgb[:frames], film.keypoints_px[:frames].astype(np.float32), cameras[name][:frames])
        for name, film in (("two cameras", stereo), ("signing", signing))
    }


def look_at_crops(trained: TrainedEstimator, crops: RealCrops) -> Float[np.ndarray, "frames vertices 3"]:
    """Meshes (m, camera frame) that a network says of crops, each read as a film of its own."""
    side, shown = trained.effort.image_px, crops.rgb.shape[1]
    start = _resized(crops.keypoints_px, shown, side)[:, None] if trained.effort.guided else None
    answers = read_films(trained.network, shrunk(crops.rgb, side)[:, None], start)
    return answers.vertices_m + place_in(answers, crops.K, side, shown)


def place_in(
    answers: FilmAnswers, K: Float[np.ndarray, "frames 3 3"], read_px: int, shown_px: int
) -> Float[np.ndarray, "frames 1 3"]:
    """Where hands that are said from the wrist are (m): put where the network itself reads the keypoints.

    Args:
        answers: of as many frames as there are cameras.
        K: intrinsics of the pictures as they are shown, px.
        read_px: side of the pictures that the network has read.
        shown_px: side of those that ``K`` belongs to.
    """
    points = _resized(answers.keypoints_px, read_px, shown_px)
    joints = torch.from_numpy(answers.joints_m).float()
    return translation_from_keypoints(joints, points, torch.from_numpy(np.array(K)).float()).numpy()[:, None]


def _resized(points_px: Float[np.ndarray, "frames 21 2"], from_px: int, to_px: int) -> Float[Tensor, "frames 21 2"]:
    """Keypoints in pictures of another size."""
    affine = resize_affine((from_px, from_px), (to_px, to_px)).expand(len(points_px), -1, -1)
    return transform_pixels(torch.from_numpy(np.array(points_px)).float(), affine)
