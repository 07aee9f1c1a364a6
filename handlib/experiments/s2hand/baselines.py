"""What trained networks are measured against, and further looks at trained ones."""

import numpy as np
import torch

from handlib.camera import PerspectiveCamera
from handlib.experiments.s2hand.data import labels, pictures
from handlib.experiments.s2hand.effort import Effort, effort_of
from handlib.experiments.s2hand.recipes import BaselineRecipe, DerivedRecipe, S2HandRecipe
from handlib.experiments.s2hand.scoring import Answers, predict, score_2d, score_3d
from handlib.experiments.s2hand.supervision import NETWORK, detections
from handlib.experiments.s2hand.training import (
    BRANCH,
    branch_keypoints,
    build_branch,
    build_network,
    train_and_score,
)
from handlib.fitting.fit import default_library, fit_to_keypoints
from handlib.hand.anatomy import AnatomicalPose
from handlib.hand.model import HandModel
from handlib.hand.sampler import PoseSampler
from handlib.metrics.alignment import fit_similarity
from handlib.reproduce.recipe import RunContext
from handlib.reproduce.results import Outcome
from handlib.reproduce.state import read_state

_MEAN_OF = 512
_FIRST_DEPTH_M = 0.5


def score_baseline(context: RunContext) -> Outcome:
    """The work of a :class:`BaselineRecipe`."""
    recipe: BaselineRecipe = context.recipe
    effort = effort_of(context.profile, recipe.effort)
    seen, known = pictures(effort, "target", "test"), labels(effort, "target", "test")
    if recipe.method == "mean":
        answers = mean_answers(len(seen))
    elif recipe.method == "untrained":
        plain = S2HandRecipe(name="untrained", effort=effort)
        answers = predict(build_network(plain, effort, context.seed).to(context.device).eval(), seen)
    else:
        answers = fitted_answers(context, min(recipe.hands, len(seen)))
    metrics, curves = score_3d(answers, known)
    if recipe.method != "mean":
        scores = score_2d(answers.joints_2d_px, known, effort.image_px, "test_")
        metrics, curves = {**metrics, **scores[0]}, {**curves, **scores[1]}
    return Outcome(metrics, curves)


def mean_answers(count: int) -> Answers:
    """One hand for every picture: the mean of 512 plausible poses of the open hand, turned alike by their joints."""
    model = HandModel.load("open")
    pose = AnatomicalPose(model).to(model.v_template).to_axis_angle(PoseSampler(model, seed=0).sample(_MEAN_OF).float())
    mesh = model(pose)
    joints, vertices = (points.double().numpy() for points in (mesh.joints, mesh.vertices))
    onto_first = fit_similarity(joints, np.broadcast_to(joints[:1], joints.shape), allow_reflection=False)
    shift = np.array([0.0, 0.0, _FIRST_DEPTH_M])
    joints, vertices = (onto_first.apply(points).mean(0) + shift for points in (joints, vertices))
    return Answers(
        *(np.broadcast_to(points, (count, *points.shape)) for points in (joints, vertices)), np.zeros((count, 21, 2))
    )


def fitted_answers(context: RunContext, count: int) -> Answers:
    """Per-picture fits of the first test stills, with known cameras, to the keypoints that training rows learn from."""
    effort = effort_of(context.profile, context.recipe.effort)
    found = detections(context, "test")
    keypoints, confidence = (torch.from_numpy(found[name][:count]) for name in ("keypoints_px", "confidence"))
    model = HandModel.load("open")
    camera = PerspectiveCamera(torch.from_numpy(pictures(effort, "target", "test").K[:count]))
    fit = fit_to_keypoints(model, keypoints, confidence, camera, library=default_library(model), progress=True)
    return Answers(fit.joints.numpy(), fit.vertices.numpy(), fit.joints_2d_px.numpy())


def score_derived(context: RunContext) -> Outcome:
    """The work of a :class:`DerivedRecipe`: load what ``of`` has trained, and look again."""
    recipe: DerivedRecipe = context.recipe
    effort = effort_of(context.profile, recipe.of.effort)
    if recipe.look == "2d-branch":
        branch = build_branch(effort, context.seed)
        branch.load_state_dict(read_state(context.left_by(recipe.of, train_and_score, BRANCH)))
        points = branch_keypoints(branch.eval(), pictures(effort, "target", "train").rgb[: effort.test_stills])
        return Outcome(*score_2d(points, labels(effort, "target", "train"), effort.image_px))
    answers = trained_answers(context, recipe.of, effort)
    turned = Answers(*(np.roll(points, 1, axis=0) for points in vars(answers).values()))
    return Outcome(*score_3d(turned, labels(effort, "target", "test")))


def trained_answers(context: RunContext, recipe: S2HandRecipe, effort: Effort) -> Answers:
    """The test stills as a trained row sees them."""
    network = build_network(recipe, effort, context.seed)
    network.load_state_dict(read_state(context.left_by(recipe, train_and_score, NETWORK)))
    return predict(network.eval(), pictures(effort, "target", "test"))
