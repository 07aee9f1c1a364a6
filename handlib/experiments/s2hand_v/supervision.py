"""What a training may know of the films: pictures, cameras, and keypoints that a detector found frame by frame.

The detector is that of the S2HAND chapter; it has seen no film. Its mistakes differ from frame to frame: that is the
flicker that a motion term has to stand.
"""

import numpy as np

from handlib.experiments.s2hand.detector import KeypointDetector, detect
from handlib.experiments.s2hand.recipes import DetectorRecipe
from handlib.experiments.s2hand.scoring import score_2d
from handlib.experiments.s2hand.supervision import NETWORK, train_detector
from handlib.experiments.s2hand_v.effort import effort_of
from handlib.experiments.s2hand_v.encodings import encodings
from handlib.experiments.s2hand_v.films import film_of_rows, labels, pictures, runs
from handlib.experiments.s2hand_v.objective import EncodedClips
from handlib.experiments.s2hand_v.recipes import DetectionsRecipe, VideoRecipe
from handlib.experiments.s2hand_v.scoring import flicker
from handlib.reproduce.recipe import RunContext
from handlib.reproduce.results import Outcome
from handlib.reproduce.state import read_state, write_state
from handlib.training.augmentation import NO_AUGMENTATION
from handlib.training.batches import HandPictures
from handlib.training.clips import ClipDrawer, FilmPictures

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


def film_pictures(context: RunContext) -> FilmPictures:
    """The training films with what may be known of them: no label of theirs is opened."""
    recipe: VideoRecipe = context.recipe
    effort = effort_of(context.profile, recipe.effort)
    seen, found = pictures(effort, "train"), detections(context, "train")
    frames = HandPictures(seen.rgb, seen.K, found["keypoints_px"], found["confidence"])
    films = effort.train_films + (effort.extra_films if recipe.extra else 0)
    return FilmPictures(frames, runs(effort, "train", films))


class EncodedDrawer:
    """Draws the clips of any step with their encodings; clips are not augmented, as encodings cannot be turned."""

    def __init__(self, context: RunContext) -> None:
        """Read what the recipe asks for."""
        recipe: VideoRecipe = context.recipe
        effort = effort_of(context.profile, recipe.effort)
        self.clips = ClipDrawer(
            film_pictures(context),
            effort.clips,
            recipe.frames,
            recipe.interval,
            effort.image_px,
            NO_AUGMENTATION,
            context.seed,
        )
        self.encodings = encodings(effort, "train")

    def draw(self, step: int, rank: int = 0, ranks: int = 1) -> EncodedClips:
        """The batch of a step, as :func:`handlib.training.loop.fit_network` asks for it."""
        clips = self.clips.draw(step, rank, ranks)
        return EncodedClips(clips, self.encodings.of(clips.pictures.index.numpy()))
