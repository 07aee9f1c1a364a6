"""PCK (percentage of correct keypoints) and the area under its curve, thresholds always explicit.

A PCK curve is fixed by three things that papers often leave out: the thresholds, whether an error *equal* to a
threshold counts (``inclusive``), and whether joints are averaged before or after. The AUC is a mean height of
that curve over its own range of thresholds: between 20 and 50 mm a bad method looks better than between 0 and
50 mm.
"""

import numpy as np
from jaxtyping import Float, Float64
from scipy.integrate import trapezoid

from handlib.errors import BadInputError
from handlib.metrics.errors import Errors, Mask, mask_of

Thresholds = Float[np.ndarray, "thresholds"]

# get_measures(0.0, 0.05, 100) of FreiHAND's and HO-3D's eval.py: both ends included, metres.
FREIHAND_THRESHOLDS_M: Thresholds = np.linspace(0.0, 0.05, 100)


def pck_per_point(
    errors: Errors, thresholds: Thresholds, *, inclusive: bool = True, valid: Mask | None = None
) -> Float64[np.ndarray, "points thresholds"]:
    """For each point, the fraction of frames whose error is ``<=`` (``inclusive``) or ``<`` each threshold.

    Errors and thresholds in one unit, whichever. A point that is ``valid`` in no frame gets NaN.
    """
    if thresholds.size == 0 or (np.diff(thresholds) < 0).any():
        raise BadInputError("thresholds: must be a non-empty, ascending array.")
    weights = np.ones(errors.shape, dtype=bool) if valid is None else mask_of(errors, valid)
    points, steps = errors.shape[1], len(thresholds)
    # Each error enters the curve at one threshold: count the entries of all points at once and add up along the curve.
    entry = np.searchsorted(thresholds, errors, side="left" if inclusive else "right")
    slot = entry + (steps + 1) * np.arange(points)
    entries = np.bincount(slot[weights], minlength=points * (steps + 1)).reshape(points, steps + 1)
    with np.errstate(invalid="ignore"):
        return entries.cumsum(axis=1)[:, :steps] / weights.sum(axis=0)[:, None]


def pck(
    errors: Errors, thresholds: Thresholds, *, inclusive: bool = True, valid: Mask | None = None
) -> Float64[np.ndarray, "thresholds"]:
    """The PCK curve in [0, 1]: the mean of :func:`pck_per_point` over the points that are ever valid."""
    return np.nanmean(pck_per_point(errors, thresholds, inclusive=inclusive, valid=valid), axis=0)


def area_under_curve(curve: Thresholds, thresholds: Thresholds) -> float:
    """Area by the trapezoidal rule, divided by the range of thresholds: 1 for a perfect curve, whatever the range."""
    if len(thresholds) < 2 or thresholds[-1] <= thresholds[0]:
        raise BadInputError("thresholds: an area needs at least two different thresholds, ascending.")
    return float(trapezoid(curve, thresholds) / (thresholds[-1] - thresholds[0]))


def pck_auc(errors: Errors, thresholds: Thresholds, *, inclusive: bool = True, valid: Mask | None = None) -> float:
    """AUC of the PCK curve; the same number as the mean of per-joint AUCs, since an area is linear in its curve."""
    return area_under_curve(pck(errors, thresholds, inclusive=inclusive, valid=valid), thresholds)
