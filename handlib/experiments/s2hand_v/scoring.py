"""Scores of films: S2HAND's by frame, and over time acceleration, detours, and how much shape and texture vary.

Accelerations are in mm/s^2, as the paper's are printed, and again with ``_per_frame`` in mm per squared frame, of which
the printed ones have the size: at 30 frames a second one mm/frame^2 is 900 mm/s^2. They are of joints relative to the
wrist, as in the work that proposed them (Kanazawa et al., CVPR 2019); ``acc_camera`` is of joints where the camera sees
them, whose depth from one picture trembles most.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from handlib.data.stills_cache import StillLabels
from handlib.experiments.s2hand.scoring import Answers, score_2d, score_3d
from handlib.experiments.s2hand_v.encodings import Encodings
from handlib.experiments.s2hand_v.flicker import flicker
from handlib.metrics.rotation import quaternion_smoothness
from handlib.metrics.temporal import acceleration_error, mean_acceleration, sequence_std
from handlib.models.images import normalise_images
from handlib.models.s2hand import S2HandNetwork
from handlib.reproduce.results import Curve, Metric

FRAMES_PER_SECOND = 30.0
QUATERNION_FRAMES = 3
_BATCH = 50
COLOURS = 64
"""About how many vertices' colours are kept for the deviation of texture."""

Films = Int[np.ndarray, "frames"]


@dataclass(frozen=True, eq=False)
class FilmAnswers:
    """What is said of all frames of some films.

    Attributes:
        joints_m, vertices_m: camera frame, metres.
        joints_2d_px: the joints in the picture.
        rotations: (F, 16, 3, 3) of the joints relative to their parents, the wrist's first; None where there are none.
        shape: (F, 10) coefficients; likewise.
        colours: (F, 65, 3) of every twelfth vertex, before lighting, 0..1; likewise.
    """

    joints_m: Float[np.ndarray, "frames 21 3"]
    vertices_m: Float[np.ndarray, "frames vertices 3"]
    joints_2d_px: Float[np.ndarray, "frames 21 2"]
    rotations: Float[np.ndarray, "frames 16 3 3"] | None = None
    shape: Float[np.ndarray, "frames 10"] | None = None
    colours: Float[np.ndarray, "frames points 3"] | None = None

    def __len__(self) -> int:
        return len(self.joints_m)


@torch.no_grad()
def predict_films(network: S2HandNetwork, kept: Encodings, K: np.ndarray, rows: int, image_px: int) -> FilmAnswers:
    """A network's answers to the first ``rows`` frames whose encodings are kept."""
    device = next(network.parameters()).device
    empty = torch.zeros(_BATCH, image_px, image_px, 3, device=device)
    parts: list[tuple[Tensor, ...]] = []
    for first in range(0, rows, _BATCH):
        block = slice(first, min(first + _BATCH, rows))
        network.encoder.features = kept.of(block, device)
        lenses = None if network.config.camera == "weak_perspective" else torch.from_numpy(K[block]).to(device)
        found = network(normalise_images(empty[: block.stop - first]), lenses)
        colours = found.colours[:, :: found.colours.shape[1] // COLOURS]
        parts.append((found.joints, found.vertices, found.joints_2d_px, found.rotations, found.shape, colours))
    return FilmAnswers(*(torch.cat(column).cpu().numpy() for column in zip(*parts, strict=True)))


def score_films(
    answers: FilmAnswers, known: StillLabels, films: Films, image_px: int
) -> tuple[dict[str, Metric], dict[str, Curve]]:
    """FreiHAND's protocol and 2D errors over all frames, and the measures of :func:`score_motion`."""
    frames = Answers(answers.joints_m, answers.vertices_m, answers.joints_2d_px)
    metrics, curves = score_3d(frames, known)
    flat = score_2d(answers.joints_2d_px, known, image_px, "test_")
    trembling = flicker(np.nan_to_num(answers.joints_2d_px), known, films, image_px, "test_")
    return {**metrics, **flat[0], **score_motion(answers, known, films, "test_"), **trembling}, {**curves, **flat[1]}


def score_motion(answers: FilmAnswers, known: StillLabels, films: Films, which: str = "") -> dict[str, Metric]:
    """Smoothness, with and without the truth; what a hand that never moves scores best in stands beside its error.

    Args:
        answers: of whole films, in order.
        known: labels of these frames, or more.
        films: which film each frame belongs to.
        which: before each metric's name: "test_" or "train_".
    """
    true_m = known.joints_m[: len(answers)]
    predicted, true = (points - points[:, :1] for points in (answers.joints_m, true_m))
    metrics = {
        **accelerations("acc", mean_acceleration, predicted, films=films),
        **accelerations("acc_camera", mean_acceleration, answers.joints_m, films=films, alignment="none"),
        **accelerations("acc_err", acceleration_error, predicted, true, films=films),
        **accelerations("true_acc", mean_acceleration, true, films=films),
    }
    if answers.rotations is not None:
        for interval in (1, 3):
            value = quaternion_smoothness(
                answers.rotations, frames=QUATERNION_FRAMES, interval=interval, sequence_ids=films
            )
            name = "quaternion" if interval == 1 else f"quaternion_every_{interval}"
            metrics[name] = Metric(value, "1")
    if answers.shape is not None:
        metrics["shape_sd"] = Metric(sequence_std(answers.shape, films), "1")
    if answers.colours is not None:
        metrics["texture_sd"] = Metric(sequence_std(answers.colours, films), "1")
    return {f"{which}{name}": metric for name, metric in metrics.items()}


def accelerations(
    name: str,
    measure: Callable[..., float],
    *joints: np.ndarray,
    films: Films,
    frames_per_second: float = FRAMES_PER_SECOND,
    alignment: str = "root",
) -> dict[str, Metric]:
    """A measure of :mod:`handlib.metrics.temporal` by second and by frame."""
    by_frame = measure(*joints, frames_per_second=1, sequence_ids=films)
    return {
        name: Metric(by_frame * frames_per_second**2, "mm/s^2", alignment),
        f"{name}_per_frame": Metric(by_frame, "mm/frame^2", alignment),
    }
