"""The work of the trained rows: some hundred steps on clips from the released weights on, and scores on whole films."""

from handlib.experiments.s2hand_v.effort import Effort, effort_of
from handlib.experiments.s2hand_v.encodings import encodings
from handlib.experiments.s2hand_v.films import film_of_rows, labels, pictures
from handlib.experiments.s2hand_v.network import NETWORK, starting_network
from handlib.experiments.s2hand_v.objective import VideoTask, motion_term, video_objective
from handlib.experiments.s2hand_v.recipes import VideoRecipe, video_weights
from handlib.experiments.s2hand_v.scoring import FilmAnswers, predict_films, score_films, score_motion
from handlib.experiments.s2hand_v.supervision import EncodedDrawer
from handlib.experiments.training_report import log_curves, speed_of
from handlib.losses.s2hand import S2HAND_WEIGHTS
from handlib.models.s2hand import S2HandNetwork
from handlib.reproduce.recipe import RunContext
from handlib.reproduce.results import Curve, Metric, Outcome
from handlib.reproduce.state import read_state, write_state
from handlib.training.loop import TrainSettings, fit_network


def train_and_score(context: RunContext) -> Outcome:
    """The work of a :class:`~handlib.experiments.s2hand_v.recipes.VideoRecipe`."""
    return train_row(context, effort_of(context.profile, context.recipe.effort))


def train_row(context: RunContext, effort: Effort) -> Outcome:
    """Train a row with an effort, score it, and leave its heads."""
    recipe: VideoRecipe = context.recipe
    network = starting_network(recipe.camera, context.seed)
    metrics, curves = {}, {}
    if recipe.steps:
        task = build_task(recipe, effort, network, context.seed)
        settings = TrainSettings(
            max(1, round(recipe.steps * effort.steps)), learning_rate=effort.learning_rate, schedule="thirds"
        )
        log = fit_network(context, task, video_objective, EncodedDrawer(context).draw, settings)
        metrics, curves = speed_of(log), log_curves(log)
    scores = score_network(network.to(context.device).eval(), effort)
    write_state(context.artifact_path(NETWORK), network.state_dict())
    return Outcome({**scores[0], **metrics}, {**scores[1], **curves})


def build_task(recipe: VideoRecipe, effort: Effort, network: S2HandNetwork, seed: int) -> VideoTask:
    """Network and objective of a row before its first step."""
    return VideoTask(
        network,
        S2HAND_WEIGHTS["paper"],
        video=video_weights(recipe),
        motion=motion_term(recipe.motion, recipe.interval),
        rendered=effort.rendered,
        render_px=effort.render_px,
        stock=effort.stock,
        hands=effort.hands,
        seed=seed,
    )


def score_network(network: S2HandNetwork, effort: Effort) -> tuple[dict[str, Metric], dict[str, Curve]]:
    """All scores on the test films, and how the first training films move."""
    answers, known = film_answers(network, effort, "test"), labels(effort, "test")
    metrics, curves = score_films(answers, known, film_of_rows(effort, len(answers)), effort.image_px)
    seen = film_answers(network, effort, "train", effort.scored_films)
    moved = score_motion(seen, labels(effort, "train"), film_of_rows(effort, len(seen)), "train_")
    return {**metrics, **moved}, curves


def film_answers(network: S2HandNetwork, effort: Effort, split: str, films: int | None = None) -> FilmAnswers:
    """What a network with kept encodings says of a split's films, or of the first so many."""
    K = pictures(effort, split).K
    rows = len(K) if films is None else films * effort.film_frames
    return predict_films(network, encodings(effort, split), K, rows, effort.image_px)


def trained_answers(context: RunContext, recipe: VideoRecipe, effort: Effort) -> FilmAnswers:
    """The test films as a trained row sees them."""
    network = starting_network(recipe.camera, context.seed)
    network.load_state_dict(read_state(context.left_by(recipe, train_and_score, NETWORK)))
    return film_answers(network.eval(), effort, "test")
