"""Mean position errors: EPE, MPJPE, MPVPE. Arguments in metres (or pixels), results in millimetres (or pixels).

The three names mean one thing, the mean Euclidean distance between predicted and true points: "end-point error"
in the keypoint papers, "mean per-joint" and "mean per-vertex position error" in the mesh papers. What differs
between two papers' numbers is the alignment, which is therefore an argument without a default.
"""

import numpy as np
from jaxtyping import Bool, Float, Float64
from torch import Tensor

from handlib.errors import BadInputError
from handlib.metrics.alignment import align
from handlib.metrics.inputs import Points, check_metres, check_pair

MM_PER_M = 1000.0

Errors = Float[np.ndarray, "frames points"]
Mask = Bool[np.ndarray, "_frames _points"] | Bool[Tensor, "_frames _points"]


def point_errors(pred: Points, true: Points) -> Float64[np.ndarray, "_frames _points"]:
    """Euclidean distance of every predicted point (frames, points, 2 or 3) from its true place, in the input's unit."""
    pred, true = check_pair(pred, true)
    return np.linalg.norm(pred - true, axis=-1)


def mean_error(errors: Errors, valid: Mask | None = None) -> float:
    """Mean over points of each point's mean over frames, as in FreiHAND's ``EvalUtil``.

    Without ``valid`` this is the plain mean. With it, a point that is seldom annotated weighs as much as the
    others, and one that never is does not count.
    """
    if valid is None:
        return float(errors.mean())
    # Per point first, then over points: the order matters once some annotations are missing.
    weights = mask_of(errors, valid)
    count = weights.sum(axis=0)
    seen = count > 0
    return float((np.where(weights, errors, 0.0).sum(axis=0)[seen] / count[seen]).mean())


def mpjpe(pred_joints: Points, true_joints: Points, *, alignment: str) -> float:
    """Mean per-joint position error in mm of joints in metres (frames, joints, 3), after the named alignment.

    ``alignment`` is a key of ``handlib.metrics.alignment.ALIGNMENTS``; "root" and "scale_root" use the wrist
    (row 0).
    """
    check_metres(*check_pair(pred_joints, true_joints))
    return MM_PER_M * mean_error(point_errors(align(pred_joints, true_joints, alignment), true_joints))


def mpvpe(pred_vertices: Points, true_vertices: Points, *, alignment: str) -> float:
    """Mean per-vertex position error in mm of vertices in metres (frames, vertices, 3), after the named
    alignment.

    A mesh has no root joint: "none", "procrustes_rigid" and "procrustes_with_reflection" are the choices, and
    the mesh is aligned by its own vertices, as FreiHAND does. To align by the root, shift the vertices by the
    joints' wrist first.
    """
    check_metres(*check_pair(pred_vertices, true_vertices, "vertices"), "vertices")
    if alignment in ("root", "scale_root"):
        raise BadInputError(
            f"alignment: {alignment!r} needs joints; subtract the wrist from the vertices, then use 'none'."
        )
    return MM_PER_M * mean_error(point_errors(align(pred_vertices, true_vertices, alignment), true_vertices))


def epe_2d_px(pred_px: Points, true_px: Points, valid: Mask | None = None) -> float:
    """Mean 2D end-point error in pixels of keypoints (frames, points, 2), no alignment."""
    return mean_error(point_errors(pred_px, true_px), valid)


def box_normalised_errors(pred_px: Points, true_px: Points) -> Float64[np.ndarray, "_frames _points"]:
    """2D errors as fractions of the longer edge of the true keypoints' box, so that near and far hands count alike."""
    errors = point_errors(pred_px, true_px)
    edge = np.ptp(check_pair(pred_px, true_px)[1], axis=1).max(axis=-1)
    if not (edge > 0).all():
        raise BadInputError(
            f"true_px[{int(edge.argmin())}]: all keypoints in one place, so the box has no size. Drop it."
        )
    return errors / edge[:, None]


def mask_of(errors: Errors, valid: Mask) -> Bool[np.ndarray, "frames points"]:
    """``valid`` as an array, after checking that it marks something."""
    weights = valid.cpu().numpy() if isinstance(valid, Tensor) else valid
    if weights.shape != errors.shape or not weights.any():
        raise BadInputError(
            f"valid: shape {weights.shape} with {int(weights.sum())} points marked, expected shape {errors.shape} "
            "with at least one."
        )
    return weights
