"""Scores on the target's test films: STB's protocol, and what a network may be bad at that EPE does not tell.

All joints are compared from the wrist, in metres as they are said: what the paper's EPE is aligned by is not printed.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from handlib.camera import PerspectiveCamera
from handlib.crops import resize_affine, transform_pixels
from handlib.data.stills_cache import StillLabels
from handlib.experiments.s2hand.scoring import Answers, score_2d, score_3d
from handlib.experiments.tassn.data import labels, pictures, runs
from handlib.experiments.tassn.effort import Effort
from handlib.experiments.tassn.objective import end_heatmaps
from handlib.experiments.tassn.supervision import Supervision, intersection_over_union
from handlib.hand.model import HandModel
from handlib.metrics.alignment import align_root
from handlib.metrics.errors import point_errors
from handlib.metrics.pck import pck
from handlib.metrics.protocols.stb import stb
from handlib.models.flow_net import estimate_flow
from handlib.models.keypoint_placement import translation_from_keypoints
from handlib.models.tassn import TassnEstimator, read_keypoints
from handlib.render import render_silhouette
from handlib.reproduce.results import Curve, Metric
from handlib.training.augmentation import warp_batch

_THRESHOLDS_MM = tuple(range(0, 51))
_FILMS = 60


@dataclass(frozen=True, eq=False)
class FilmAnswers:
    """What is said of N frames, metres from the wrist, camera axes; ``*_back`` read from the films' end.

    ``keypoints_px`` are those that the network reads off its heatmaps, in px of its own pictures; NaN where none.
    """

    joints_m: Float[np.ndarray, "frames 21 3"]
    vertices_m: Float[np.ndarray, "frames vertices 3"]
    joints_back_m: Float[np.ndarray, "frames 21 3"]
    vertices_back_m: Float[np.ndarray, "frames vertices 3"]
    keypoints_px: Float[np.ndarray, "frames 21 2"]

    @staticmethod
    def alike(
        joints_m: Float[np.ndarray, "frames 21 3"], vertices_m: Float[np.ndarray, "frames vertices 3"]
    ) -> "FilmAnswers":
        """Answers that do not depend on the direction, moved to the wrist, and without keypoints."""
        wrist = joints_m[:, :1]
        joints, vertices = (np.asarray(points - wrist, np.float32) for points in (joints_m, vertices_m))
        return FilmAnswers(joints, vertices, joints, vertices, np.full((len(joints), 21, 2), np.nan, np.float32))

    def rolled(self, places: int) -> "FilmAnswers":
        """Each frame with the answer to another one."""
        return FilmAnswers(**{name: np.roll(value, places, axis=0) for name, value in vars(self).items()})


def test_rows(effort: Effort) -> Int[np.ndarray, "clips frames"]:
    """The rows of the test frames: every ``interval``-th of each film, in clips as long as those of the training."""
    seen = runs(effort, "test")[:, :: effort.interval]
    whole = seen.shape[1] // effort.clip_frames * effort.clip_frames
    return seen[:, :whole].reshape(-1, effort.clip_frames)


def shrunk(rgb: UInt8[np.ndarray, "frames px px 3"], image_px: int) -> Float[Tensor, "frames image_px image_px 3"]:
    """Pictures at the network's size, floats 0..1."""
    images = torch.from_numpy(np.array(rgb)).movedim(-1, 1).float() / 255
    affine = resize_affine((rgb.shape[1], rgb.shape[2]), (image_px, image_px)).expand(len(images), -1, -1)
    return warp_batch(images, affine, image_px).movedim(1, -1).contiguous()


