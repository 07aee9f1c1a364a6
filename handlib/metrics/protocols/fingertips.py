"""Fingertips on Dexter+Object and EgoDexter: 3D-PCK of the five tips, wherever they have a label.

No root joint is annotated in these two sets, so nothing can be root-aligned, and papers say little about what they do
instead. Three ways stand side by side here, each named in its keys:

* no alignment: absolute places in the camera's frame, which asks a colour picture for the distance;
* ``centroid``: the labelled tips' common translation is forgiven;
* ``scale_centroid``: their common size, too, as Zhou et al. (CVPR 2020) describe it ("global scale and translation").

Each forgives more than it looks, since five points are few. AUC: 0 to 100 mm, or 20 to 50 mm as on STB; SeqHAND (ECCV
2020) states neither its range nor its alignment.
"""

import numpy as np
from jaxtyping import Bool, Float64
from torch import Tensor

from handlib.errors import BadInputError
from handlib.metrics.errors import MM_PER_M, mean_error, point_errors
from handlib.metrics.inputs import Points, check_metres, check_pair, to_float64
from handlib.metrics.pck import Thresholds, pck_auc

FINGERTIP_THRESHOLDS_M: dict[str, Thresholds] = {
    "0_100mm": np.linspace(0.0, 0.1, 101),
    "20_50mm": np.linspace(0.02, 0.05, 31),
}
FEWEST_TIPS = 3
"""Frames with fewer labelled tips do not count: aligned by their own centroid, one tip has no error at all."""

Tips = Float64[np.ndarray, "frames tips 3"]
Labelled = Bool[np.ndarray, "frames tips"]


def fingertips(pred_tips: Points, true_tips: Points, labelled: Labelled | None = None) -> dict[str, float]:
    """Score tips (frames, 5, 3) in metres, thumb to little.

    Args:
        pred_tips, true_tips: camera frame; ``true_tips`` may be NaN where there is no label.
        labelled: which tips have a label; by default those that are not NaN.

    Returns:
        ``tip_error`` (mm), ``tip_auc_0_100mm``, ``tip_auc_20_50mm`` without alignment; the same with the prefixes
        ``centroid_`` and ``scale_centroid_``; ``frames``, how many count.

    Raises:
        BadInputError: shapes, units, NaN in a prediction, or no frame with three labelled tips.
    """
    true = np.asarray(true_tips.detach().cpu() if isinstance(true_tips, Tensor) else true_tips).astype(np.float64)
    known = np.isfinite(true).all(-1) if labelled is None else np.asarray(labelled, bool) & np.isfinite(true).all(-1)
    counted = known.sum(-1) >= FEWEST_TIPS
    if not counted.any():
        raise BadInputError(f"true_tips: none of {len(true)} frames has {FEWEST_TIPS} labelled tips, so none counts.")
    known = known[counted]
    pred, true = to_float64(pred_tips, "pred_tips")[counted], true[counted]
    # What has no label has no part in anything below: the middle of the others, so that sizes can be judged.
    pred, true = (np.where(known[..., None], points, _middle(points, known)) for points in (pred, true))
    check_metres(*check_pair(pred, true, "tips"), "tips")
    ways = {
        "": pred,
        "centroid_": align_centroid(pred, true, known),
        "scale_centroid_": align_centroid(pred, true, known, scale=True),
    }
    scores: dict[str, float] = {"frames": float(counted.sum())}
    for prefix, aligned in ways.items():
        errors = point_errors(aligned, true)
        scores[f"{prefix}tip_error"] = MM_PER_M * mean_error(errors, valid=known)
        for name, thresholds in FINGERTIP_THRESHOLDS_M.items():
            scores[f"{prefix}tip_auc_{name}"] = pck_auc(errors, thresholds, valid=known)
    return scores


def align_centroid(pred: Tips, true: Tips, known: Labelled, scale: bool = False) -> Tips:
    """Predictions moved, each frame by itself, so that the centroids of its known points agree; metres.

    Args:
        pred, true: points.
        known: which of them decide.
        scale: give them the true points' size as well (root mean square distance from the centroid), not their turn.
    """
    centre, target = _middle(pred, known), _middle(true, known)
    if not scale:
        return pred - centre + target
    weight = known[..., None]
    pairs = ((pred, centre), (true, target))
    sizes = [np.sqrt((weight * (points - middle) ** 2).sum((1, 2))) for points, middle in pairs]
    # Tips that all lie in one place have no size to be given.
    ratio = np.divide(sizes[1], sizes[0], out=np.ones_like(sizes[0]), where=sizes[0] > 0)
    return ratio[:, None, None] * (pred - centre) + target


def _middle(points: Tips, known: Labelled) -> Float64[np.ndarray, "frames 1 3"]:
    weight = known[..., None]
    return np.where(weight, points, 0.0).sum(1, keepdims=True) / weight.sum(1, keepdims=True)
