"""The work of the trained rows: three stages, each of which begins with what the one before has left."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8

from handlib.errors import BadInputError
from handlib.experiments.tassn.clips import SourceDrawer, TargetDrawer, TwoDomains
from handlib.experiments.tassn.data import pictures, rows, runs, source_films
from handlib.experiments.tassn.effort import Effort, effort_of
from handlib.experiments.tassn.flow import load_flow_network
from handlib.experiments.tassn.objective import ClipReader, TassnObjective, pretraining_objective
from handlib.experiments.tassn.recipes import (
    FilmRecipe,
    PretrainRecipe,
    StillRecipe,
    TassnRecipe,
    flow_of,
    pretrain_of,
    stills_of,
)
from handlib.experiments.tassn.scoring import read_test_films, score_answers
from handlib.experiments.tassn.supervision import Supervision, supervision_of
from handlib.experiments.training_report import log_curves, speed_of
from handlib.hand.model import HandModel
from handlib.losses.tassn import WITHOUT_CONSISTENCY
from handlib.models.flow_net import FlowMethod
from handlib.models.mesh_gcn import LENGTH_UNIT_M
from handlib.models.tassn import TassnEstimator
from handlib.reproduce.recipe import RunContext
from handlib.reproduce.results import Outcome
from handlib.reproduce.state import read_state, write_state
from handlib.training.loop import TrainingLog, TrainSettings, fit_network

NETWORK = "network.safetensors"


def pretrain(context: RunContext) -> Outcome:
    """The work of a :class:`~handlib.experiments.tassn.recipes.PretrainRecipe`: stage 1."""
    recipe: PretrainRecipe = context.recipe
    effort = effort_of(context.profile, recipe.effort)
    network = build_network(effort, context.seed)
    return finish(context, network, fit_first_stage(context, network, effort, target_clips(context, 1)), effort)


def train_on_stills(context: RunContext) -> Outcome:
    """The work of a :class:`~handlib.experiments.tassn.recipes.StillRecipe`: stage 2."""
    recipe: StillRecipe = context.recipe
    effort = effort_of(context.profile, recipe.effort)
    network = load_network(context, pretrain_of(recipe))
    target = target_clips(context, 2, recipe.keypoints, recipe.silhouettes)
    return finish(context, network, fit_second_stage(context, network, effort, target), effort)


def train_on_video(context: RunContext) -> Outcome:
    """The work of a :class:`~handlib.experiments.tassn.recipes.TassnRecipe`: stage 3, which opens no 3D label."""
    recipe: TassnRecipe = context.recipe
    effort = effort_of(context.profile, recipe.effort)
    network = load_network(context, start_of(recipe))
    network.flow = flow_method(context)
    target = target_clips(context, 3, recipe.keypoints, recipe.silhouettes, network.flow)
    return finish(context, network, fit_third_stage(context, network, effort, target, recipe), effort)


def fit_first_stage(context: RunContext, network: TassnEstimator, effort: Effort, target: TargetDrawer) -> TrainingLog:
    """Heatmaps on clips of the target, and everything on labelled clips of the source beside them."""
    source = SourceDrawer(
        source_films(effort, "train"),
        clips=effort.beside,
        frames=effort.beside_frames,
        image_px=effort.image_px,
        seed=context.seed,
        guided=effort.guided,
    )

    def draw(step: int, rank: int, ranks: int) -> TwoDomains:
        return TwoDomains(target.draw(step, rank, ranks), source.draw(step, rank, ranks))

    settings = TrainSettings(effort.pretrain_steps, learning_rate=effort.learning_rate, schedule="cosine")
    return fit_network(context, ClipReader(network), pretraining_objective, draw, settings)


def fit_second_stage(context: RunContext, network: TassnEstimator, effort: Effort, target: TargetDrawer) -> TrainingLog:
    """Eq. 1 and 2 of single frames of the target. Heatmaps and mesh learn, and the joint network stays (section 4.3):
    silhouettes would move it, too, since the mesh is placed by the said joints."""
    objective = TassnObjective(HandModel.load("open").faces, WITHOUT_CONSISTENCY, LENGTH_UNIT_M)
    settings = TrainSettings(effort.still_steps, learning_rate=effort.still_rate, schedule="cosine")
    network.pose.requires_grad_(False)
    try:
        return fit_network(context, ClipReader(network), objective, target.draw, settings)
    finally:
        network.pose.requires_grad_(True)


def fit_third_stage(
    context: RunContext, network: TassnEstimator, effort: Effort, target: TargetDrawer, recipe: TassnRecipe
) -> TrainingLog:
    """Eq. 6 of clips of the target, read both ways; weights, unit and length of training are the recipe's."""
    objective = TassnObjective(HandModel.load("open").faces, recipe.weights(), recipe.unit_m)
    steps = recipe.longer * effort.video_steps
    settings = TrainSettings(steps, learning_rate=effort.video_rate, schedule="cosine")
    return fit_network(context, ClipReader(network), objective, target.draw, settings)


