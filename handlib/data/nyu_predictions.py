"""The predictions that five published methods made for the NYU test set: what a metric has to score right.

The per-frame predictions (collected by https://github.com/xinghaochen/awesome-hand-pose-estimation) lie in the folder
that ``HANDLIB_DATA`` names. Their mean errors and success curves, computed from them by
``data_scripts/score_nyu_predictions.py``, come with the package.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float64

from handlib.data.archives import read_arrays
from handlib.data.photos import require_data
from handlib.metrics import mean_error, nyu_errors_mm, success_curve

NYU_PREDICTIONS = "nyu_published_predictions.npz"
NYU_SCORES = Path(__file__).parent / "assets" / "nyu_published_scores.npz"
NYU_METHODS = {
    "V2V-PoseNet": "CVPR18_NYU_V2V_PoseNet",
    "DenseReg": "CVPR18_NYU_denseReg",
    "Pose-REN": "NEUCOM18_NYU_Pose_REN",
    "DeepPrior++": "ICCVW17_NYU_DeepPrior++",
    "DeepPrior": "CVWW15_NYU_Prior",
}
"""Name of each method -> its array in the file, best first."""

NYU_CURVE_MM = np.arange(0.0, 81.0)


@dataclass(frozen=True)
class NyuScores:
    """Scores of the five methods, in the order of :data:`NYU_METHODS`.

    Attributes:
        mean_error_mm: (5,) mean over frames and 14 joints.
        success: (5, 81) fraction of frames whose worst joint is within :data:`NYU_CURVE_MM`.
        frames: how many frames were scored.
    """

    mean_error_mm: Float[np.ndarray, "methods"]
    success: Float[np.ndarray, "methods thresholds"]
    frames: int


def nyu_prediction_errors_mm() -> dict[str, Float64[np.ndarray, "frames 14"]]:
    """Joint errors in mm of every frame, by method, from the predictions in ``HANDLIB_DATA``.

    Raises:
        MissingFileError: the folder or the file is not there.
        BadInputError: the file is damaged or lacks an array.
    """
    path = require_data(NYU_PREDICTIONS)
    stored = read_arrays(path, ("groundtruth_uvd", *NYU_METHODS.values()), "fetch it again from its source")
    truth = stored["groundtruth_uvd"]
    return {method: nyu_errors_mm(stored[array], truth) for method, array in NYU_METHODS.items()}


def score_nyu_predictions() -> NyuScores:
    """Score the predictions in ``HANDLIB_DATA``; errors as for :func:`nyu_prediction_errors_mm`."""
    errors = nyu_prediction_errors_mm()
    return NyuScores(
        mean_error_mm=np.array([mean_error(e) for e in errors.values()]),
        success=np.stack([success_curve(e, NYU_CURVE_MM) for e in errors.values()]),
        frames=len(next(iter(errors.values()))),
    )


def stored_nyu_scores() -> NyuScores:
    """The scores that come with the package, so that the curves can be drawn without the predictions.

    Raises:
        MissingFileError, BadInputError: see :func:`~handlib.data.archives.read_arrays`.
    """
    names = ("mean_error_mm", "success", "frames")
    stored = read_arrays(NYU_SCORES, names, "write it with data_scripts/score_nyu_predictions.py")
    return NyuScores(stored["mean_error_mm"], stored["success"], int(stored["frames"]))
