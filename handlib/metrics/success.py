"""Success curve: the fraction of frames in which *every* joint is good enough.

The measure of the depth-image papers ("percentage of successful frames"; Taylor et al., "The Vitruvian
Manifold", CVPR 2012; Wan et al., CVPR 2019, Figures 5 to 8): much harder than PCK, because one bad fingertip
fails the whole frame.
"""

import numpy as np
from jaxtyping import Float64

from handlib.metrics.errors import Errors
from handlib.metrics.pck import Thresholds, pck


def success_curve(
    errors: Errors, thresholds: Thresholds, *, inclusive: bool = True
) -> Float64[np.ndarray, "thresholds"]:
    """Fraction of frames whose largest joint error is ``<=`` (or ``<``) each threshold; one unit, whichever."""
    return pck(errors.max(axis=1, keepdims=True), thresholds, inclusive=inclusive)
