"""The work of TASSN's rows on STB and MHP: the three stages of the open benchmark's rows on other films."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int

from handlib.data.clips import continuous_runs
from handlib.data.grabcut import grabcut_silhouettes
from handlib.data.official import OfficialDataset
from handlib.data.official_crops import OfficialCrops
from handlib.data.stb import SEQUENCES
from handlib.errors import BadInputError
from handlib.experiments.official_run import crops_of, open_split
from handlib.experiments.tassn.effort import Effort, effort_of
from handlib.experiments.tassn.official_recipes import OfficialTassnRecipe, stage_before
from handlib.experiments.tassn.scoring import read_films, score_joints, shrunk
from handlib.experiments.tassn.supervision import SUPERVISION, Supervision
from handlib.experiments.tassn.training import (
    NETWORK,
    build_network,
    drawer_of,
    fit_first_stage,
    fit_second_stage,
    fit_third_stage,
    leave,
)
from handlib.experiments.training_report import log_curves, speed_of
from handlib.models.tassn import TassnEstimator
from handlib.reproduce.profiles import Profile
from handlib.reproduce.recipe import RunContext
from handlib.reproduce.results import Metric, Outcome
from handlib.reproduce.state import read_state, write_state

STB_SEQUENCES = tuple(name for name in SEQUENCES if name.endswith("Counting"))
"""Six videos of 1,500 frames, as the paper says of the SK subset: it has twelve, six of which count with fingers."""

_READ_TOGETHER = 50


@dataclass(frozen=True, eq=False)
class OfficialFilms:
    """Crops of videos, and the rows of each run of successive frames."""

    crops: OfficialCrops
    runs: tuple[Int[np.ndarray, "_frames"], ...]


def train_official(context: RunContext) -> Outcome:
    """The work of an :class:`OfficialTassnRecipe`: a stage, and its scores."""
    recipe: OfficialTassnRecipe = context.recipe
    effort = effort_of(context.profile, recipe.effort)
    if recipe.stage not in (1, 2, 3):
        raise BadInputError(f"stage {recipe.stage}: expected 1, 2 or 3")
    films = official_films(context, effort, test=False)
    # Fixtures have videos of two frames.
    longest = 1 + (max(map(len, films.runs)) - 1) // effort.interval
    effort = replace(effort, clip_frames=min(effort.clip_frames, longest))
    network = build_network(effort, context.seed)
    if recipe.stage == 1:
        known = cut_silhouettes(films.crops)
        write_state(context.artifact_path(SUPERVISION), vars(known))
    else:
        network.load_state_dict(read_state(context.left_by(stage_before(recipe), train_official, NETWORK)))
        known = left_supervision(context)
    crops = films.crops
    target = drawer_of(effort, context.seed, recipe.stage, crops.rgb, crops.K, known, films.runs)
    if recipe.stage == 3:
        log = fit_third_stage(context, network, effort, target, recipe)
    else:
        log = (fit_first_stage, fit_second_stage)[recipe.stage - 1](context, network, effort, target)
    leave(context, network)
    return score_official(context, network, effort, {**speed_of(log)}, log_curves(log))


def score_official(
    context: RunContext, network: TassnEstimator, effort: Effort, metrics: dict, curves: dict
) -> Outcome:
    """STB's protocol on every frame of the test videos, each run read in pieces of 50 frames."""
    films = official_films(context, effort, test=True)
    said, true = [], []
    for run in films.runs:
        for rows in np.split(run, range(_READ_TOGETHER, len(run), _READ_TOGETHER)):
            frames = shrunk(films.crops.rgb[rows], effort.image_px)
            said.append(read_films(network.to(context.device), frames[None]).joints_m)
            true.append(films.crops.joints_m[rows])
    scores, figure = score_joints(np.concatenate(said), np.concatenate(true))
    frames = Metric(sum(len(run) for run in films.runs), "1")
    return Outcome({**scores, "frames": frames, **metrics}, {**figure, **curves})


def official_films(context: RunContext, effort: Effort, test: bool) -> OfficialFilms:
    """Crops of the test videos or of the others; the whole videos in the profile ``full``, else their beginnings.

    Raises:
        BadInputError: no video is left, or one of the test videos is not there; and as the reader does.
        MissingFileError: as the reader does.
    """
    recipe: OfficialTassnRecipe = context.recipe
    dataset = open_videos(recipe)
    names, frame = dataset.sequence_labels()
    chosen = is_test_video(names, recipe.test_videos) == test
    if not chosen.any():
        what = "test" if test else "training"
        raise BadInputError(f"{dataset.root}: no {what} video among {sorted(set(names.tolist()))}")
    rows = np.flatnonzero(chosen)
    if context.profile is not Profile.FULL:
        rows = np.sort(np.concatenate([rows[names[rows] == name][: effort.film_frames] for name in set(names[rows])]))
    crops = crops_of(dataset, effort.drawn_px, chosen=rows)
    starts = None if dataset.run_starts() is None else dataset.run_starts()[rows]
    return OfficialFilms(crops, tuple(continuous_runs(names[rows], frame[rows], starts)))


def open_videos(recipe: OfficialTassnRecipe) -> OfficialDataset:
    """All videos of a data set: of STB the colour camera's (SK) that count, of MHP every webcam's."""
    if recipe.data == "stb":
        return open_split("stb", "all", camera="SK", wrist=recipe.wrist, sequences=STB_SEQUENCES)
    return open_split(recipe.data, "all", wrist=recipe.wrist)


def is_test_video(names: np.ndarray, test_videos: tuple[str, ...]) -> Bool[np.ndarray, "samples"]:
    """Which samples belong to a test video: named so, or a part of one named so (``data_1/webcam_2`` of ``data_1``)."""
    return np.array([str(name).split("/")[0] in test_videos for name in names], bool)


def cut_silhouettes(crops: OfficialCrops) -> Supervision:
    """The labels' keypoints, and silhouettes that GrabCut cuts with their help."""
    keypoints: Float[np.ndarray, "crops 21 2"] = np.nan_to_num(crops.keypoints_px)
    masks, usable = grabcut_silhouettes(np.asarray(crops.rgb), keypoints, crops.confidence)
    return Supervision(keypoints, crops.confidence, masks.astype(bool), usable)


def left_supervision(context: RunContext) -> Supervision:
    """What the first stage has cut: the same for every seed."""
    recipe: OfficialTassnRecipe = context.recipe
    first = stage_before(recipe) if recipe.stage == 2 else stage_before(stage_before(recipe))
    found = read_state(context.left_by(first, train_official, SUPERVISION))
    return Supervision(**{name: np.asarray(value) for name, value in found.items()})
