"""Silhouettes of hands in photographs without labels: GrabCut, told by the keypoints where to look.

TASSN (Chen et al., WACV 2021, section 3.2) takes its silhouettes from GrabCut (Rother, Kolmogorov, Blake, SIGGRAPH
2004, https://doi.org/10.1145/1015706.1015720): two mixtures of colours, of hand and background, and the cheapest
outline between their pixels. It needs a first guess. Here that is the skeleton: the bones are hand, pixels near them
may be, those far away are not, and neither is the forearm, which has the colour of the hand but is no part of its
mesh.

Where skin lies before skin, or the background has its colour, the outline runs wild. Such silhouettes are found by
their size, by how they lean on the border of what was allowed, and by colours that are the same on both sides, and
marked as not usable.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8

from handlib.errors import BadInputError
from handlib.skeleton import BONES, FINGER_JOINTS, FINGERS

# Widths in lengths of the palm (wrist to its farthest knuckle): of what is surely a finger, of a whole finger with its
# knuckles, and how far from a bone the hand ends.
SURE, FINGER, REACH = 0.04, 0.24, 0.30
# How far behind the wrist the mesh of a hand ends.
FOREARM = 0.15

_PALM = [0, *(FINGER_JOINTS[finger][0] for finger in FINGERS), FINGER_JOINTS["thumb"][1]]
_KNUCKLES = [FINGER_JOINTS[finger][0] for finger in FINGERS if finger != "thumb"]


@dataclass(frozen=True)
class QualityLimits:
    """What a usable silhouette keeps to.

    Attributes:
        area: smallest and largest, in areas of a hand with fingers of the usual width on this skeleton.
        leak: largest share of the border of what was allowed that is taken for hand.
        contrast: smallest distance of the mean colours of the hand and of what is around it, in deviations within them.
        found: smallest share of the 21 keypoints that were found.
        palm_px: smallest palm; below, fingers are thinner than the outline is sure of.
    """

    area: tuple[float, float] = (0.55, 1.5)
    leak: float = 0.25
    contrast: float = 0.5
    found: float = 0.8
    palm_px: float = 8.0


@dataclass(frozen=True)
class HandSilhouette:
    """A silhouette and how good it looks; ``area``, ``leak`` and ``contrast`` as in :class:`QualityLimits`.

    ``mask`` (H, W) bool; where GrabCut has nothing to work on it is empty, and all three are 0.
    """

    mask: Bool[np.ndarray, "height width"]
    area: float
    leak: float
    contrast: float
    usable: bool


def grabcut_silhouette(
    image: UInt8[np.ndarray, "height width 3"],
    keypoints_px: Float[np.ndarray, "21 2"],
    confidence: Float[np.ndarray, "21"] | None = None,
    *,
    limits: QualityLimits | None = None,
    iterations: int = 5,
) -> HandSilhouette:
    """Cut one hand out of a picture.

    Args:
        image: RGB.
        keypoints_px: where the joints are; those that were not found do not matter.
        confidence: above 0 for joints that were found; None for all.
        limits: what is usable; None for the defaults.
        iterations: of GrabCut.

    Raises:
        BadInputError: keypoints that were found but are NaN or infinite.
    """
    limits = limits or QualityLimits()
    found = np.ones(21, bool) if confidence is None else confidence > 0
    if not np.isfinite(keypoints_px[found]).all():
        raise BadInputError("keypoints_px: NaN or infinite where confidence is above 0; set its confidence to 0")
    guess = first_guess(image.shape[:2], keypoints_px, found)
    nothing = HandSilhouette(np.zeros(image.shape[:2], bool), 0.0, 0.0, 0.0, False)
    if guess is None or not (guess == cv2.GC_FGD).any() or not (guess == cv2.GC_BGD).any():
        return nothing
    likely = np.isin(guess, (cv2.GC_FGD, cv2.GC_PR_FGD))
    allowed = guess != cv2.GC_BGD
    labels, models = guess.copy(), (np.zeros((1, 65)), np.zeros((1, 65)))
    # The mixtures begin with k-means, which draws: the same picture shall have the same silhouette.
    cv2.setRNGSeed(0)
    cv2.grabCut(np.ascontiguousarray(image[..., ::-1]), labels, None, *models, iterations, cv2.GC_INIT_WITH_MASK)
    mask = _touching(np.isin(labels, (cv2.GC_FGD, cv2.GC_PR_FGD)), guess == cv2.GC_FGD)
    border = allowed & (cv2.erode(allowed.astype(np.uint8), np.ones((3, 3), np.uint8), borderValue=1) == 0)
    area = float(mask.sum() / likely.sum())
    leak = float(mask[border].mean()) if border.any() else 0.0
    contrast = _contrast(image, mask, allowed & ~mask)
    low, high = limits.area
    usable = low <= area <= high and leak <= limits.leak and contrast >= limits.contrast
    usable = usable and found.mean() >= limits.found and palm_px(keypoints_px, found) >= limits.palm_px
    return HandSilhouette(mask, area, leak, contrast, bool(usable))


def grabcut_silhouettes(
    images: UInt8[np.ndarray, "frames height width 3"],
    keypoints_px: Float[np.ndarray, "frames 21 2"],
    confidence: Float[np.ndarray, "frames 21"] | None = None,
    *,
    limits: QualityLimits | None = None,
) -> tuple[Float[np.ndarray, "frames height width"], Bool[np.ndarray, "frames"]]:
    """Cut the hands out of many pictures, one by one; arguments and errors as for :func:`grabcut_silhouette`.

    Returns:
        float32 masks of 0 and 1, and which of them are usable.
    """
    given = [None] * len(images) if confidence is None else confidence
    cut = [
        grabcut_silhouette(image, keypoints, sure, limits=limits)
        for image, keypoints, sure in zip(images, keypoints_px, given, strict=True)
    ]
    masks = np.stack([one.mask for one in cut]) if cut else np.zeros(images.shape[:3])
    return masks.astype(np.float32), np.array([one.usable for one in cut], dtype=bool)


def palm_px(keypoints_px: Float[np.ndarray, "21 2"], found: Bool[np.ndarray, "21"]) -> float:
    """Length of the palm, wrist to its farthest knuckle, px; 0 where it was not found."""
    knuckles = [joint for joint in _KNUCKLES if found[joint]]
    if not found[0] or not knuckles:
        return 0.0
    return float(np.linalg.norm(keypoints_px[knuckles] - keypoints_px[0], axis=1).max())


def first_guess(
    size: tuple[int, int], keypoints_px: Float[np.ndarray, "21 2"], found: Bool[np.ndarray, "21"]
) -> UInt8[np.ndarray, "height width"] | None:
    """What GrabCut starts from, in its labels: surely or probably hand, probably or surely background.

    Args:
        size: height and width, px.
        keypoints_px: the joints.
        found: which of them are to be believed.

    Returns:
        None without a palm, whose length the widths are measured in.
    """
    palm = palm_px(keypoints_px, found)
    if palm < 1:
        return None
    sure = _skeleton(size, keypoints_px, found, SURE * palm)
    likely = _skeleton(size, keypoints_px, found, FINGER * palm)
    allowed = _skeleton(size, keypoints_px, found, 2 * REACH * palm)
    rows, columns = np.indices(size)
    middle = np.mean([keypoints_px[joint] for joint in _KNUCKLES if found[joint]], axis=0)
    away = (keypoints_px[0] - middle) / max(float(np.linalg.norm(keypoints_px[0] - middle)), 1e-6)
    behind = (columns - keypoints_px[0, 0]) * away[0] + (rows - keypoints_px[0, 1]) * away[1] > FOREARM * palm
    guess = np.full(size, cv2.GC_BGD, np.uint8)
    for region, label in ((allowed, cv2.GC_PR_BGD), (likely, cv2.GC_PR_FGD), (sure, cv2.GC_FGD)):
        guess[region & ~behind] = label
    return guess


def _skeleton(size: tuple[int, int], keypoints_px: np.ndarray, found: np.ndarray, width_px: float) -> np.ndarray:
    """Palm and bones, drawn with this width."""
    canvas = np.zeros(size, np.uint8)
    thick = max(1, round(width_px))
    places = np.clip(np.round(np.where(found[:, None], keypoints_px, 0)), -30000, 30000).astype(np.int32)
    palm = places[[joint for joint in _PALM if found[joint]]]
    if len(palm) > 2:
        hull = cv2.convexHull(palm)
        cv2.fillConvexPoly(canvas, hull, 1)
        cv2.polylines(canvas, [hull], True, 1, thick)
    for parent, child in BONES:
        if found[parent] and found[child]:
            cv2.line(canvas, places[parent].tolist(), places[child].tolist(), 1, thick)
    return canvas.astype(bool)


def _touching(mask: np.ndarray, seed: np.ndarray) -> np.ndarray:
    """The connected parts of a mask that hold a pixel of the seed."""
    _, parts = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    return mask & np.isin(parts, np.unique(parts[seed & mask]))


def _contrast(image: np.ndarray, inside: np.ndarray, around: np.ndarray) -> float:
    """Distance of two regions' mean colours, in deviations within them; 0 if one is empty."""
    if not inside.any() or not around.any():
        return 0.0
    hand, rest = (image[region].astype(np.float64) for region in (inside, around))
    deviation = np.sqrt((hand.var(0).sum() + rest.var(0).sum()) / 2)
    return float(np.linalg.norm(hand.mean(0) - rest.mean(0)) / max(float(deviation), 1.0))
