"""Keypoints that an off-the-shelf detector finds in the target domain's training pictures.

It has seen neither the target's hand nor its pictures: it is to them what OpenPose is to the paper's photographs. It is
shown pictures of 224 px, the network smaller ones. Pictures in which it finds no hand teach nothing, and are left out;
so are those whose hand it takes for a left one, for all hands here are right: its keypoints are then three times as far
off.
"""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch

from handlib.camera import PerspectiveCamera
from handlib.crops import resize_affine, transform_pixels
from handlib.data.stills_cache import StillsName, read_labels, read_pictures
from handlib.errors import MissingExtraError
from handlib.experiments.stills import drawn
from handlib.keypoints import find_hands
from handlib.reproduce.locks import locked
from handlib.reproduce.places import cache_folder
from handlib.reproduce.profiles import by_profile
from handlib.reproduce.recipe import Recipe, RunContext
from handlib.reproduce.results import Metric, Outcome
from handlib.reproduce.state import read_state, write_state
from handlib.training.batches import HandPictures

CHAPTER = "s2hand"
FOUND = "found.safetensors"


@dataclass(frozen=True, kw_only=True)
class FoundRecipe(Recipe):
    """The detector's answers to training stills.

    Attributes:
        stills: how many pictures it is shown, in the profile ``full``.
        image_px: their side.
    """

    chapter: str = CHAPTER
    name: str = "s2hand-found-keypoints"
    dataset: str = "open target domain, training stills"
    stills: int = 8000
    image_px: int = 224


def find_keypoints(context: RunContext) -> Outcome:
    """The work of a :class:`FoundRecipe`: leaves which pictures have a hand, and its keypoints (px of the picture)."""
    folder = stills_folder(context)
    pictures, found = read_pictures(folder), []
    try:
        found = [find_hands(picture, max_hands=1) for picture in context.progress(pictures.rgb, what="detecting")]
    except MissingExtraError as error:
        return Outcome(not_obtained=str(error))
    rows = np.array([row for row, hands in enumerate(found) if hands and hands[0].side == "right"], np.int64)
    points = np.array([found[row][0].keypoints_px for row in rows], np.float32).reshape(-1, 21, 2)
    sure = np.array([found[row][0].confidence for row in rows], np.float32).reshape(-1, 21)
    write_state(context.artifact_path(FOUND), {"rows": rows, "keypoints_px": points, "confidence": sure})
    context.samples_seen = len(pictures)
    metrics = {
        "found": Metric(100 * sum(map(bool, found)) / len(pictures), "%"),
        "kept": Metric(100 * len(rows) / len(pictures), "%"),
        "hands": Metric(len(rows), "1"),
    }
    if len(rows):
        error_px = np.linalg.norm(points - read_labels(folder).joints_2d_px[rows], axis=-1)
        error_px *= 224 / context.recipe.image_px
        metrics |= {
            "mpjpe_2d": Metric(float(error_px.mean()), "px"),
            "median_2d": Metric(float(np.median(error_px)), "px"),
        }
    return Outcome(metrics)


def found_pictures(context: RunContext, stored_px: int, true_keypoints: bool = False) -> HandPictures:
    """The training pictures in which the detector found a hand, made smaller, with its keypoints; no 3D.

    Args:
        context: of the run that learns from them.
        stored_px: side of the pictures.
        true_keypoints: the labels' instead, for rows that say so, of the same pictures.

    Raises:
        MissingFileError: the detector has left nothing, because it is not installed.
    """
    recipe = FoundRecipe()
    found = read_state(context.left_by(recipe, find_keypoints, FOUND, seed=0))
    folder, rows = stills_folder(context), found["rows"]
    seen = read_pictures(folder)
    rgb = [cv2.resize(seen.rgb[row], (stored_px, stored_px), interpolation=cv2.INTER_AREA) for row in rows]
    points, sure = found["keypoints_px"], found["confidence"]
    if true_keypoints:
        points, sure = read_labels(folder).joints_2d_px[rows], np.ones_like(sure)
    smaller = resize_affine((recipe.image_px, recipe.image_px), (stored_px, stored_px)).expand(len(rows), -1, -1)
    points = transform_pixels(torch.from_numpy(np.array(points)), smaller).numpy()
    K = PerspectiveCamera(torch.from_numpy(seen.K[rows])).transform(smaller).K.numpy()
    return HandPictures(np.stack(rgb), K, points, sure)


def stills_folder(context: RunContext) -> Path:
    """The folder of the training stills, drawn if they are not there, by one process at a time."""
    recipe = FoundRecipe()
    count = by_profile(context.profile, smoke=12, laptop=200, full=recipe.stills)
    name = StillsName("target", "train", count, recipe.image_px)
    with locked(cache_folder() / "locks" / f"{name.folder_name}.lock", name.folder_name):
        return drawn(name)
