"""What trained networks are measured against, and further looks at trained ones."""

import numpy as np
import torch

from handlib.camera import PerspectiveCamera
from handlib.errors import BadInputError
from handlib.experiments.s2hand.baselines import mean_answers
from handlib.experiments.tassn.data import pictures, source_films
from handlib.experiments.tassn.effort import effort_of
from handlib.experiments.tassn.recipes import BaselineRecipe, DerivedRecipe
from handlib.experiments.tassn.scoring import FilmAnswers, read_test_films, score_answers, test_rows
from handlib.experiments.tassn.supervision import supervision_of
from handlib.experiments.tassn.training import build_network, load_network
from handlib.fitting.fit import default_library, fit_to_keypoints
from handlib.hand.model import HandModel
from handlib.reproduce.recipe import RunContext
from handlib.reproduce.results import Outcome

METHODS = ("constant", "mean", "untrained", "fit")
LOOKS = ("shuffled", "single")


def score_baseline(context: RunContext) -> Outcome:
    """The work of a :class:`~handlib.experiments.tassn.recipes.BaselineRecipe`.

    Raises:
        BadInputError: a method of unknown name.
    """
    recipe: BaselineRecipe = context.recipe
    effort = effort_of(context.profile, recipe.effort)
    rows = test_rows(effort).ravel()
    if recipe.method == "constant":
        known = source_films(effort, "train")
        wrist = known.joints_m[:, :1]
        mean = [(points - wrist).mean(0) for points in (known.joints_m, known.vertices_m)]
        answers = FilmAnswers.alike(*(np.broadcast_to(points, (len(rows), *points.shape)) for points in mean))
    elif recipe.method == "mean":
        hand = mean_answers(len(rows))
        answers = FilmAnswers.alike(hand.joints_m, hand.vertices_m)
    elif recipe.method == "untrained":
        network = build_network(effort, context.seed).eval().to(context.device)
        answers = read_test_films(network, effort, supervision_of(context, "test"))
    elif recipe.method == "fit":
        rows = rows[np.linspace(0, len(rows) - 1, min(effort.fitted_frames, len(rows))).astype(int)]
        answers = fitted_answers(context, rows)
    else:
        raise BadInputError(f"method {recipe.method!r}: expected one of {METHODS}")
    return Outcome(*score_answers(answers, effort, rows))


def fitted_answers(context: RunContext, rows: np.ndarray) -> FilmAnswers:
    """Fits of some test frames, each by itself, with known cameras, to the keypoints that training rows learn from."""
    effort = effort_of(context.profile, context.recipe.effort)
    found = supervision_of(context, "test")
    keypoints, confidence = (torch.from_numpy(x[rows]) for x in (found.keypoints_px, found.confidence))
    model = HandModel.load("open")
    camera = PerspectiveCamera(torch.from_numpy(np.array(pictures(effort, "test").K[rows])))
    fit = fit_to_keypoints(model, keypoints, confidence, camera, library=default_library(model), progress=True)
    return FilmAnswers.alike(fit.joints.numpy(), fit.vertices.numpy())


def score_derived(context: RunContext) -> Outcome:
    """The work of a :class:`~handlib.experiments.tassn.recipes.DerivedRecipe`: load a trained network, look again.

    Raises:
        BadInputError: a look of unknown name.
    """
    recipe: DerivedRecipe = context.recipe
    effort = effort_of(context.profile, recipe.of.effort)
    network = load_network(context, recipe.of).to(context.device)
    if recipe.look not in LOOKS:
        raise BadInputError(f"look {recipe.look!r}: expected one of {LOOKS}")
    answers = read_test_films(network, effort, supervision_of(context, "test"), single=recipe.look == "single")
    if recipe.look == "shuffled":
        answers = answers.rolled(len(answers.joints_m) // 2)
    return Outcome(*score_answers(answers, effort))
