"""Scores on generated films, and on the target's films and stills: every frame counts, as in the paper.

3D errors are from the wrist, because weak perspective knows no place in depth, with the hand's size as predicted. Of
its AUCs the paper names no thresholds: ours are STB's, 20 to 50 mm in twenty steps, and 0 to 30 px in 2D.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int, Num

from handlib.experiments.seqhand.objective import predict_films
from handlib.metrics.alignment import align_root, procrustes_rigid
from handlib.metrics.errors import point_errors
from handlib.metrics.pck import pck, pck_auc
from handlib.metrics.protocols.stb import STB_THRESHOLDS_M
from handlib.metrics.temporal import acceleration_error, mean_acceleration
from handlib.models.seqhand import SeqHandNetwork
from handlib.reproduce.results import Curve, Metric

PAPER_IMAGE_PX = 224
THRESHOLDS_PX = np.linspace(0, 30, 31)
_CURVE_MM = tuple(range(0, 101, 2))
_FRAMES_AT_ONCE = 400


@dataclass(frozen=True, eq=False)
class Answers:
    """Predicted hands of N frames: joints (m, from the wrist), joints in the picture (px), codes."""

    joints_m: Float[np.ndarray, "rows 21 3"]
    joints_2d_px: Float[np.ndarray, "rows 21 2"]
    code: Float[np.ndarray, "rows numbers"]

    def take(self, rows: Int[np.ndarray, "chosen"]) -> "Answers":
        """The answers of some rows, in that order."""
        return Answers(self.joints_m[rows], self.joints_2d_px[rows], self.code[rows])


def predict(
    network: SeqHandNetwork,
    pictures: Num[np.ndarray, "rows *size"],
    rows: Int[np.ndarray, "films frames"],
    image_px: int,
    kept_stages: int,
    piece: int | None = None,
) -> Answers:
    """A network's answers to films, each read from its first frame to its last; in the order of ``rows``.

    Args:
        network: in evaluation mode.
        pictures: frames or encodings.
        rows: of each film's frames.
        image_px: side of the frames.
        kept_stages: how much of the encoder has been computed; 0 for frames.
        piece: empty the memory after so many frames; 1 leaves none, None never empties it.
    """
    frames = rows.shape[1]
    step = piece or frames
    columns = [
        _read(network, pictures, rows[:, first : first + step], image_px, kept_stages)
        for first in range(0, frames, step)
    ]
    return Answers(
        *(np.concatenate(parts, axis=1).reshape(rows.size, *parts[0].shape[2:]) for parts in zip(*columns, strict=True))
    )


@torch.no_grad()
def _read(
    network: SeqHandNetwork, pictures: np.ndarray, rows: np.ndarray, image_px: int, kept_stages: int
) -> tuple[np.ndarray, ...]:
    """Joints, joints in the picture and codes, (films, frames, ...), of films that begin with an empty memory."""
    device = next(network.parameters()).device
    parts: list[tuple[np.ndarray, ...]] = []
    at_once = max(1, _FRAMES_AT_ONCE // rows.shape[1])
    for first in range(0, len(rows), at_once):
        block = rows[first : first + at_once]
        shown = torch.from_numpy(np.asarray(pictures[block.ravel()])).unflatten(0, block.shape).to(device)
        found = predict_films(network, shown, image_px, kept_stages)[0]
        said = (found.seen.joints_m, found.seen.joints_2d_px, found.code.numbers)
        parts.append(tuple(part.float().cpu().numpy() for part in said))
    return tuple(np.concatenate(column) for column in zip(*parts, strict=True))


def score_3d(
    answers: Answers, true_m: Float[np.ndarray, "rows 21 3"], name: str
) -> tuple[dict[str, Metric], dict[str, Curve]]:
    """Errors and AUC from the wrist and after Procrustes alignment; ``name`` ends each metric's name."""
    errors_mm = 1000 * point_errors(align_root(answers.joints_m, true_m), true_m)
    rigid_mm = 1000 * point_errors(procrustes_rigid(answers.joints_m, true_m), true_m)
    metrics = {
        f"error_{name}": Metric(float(errors_mm.mean()), "mm", "root"),
        f"auc_{name}": Metric(pck_auc(errors_mm / 1000, STB_THRESHOLDS_M["linspace"]), "1", "root"),
        f"pa_error_{name}": Metric(float(rigid_mm.mean()), "mm", "procrustes"),
    }
    fractions = pck(errors_mm, np.array(_CURVE_MM, np.float64))
    curve = Curve(_CURVE_MM, tuple(fractions.round(5).tolist()), "threshold [mm]", "fraction of joints")
    return metrics, {f"pck_{name}": curve}


def score_2d(answers: Answers, true_px: Float[np.ndarray, "rows 21 2"], image_px: int, name: str) -> dict[str, Metric]:
    """Mean error in px of the paper's 224, and AUC."""
    errors = point_errors(answers.joints_2d_px, true_px) * (PAPER_IMAGE_PX / image_px)
    return {
        f"error_{name}": Metric(float(errors.mean()), "px"),
        f"auc_{name}": Metric(pck_auc(errors, THRESHOLDS_PX), "1"),
    }


def score_change(answers: Answers, films: int, num_pose: int = 10, num_shape: int = 10) -> dict[str, Metric]:
    """How much shape and pose change from frame to frame: mean square, mean size, and the mean itself of the changes.

    The paper's "average difference among temporal changes" may be any of them; the last one all but vanishes for
    whoever comes back to where he was.
    """
    code = answers.code.reshape(films, -1, answers.code.shape[-1])
    parts = {"pose": code[..., :num_pose], "shape": code[..., num_pose : num_pose + num_shape]}
    metrics = {}
    for name, part in parts.items():
        change = np.diff(part.astype(np.float64), axis=1)
        metrics[f"{name}_change"] = Metric(float(np.square(change).mean()), "1")
        metrics[f"{name}_change_size"] = Metric(float(np.abs(change).mean()), "1")
        metrics[f"{name}_change_signed"] = Metric(float(abs(change.mean())), "1")
    return metrics


def score_motion(
    answers: Answers, true_m: Float[np.ndarray, "rows 21 3"], films: int, frames_per_second: float
) -> dict[str, Metric]:
    """How smoothly the joints move: mean acceleration, the true one, and the error of it (m/s^2)."""
    film_of = np.arange(len(true_m)) // (len(true_m) // films)
    kind = {"frames_per_second": frames_per_second, "sequence_ids": film_of}
    return {
        "acceleration": Metric(mean_acceleration(answers.joints_m, **kind) / 1000, "m/s^2", "root"),
        "true_acceleration": Metric(mean_acceleration(true_m, **kind) / 1000, "m/s^2", "root"),
        "acceleration_error": Metric(acceleration_error(answers.joints_m, true_m, **kind) / 1000, "m/s^2", "root"),
    }


def by_frame(answers: Answers, true_m: Float[np.ndarray, "rows 21 3"], films: int) -> Curve:
    """Mean error of the films' first frames, second frames, and so on: what a memory gains as it fills."""
    errors_mm = 1000 * point_errors(align_root(answers.joints_m, true_m), true_m).mean(1)
    means = errors_mm.reshape(films, -1).mean(0)
    return Curve(tuple(range(1, len(means) + 1)), tuple(means.round(3).tolist()), "frame of the film", "error [mm]")
