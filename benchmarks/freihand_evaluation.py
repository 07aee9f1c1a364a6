"""Time the whole FreiHAND evaluation on a synthetic set of its size: 3,960 frames, 21 joints, 778 vertices, in
float64.

    python benchmarks/freihand_evaluation.py [--frames 3960] [--noise-mm 8]

Prints seconds and frames per second, for the whole and for its parts. Target: 60 s on two cores.
"""

import argparse
import time
from collections.abc import Callable
from importlib.resources import files

import numpy as np
from scipy.spatial.transform import Rotation

from handlib import metrics

TARGET_SECONDS = 60.0


def synthetic_set(frames: int, noise_m: float, seed: int = 0) -> tuple[np.ndarray, ...]:
    """Predicted and true joints and vertices: open hands turned at random, predictions off by noise, size and shift."""
    with np.load(files("handlib") / "hand" / "assets" / "open_hand_right.npz") as hand:
        vertices = hand["v_template"].astype(np.float64)
    rng = np.random.default_rng(seed)
    turned = vertices @ Rotation.random(frames, rng=rng).as_matrix().swapaxes(1, 2) + [0.0, 0.0, 0.7]
    predicted = 1.05 * turned + rng.normal(size=turned.shape) * noise_m + [0.0, 0.0, 0.01 - 0.035]
    joints = rng.choice(len(vertices), 21, replace=False)
    return predicted[:, joints], turned[:, joints], predicted, turned


def timed(name: str, action: Callable[[], object]) -> float:
    """Run, print and return the seconds it took."""
    start = time.perf_counter()
    action()
    seconds = time.perf_counter() - start
    print(f"{name:34s} {seconds:7.2f} s")
    return seconds


def main() -> None:
    """Read the arguments, time, and compare with the target."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=3960)
    parser.add_argument("--noise-mm", type=float, default=8.0)
    arguments = parser.parse_args()
    pred_joints, true_joints, pred, true = synthetic_set(arguments.frames, arguments.noise_mm / 1000)

    timed("Procrustes of the meshes", lambda: metrics.procrustes_with_reflection(pred, true))
    timed("F-scores at 5 and 15 mm, once", lambda: metrics.f_scores_per_frame(pred, true))
    errors = metrics.point_errors(pred, true)
    timed("AUC over the vertices", lambda: metrics.pck_auc(errors, metrics.FREIHAND_THRESHOLDS_M))
    scores: dict[str, float] = {}
    data = (pred_joints, true_joints, pred, true)
    seconds = timed("freihand(), all of it", lambda: scores.update(metrics.freihand(*data)))
    print(f"{arguments.frames / seconds:.0f} frames/s; target {TARGET_SECONDS:.0f} s")
    print(", ".join(f"{key} {value:.4g}" for key, value in scores.items()))


if __name__ == "__main__":
    main()
