"""Scores on the target domain: FreiHAND's protocol, 2D errors, and a curve by still for the spread."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from tqdm import tqdm

from handlib.data.stills_cache import StillLabels, StillPictures
from handlib.experiments.mesh_correspondence import hand_correspondence
from handlib.losses.s2hand import PAPER_IMAGE_PX
from handlib.metrics.alignment import procrustes_rigid
from handlib.metrics.errors import mpjpe, point_errors
from handlib.metrics.pck import pck
from handlib.metrics.protocols.freihand import freihand
from handlib.models.images import normalise_images
from handlib.models.s2hand import S2HandNetwork
from handlib.reproduce.results import Curve, Metric

SMALL_PX, LARGE_PX = 5.0, 20.0
"""What Fig. 4 calls small and large distances, px of 224: the paper names no numbers."""
LARGEST_GAP_M = 0.01
"""Vertices of the target's hand that lie farther from the predicted one at rest (a stump of its wrist) do not count."""

_THRESHOLDS_MM = tuple(range(0, 51))
_THRESHOLDS_PX = tuple(np.arange(0, 30.5, 0.5).tolist())
_BATCH = 64


@dataclass(frozen=True, eq=False)
class Answers:
    """Predicted hands of N stills: joints and mesh (m, camera frame), joints in the picture (px)."""

    joints_m: Float[np.ndarray, "stills 21 3"]
    vertices_m: Float[np.ndarray, "stills vertices 3"]
    joints_2d_px: Float[np.ndarray, "stills 21 2"]


@torch.no_grad()
def predict(network: S2HandNetwork, pictures: StillPictures, count: int | None = None) -> Answers:
    """The network's answers to the first ``count`` pictures; all by default."""
    device = next(network.parameters()).device
    count = min(count or len(pictures), len(pictures))
    parts: list[tuple[np.ndarray, ...]] = []
    for first in tqdm(range(0, count, _BATCH), desc="predicting hands", unit="batch"):
        rows = slice(first, min(first + _BATCH, count))
        images = normalise_images(torch.from_numpy(np.array(pictures.rgb[rows])).to(device))
        found = network(images, torch.from_numpy(pictures.K[rows]).to(device))
        parts.append(tuple(x.float().cpu().numpy() for x in (found.joints, found.vertices, found.joints_2d_px)))
    return Answers(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def score_3d(answers: Answers, labels: StillLabels) -> tuple[dict[str, Metric], dict[str, Curve]]:
    """FreiHAND's protocol, root-aligned error, and what answers to other pictures would score.

    The predicted mesh is compared at the places that correspond to the target hand's vertices, see
    :mod:`handlib.experiments.mesh_correspondence`.
    """
    true_m = labels.joints_m[: len(answers.joints_m)]
    places = hand_correspondence("generic", "open")
    counted = places.distance_m < LARGEST_GAP_M
    carried_m = places.carry(answers.vertices_m)[:, counted]
    scores = freihand(answers.joints_m, true_m, carried_m, labels.vertices_m[: len(true_m)][:, counted])
    metrics = {name: Metric(value, "mm" if "pe" in name else "1", _alignment(name)) for name, value in scores.items()}
    errors_mm = 1000 * point_errors(procrustes_rigid(answers.joints_m, true_m), true_m)
    by_hand = errors_mm.mean(1)
    shuffled = mpjpe(np.roll(answers.joints_m, 1, axis=0), true_m, alignment="procrustes_with_reflection")
    metrics |= {
        "root_mpjpe": Metric(mpjpe(answers.joints_m, true_m, alignment="root"), "mm", "root"),
        "pa_mpjpe_shuffled": Metric(shuffled, "mm", "procrustes with reflection"),
        "pa_mpjpe_median_hand": Metric(float(np.median(by_hand)), "mm", "procrustes"),
        "hands": Metric(len(true_m), "1"),
    }
    fractions = pck(errors_mm, np.array(_THRESHOLDS_MM, np.float64))
    return metrics, {
        "pa_pck": Curve(_THRESHOLDS_MM, tuple(fractions.round(5).tolist()), "threshold [mm]", "fraction of joints"),
        "by_hand": Curve(
            tuple(range(len(by_hand))), tuple(by_hand.round(2).tolist()), "index of the still", "PA-MPJPE [mm]"
        ),
    }


def score_2d(
    keypoints_px: Float[np.ndarray, "stills 21 2"], labels: StillLabels, image_px: int, which: str = ""
) -> tuple[dict[str, Metric], dict[str, Curve]]:
    """2D errors in px of the paper's 224: mean, share within small and large distances, and the curve of Fig. 4.

    A joint without an image (behind the camera) counts as one at the picture's far corner.
    """
    keypoints_px = np.nan_to_num(keypoints_px, nan=2.0 * image_px)
    errors = point_errors(keypoints_px, labels.joints_2d_px[: len(keypoints_px)]) * (PAPER_IMAGE_PX / image_px)
    at = pck(errors, np.array([SMALL_PX, LARGE_PX]))
    fractions = pck(errors, np.array(_THRESHOLDS_PX))
    metrics = {
        f"{which}mpjpe_2d": Metric(float(errors.mean()), "px"),
        f"{which}median_2d": Metric(float(np.median(errors)), "px"),
        f"{which}pck_small": Metric(100 * float(at[0]), "%"),
        f"{which}pck_large": Metric(100 * float(at[1]), "%"),
    }
    curve = Curve(_THRESHOLDS_PX, tuple(fractions.round(5).tolist()), "distance [px of 224]", "fraction of joints")
    return metrics, {f"{which}pck_2d": curve}


def _alignment(name: str) -> str:
    return "procrustes with reflection" if name.startswith("pa_") else "none"
