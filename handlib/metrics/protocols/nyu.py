"""The NYU protocol: mean 3D error over 14 joints, no alignment, and the fraction of successful frames.

Published predictions are exchanged as ``uvd``: pixel, pixel, depth in mm; a collection with its reference scores is
https://github.com/xinghaochen/awesome-hand-pose-estimation. They become millimetres through the depth camera's
intrinsics, fx 588.03, fy 587.07, cx 320, cy 240. The sign of fy (the data set's own xyz has y up) cancels in every
distance.
"""

import numpy as np
from jaxtyping import Float64, Real
from torch import Tensor

from handlib.errors import BadInputError
from handlib.metrics.errors import mean_error, point_errors
from handlib.metrics.inputs import Numbers, check_pair, to_float64
from handlib.metrics.success import success_curve
from handlib.skeleton import NYU14_ROWS

NYU_FX_PX, NYU_FY_PX, NYU_CX_PX, NYU_CY_PX = 588.03, 587.07, 320.0, 240.0

Uvd = Real[np.ndarray, "_frames ..."] | Real[Tensor, "_frames ..."]


def nyu(pred_uvd: Uvd, true_uvd: Uvd) -> dict[str, float]:
    """Score predictions (frames, 14, 3) or (frames, 42) as (u px, v px, depth mm); of all 36 joints, the 14 are taken.

    Keys: ``mean_error`` (mm) and ``success_20mm``, ``success_40mm``: the fraction of frames whose largest joint
    error is at most that. Raises ``BadInputError`` on shapes, NaN, or depths that are not millimetres.
    """
    errors = nyu_errors_mm(pred_uvd, true_uvd)
    at_20, at_40 = success_curve(errors, np.array([20.0, 40.0]))
    return {"mean_error": mean_error(errors), "success_20mm": float(at_20), "success_40mm": float(at_40)}


def nyu_errors_mm(pred_uvd: Uvd, true_uvd: Uvd) -> Float64[np.ndarray, "_frames _joints"]:
    """Joint errors (frames, 14) in mm, for curves: see ``handlib.metrics.success_curve``."""
    pred, true = check_pair(_rows_of_three(pred_uvd, "pred_uvd"), _rows_of_three(true_uvd, "true_uvd"), "uvd")
    if not 100.0 < np.median(true[..., 2]) < 3000.0:
        raise BadInputError(
            f"true_uvd: the median depth is {np.median(true[..., 2]):.4g}, expected millimetres, 300 to 1500. "
            "Pass (u, v, depth in mm), not metres and not xyz."
        )
    return point_errors(uvd_to_xyz_mm(pred), uvd_to_xyz_mm(true))


def uvd_to_xyz_mm(uvd: Float64[np.ndarray, "*batch 3"]) -> Float64[np.ndarray, "*batch 3"]:
    """(u px, v px, depth mm) to camera-frame (x, y, z) in mm, OpenCV axes, through NYU's depth camera."""
    u, v, depth = uvd[..., 0], uvd[..., 1], uvd[..., 2]
    return np.stack([(u - NYU_CX_PX) * depth / NYU_FX_PX, (v - NYU_CY_PX) * depth / NYU_FY_PX, depth], axis=-1)


def _rows_of_three(uvd: Numbers, name: str) -> np.ndarray:
    array = to_float64(uvd, name)
    if array.ndim == 2 and array.shape[1] % 3 == 0:
        array = array.reshape(len(array), -1, 3)
    if array.ndim != 3 or array.shape[1:] not in ((14, 3), (36, 3)):
        raise BadInputError(f"{name}: shape {array.shape}, expected (frames, 14, 3), (frames, 42) or all 36 joints.")
    return array[:, NYU14_ROWS] if array.shape[1] == 36 else array
