"""The only labels that a training on films sees: keypoints that a detector found in each frame by itself.

The detector is that of the S2HAND chapter; it has seen no film. Its mistakes differ from frame to frame: that is the
flicker that a motion term has to stand.
"""

import numpy as np

from handlib.experiments.s2hand.detector import KeypointDetector, detect
from handlib.experiments.s2hand.recipes import DetectorRecipe
from handlib.experiments.s2hand.scoring import score_2d
from handlib.experiments.s2hand.supervision import NETWORK, train_detector
from handlib.experiments.s2hand_v.effort import effort_of
from handlib.experiments.s2hand_v.films import film_of_rows, labels, pictures
from handlib.experiments.s2hand_v.flicker import flicker
from handlib.experiments.s2hand_v.recipes import DetectionsRecipe
from handlib.reproduce.recipe import RunContext
from handlib.reproduce.results import Outcome
from handlib.reproduce.state import read_state, write_state

DETECTIONS = "detections.safetensors"


def detect_in_films(context: RunContext) -> Outcome:
    """The work of a :class:`~handlib.experiments.s2hand_v.recipes.DetectionsRecipe`: detect, and score the detector."""
    effort = effort_of(context.profile, context.recipe.effort)
    detector = KeypointDetector(imagenet=False)
    detector.load_state_dict(read_state(context.left_by(DetectorRecipe(), train_detector, NETWORK, seed=0)))
    metrics, curves, found = {}, {}, {}
    for split in ("train", "test"):
        seen = detect(detector.to(context.device).eval(), pictures(effort, split).rgb)
        found[split] = vars(seen)
        which = "" if split == "train" else "test_"
        scores = score_2d(seen.keypoints_px, labels(effort, split), effort.image_px, which)
        films = film_of_rows(effort, len(seen.keypoints_px))
        metrics |= scores[0] | flicker(seen.keypoints_px, labels(effort, split), films, effort.image_px, which)
        curves |= scores[1]
    write_state(context.artifact_path(DETECTIONS), found)
    return Outcome(metrics, curves)


def detections(context: RunContext, split: str) -> dict[str, np.ndarray]:
    """What the detector says of a split's frames: like the films, the same for every seed."""
    recipe = DetectionsRecipe(effort=context.recipe.effort)
    return read_state(context.left_by(recipe, detect_in_films, DETECTIONS, seed=0))[split]
