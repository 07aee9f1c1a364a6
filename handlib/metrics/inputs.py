"""What every metric does with its arguments first: float64 arrays, equal shapes, no NaN, metres."""

import numpy as np
from jaxtyping import Float64, Real
from torch import Tensor

from handlib.errors import BadInputError

Numbers = Real[np.ndarray, "..."] | Real[Tensor, "..."]
Points = Real[np.ndarray, "_frames _points _xyz"] | Real[Tensor, "_frames _points _xyz"]

# A hand is about 0.2 m long. Truth beyond 1 m is in other units; a prediction is given ten times more room, because an
# untrained network may well predict a monstrous hand and still deserves its score.
LARGEST_TRUE_HAND_M = 1.0
LARGEST_PREDICTED_HAND_M = 10.0


def to_float64(values: Numbers, name: str) -> Float64[np.ndarray, "..."]:
    """A float64 array of an array or a tensor (any device, also one that needs gradients).

    Raises ``BadInputError`` if it is empty, or holds NaN or infinity; the message names the first such frame.
    """
    # numpy has no bfloat16, so a tensor is widened first.
    array = values.detach().cpu().double().numpy() if isinstance(values, Tensor) else values
    array = np.array(array, dtype=np.float64)
    if array.size == 0:
        raise BadInputError(f"{name}: empty, shape {array.shape}; a metric needs at least one frame with one point.")
    finite = np.isfinite(array).reshape(len(array), -1).all(axis=1) if array.ndim else np.isfinite(array)[None]
    if not finite.all():
        frames = np.flatnonzero(~finite)
        raise BadInputError(
            f"{name}: NaN or infinity in {len(frames)} of {len(finite)} frames, first in frame {frames[0]}. "
            "Drop these frames, or fill them in and leave them out by a `valid` mask."
        )
    return array


def check_pair(
    pred: Numbers, true: Numbers, name: str = "joints", equal_counts: bool = True
) -> tuple[Float64[np.ndarray, "_frames _points _xyz"], Float64[np.ndarray, "_frames _points _xyz"]]:
    """Predicted and true points, both (frames, points, 2 or 3), as float64 arrays that may be compared.

    Raises ``BadInputError`` for other shapes, shapes that differ (only in the number of frames or axes, where not
    ``equal_counts``), and everything that :func:`to_float64` refuses.
    """
    pred, true = to_float64(pred, f"pred_{name}"), to_float64(true, f"true_{name}")
    for array, which in ((pred, "pred"), (true, "true")):
        if array.ndim != 3 or array.shape[2] not in (2, 3):
            raise BadInputError(
                f"{which}_{name}: shape {array.shape}, expected (frames, points, 3). Add the frame axis with [None]."
            )
    comparable = slice(None) if equal_counts else [0, 2]
    if np.any(np.array(pred.shape)[comparable] != np.array(true.shape)[comparable]):
        raise BadInputError(
            f"pred_{name} {pred.shape} and true_{name} {true.shape} differ in shape. Predictions and truth must list "
            "the same frames and points in the same order; handlib.skeleton.reorder_joints maps joint orders."
        )
    return pred, true


def check_metres(pred: Float64[np.ndarray, "..."], true: Float64[np.ndarray, "..."], name: str = "joints") -> None:
    """Raise ``BadInputError`` if the mean hand is too large for metres (millimetres were meant, most likely)."""
    limits = ((true, "true", LARGEST_TRUE_HAND_M), (pred, "pred", LARGEST_PREDICTED_HAND_M))
    for points, which, largest in limits:
        size = float(np.linalg.norm(np.ptp(points, axis=1), axis=-1).mean())
        if size > largest:
            raise BadInputError(
                f"{which}_{name}: the mean hand is {size:.4g} across (diagonal of its box), expected about 0.2 m. "
                "Divide millimetres by 1000."
            )
