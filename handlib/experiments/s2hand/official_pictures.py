"""FreiHAND's and HO-3D's pictures as S2HAND sees them, and the 2D keypoints that it learns from.

FreiHAND's pictures are crops already and are taken whole; HO-3D's are cut to 1.5 times the box around the hand's 2D
labels, or in the evaluation split the box that comes with the data.
"""

import numpy as np
from jaxtyping import Float

from handlib.data.official_crops import OfficialCrops
from handlib.data.stills_cache import StillLabels, StillPictures
from handlib.experiments.official_run import OfficialRecipe, crops_of, open_split, spread
from handlib.experiments.s2hand.detector import KeypointDetector, detect
from handlib.experiments.s2hand.effort import Effort, effort_of
from handlib.experiments.s2hand.official_recipes import OfficialDetectorRecipe, OfficialS2HandRecipe, detector_of
from handlib.experiments.s2hand.recipes import DetectorRecipe
from handlib.experiments.s2hand.scoring import score_2d
from handlib.experiments.s2hand.supervision import DETECTIONS, NETWORK, train_detector
from handlib.hand import HandModel
from handlib.keypoints.mediapipe_detector import find_hands
from handlib.reproduce.profiles import Profile, by_profile
from handlib.reproduce.recipe import RunContext
from handlib.reproduce.results import Metric, Outcome
from handlib.reproduce.state import read_state, write_state
from handlib.training.batches import HandPictures

DETECTED_PX = 224
"""Side of the pictures that mediapipe is given, whatever the network is."""


def training_crops(context: RunContext, image_px: int) -> OfficialCrops:
    """The training pictures: all in the profile ``full``, some spread evenly in the others."""
    recipe: OfficialRecipe = context.recipe
    dataset = open_split(recipe.data, recipe.train_split, **_options(recipe.data))
    count = None if context.profile is Profile.FULL else effort_of(context.profile, recipe.effort).train_stills
    return crops_of(dataset, image_px, enlarge=_enlarge(recipe.data), chosen=spread(len(dataset), count))


def evaluation_crops(context: RunContext, image_px: int, hand: HandModel | None) -> OfficialCrops:
    """The evaluation pictures: all of them, as the protocol has it, but for the profile ``smoke``.

    Args:
        context: of the run.
        image_px: side of the crops.
        hand: MANO, which makes meshes of MANO's numbers where no vertices come with the labels.
    """
    recipe: OfficialRecipe = context.recipe
    dataset = open_split(recipe.data, recipe.test_split, **_options(recipe.data), hand=hand)
    count = None if context.profile.is_comparable else effort_of(context.profile, recipe.effort).test_stills
    return crops_of(dataset, image_px, enlarge=_enlarge(recipe.data), meshes=True, chosen=spread(len(dataset), count))


def training_pictures(context: RunContext, effort: Effort) -> HandPictures:
    """The training pictures with what the recipe says may be known of them."""
    recipe: OfficialS2HandRecipe = context.recipe
    crops = training_crops(context, effort.image_px)
    keypoints_px, confidence = crops.keypoints_px, crops.confidence
    if recipe.keypoints == "detected":
        found = read_state(context.left_by(detector_of(recipe), detect_official, DETECTIONS, seed=0))
        keypoints_px, confidence = found["keypoints_px"], found["confidence"]
    if recipe.equal_confidences:
        confidence = np.full_like(confidence, confidence.mean())
    joints_m = crops.joints_m if recipe.target_labels_3d else None
    return HandPictures(crops.rgb, crops.K, keypoints_px, confidence, joints_m)


def detect_official(context: RunContext) -> Outcome:
    """The work of an :class:`OfficialDetectorRecipe`: keypoints of all training pictures, and how good they are."""
    recipe: OfficialDetectorRecipe = context.recipe
    image_px = effort_of(context.profile, recipe.effort).image_px
    kind = by_profile(context.profile, smoke="own", laptop=recipe.detector, full=recipe.detector)
    keypoints, confidence, seen_px = (_detect_own if kind == "own" else _detect_mediapipe)(context)
    # Centres of pixels: the picture begins half a pixel before the first one.
    keypoints = ((keypoints + 0.5) * (image_px / seen_px) - 0.5).astype(np.float32)
    write_state(context.artifact_path(DETECTIONS), {"keypoints_px": keypoints, "confidence": confidence})
    metrics, curves = score_2d(keypoints, labels_2d(training_crops(context, image_px)), image_px)
    missed = float((confidence.max(1) == 0).mean())
    return Outcome({**metrics, "pictures_without_hand": Metric(100 * missed, "%")}, curves)


def labels_2d(crops: OfficialCrops) -> StillLabels:
    """The labels of crops as scores in 2D take them; there are no masks."""
    return StillLabels(crops.joints_m, crops.keypoints_px, np.zeros((len(crops), 0, 0), bool))


def still_pictures(crops: OfficialCrops) -> StillPictures:
    """Crops as predictions take them: pictures and cameras."""
    return StillPictures(crops.rgb, crops.K)


def _detect_own(
    context: RunContext,
) -> tuple[Float[np.ndarray, "crops 21 2"], Float[np.ndarray, "crops 21"], int]:
    """Keypoints and confidences by the detector of the open benchmark, as it is; and the side of its pictures."""
    recipe = DetectorRecipe()
    image_px = effort_of(context.profile, recipe.effort).image_px
    network = KeypointDetector(imagenet=False)
    network.load_state_dict(read_state(context.left_by(recipe, train_detector, NETWORK, seed=0)))
    found = detect(network.eval().to(context.device), training_crops(context, image_px).rgb)
    return found.keypoints_px, found.confidence, image_px


def _detect_mediapipe(
    context: RunContext,
) -> tuple[Float[np.ndarray, "crops 21 2"], Float[np.ndarray, "crops 21"], int]:
    """Keypoints of the surest hand of each picture; confidence 0 where none is found."""
    crops = training_crops(context, DETECTED_PX)
    keypoints, confidence = np.zeros((len(crops), 21, 2), np.float32), np.zeros((len(crops), 21), np.float32)
    for row in context.progress(range(len(crops)), what="detecting keypoints"):
        if hands := find_hands(np.array(crops.rgb[row]), max_hands=1):
            keypoints[row], confidence[row] = hands[0].keypoints_px, hands[0].confidence
    return keypoints, confidence, DETECTED_PX


def _options(data: str) -> dict[str, object]:
    # The paper's 32,560 pictures are those before a green screen.
    return {"version": "gs"} if data == "freihand" else {"with_depth": False}


def _enlarge(data: str) -> float | None:
    return None if data == "freihand" else 1.5