@torch.no_grad()
def read_films(
    network: TassnEstimator,
    films: Float[Tensor, "films time size size 3"],
    start_px: Float[Tensor, "films time 21 2"] | None = None,
) -> FilmAnswers:
    """A network's answers to every frame of some films, each read from the beginning and from the end.

    ``start_px`` are the keypoints, px of these pictures, whose heatmaps a reading begins with; None for empty ones.
    """
    device = next(network.parameters()).device
    parts = []
    ends = end_heatmaps(start_px, films.shape[2])
    for first in range(0, len(films), _FILMS):
        block = films[first : first + _FILMS].to(device)
        begin = None if ends is None else ends[first : first + _FILMS].to(device)
        there, back = network.read_both_ways(block, *film_flow(network, block), begin)
        seen = there.heatmaps[:, :, -1].flatten(0, 1)
        points = read_keypoints(seen, films.shape[2])
        columns = (there.joints, there.vertices, back.joints, back.vertices)
        parts.append((*(x.flatten(0, 1).cpu().numpy() for x in columns), points.cpu().numpy()))
    return FilmAnswers(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def film_flow(network: TassnEstimator, films: Float[Tensor, "films time size size 3"]) -> tuple[Tensor, Tensor]:
    """Flow from each frame to the next, and back, by the network's own method."""
    before, after = films[:, :-1], films[:, 1:]
    pairs = [(before.flatten(0, 1), after.flatten(0, 1)), (after.flatten(0, 1), before.flatten(0, 1))]
    there, back = (estimate_flow(*pair, network.flow).unflatten(0, before.shape[:2]) for pair in pairs)
    return there, back


def read_test_films(network: TassnEstimator, effort: Effort, seen: Supervision, *, single: bool = False) -> FilmAnswers:
    """A network's answers to the test films, guided by what a detector has ``seen`` in them.

    ``single`` reads every frame as a film of its own: without flow, and with its own keypoints to begin with.
    """
    rows = test_rows(effort)
    frames = shrunk(pictures(effort, "test").rgb[rows.ravel()], effort.image_px)
    to_read = resize_affine((effort.drawn_px,) * 2, (effort.image_px,) * 2).expand(rows.size, -1, -1)
    start = transform_pixels(torch.from_numpy(seen.keypoints_px[rows.ravel()]), to_read)
    shape = (rows.size, 1) if single else rows.shape
    return read_films(network, frames.unflatten(0, shape), start.unflatten(0, shape) if effort.guided else None)


def known_of(effort: Effort, rows: Int[np.ndarray, "frames"]) -> StillLabels:
    """The labels of some test frames."""
    every = labels(effort, "test")
    return StillLabels(**{name: np.asarray(value[rows]) for name, value in vars(every).items()})


def score_answers(
    answers: FilmAnswers, effort: Effort, rows: Int[np.ndarray, "frames"] | None = None
) -> tuple[dict[str, Metric], dict[str, Curve]]:
    """All scores of answers to the test frames, or to those of ``rows``.

    ``spread`` is how far joints are from their mean over all frames, in parts of what it truly is: a network that says
    the same of every frame has 0. ``disagreement`` is the distance of joints read forwards from those read backwards.
    """
    rows = test_rows(effort).ravel() if rows is None else rows
    known = known_of(effort, rows)
    metrics, curves = score_joints(answers.joints_m, known.joints_m)
    whole, by_hand = score_3d(Answers(answers.joints_m, answers.vertices_m, answers.keypoints_px), known)
    metrics |= {name: value for name, value in whole.items() if name.startswith("pa_") or name == "hands"}
    apart = {
        "disagreement": point_errors(answers.joints_m, answers.joints_back_m),
        "mesh_disagreement": point_errors(answers.vertices_m, answers.vertices_back_m),
    }
    metrics |= {name: Metric(1000 * float(value.mean()), "mm", "none") for name, value in apart.items()}
    if np.isfinite(answers.keypoints_px).all():
        to_drawn = resize_affine((effort.image_px,) * 2, (effort.drawn_px,) * 2)
        points = transform_pixels(torch.from_numpy(answers.keypoints_px), to_drawn.expand(len(rows), -1, -1))
        flat, flat_curves = score_2d(points.numpy(), known, effort.drawn_px, "test_")
        K = torch.from_numpy(np.array(pictures(effort, "test").K[rows])).float()
        overlap = intersection_over_union(drawn_masks(answers, points, K, effort.drawn_px), known.mask)
        metrics |= flat | {"silhouette_iou": Metric(100 * float(overlap.mean()), "%")}
        curves |= flat_curves
    return metrics, curves | by_hand


def score_joints(
    said_m: Float[np.ndarray, "frames 21 3"], true_m: Float[np.ndarray, "frames 21 3"]
) -> tuple[dict[str, Metric], dict[str, Curve]]:
    """STB's protocol from the wrist, with the curve of Fig. 6 and 7, and the spread."""
    said = said_m + true_m[:, :1]
    scores = {name: value for name, value in stb(said, true_m).items() if name.startswith("root_")}
    metrics = {name: Metric(value, "mm" if "mpjpe" in name else "1", "root") for name, value in scores.items()}
    errors = 1000 * point_errors(align_root(said, true_m), true_m)
    spreads = [float(np.linalg.norm(x - x.mean(0), axis=-1).mean()) for x in (said_m, true_m - true_m[:, :1])]
    metrics["spread"] = Metric(spreads[0] / max(spreads[1], 1e-9), "1")
    fractions = pck(errors, np.array(_THRESHOLDS_MM, np.float64))
    return metrics, {
        "pck": Curve(_THRESHOLDS_MM, tuple(fractions.round(5).tolist()), "threshold [mm]", "fraction of joints")
    }


@torch.no_grad()
def drawn_masks(
    answers: FilmAnswers,
    keypoints_px: Float[Tensor, "frames 21 2"],
    K: Float[Tensor, "frames 3 3"],
    image_px: int,
) -> Bool[np.ndarray, "frames image_px image_px"]:
    """Silhouettes of the said meshes, put where the read keypoints are."""
    joints, vertices = torch.from_numpy(answers.joints_m).float(), torch.from_numpy(answers.vertices_m).float()
    placed = vertices + translation_from_keypoints(joints, keypoints_px.float(), K)[:, None]
    faces = HandModel.load("open").faces
    return render_silhouette(placed, faces, PerspectiveCamera(K), image_px, antialias=False).numpy() > 0.5
