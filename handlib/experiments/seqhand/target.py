"""The target domain, which stands for real hands: stills to fine-tune on, films and stills to be scored on.

Pictures, labels and detections are three functions, so that a training can be given the one and not the other.
"""

from functools import cache
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8

from handlib.crops import transform_pixels
from handlib.data.film_cache import FilmsName
from handlib.data.stills_cache import (
    StillLabels,
    StillPictures,
    StillsName,
    draw_stills,
    read_labels,
    read_pictures,
)
from handlib.errors import BadInputError
from handlib.experiments.s2hand.effort import Effort as DetectorEffort
from handlib.experiments.s2hand.recipes import DetectorRecipe
from handlib.experiments.s2hand.supervision import DETECTIONS, train_detector
from handlib.experiments.seqhand.effort import Effort
from handlib.experiments.seqhand.films import HandLabels
from handlib.experiments.stills import drawn
from handlib.reproduce.closure import code_digest
from handlib.reproduce.places import cache_folder
from handlib.reproduce.recipe import RunContext
from handlib.reproduce.state import read_state
from handlib.training.augmentation import Augmentation, draw_affines, warp_batch

REPOSITIONING = Augmentation(turn_deg=0.0, zoom=0.25, shift=0.12, gain=0.0, noise=0.0)
"""The paper: "we have modified each sample by re-positioning the hand randomly within the image"."""

_PLACES_SEED = 41
_BLOCK = 200


@cache
def target_stills_folder(effort: Effort, split: str) -> Path:
    """The folder of the target's stills, drawn if they are not there."""
    count = effort.test_stills if split == "test" else effort.target_stills
    return drawn(StillsName("target", split, count, effort.image_px))


def target_films_name(effort: Effort) -> FilmsName:
    """The target's test films; nothing learns from its training films."""
    return FilmsName.of(
        films=effort.target_films, split="test", image_px=effort.image_px, num_frames=effort.target_frames
    )


@cache
def target_films_folder(effort: Effort) -> Path:
    """The folder of the target's test films, drawn if they are not there."""
    # Films that older code drew lie in another folder, and are never taken for these.
    return draw_stills(
        target_films_name(effort), cache_folder() / "films" / code_digest(["handlib.data.film_cache"])[:12]
    )


def place_affines(effort: Effort, place: int) -> Float[torch.Tensor, "stills 2 3"]:
    """Where each training still is moved to, at its ``place``-th showing: old pixels to new ones; 0 moves nothing."""
    generator = torch.Generator().manual_seed(_PLACES_SEED + place)
    affines = draw_affines(REPOSITIONING, effort.target_stills, effort.image_px, effort.image_px, generator)
    return affines if place else torch.eye(2, 3).expand_as(affines)


def placed_pictures(effort: Effort, place: int, start: int, stop: int) -> UInt8[np.ndarray, "rows height width 3"]:
    """Some of the training stills where :func:`place_affines` moves them; opens no label."""
    rgb = read_pictures(target_stills_folder(effort, "train")).rgb[start:stop]
    if not place:
        return np.array(rgb)
    images = torch.from_numpy(np.array(rgb)).float().movedim(-1, 1)
    warped = warp_batch(images, place_affines(effort, place)[start:stop], effort.image_px)
    return warped.movedim(1, -1).round().clamp(0, 255).to(torch.uint8).numpy()


def placed_labels(effort: Effort) -> HandLabels:
    """The answers of the training stills at all their places, place after place: what the paper's fine-tuning reads."""
    known = read_labels(target_stills_folder(effort, "train"))
    masks = np.concatenate([_placed_masks(effort, known, place) for place in range(effort.places)])
    joints_m = np.concatenate([known.joints_m - known.joints_m[:, :1]] * effort.places)
    points = _placed_points(effort, known.joints_2d_px)
    return HandLabels(joints_m, points, np.ones(points.shape[:2], np.float32), masks)


def placed_detections(context: RunContext, effort: Effort) -> HandLabels:
    """What a keypoint detector says of the training stills, at all their places; opens no label of theirs.

    The detector is S2HAND's, which learnt from 2D labels of other hands. Its 3D joints are not known: they are NaN.
    """
    full = context.recipe.effort
    sizes = DetectorEffort(image_px=full.image_px, train_stills=full.target_stills, test_stills=full.test_stills)
    found = read_state(context.left_by(DetectorRecipe(effort=sizes), train_detector, DETECTIONS, seed=0))["train"]
    if len(found["keypoints_px"]) != effort.target_stills:
        raise BadInputError(
            f"target_stills is {effort.target_stills}, but the detector has seen {len(found['keypoints_px'])} in the "
            f"profile {context.profile}: make the two the same"
        )
    points = _placed_points(effort, found["keypoints_px"])
    unknown = np.full((*points.shape[:2], 3), np.nan, np.float32)
    return HandLabels(unknown, points, np.concatenate([found["confidence"]] * effort.places).astype(np.float32))


def scored_pictures(effort: Effort, kind: str) -> StillPictures:
    """The target's test "films" or "stills"."""
    return read_pictures(target_films_folder(effort) if kind == "films" else target_stills_folder(effort, "test"))


def scoring_labels(effort: Effort, kind: str) -> StillLabels:
    """The answers of the target's test "films" or "stills", for scoring alone."""
    return read_labels(target_films_folder(effort) if kind == "films" else target_stills_folder(effort, "test"))


def _placed_points(effort: Effort, points_px: Float[np.ndarray, "stills 21 2"]) -> Float[np.ndarray, "rows 21 2"]:
    points = torch.from_numpy(np.array(points_px)).float()
    return torch.cat([transform_pixels(points, place_affines(effort, p)) for p in range(effort.places)]).numpy()


def _placed_masks(effort: Effort, known: StillLabels, place: int) -> UInt8[np.ndarray, "stills height packed"]:
    if not place:
        return np.packbits(known.mask, axis=-1)
    affines, packed = place_affines(effort, place), []
    for start in range(0, len(known.mask), _BLOCK):
        masks = torch.from_numpy(known.mask[start : start + _BLOCK])[:, None].float()
        warped = warp_batch(masks, affines[start : start + _BLOCK], effort.image_px)[:, 0]
        packed.append(np.packbits(warped.numpy() > 0.5, axis=-1))
    return np.concatenate(packed)
