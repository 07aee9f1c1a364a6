"""The FreiHAND protocol, as in its official script (https://github.com/lmb-freiburg/freihand, eval.py).

* Everything once as it is (no alignment) and once after Procrustes alignment, *reflections allowed*, the mesh
  aligned by its own vertices.
* MPJPE, MPVPE: mean over points of each point's mean over frames.
* AUC: PCK with ``<=`` at 100 thresholds ``linspace(0, 50 mm)``, trapezoidal rule, divided by 50 mm.
* F-scores at 5 and 15 mm: strict ``<``, a frame at a time, then the mean.
"""

import numpy as np
from jaxtyping import Float64

from handlib.errors import BadInputError
from handlib.metrics.alignment import fit_similarity, procrustes_with_reflection
from handlib.metrics.errors import MM_PER_M, mean_error, point_errors
from handlib.metrics.fscore import f_scores_per_frame
from handlib.metrics.inputs import Points, check_metres, check_pair
from handlib.metrics.pck import FREIHAND_THRESHOLDS_M, pck_auc

Array = Float64[np.ndarray, "_frames _points _xyz"]


def freihand(
    pred_joints: Points,
    true_joints: Points,
    pred_vertices: Points | None = None,
    true_vertices: Points | None = None,
) -> dict[str, float]:
    """Score joints (frames, 21, 3) and, if given, vertices (frames, 778, 3), all in metres.

    Returns lengths in millimetres and fractions in [0, 1] under the keys ``mpjpe``, ``auc_j`` and, with
    vertices, ``mpvpe``, ``auc_v``, ``f_5mm``, ``f_15mm`` (no alignment), and the same with the prefix ``pa_``
    (official Procrustes). The order of the joints does not matter, as long as both agree.

    A predicted mesh with another number of vertices gets F-scores only, and is aligned by the similarity that
    the joints need, as in the script; only that the script forgets to divide by the prediction's own size
    there, and we do not. Raises ``BadInputError`` on shapes, NaN, or units that cannot be metres.
    """
    joints = check_pair(pred_joints, true_joints)
    check_metres(*joints)
    scores = point_measures(*joints, "j") | point_measures(procrustes_with_reflection(*joints), joints[1], "j", "pa_")
    if pred_vertices is None and true_vertices is None:
        return scores
    if pred_vertices is None or true_vertices is None:
        raise BadInputError("pred_vertices, true_vertices: give both or neither.")
    pred, true = check_pair(pred_vertices, true_vertices, "vertices", equal_counts=False)
    check_metres(pred, true, "vertices")
    if len(pred) != len(joints[0]):
        raise BadInputError(f"vertices: {len(pred)} frames, but joints have {len(joints[0])}.")
    if pred.shape == true.shape:
        aligned = procrustes_with_reflection(pred, true)
        scores |= point_measures(pred, true, "v") | point_measures(aligned, true, "v", "pa_")
    else:
        # Without vertex-to-vertex correspondence only the joints can say how to align.
        aligned = fit_similarity(*joints, allow_reflection=True).apply(pred)
    return scores | _f_measures(pred, true) | _f_measures(aligned, true, "pa_")


def point_measures(pred: Array, true: Array, kind: str, prefix: str = "") -> dict[str, float]:
    """Mean error (mm) and AUC of points in metres, keyed for joints (kind "j") or vertices ("v"), no alignment."""
    errors = point_errors(pred, true)
    return {
        f"{prefix}mp{kind}pe": MM_PER_M * mean_error(errors),
        f"{prefix}auc_{kind}": pck_auc(errors, FREIHAND_THRESHOLDS_M),
    }


def _f_measures(pred: Array, true: Array, prefix: str = "") -> dict[str, float]:
    f_5mm, f_15mm = f_scores_per_frame(pred, true).mean(axis=0)
    return {f"{prefix}f_5mm": float(f_5mm), f"{prefix}f_15mm": float(f_15mm)}
