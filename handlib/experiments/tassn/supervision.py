"""What a training may know of the target's films: keypoints that a detector found, silhouettes that GrabCut cut.

The detector is that of the S2HAND chapter; it has seen no film. No label of the target is opened for any of it, except
to say how good it is, and by rows whose name says "true".
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from handlib.data.grabcut import grabcut_silhouettes
from handlib.errors import BadInputError
from handlib.experiments.s2hand.detector import KeypointDetector, detect
from handlib.experiments.s2hand.recipes import DetectorRecipe
from handlib.experiments.s2hand.scoring import score_2d
from handlib.experiments.s2hand.supervision import NETWORK, train_detector
from handlib.experiments.tassn.data import labels, pictures, rows
from handlib.experiments.tassn.effort import effort_of
from handlib.experiments.tassn.recipes import FilmRecipe, labels_of
from handlib.reproduce.recipe import RunContext
from handlib.reproduce.results import Metric, Outcome
from handlib.reproduce.state import read_state, write_state

SUPERVISION = "supervision.safetensors"


@dataclass(frozen=True, eq=False)
class Supervision:
    """Keypoints (px of the drawn pictures) with their confidence, silhouettes, and which of these are to be used."""

    keypoints_px: Float[np.ndarray, "stills 21 2"]
    confidence: Float[np.ndarray, "stills 21"]
    silhouettes: Bool[np.ndarray, "stills height width"]
    usable: Bool[np.ndarray, "stills"]


def find_supervision(context: RunContext) -> Outcome:
    """The work of a :class:`~handlib.experiments.tassn.recipes.LabelsRecipe`: detect, cut, and score both."""
    effort = effort_of(context.profile, context.recipe.effort)
    detector = KeypointDetector(imagenet=False)
    detector.load_state_dict(read_state(context.left_by(DetectorRecipe(), train_detector, NETWORK, seed=0)))
    metrics, curves, left = {}, {}, {}
    for split in ("train", "test"):
        rgb = pictures(effort, split).rgb[: rows(effort, split)]
        seen = detect(detector.to(context.device).eval(), rgb, views=2)
        masks, usable = grabcut_silhouettes(rgb, seen.keypoints_px, seen.confidence)
        left[split] = {
            "keypoints_px": seen.keypoints_px,
            "confidence": seen.confidence,
            "silhouettes": masks.astype(bool),
            "usable": usable,
        }
        known, which = labels(effort, split), "" if split == "train" else "test_"
        scores = score_2d(seen.keypoints_px, known, effort.drawn_px, which)
        overlap = intersection_over_union(masks.astype(bool), known.mask[: len(masks)])
        metrics |= scores[0] | {
            f"{which}usable_silhouettes": Metric(100 * float(usable.mean()), "%"),
            f"{which}iou_of_usable": Metric(100 * float(overlap[usable].mean() if usable.any() else 0), "%"),
            f"{which}iou_of_all": Metric(100 * float(overlap.mean()), "%"),
        }
        curves |= scores[1]
    write_state(context.artifact_path(SUPERVISION), left)
    return Outcome(metrics, curves)


def intersection_over_union(
    masks: Bool[np.ndarray, "stills height width"], true: Bool[np.ndarray, "stills height width"]
) -> Float[np.ndarray, "stills"]:
    """Overlap of each mask with the true one, 0..1; 1 where both are empty."""
    both, either = ((f(masks, true)).sum((1, 2)) for f in (np.logical_and, np.logical_or))
    return np.where(either > 0, both / np.maximum(either, 1), 1.0)


def supervision_of(
    context: RunContext, split: str = "train", keypoints: str = "detected", silhouettes: str = "grabcut"
) -> Supervision:
    """What may be known of a split's frames; opens labels only where it says "true".

    Raises:
        BadInputError: keypoints other than "detected" or "true", silhouettes other than "grabcut" or "true".
    """
    recipe: FilmRecipe = context.recipe
    if keypoints not in ("detected", "true") or silhouettes not in ("grabcut", "true"):
        raise BadInputError(
            f"keypoints {keypoints!r}, silhouettes {silhouettes!r}: expected 'detected' or 'true', 'grabcut' or 'true'"
        )
    effort = effort_of(context.profile, recipe.effort)
    found = read_state(context.left_by(labels_of(recipe), find_supervision, SUPERVISION, seed=0))[split]
    found = {name: np.asarray(value) for name, value in found.items()}
    count = len(found["usable"])
    if keypoints == "true":
        found["keypoints_px"] = labels(effort, split).joints_2d_px[:count]
        found["confidence"] = np.ones((count, 21), np.float32)
    if silhouettes == "true":
        found["silhouettes"], found["usable"] = labels(effort, split).mask[:count], np.ones(count, bool)
    return Supervision(**found)
