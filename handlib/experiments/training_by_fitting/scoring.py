"""Scores on the depth target: the NYU-like 14 joints, no alignment; mean error, success curves, views, joints, time."""

import time
from functools import cache

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor, nn

from handlib.data.depth_cache import StoredViews
from handlib.data.depth_source import SOURCE_DEPTH_HAND, sphere_hand
from handlib.data.depth_target import nyu_like_joints
from handlib.hand.sphere_maps import SphereJointMaps
from handlib.metrics.errors import point_errors
from handlib.metrics.success import success_curve
from handlib.reproduce.results import Curve, Metric, Outcome

THRESHOLDS_MM = tuple(range(0, 81))
TIPS = (0, 2, 4, 6, 8)
"""Rows of the finger tips among the 14 joints of :func:`handlib.data.depth_target.nyu_like_joints`."""

_BATCH = 64


@cache
def joint_maps() -> SphereJointMaps:
    """From the spheres of the source's hand, which networks say, to joints."""
    return SphereJointMaps(sphere_hand(SOURCE_DEPTH_HAND))


@torch.no_grad()
def predict_crops(network: nn.Module, depth: Float[Tensor, "crops size size"]) -> Float[Tensor, "crops 41 3"]:
    """What a network says of normalised crops: centres in each crop's cube, metres, on the CPU."""
    device = next(network.parameters()).device
    return torch.cat([network(part.to(device)).centres_m.float().cpu() for part in depth.split(_BATCH)])


def predict_views(network: nn.Module, views: StoredViews) -> Float[Tensor, "frames views 41 3"]:
    """What a network says of every crop of stored frames, each by itself."""
    parts = []
    for first in range(0, len(views), _BATCH):
        depth = views.crops(slice(first, first + _BATCH)).depth
        parts.append(predict_crops(network, depth.flatten(0, 1)).unflatten(0, depth.shape[:2]))
    return torch.cat(parts)


def score_views(
    centres_m: Float[Tensor, "frames said 41 3"],
    views: StoredViews,
    joints_m: Float[np.ndarray, "frames 21 3"],
) -> Outcome:
    """Scores of answers to every view, or to the first ones, each in its view's cube. Unusable crops do not count."""
    frames = views.crops(slice(None)).frames
    said = nyu_like_joints(joint_maps().to_joints(centres_m))
    true = nyu_like_joints(frames.from_world(torch.from_numpy(joints_m)[:, None]))[:, : said.shape[1]]
    usable = views.usable[:, : said.shape[1]]
    errors = errors_mm(said.flatten(0, 1), true.flatten(0, 1)).reshape(*usable.shape, -1)
    outcome = score_errors(errors[usable])
    by_view = {
        f"mean_error_view_{number + 1}": Metric(float(errors[:, number][usable[:, number]].mean()), "mm", "none")
        for number in range(usable.shape[1])
        if usable[:, number].any()
    }
    by_frame = np.where(usable, errors.mean(-1), np.nan)
    counted = usable.any(1)
    curve = Curve(
        tuple(counted.nonzero()[0].tolist()),
        tuple(np.nanmean(by_frame[counted], axis=1).round(2).tolist()),
        "index of the frame",
        "mean joint error [mm]",
    )
    metrics = {**outcome.metrics, **by_view, "skipped_crops": Metric(int((~usable).sum()), "1")}
    return Outcome(metrics, {**outcome.curves, "by_frame": curve})


def score_synthetic(centres_m: Float[Tensor, "crops 41 3"], joints_m: Float[Tensor, "crops 21 3"]) -> Outcome:
    """Scores of answers to labelled synthetic crops."""
    said = nyu_like_joints(joint_maps().to_joints(centres_m))
    return score_errors(errors_mm(said, nyu_like_joints(joints_m)))


def errors_mm(
    said_m: Float[Tensor, "crops 14 3"], true_m: Float[Tensor, "crops 14 3"]
) -> Float64[np.ndarray, "crops 14"]:
    """Distance of every joint from its true place, mm."""
    return 1000 * point_errors(said_m.double().numpy(), true_m.double().numpy())


def score_errors(errors: Float64[np.ndarray, "crops 14"]) -> Outcome:
    """The paper's two measures of joint errors (mm): their mean, and which share of crops has no larger error than a
    threshold; of the curve, also its mean over the ranges of which the paper speaks.
    """
    success = 100 * success_curve(errors, np.array(THRESHOLDS_MM, np.float64))
    numbers = {
        "success_20mm": success[20],
        "success_40mm": success[40],
        "success_50mm": success[:51].mean(),
        "success_20_40mm": success[20:41].mean(),
        "success_over_25mm": success[25:].mean(),
        "success_over_30mm": success[30:].mean(),
    }
    metrics = {
        "mean_error": Metric(float(errors.mean()), "mm", "none"),
        "median_crop_error": Metric(float(np.median(errors.mean(1))), "mm", "none"),
        "tips_error": Metric(float(errors[:, TIPS].mean()), "mm", "none"),
        "crops": Metric(len(errors), "1"),
        **{name: Metric(float(value), "%", "none") for name, value in numbers.items()},
    }
    return Outcome(
        metrics,
        {
            "success": Curve(
                THRESHOLDS_MM, tuple(success.round(3).tolist()), "threshold [mm]", "crops with all joints within [%]"
            ),
            "by_joint": Curve(
                tuple(range(14)), tuple(errors.mean(0).round(3).tolist()), "joint of the 14", "mean error [mm]"
            ),
        },
    )


def score_agreement(
    centres_m: Float[Tensor, "frames views 41 3"], views: StoredViews, joints_m: Float[np.ndarray, "frames 21 3"]
) -> dict[str, Metric]:
    """Of frames that all cameras saw: how far the views' answers are from their median in the world (no label needed),
    and how good that median itself is. Nothing where there is no such frame.
    """
    whole = views.usable.all(1)
    if not whole.any():
        return {}
    world = views.crops(whole.nonzero()[0]).frames.to_world(centres_m[torch.from_numpy(whole)])
    middle = world.median(1).values
    fused = nyu_like_joints(joint_maps().to_joints(middle))
    true = nyu_like_joints(torch.from_numpy(joints_m[whole]))
    return {
        "view_disagreement": Metric(1000 * float((world - middle[:, None]).norm(dim=-1).mean()), "mm", "none"),
        "median_of_views_error": Metric(float(errors_mm(fused, true).mean()), "mm", "none"),
    }


def inference_times(network: nn.Module, device: torch.device) -> dict[str, Metric]:
    """Milliseconds a crop, one at a time and 64 at a time: the fastest of some calls, since whatever else the machine
    does can only make one slower.
    """
    crops = torch.rand(_BATCH, 64, 64, generator=torch.Generator().manual_seed(0)).to(device)
    network.to(device)
    alone, together = (_fastest_ms(network, part, calls) for part, calls in ((crops[:1], 30), (crops, 3)))
    return {
        "inference_ms": Metric(round(alone, 3), "ms"),
        "inference_ms_in_batches": Metric(round(together / _BATCH, 3), "ms"),
    }


def _fastest_ms(network: nn.Module, crops: Float[Tensor, "crops size size"], calls: int) -> float:
    seconds = []
    for _ in range(calls):
        started = time.perf_counter()
        predict_crops(network, crops)
        seconds.append(time.perf_counter() - started)
    return 1000 * min(seconds)
