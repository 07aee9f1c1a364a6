"""The work of the trained rows: stage-wise training, scores, and the weights that are left for others."""

from dataclasses import replace

import torch

from handlib.experiments.s2hand.data import labels, pictures
from handlib.experiments.s2hand.effort import Effort, effort_of
from handlib.experiments.s2hand.objective import CollapseWatch, S2HandTask, s2hand_objective
from handlib.experiments.s2hand.recipes import (
    SOURCE_ONLY,
    DetectorRecipe,
    S2HandRecipe,
    branch_stage,
    config_of,
    first_stage,
    weights_of,
)
from handlib.experiments.s2hand.scoring import predict, score_2d, score_3d
from handlib.experiments.s2hand.supervision import NETWORK, batches, log_curves, speed_of, train_detector
from handlib.models.hourglass import KeypointBranch
from handlib.models.images import normalise_images
from handlib.models.s2hand import S2HandNetwork
from handlib.reproduce.recipe import RunContext
from handlib.reproduce.results import Curve, Metric, Outcome
from handlib.reproduce.state import read_state, write_state
from handlib.training.collapse import CollapseDetector, CollapseError, CollapseSettings
from handlib.training.loop import TrainSettings, fit_network

BRANCH = "branch.safetensors"
_LONGEST_GRACE = 1000


def train_and_score(context: RunContext) -> Outcome:
    """The work of an :class:`S2HandRecipe`: train its last stage, after the stages that it shares, and score it.

    A collapse ends the training and is recorded with its curves; what is scored then is the collapsed network.
    """
    recipe: S2HandRecipe = context.recipe
    effort = effort_of(context.profile, recipe.effort)
    task = build_task(context)
    drawer = batches(context, recipe.stages)
    settings = settings_of(recipe, effort)
    # Before it has learnt anything, a network sees one hand in every picture, too: the first half is not judged.
    detector = CollapseDetector(CollapseSettings(grace=min(settings.steps // 2, _LONGEST_GRACE)))
    watch = None if task.network is None else CollapseWatch(detector, effort.image_px)
    try:
        log = fit_network(context, task, s2hand_objective, drawer.draw, settings, watch)
        collapse = {}
    except CollapseError as error:
        log, task = error.log, task.eval()
        collapse = {"collapsed_at_step": Metric(error.step, "1")}
    metrics, curves = score_task(task, effort)
    if task.network is not None:
        write_state(context.artifact_path(NETWORK), task.network.state_dict())
    if task.branch is not None:
        write_state(context.artifact_path(BRANCH), task.branch.state_dict())
    return Outcome({**metrics, **speed_of(log), **collapse}, {**curves, **log_curves(log)})


def build_task(context: RunContext) -> S2HandTask:
    """Networks and objective of a recipe, with the weights of the stages before it.

    Weights that no earlier stage has trained are drawn from the run's seed alone.
    """
    recipe: S2HandRecipe = context.recipe
    effort = effort_of(context.profile, recipe.effort)
    network = branch = None
    if recipe.branches != "2d":
        network = build_network(recipe, effort, context.seed)
        if recipe.stages == 2:
            load_common(network, context.left_by(first_stage(recipe), train_and_score, NETWORK))
        elif recipe.source_labels and recipe.keypoints != "none":
            source_only = replace(SOURCE_ONLY, effort=recipe.effort, network=recipe.network)
            load_common(network, context.left_by(source_only, train_and_score, NETWORK, seed=0))
        elif recipe.encoder == "detector":
            network.encoder.load_state_dict(detector_encoder(context))
    if recipe.branches != "3d":
        branch = build_branch(effort, context.seed)
        if recipe.stages == 2:
            branch.load_state_dict(read_state(context.left_by(branch_stage(recipe), train_and_score, BRANCH)))
    return S2HandTask(network, branch, weights_of(recipe), render_px=effort.render_px)


def detector_encoder(context: RunContext) -> dict[str, torch.Tensor]:
    """Weights of the encoder of the keypoint detector, which is the same for every seed."""
    recipe = DetectorRecipe(effort=context.recipe.effort)
    state = read_state(context.left_by(recipe, train_detector, NETWORK, seed=0))
    return {name.removeprefix("encoder."): value for name, value in state.items() if name.startswith("encoder.")}


def build_network(recipe: S2HandRecipe, effort: Effort, seed: int) -> S2HandNetwork:
    """A recipe's 3D branch before its first step; rows of one seed begin alike."""
    torch.manual_seed(seed)
    network = S2HandNetwork(config_of(recipe, effort.image_px))
    network.encoder.freeze(effort.frozen_stages)
    return network


def build_branch(effort: Effort, seed: int) -> KeypointBranch:
    """The 2D branch before its first step."""
    torch.manual_seed(seed)
    return KeypointBranch(channels=effort.branch_channels, depth=effort.branch_depth)


def load_common(network: S2HandNetwork, path: object) -> None:
    """Load a first stage's weights; the texture head, which it has not, keeps its own."""
    own = network.state_dict()
    network.load_state_dict({**own, **read_state(path)})


def settings_of(recipe: S2HandRecipe, effort: Effort) -> TrainSettings:
    """The paper's schedule (Sec. 4.2), shorter: halved after each third; the second stage begins at a quarter of the
    rate, divided by three after each third. What the source domain alone teaches is learnt along a cosine."""
    if recipe.keypoints == "none":
        return TrainSettings(effort.source_steps, learning_rate=effort.learning_rate, schedule="cosine")
    if recipe.stages == 2:
        return TrainSettings(effort.second_steps, learning_rate=effort.learning_rate / 4, schedule="thirds")
    return TrainSettings(effort.first_steps, learning_rate=effort.learning_rate, schedule="halves")


def score_task(task: S2HandTask, effort: Effort) -> tuple[dict[str, Metric], dict[str, Curve]]:
    """Scores of a trained task: 3D on the test stills, 2D on as many training stills, as Fig. 4 has it."""
    seen, known = pictures(effort, "target", "train"), labels(effort, "target", "train")
    if task.network is None:
        points = branch_keypoints(task.branch, seen.rgb[: effort.test_stills])
        return score_2d(points, known, effort.image_px)
    answers = predict(task.network, pictures(effort, "target", "test"))
    metrics, curves = score_3d(answers, labels(effort, "target", "test"))
    test_2d = score_2d(answers.joints_2d_px, labels(effort, "target", "test"), effort.image_px, "test_")
    on_training = predict(task.network, seen, effort.test_stills)
    train_2d = score_2d(on_training.joints_2d_px, known, effort.image_px)
    return {**metrics, **test_2d[0], **train_2d[0]}, {**curves, **test_2d[1], **train_2d[1]}


@torch.no_grad()
def branch_keypoints(branch: KeypointBranch, rgb: object) -> object:
    """Keypoints (N, 21, 2) px that the 2D branch's last stack sees in 8-bit pictures."""
    device = next(branch.parameters()).device
    blocks = torch.from_numpy(rgb.copy()).split(64)
    return torch.cat([branch(normalise_images(block.to(device)))[:, -1].cpu() for block in blocks]).numpy()
