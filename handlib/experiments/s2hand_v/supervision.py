"""What a training may know of the films: pictures, cameras, and what a detector says; no label of theirs is opened."""

from handlib.experiments.s2hand_v.detections import detections
from handlib.experiments.s2hand_v.effort import effort_of
from handlib.experiments.s2hand_v.encodings import encodings
from handlib.experiments.s2hand_v.films import pictures, runs
from handlib.experiments.s2hand_v.objective import EncodedClips
from handlib.experiments.s2hand_v.recipes import VideoRecipe
from handlib.reproduce.recipe import RunContext
from handlib.training.augmentation import NO_AUGMENTATION
from handlib.training.batches import HandPictures
from handlib.training.clips import ClipDrawer, FilmPictures


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
