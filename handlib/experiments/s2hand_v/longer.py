"""The main rows again, with four times as many films and ten times as many steps: what short trainings leave undone.

So long a training could learn the four thousand frames of the other rows by heart, and be smooth on these alone. Here
they are 16,000, which is a quarter of the paper's HO-3D.
"""

from dataclasses import dataclass, replace

from handlib.experiments.s2hand_v.detections import DETECTIONS, detect_in_films
from handlib.experiments.s2hand_v.effort import Effort, effort_of
from handlib.experiments.s2hand_v.encodings import encodings
from handlib.experiments.s2hand_v.films import pictures, runs
from handlib.experiments.s2hand_v.network import NETWORK, starting_network
from handlib.experiments.s2hand_v.objective import EncodedClips, video_objective
from handlib.experiments.s2hand_v.recipes import DetectionsRecipe, VideoRecipe
from handlib.experiments.s2hand_v.training import build_task, score_network
from handlib.experiments.training_report import log_curves, speed_of
from handlib.reproduce.recipe import RunContext
from handlib.reproduce.results import Outcome
from handlib.reproduce.state import read_state, write_state
from handlib.training.augmentation import NO_AUGMENTATION
from handlib.training.batches import HandPictures
from handlib.training.clips import ClipDrawer, FilmPictures
from handlib.training.loop import TrainSettings, fit_network

MANY_FILMS = Effort(train_films=320, extra_films=0)
DETECTOR = DetectionsRecipe(name="s2hand-v-detector-many-films", effort=MANY_FILMS)


@dataclass(frozen=True, kw_only=True)
class LongerRecipe(VideoRecipe):
    """A row with many films; ``steps`` in parts of the effort's, as of the other rows."""

    effort: Effort = MANY_FILMS
    steps: float = 6.0


def longer(row: VideoRecipe) -> LongerRecipe:
    """The same row with more films and steps, by the name of the row."""
    fields = {name: value for name, value in vars(row).items() if name not in ("name", "effort", "steps")}
    return LongerRecipe(name=f"{row.name}-longer", **fields)


def train_longer(context: RunContext) -> Outcome:
    """The work of a :class:`LongerRecipe`: as the other rows are trained, with detections of its own films."""
    recipe: LongerRecipe = context.recipe
    effort = effort_of(context.profile, recipe.effort)
    network = starting_network(recipe.camera, context.seed)
    task = build_task(recipe, effort, network, context.seed)
    steps = max(1, round(recipe.steps * effort.steps))
    settings = TrainSettings(steps, learning_rate=effort.learning_rate, schedule="thirds")
    log = fit_network(context, task, video_objective, ManyFilmsDrawer(context, effort).draw, settings)
    metrics, curves = score_network(network.to(context.device).eval(), effort)
    write_state(context.artifact_path(NETWORK), network.state_dict())
    return Outcome({**metrics, **speed_of(log)}, {**curves, **log_curves(log)})


class ManyFilmsDrawer:
    """Draws the clips of any step, with their encodings."""

    def __init__(self, context: RunContext, effort: Effort) -> None:
        """Read the films, and what the detector says of them; it is asked if it has not been."""
        recipe: LongerRecipe = context.recipe
        seen = pictures(effort, "train")
        detector = replace(DETECTOR, effort=recipe.effort)
        found = read_state(context.left_by(detector, detect_in_films, DETECTIONS, seed=0))["train"]
        frames = HandPictures(seen.rgb, seen.K, found["keypoints_px"], found["confidence"])
        films = FilmPictures(frames, runs(effort, "train", effort.train_films))
        shape = effort.clips, recipe.frames, recipe.interval, effort.image_px
        self.clips = ClipDrawer(films, *shape, NO_AUGMENTATION, context.seed)
        self.encodings = encodings(effort, "train")

    def draw(self, step: int, rank: int = 0, ranks: int = 1) -> EncodedClips:
        """The batch of a step, as :func:`handlib.training.loop.fit_network` asks for it."""
        clips = self.clips.draw(step, rank, ranks)
        return EncodedClips(clips, self.encodings.of(clips.pictures.index.numpy()))
