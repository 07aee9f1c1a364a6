"""What trained rows are measured against: no training on films, or something done to a row's answers afterwards."""

from dataclasses import replace

import numpy as np
import roma
import torch

from handlib.camera import PerspectiveCamera
from handlib.experiments.s2hand.baselines import mean_answers
from handlib.experiments.s2hand_v.detections import detections
from handlib.experiments.s2hand_v.effort import Effort, effort_of
from handlib.experiments.s2hand_v.films import film_of_rows, labels, pictures
from handlib.experiments.s2hand_v.recipes import AfterwardsRecipe, BaselineRecipe
from handlib.experiments.s2hand_v.scoring import FRAMES_PER_SECOND, FilmAnswers, score_films
from handlib.experiments.s2hand_v.training import trained_answers
from handlib.fitting.fit import FitResult, default_library, fit_to_keypoints
from handlib.fitting.one_euro import one_euro_filter
from handlib.hand.anatomy import AnatomicalPose
from handlib.hand.model import HandModel
from handlib.reproduce.recipe import RunContext
from handlib.reproduce.results import Outcome


def score_baseline(context: RunContext) -> Outcome:
    """The work of a :class:`~handlib.experiments.s2hand_v.recipes.BaselineRecipe`."""
    recipe: BaselineRecipe = context.recipe
    effort = effort_of(context.profile, recipe.effort)
    known = labels(effort, "test")
    if recipe.method == "mean":
        mean = mean_answers(len(known.joints_m))
        answers = FilmAnswers(mean.joints_m, mean.vertices_m, mean.joints_2d_px)
    else:
        answers = fit_films(context, effort)
    metrics, curves = score_films(answers, known, film_of_rows(effort, len(answers)), effort.image_px)
    if recipe.method == "mean":
        metrics = {name: metric for name, metric in metrics.items() if "2d" not in name and "flicker" not in name}
    return Outcome(metrics, curves)


def fit_films(context: RunContext, effort: Effort) -> FilmAnswers:
    """The hand model fitted to each frame's detected keypoints by itself, with known cameras."""
    found, model = detections(context, "test"), HandModel.load("open")
    keypoints, confidence = (torch.from_numpy(found[name]) for name in ("keypoints_px", "confidence"))
    camera = PerspectiveCamera(torch.from_numpy(pictures(effort, "test").K))
    fit = fit_to_keypoints(model, keypoints, confidence, camera, library=default_library(model), progress=True)
    return answers_of_fit(fit, model)


def answers_of_fit(fit: FitResult, model: HandModel) -> FilmAnswers:
    """A fit's hands as answers."""
    pose = AnatomicalPose(model).to_axis_angle(fit.angles)
    rotvecs = torch.cat([fit.global_orient[:, None], pose.unflatten(1, (15, 3))], dim=1)
    parts = (fit.joints, fit.vertices, fit.joints_2d_px, roma.rotvec_to_rotmat(rotvecs), fit.shape)
    return FilmAnswers(*(part.numpy() for part in parts))


def score_afterwards(context: RunContext) -> Outcome:
    """The work of an :class:`~handlib.experiments.s2hand_v.recipes.AfterwardsRecipe`."""
    recipe: AfterwardsRecipe = context.recipe
    effort = effort_of(context.profile, recipe.effort)
    answers = trained_answers(context, recipe.of, effort)
    films = film_of_rows(effort, len(answers))
    changed = AFTERWARDS[recipe.method](answers, films, recipe)
    return Outcome(*score_films(changed, labels(effort, "test"), films, effort.image_px))


def filter_films(answers: FilmAnswers, films: np.ndarray, recipe: AfterwardsRecipe) -> FilmAnswers:
    """Joints, meshes and projections through a One-Euro filter, which sees the past alone.

    A filter of points leaves no hand of the model behind: there are no rotations to measure.
    """
    settings = {
        "min_cutoff_hz": recipe.min_cutoff_hz,
        "speed_coefficient": recipe.speed_coefficient,
        "sequence_ids": films,
    }
    # Pixels move some thousand times as fast as metres: they are filtered as the metres that they are at 0.5 m.
    flat = torch.from_numpy(np.nan_to_num(answers.joints_2d_px)) * _METRES_PER_PX
    points = [torch.from_numpy(answers.joints_m), torch.from_numpy(answers.vertices_m), flat]
    joints, vertices, flat = (one_euro_filter(values, FRAMES_PER_SECOND, **settings).numpy() for values in points)
    return FilmAnswers(joints, vertices, flat / _METRES_PER_PX)


def hold_first_frame(answers: FilmAnswers, films: np.ndarray, recipe: AfterwardsRecipe) -> FilmAnswers:
    """The hand of each film's first frame in all of its frames: nothing is smoother."""
    first = np.searchsorted(films, films)
    return _rows_of(answers, first)


def take_other_film(answers: FilmAnswers, films: np.ndarray, recipe: AfterwardsRecipe) -> FilmAnswers:
    """The answers to the film before: as smooth, and of another hand."""
    return _rows_of(answers, np.roll(np.arange(len(answers)), int((films == films[0]).sum())))


def leave_as_is(answers: FilmAnswers, films: np.ndarray, recipe: AfterwardsRecipe) -> FilmAnswers:
    """The same answers, for a table that shows a row again."""
    return answers


AFTERWARDS = {
    "same": leave_as_is,
    "one-euro": filter_films,
    "first-frame": hold_first_frame,
    "shuffled": take_other_film,
}
_METRES_PER_PX = 0.5 / 200


def _rows_of(answers: FilmAnswers, rows: np.ndarray) -> FilmAnswers:
    values = {name: None if value is None else value[rows] for name, value in vars(answers).items()}
    return replace(answers, **values)
