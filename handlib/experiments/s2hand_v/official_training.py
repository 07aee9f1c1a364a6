"""The work of S2HAND(V)'s rows on HO-3D: clips of its sequences, the whole network trained, and the official scores."""

import numpy as np
import torch

from handlib.data.clips import continuous_runs
from handlib.data.official_crops import OfficialCrops
from handlib.experiments.s2hand.effort import Effort, effort_of
from handlib.experiments.s2hand.official_pictures import evaluation_crops, training_crops, training_pictures
from handlib.experiments.s2hand.official_recipes import first_stage, own_hand
from handlib.experiments.s2hand.official_scoring import score_evaluation
from handlib.experiments.s2hand.official_training import train_official
from handlib.experiments.s2hand.recipes import config_of, weights_of
from handlib.experiments.s2hand.supervision import NETWORK
from handlib.experiments.s2hand.training import load_common, settings_of
from handlib.experiments.s2hand_v.objective import EncodedClips, VideoTask, motion_term, video_objective
from handlib.experiments.s2hand_v.official_recipes import OfficialMotionRecipe, OfficialVideoRecipe
from handlib.experiments.s2hand_v.recipes import video_weights
from handlib.experiments.s2hand_v.scoring import COLOURS, QUATERNION_FRAMES, accelerations
from handlib.experiments.training_report import log_curves, speed_of
from handlib.metrics.rotation import quaternion_smoothness
from handlib.metrics.temporal import acceleration_error, mean_acceleration, sequence_std
from handlib.models.images import normalise_images
from handlib.models.s2hand import S2HandConfig, S2HandNetwork
from handlib.reproduce.profiles import by_profile
from handlib.reproduce.recipe import RunContext
from handlib.reproduce.results import Metric, Outcome
from handlib.reproduce.state import read_state, write_state
from handlib.training.augmentation import Augmentation
from handlib.training.clips import ClipDrawer, FilmPictures
from handlib.training.loop import fit_network

_BATCH = 50


def train_video(context: RunContext) -> Outcome:
    """The work of an :class:`~handlib.experiments.s2hand_v.official_recipes.OfficialVideoRecipe`."""
    recipe: OfficialVideoRecipe = context.recipe
    effort = effort_of(context.profile, recipe.effort)
    network = build_network(recipe, effort, context.seed)
    load_common(network, context.left_by(first_stage(recipe.of), train_official, NETWORK))
    frames, interval = clip_form(context)
    clips = max(1, effort.batch // frames)
    task = VideoTask(
        network,
        weights_of(recipe),
        video=video_weights(recipe.row),
        motion=motion_term(recipe.row.motion, interval),
        rendered=clips * frames,
        render_px=effort.render_px,
        stock=0,
        hands=0,
        seed=context.seed,
        steady=False,
    )
    drawer = clip_drawer(context, effort, clips)
    log = fit_network(
        context, task, video_objective, lambda *at: EncodedClips(drawer.draw(*at)), settings_of(recipe, effort)
    )
    write_state(context.artifact_path(NETWORK), network.state_dict())
    metrics, curves = score_evaluation(context, network, effort)
    metrics |= score_motion_of(context, network, effort)
    return Outcome({**metrics, **speed_of(log)}, {**curves, **log_curves(log)})


def build_network(recipe: OfficialVideoRecipe, effort: Effort, seed: int) -> S2HandNetwork:
    """S2HAND's network with a row's camera, drawn from the seed alone."""
    torch.manual_seed(seed)
    config = config_of(recipe, effort.image_px)
    network = S2HandNetwork(S2HandConfig(**{**vars(config), "camera": recipe.row.camera}), hand=own_hand())
    network.encoder.freeze(effort.frozen_stages)
    return network


def clip_drawer(context: RunContext, effort: Effort, clips: int) -> ClipDrawer:
    """Clips of the training sequences, cut where frames are missing."""
    crops = training_crops(context, effort.image_px)
    films = FilmPictures(training_pictures(context, effort), continuous_runs(crops.sequence, crops.frame))
    return ClipDrawer(films, clips, *clip_form(context), effort.image_px, Augmentation(), context.seed)


def clip_form(context: RunContext) -> tuple[int, int]:
    """Frames of a clip and the interval between them: the row's, but for runs of seconds on films of a few frames."""
    row = context.recipe.row
    as_named = (row.frames, row.interval)
    return by_profile(context.profile, smoke=(3, 1), laptop=as_named, full=as_named)


def score_motion_only(context: RunContext) -> Outcome:
    """The work of an :class:`~handlib.experiments.s2hand_v.official_recipes.OfficialMotionRecipe`."""
    recipe: OfficialMotionRecipe = context.recipe
    effort = effort_of(context.profile, recipe.of.effort)
    network = S2HandNetwork(config_of(recipe.of, effort.image_px), hand=own_hand())
    network.load_state_dict(read_state(context.left_by(recipe.of, train_official, NETWORK)))
    return Outcome(score_motion_of(context, network.to(context.device).eval(), effort))


def score_motion_of(context: RunContext, network: S2HandNetwork, effort: Effort) -> dict[str, Metric]:
    """Table 5 and Table 9: the training sequences with, the evaluation sequences without the truth."""
    is_mano = network.hand.file.topology == "mano"
    train = training_crops(context, effort.image_px)
    test = evaluation_crops(context, effort.image_px, network.hand if is_mano else None)
    return {
        **motion_scores(network, train, "train_", truth=True),
        **motion_scores(network, test, "test_", truth=False),
    }


@torch.no_grad()
def motion_scores(network: S2HandNetwork, crops: OfficialCrops, which: str, *, truth: bool) -> dict[str, Metric]:
    """Smoothness of a network's answers over all stretches of successive frames; nothing where there is none.

    Each frame is cut out by itself: what trembles with the crop is part of the answer.
    """
    runs = [run for run in continuous_runs(crops.sequence, crops.frame) if len(run) >= QUATERNION_FRAMES]
    if not runs:
        return {}
    rows, films = np.concatenate(runs), np.repeat(np.arange(len(runs)), [len(run) for run in runs])
    device, parts = next(network.parameters()).device, []
    for block in np.array_split(rows, -(-len(rows) // _BATCH)):
        images = torch.from_numpy(np.asarray(crops.rgb[block])).to(device)
        found = network(normalise_images(images), torch.from_numpy(crops.K[block]).to(device))
        colours = found.colours[:, :: found.colours.shape[1] // COLOURS]
        parts.append((found.joints - found.joints[:, :1], found.rotations, found.shape, colours))
    joints, rotations, shape, colours = (torch.cat(column).float().cpu().numpy() for column in zip(*parts, strict=True))
    metrics = {
        **accelerations("acc", mean_acceleration, joints, films=films),
        "quaternion": Metric(quaternion_smoothness(rotations, frames=QUATERNION_FRAMES, sequence_ids=films), "1"),
        "shape_sd": Metric(sequence_std(shape, films), "1"),
        "texture_sd": Metric(sequence_std(colours, films), "1"),
    }
    true = crops.joints_m[rows] - crops.joints_m[rows, :1]
    if truth and np.isfinite(true).all():
        metrics |= accelerations("acc_err", acceleration_error, joints, true, films=films)
    return {f"{which}{name}": metric for name, metric in metrics.items()}
