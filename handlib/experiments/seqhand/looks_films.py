"""What the pages on films show: trained networks and what they say of a film, in pictures and in numbers."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from handlib.errors import MissingFileError
from handlib.experiments.seqhand.effort import Effort, effort_of
from handlib.experiments.seqhand.networks import NETWORK, read_network
from handlib.experiments.seqhand.recipes import CHAPTER, FilmRecipe, FineTunedRecipe, film_recipe_of
from handlib.experiments.stored import chapter_runs, values_by_seed
from handlib.experiments.stored import mean_curves as mean_curves
from handlib.experiments.stored import mean_of as mean_of
from handlib.hand.hand_code import HandCode, SeenHand, see_hand
from handlib.hand.model import HandModel
from handlib.losses.seqhand import joints_2d_loss, temporal_loss
from handlib.metrics import mean_acceleration, mpjpe
from handlib.models.film_encoders import normalise_films
from handlib.models.seqhand import SeqHandNetwork
from handlib.render import render_mesh
from handlib.reproduce.artifacts import find_artifact
from handlib.reproduce.experiment import Experiment
from handlib.reproduce.recipe import run
from handlib.reproduce.results import Result

stored_runs = partial(chapter_runs, CHAPTER)
"""The chapter's stored results, of the profile ``full`` unless told."""


def common_seeds(runs: Iterable[Result], one: str, other: str) -> list[int]:
    """The seeds with which both of two recipes were run."""
    runs = list(runs)
    seeds = ({run.seed for run in runs if run.recipe == recipe} for recipe in (one, other))
    return sorted(set.intersection(*seeds))


def mean_difference(runs: Iterable[Result], one: str, other: str, metric: str) -> float | None:
    """A metric of one recipe less that of another, mean over the seeds that both have; None where there are none.

    Two looks at one training are compared seed by seed: else the scatter of trainings would be taken for a difference.
    """
    pairs = values_by_seed(runs, (one, other), metric).values()
    return float(np.mean([first - second for first, second in pairs])) if pairs else None


def explain_film(
    hand: HandModel,
    joints_2d_px: Float[Tensor, "films frames 21 2"],
    start: Float[Tensor, "films frames numbers"],
    image_px: int,
    steps: int,
    temporal: float,
    pose_weight: float,
) -> Float[Tensor, "films frames numbers"]:
    """Codes that explain 2D joints: Eq. 8 with its weight, and Eq. 12 with a weight and its own weight of the pose.

    No network takes part: the codes themselves go downhill. A small pull to the mean hand keeps them from running off
    where nothing is seen.

    Args:
        hand: with the principal components of the codes.
        joints_2d_px: to explain.
        start: codes to begin with.
        image_px: width of the pictures.
        steps: of Adam.
        temporal: weight of Eq. 12; 0 leaves every frame to itself.
        pose_weight: of the pose inside of Eq. 12.
    """
    code = start.clone().requires_grad_()
    adam = torch.optim.Adam([code], lr=0.03)
    for _ in range(steps):
        part = HandCode.split(code)
        seen = see_hand(hand, part, image_px)
        loss = 5 * joints_2d_loss(seen.joints_2d_px, joints_2d_px, image_px)
        loss = loss + temporal * temporal_loss(part.shape, part.pose, pose_weight)
        loss = loss + 0.02 * (part.shape.square().sum((1, 2)) + part.pose.square().sum((1, 2)))
        adam.zero_grad()
        loss.sum().backward()
        adam.step()
    return code.detach()


def aligned_mm(
    joints_m: Float[Tensor, "frames 21 3"] | Float[np.ndarray, "frames 21 3"],
    true_m: Float[Tensor, "frames 21 3"] | Float[np.ndarray, "frames 21 3"],
) -> float:
    """Mean joint error after Procrustes alignment of each frame, mm."""
    return mpjpe(joints_m, true_m, alignment="procrustes_rigid")


@dataclass(frozen=True, eq=False)
class TrainedRow:
    """A row's network, the profile in which it was trained, and the sizes that go with it."""

    network: SeqHandNetwork
    profile: str
    effort: Effort


def trained_row(experiment: Experiment, profile: str, seed: int) -> TrainedRow:
    """The network of the full run if it is on this machine; else of ``profile``, which is run if need be."""
    recipe: FilmRecipe | FineTunedRecipe = experiment.recipe
    try:
        path, used = find_artifact(recipe.chapter, recipe.name, "full", seed, NETWORK), "full"
    except MissingFileError:
        run(recipe, profile, seed, experiment.work, needs=(NETWORK,))
        path, used = find_artifact(recipe.chapter, recipe.name, profile, seed, NETWORK), profile
    effort = effort_of(used, recipe.effort)
    return TrainedRow(read_network(path, film_recipe_of(recipe), effort), used, effort)


@torch.no_grad()
def look_at_film(network: SeqHandNetwork, rgb: UInt8[np.ndarray, "frames height width 3"]) -> tuple[HandCode, SeenHand]:
    """What a network says of one film, read from its first frame; without the axis of films."""
    found = network(normalise_films(torch.from_numpy(np.ascontiguousarray(rgb))[None]))[0]
    seen = SeenHand(*(part[0] for part in found.seen[:4]), found.seen.camera)
    return HandCode(*(part[0] for part in found.code)), seen


def hands_over(
    rgb: UInt8[np.ndarray, "frames height width 3"],
    seen: SeenHand,
    faces: Int[Tensor, "faces 3"],
    opacity: float | int = 0.75,
) -> UInt8[np.ndarray, "frames height width 3"]:
    """The frames of a film with the hands of its weak-perspective cameras drawn over them."""
    away = seen.vertices_m + torch.tensor([0.0, 0.0, 0.5])
    drawn = render_mesh(away, faces, seen.camera, rgb.shape[1], colours=torch.full_like(away, 0.75))
    alpha = opacity * drawn.silhouette[..., None]
    mixed = torch.from_numpy(np.asarray(rgb)) / 255 * (1 - alpha) + drawn.rgb * alpha
    return (mixed.clamp(0, 1) * 255).round().to(torch.uint8).numpy()


def steadiness(
    code: HandCode,
    seen: SeenHand,
    image_px: int,
    frames_per_second: float | int,
    keypoints_px: Float[np.ndarray, "frames 21 2"] | None = None,
    true_m: Float[np.ndarray, "frames 21 3"] | None = None,
) -> dict[str, float]:
    """The three qualities of the paper's Figure 9, and what else is known, of one film's answers.

    ``2D [px of 224]`` from keypoints, ``3D, aligned [mm]`` from the truth; ``acceleration [m/s²]`` of the joints from
    the wrist; ``shape changes`` and ``pose changes``: mean squares from frame to frame.
    """
    report: dict[str, float] = {}
    if keypoints_px is not None:
        off = np.linalg.norm(seen.joints_2d_px.numpy() - np.asarray(keypoints_px), axis=-1).mean()
        report["2D [px of 224]"] = float(off) * 224 / image_px
    if true_m is not None:
        report["3D, aligned [mm]"] = aligned_mm(seen.joints_m, torch.from_numpy(np.asarray(true_m)).float())
    report["acceleration [m/s²]"] = mean_acceleration(seen.joints_m, frames_per_second=frames_per_second) / 1000
    for name, part in (("shape", code.shape), ("pose", code.pose)):
        report[f"{name} changes"] = float(part.diff(dim=0).square().mean())
    return report
