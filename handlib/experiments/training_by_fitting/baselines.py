"""What self-supervision has to beat: one hand for every crop, and tracking, which optimises every frame by itself."""

import time
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from handlib.data.depth_cache import StoredViews, ViewCrops
from handlib.data.depth_cube import denormalise_depth
from handlib.data.depth_source import SyntheticDepth
from handlib.data.depth_views import CubeFrames
from handlib.errors import BadInputError
from handlib.experiments.training_by_fitting.data import stored_views, true_joints_m
from handlib.experiments.training_by_fitting.effort import effort_of
from handlib.experiments.training_by_fitting.prior import frozen_prior
from handlib.experiments.training_by_fitting.recipes import SYNTHETIC_NOISE, TrackingRecipe
from handlib.experiments.training_by_fitting.scoring import joint_maps, predict_views, score_views
from handlib.experiments.training_by_fitting.training import load_network
from handlib.fitting.depth_tracking import TrackingSettings, track_frames
from handlib.losses.depth_fitting import multi_view_average_m
from handlib.reproduce.recipe import RunContext
from handlib.reproduce.results import Curve, Metric, Outcome

_MEAN_OF = 512
_BLOCK = 20


def score_mean_hand(context: RunContext) -> Outcome:
    """The work of a :class:`MeanHandRecipe`."""
    effort = effort_of(context.profile, context.recipe.effort)
    views = stored_views(effort, "test")
    centres = mean_hand_m().expand(*views.usable.shape, -1, -1)
    return score_views(centres, views, true_joints_m(effort, "test"))


def mean_hand_m() -> Float[Tensor, "41 3"]:
    """The mean of 512 synthetic labels: where each sphere is in the cube on average."""
    return SyntheticDepth().sphere_centres(0, _MEAN_OF).mean(0)


def track_and_score(context: RunContext) -> Outcome:
    """The work of a :class:`TrackingRecipe`: the first test frames, in blocks, each frame from its own start."""
    recipe: TrackingRecipe = context.recipe
    effort = effort_of(context.profile, recipe.effort)
    if not 1 <= recipe.views <= 3:
        raise BadInputError(f"views is {recipe.views}: expected 1, 2 or 3 of the target's views")
    every = stored_views(effort, "test")
    count = min(effort.tracked_frames, len(every))
    views = first_views(every, count, recipe.views)
    starts = start_centres_m(context, views)
    prior = frozen_prior(context, recipe)
    settings = TrackingSettings(steps=effort.tracking_steps)
    found, energies, ms_a_frame = [], [], []
    for first in context.progress(range(0, count, _BLOCK), what="tracking"):
        rows = slice(first, first + _BLOCK)
        seen, start = views.crops(rows).to(context.device), starts[rows].to(context.device)
        started = time.perf_counter()
        result = track_frames(
            start,
            denormalise_depth(seen.depth),
            seen.frames,
            SyntheticDepth().spheres,
            prior,
            usable=seen.usable,
            settings=settings,
        )
        ms_a_frame.append(1000 * (time.perf_counter() - started) / len(start))
        found.append(result.centres_m.cpu())
        energies.append(result.energy.cpu())
    context.samples_seen = count
    joints = true_joints_m(effort, "test")[:count]
    scores = score_views(_in_cubes(torch.cat(found), views), views, joints)
    at_start = score_views(_in_cubes(starts, views), views, joints)
    energy = torch.cat(energies, dim=1).mean(1)
    metrics = {
        **scores.metrics,
        "start_mean_error": at_start.metrics["mean_error"],
        # Of the fastest block: whatever else the machine does can only make one slower.
        "tracking_ms": Metric(round(min(ms_a_frame), 2), "ms"),
        "tracking_steps": Metric(settings.steps, "1"),
    }
    curve = Curve(tuple(range(len(energy))), tuple(energy.double().numpy().round(4).tolist()), "step", "energy")
    return Outcome(metrics, {**scores.curves, "energy": curve})


def first_views(views: StoredViews, count: int, seen: int) -> StoredViews:
    """The first frames, as the first cameras saw them."""
    return StoredViews(**{name: array[:count, :seen] for name, array in vars(views).items()})


def start_centres_m(context: RunContext, views: StoredViews) -> Float[Tensor, "frames 41 3"]:
    """Where the tracking of each frame begins, in the world: the median of what the views say, or the labels.

    Raises:
        BadInputError: a start of unknown name.
    """
    recipe: TrackingRecipe = context.recipe
    if recipe.start == "truth":
        joints = true_joints_m(effort_of(context.profile, recipe.effort), "test")[: len(views)]
        return joint_maps().to_spheres(torch.from_numpy(joints).float())
    if recipe.start == "network":
        said = predict_views(load_network(context, replace(SYNTHETIC_NOISE, effort=recipe.effort)), views)
    elif recipe.start == "mean":
        said = mean_hand_m().expand(*views.usable.shape, -1, -1)
    else:
        raise BadInputError(f"start {recipe.start!r}: expected 'network', 'mean' or 'truth'")
    crops: ViewCrops = views.crops(slice(None))
    middle = multi_view_average_m(crops.frames.to_world(said), crops.usable)
    # A frame that no view has seen starts in the middle of the first cube.
    blind = crops.frames.to_world(mean_hand_m().expand(*views.usable.shape, -1, -1))[:, 0]
    return torch.where(crops.usable.any(1)[:, None, None], middle, blind)


def _in_cubes(world_m: Float[Tensor, "frames 41 3"], views: StoredViews) -> Float[Tensor, "frames views 41 3"]:
    frames: CubeFrames = views.crops(slice(None)).frames
    return frames.from_world(world_m[:, None])
