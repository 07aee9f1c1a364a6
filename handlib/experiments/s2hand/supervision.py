"""What a training may know of the pictures: keypoints by the name of their source, 3D labels only where a row says so.

The target domain's labels lie in files of their own; "detected" opens none of them but to score the detector.
"""

import numpy as np

from handlib.errors import BadInputError
from handlib.experiments.s2hand.data import labels, pictures
from handlib.experiments.s2hand.detector import MODERATE, STRONG, KeypointDetector, detect, detector_objective
from handlib.experiments.s2hand.effort import Effort, effort_of
from handlib.experiments.s2hand.recipes import DetectorRecipe, S2HandRecipe
from handlib.experiments.s2hand.scoring import score_2d
from handlib.experiments.training_report import log_curves, speed_of
from handlib.reproduce.recipe import RunContext
from handlib.reproduce.results import Metric, Outcome
from handlib.reproduce.state import read_state, write_state
from handlib.training.augmentation import Augmentation
from handlib.training.batches import BatchDrawer, HandPictures
from handlib.training.loop import TrainSettings, fit_network

DETECTIONS = "detections.safetensors"
NETWORK = "network.safetensors"


def train_detector(context: RunContext) -> Outcome:
    """The work of a :class:`DetectorRecipe`: train on rendered pictures, look at the target domain once."""
    effort, domain = effort_of(context.profile, context.recipe.effort), context.recipe.domain
    network = KeypointDetector()
    network.encoder.freeze(effort.frozen_stages)
    augmentation = STRONG if domain == "source" else MODERATE
    drawer = BatchDrawer([source_pictures(effort, domain)], [effort.batch], effort.image_px, augmentation, context.seed)
    settings = TrainSettings(effort.detector_steps, learning_rate=effort.learning_rate, schedule="cosine")
    log = fit_network(context, network, detector_objective, drawer.draw, settings)
    metrics, curves, found = speed_of(log), log_curves(log), {}
    for split in ("train", "test"):
        seen = detect(network, pictures(effort, "target", split).rgb)
        found[split] = vars(seen)
        which = "" if split == "train" else "test_"
        scores = score_2d(seen.keypoints_px, labels(effort, "target", split), effort.image_px, which)
        metrics |= scores[0]
        curves |= scores[1]
        truth_px = labels(effort, "target", split).joints_2d_px
        metrics |= confidence_metrics(seen.confidence, np.linalg.norm(seen.keypoints_px - truth_px, axis=-1), which)
    write_state(context.artifact_path(DETECTIONS), found)
    write_state(context.artifact_path(NETWORK), network.state_dict())
    return Outcome(metrics, curves)


def confidence_metrics(confidence: np.ndarray, error_px: np.ndarray, which: str = "") -> dict[str, Metric]:
    """Whether confidences mean something: rank correlation with the error, and the error of each quarter by confidence.

    Args:
        confidence: (N, 21) in 0..1.
        error_px: (N, 21) px of the picture.
        which: before each metric's name.
    """
    flat = confidence.ravel()
    ranks = (values.argsort().argsort() for values in (flat, error_px.ravel()))
    correlation = float(np.corrcoef(*ranks)[0, 1])
    quarters = np.array_split(error_px.ravel()[flat.argsort()], 4)
    return {
        f"{which}confidence_error_correlation": Metric(correlation, "1"),
        f"{which}confidence_mean": Metric(float(flat.mean()), "1"),
        f"{which}error_of_least_confident": Metric(float(quarters[0].mean()), "px"),
        f"{which}error_of_most_confident": Metric(float(quarters[-1].mean()), "px"),
    }


def detections(context: RunContext, split: str) -> dict[str, np.ndarray]:
    """What the detector says of the target domain's pictures: like the pictures, the same for every seed."""
    recipe = DetectorRecipe(effort=context.recipe.effort)
    return read_state(context.left_by(recipe, train_detector, DETECTIONS, seed=0))[split]


def source_pictures(effort: Effort, domain: str = "source") -> HandPictures:
    """Training stills of the source or the varied domain with all their labels, which cost nothing.

    The masks are those of the source domain: behind the hands of the other stand things already.
    """
    seen, known = pictures(effort, domain, "train"), labels(effort, domain, "train")
    sure = np.ones((len(seen), 21), np.float32)
    masks = known.mask if domain == "source" else None
    return HandPictures(seen.rgb, seen.K, known.joints_2d_px, sure, known.joints_m, masks)


def target_pictures(context: RunContext) -> HandPictures:
    """The target domain's training stills with what the recipe says may be known of them.

    Raises:
        BadInputError: keypoints of an unknown name.
    """
    recipe: S2HandRecipe = context.recipe
    effort = effort_of(context.profile, recipe.effort)
    seen = pictures(effort, "target", "train")
    if recipe.keypoints == "detected":
        found = detections(context, "train")
        keypoints_px, confidence = found["keypoints_px"], found["confidence"]
    elif recipe.keypoints == "true":
        keypoints_px = labels(effort, "target", "train").joints_2d_px
        confidence = np.ones((len(seen), 21), np.float32)
    else:
        raise BadInputError(f"keypoints {recipe.keypoints!r}: expected 'detected' or 'true'")
    if recipe.equal_confidences:
        # As large as the confidences are on average, so that the weights of the terms keep their proportion.
        confidence = np.full_like(confidence, confidence.mean())
    joints_m = labels(effort, "target", "train").joints_m if recipe.target_labels_3d else None
    return HandPictures(seen.rgb, seen.K, keypoints_px, confidence, joints_m)


def batches(context: RunContext, stage: int) -> BatchDrawer:
    """The batches of a recipe's stage, each of which sees the pictures in an order of its own."""
    recipe: S2HandRecipe = context.recipe
    effort = effort_of(context.profile, recipe.effort)
    from_source = effort.batch // 4 if recipe.source_labels else 0
    seed = 10 * context.seed + stage
    if recipe.keypoints == "none":
        return BatchDrawer([source_pictures(effort)], [effort.batch], effort.image_px, STRONG, seed)
    sources, shares = [target_pictures(context)], [effort.batch - from_source]
    if from_source:
        sources, shares = [*sources, source_pictures(effort)], [*shares, from_source]
    # Only pictures with a known mask are cluttered: those of the source domain.
    return BatchDrawer(sources, shares, effort.image_px, Augmentation(clutter=STRONG.clutter), seed)