def start_of(recipe: TassnRecipe) -> StillRecipe | PretrainRecipe:
    """What the third stage begins with.

    Raises:
        BadInputError: a start of unknown name.
    """
    if recipe.start not in ("stills", "source"):
        raise BadInputError(f"start {recipe.start!r}: expected 'stills' or 'source'")
    return stills_of(recipe) if recipe.start == "stills" else pretrain_of(recipe)


def flow_method(context: RunContext) -> FlowMethod:
    """How a row's flow is estimated.

    Raises:
        BadInputError: a flow of unknown name.
    """
    recipe: TassnRecipe = context.recipe
    if recipe.flow not in ("dis", "network"):
        raise BadInputError(f"flow {recipe.flow!r}: expected 'dis' or 'network'")
    return "dis" if recipe.flow == "dis" else load_flow_network(context, flow_of(recipe))


def target_clips(
    context: RunContext,
    stage: int,
    keypoints: str = "detected",
    silhouettes: str = "grabcut",
    flow: FlowMethod = "dis",
) -> TargetDrawer:
    """The clips of the target's training films, with what may be known of them."""
    effort = effort_of(context.profile, context.recipe.effort)
    count, seen = rows(effort, "train"), pictures(effort, "train")
    known = supervision_of(context, "train", keypoints, silhouettes)
    films = list(runs(effort, "train"))
    return drawer_of(effort, context.seed, stage, seen.rgb[:count], seen.K[:count], known, films, flow)


def drawer_of(
    effort: Effort,
    seed: int,
    stage: int,
    rgb: UInt8[np.ndarray, "stills height width 3"],
    K: Float[np.ndarray, "stills 3 3"],
    known: Supervision,
    films: Sequence[Int[np.ndarray, "_frames"]],
    flow: FlowMethod = "dis",
) -> TargetDrawer:
    """Draws the clips of a stage in an order of its own; in the second single frames, as many as the third's in all."""
    clips, frames = {
        1: (max(1, effort.beside // 3), effort.beside_frames),
        2: (effort.clips * effort.clip_frames, 1),
        3: (effort.clips, effort.clip_frames),
    }[stage]
    return TargetDrawer(
        rgb,
        K,
        known,
        films,
        clips=clips,
        frames=frames,
        interval=effort.interval,
        image_px=effort.image_px,
        seed=10 * seed + stage,
        guided=effort.guided,
        flow=flow,
    )


def build_network(effort: Effort, seed: int) -> TassnEstimator:
    """The estimator before its first step; all rows of one seed begin alike."""
    torch.manual_seed(seed)
    hand = HandModel.load("open")
    return TassnEstimator(hand.faces, hand.num_vertices, effort.config())


def load_network(context: RunContext, recipe: FilmRecipe) -> TassnEstimator:
    """The estimator that a row has trained, on the CPU, in evaluation mode; it is trained first if need be."""
    work = {PretrainRecipe: pretrain, StillRecipe: train_on_stills, TassnRecipe: train_on_video}[type(recipe)]
    network = build_network(effort_of(context.profile, recipe.effort), context.seed)
    # The first stage is the same for all seeds: it takes as long as all that follows.
    seed = 0 if isinstance(recipe, PretrainRecipe) else context.seed
    network.load_state_dict(read_state(context.left_by(recipe, work, NETWORK, seed=seed)))
    return network.eval()


def finish(context: RunContext, network: TassnEstimator, log: TrainingLog, effort: Effort) -> Outcome:
    """Leave the weights for other rows, and score the network on the test films."""
    leave(context, network)
    answers = read_test_films(network.to(context.device), effort, supervision_of(context, "test"))
    metrics, curves = score_answers(answers, effort)
    return Outcome({**metrics, **speed_of(log)}, {**curves, **log_curves(log)})


def leave(context: RunContext, network: TassnEstimator) -> None:
    """Leave the estimator's weights; a network for the flow is none of them: its own recipe has left it."""
    state = {name: value for name, value in network.state_dict().items() if not name.startswith("flow.")}
    write_state(context.artifact_path(NETWORK), state)
