"""``s2hand-photographs``: the training of the network that the package brings along.

Photographs with detected keypoints, rendered pictures that look like photographs with the labels that rendering gives,
and hands without pictures. No 3D label of a real picture; the photographs of the last tenth are held out.
"""

from dataclasses import dataclass

import numpy as np
import torch

from handlib.data.photo_crops import PhotoCrops, read_photo_crops
from handlib.data.photos import PHOTO_SETS, PhotoSet
from handlib.data.stills_cache import StillsName, read_labels, read_pictures
from handlib.errors import MissingFileError
from handlib.experiments.s2hand.lifting import AUGMENTATION, CHAPTER, LiftedEffort, lifted_effort_of, train_on_pictures
from handlib.experiments.s2hand.photo_scoring import score_on_film, score_on_photographs
from handlib.experiments.stills import drawn
from handlib.experiments.training_report import log_curves, speed_of
from handlib.models.placement import assumed_intrinsics
from handlib.reproduce.digest import digest_json
from handlib.reproduce.recipe import Recipe, RunContext
from handlib.reproduce.results import Outcome
from handlib.training.batches import BatchDrawer, HandPictures


@dataclass(frozen=True, kw_only=True)
class PhotographsRecipe(Recipe):
    """Photographs and rendered pictures, scored on held-out photographs and a film; ``lifted`` has its sizes."""

    chapter: str = CHAPTER
    name: str = "s2hand-photographs"
    dataset: str = "photographs, detected keypoints"
    lifted: LiftedEffort = LiftedEffort()

    def data_digest(self) -> str:
        """Digest of the photographs' label files: which there are, and their keypoints; "none" without them."""
        try:
            labels = [PhotoSet.open(name).labels for name in PHOTO_SETS]
        except MissingFileError:
            return "none"
        return digest_json([[entry["name"].tolist(), entry["uv"].tolist()] for entry in labels])


def train_on_photographs(context: RunContext) -> Outcome:
    """The work of a :class:`PhotographsRecipe`."""
    effort = lifted_effort_of(context.profile, context.recipe.lifted)
    try:
        photos = read_photo_crops(effort.stored_px, per_set=effort.photos_per_set)
    except MissingFileError as error:
        return Outcome(not_obtained=str(error))
    network, log = train_on_pictures(context, effort, photograph_batches(effort, photos, context.seed))
    metrics = score_on_photographs(network, photos) | score_on_film(network, effort.stored_px)
    return Outcome({**metrics, **speed_of(log)}, log_curves(log))


def photograph_batches(effort: LiftedEffort, photos: PhotoCrops, seed: int) -> BatchDrawer:
    """A third of each step real; of the rendered pictures two thirds before photographs, one before drawings."""
    third = effort.rendered_batch // 3
    sources = [
        varied_pictures(effort, "varied-photographs", effort.before_photographs),
        varied_pictures(effort, "varied", effort.before_drawings),
        training_photographs(photos),
    ]
    return BatchDrawer(
        sources, [effort.rendered_batch - third, third, effort.real_batch], effort.image_px, AUGMENTATION, seed
    )


def varied_pictures(effort: LiftedEffort, domain: str, count: int) -> HandPictures:
    """Rendered pictures of the open hand with all that photographs have, and their free labels.

    Joints that are cut off count for nothing in 2D, and in full in 3D.
    """
    folder = drawn(StillsName(domain, "train", count, effort.stored_px))
    seen, known = read_pictures(folder), read_labels(folder)
    inside = ((known.joints_2d_px > -0.1 * effort.stored_px) & (known.joints_2d_px < 1.1 * effort.stored_px)).all(-1)
    return HandPictures(seen.rgb, seen.K, known.joints_2d_px, inside.astype(np.float32), known.joints_m)


def training_photographs(photos: PhotoCrops) -> HandPictures:
    """What a training may know of the photographs: pictures and detected keypoints, of those that are not held out."""
    kept = ~photos.held_out
    count, image_px = int(kept.sum()), photos.rgb.shape[1]
    K = assumed_intrinsics(torch.zeros(count), image_px).numpy()
    return HandPictures(photos.rgb[kept], K, photos.keypoints_px[kept], photos.confidence[kept])
