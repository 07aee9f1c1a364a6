"""Alignments: what is forgiven before the error is measured.

Each is a function of its own, because mixing them up is the field's commonest error.

==============================  ========================================  =======================================
function                        forgives                                  used by
==============================  ========================================  =======================================
``align_none``                  nothing                                   FreiHAND and HO-3D (plain), NYU
``align_root``                  position                                  STB, MHP, Dexter+Object, EgoDexter
``align_scale_root``            position, size                            HO-3D ("scale-translation")
``procrustes_rigid``            position, size, rotation                  mmpose, HaMeR
``procrustes_with_reflection``  position, size, rotation, and mirroring   FreiHAND and HO-3D ("aligned")
==============================  ========================================  =======================================

On ordinary predictions the two Procrustes agree to the last digit; a mirrored hand scores 0 in the official one. All
take and return (frames, points, 3) and move ``pred`` onto ``true``; units are free but common to both.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64

from handlib.errors import BadInputError
from handlib.metrics.inputs import Points, check_pair, to_float64

Aligned = Float64[np.ndarray, "_frames _points _xyz"]


class Similarity(NamedTuple):
    """One map per frame, ``x -> scale * rotation @ x + translation``; ``rotation`` has det -1 where it mirrors."""

    scale: Float64[np.ndarray, "frames"]
    rotation: Float64[np.ndarray, "frames xyz xyz"]
    translation: Float64[np.ndarray, "frames xyz"]

    def apply(self, points: Points) -> Aligned:
        """Move (frames, points, 3); any number of points, so joints may carry a mesh along."""
        turned = to_float64(points, "points") @ self.rotation.swapaxes(-1, -2)
        return self.scale[:, None, None] * turned + self.translation[:, None]


def align_none(pred: Points, true: Points) -> Aligned:
    """Nothing is forgiven: absolute position, size and rotation all count."""
    return check_pair(pred, true)[0]


def align_root(pred: Points, true: Points, root: int = 0) -> Aligned:
    """Shift each prediction so that joint ``root`` (default: the wrist) is where it truly is."""
    pred, true = check_pair(pred, true)
    _check_rows(pred, root)
    return pred - pred[:, root, None] + true[:, root, None]


def align_scale_root(pred: Points, true: Points, root: int = 0, end: int = 9) -> Aligned:
    """Scale about the root until the distance root-``end`` is true, then :func:`align_root`.

    The defaults are the wrist and the middle finger's knuckle in the order of ``handlib.skeleton``: HO-3D's
    ``||J4 - J0||``, whose files are in MANO's order (``align_sc_tr`` in https://github.com/shreyashampali/ho3d,
    eval.py). As there, a predicted length of zero is left alone.
    """
    pred, true = check_pair(pred, true)
    _check_rows(pred, root, end)
    # Measured per frame; nothing is turned, so a wrong global rotation still counts as error.
    length = np.linalg.norm(pred[:, end] - pred[:, root], axis=-1)
    ratio = np.linalg.norm(true[:, end] - true[:, root], axis=-1) / np.where(length > 0, length, 1.0)
    return ratio[:, None, None] * (pred - pred[:, root, None]) + true[:, root, None]


def _check_rows(points: Aligned, *rows: int) -> None:
    """Raise ``BadInputError`` if a point to align by is not there."""
    if min(rows) < 0 or max(rows) >= points.shape[1]:
        raise BadInputError(f"root, end: rows {rows}, expected rows of the {points.shape[1]} points.")


def fit_similarity(pred: Points, true: Points, *, allow_reflection: bool) -> Similarity:
    """Least-squares similarity that takes ``pred`` to ``true``, frame by frame (one batched 3x3 SVD).

    Both sets are centred and divided by their Frobenius norm plus 1e-8, as in FreiHAND's ``align_w_scale``
    (https://github.com/lmb-freiburg/freihand, eval.py). With ``true^T pred = U W V^T``: ``R = U V^T`` and
    ``scale = trace(W)`` in the normalised frame. That ``R`` may mirror; without reflection, the smallest singular value
    changes sign where ``det R < 0`` (Umeyama, "Least-squares estimation of transformation parameters", PAMI
    1991). Degenerate frames stay finite: if all predicted points coincide they land on the true centroid.
    """
    pred, true = check_pair(pred, true)
    pred_mean, true_mean = pred.mean(axis=1), true.mean(axis=1)
    pred_centred, true_centred = pred - pred_mean[:, None], true - true_mean[:, None]
    # The 1e-8 keeps a collapsed prediction from dividing by zero; for a hand it changes the 8th digit.
    pred_norm = np.linalg.norm(pred_centred, axis=(1, 2)) + 1e-8
    true_norm = np.linalg.norm(true_centred, axis=(1, 2)) + 1e-8
    covariance = true_centred.swapaxes(1, 2) @ pred_centred / (true_norm * pred_norm)[:, None, None]
    U, singular, Vt = np.linalg.svd(covariance)
    if not allow_reflection:
        # numpy sorts singular values: flipping the last one costs the least of all ways to reach det +1.
        mirrors = np.linalg.det(U @ Vt) < 0
        singular[mirrors, -1] *= -1
        U[mirrors, :, -1] *= -1
    rotation = U @ Vt
    scale = singular.sum(axis=-1) * true_norm / pred_norm
    translation = true_mean - scale[:, None] * (rotation @ pred_mean[..., None])[..., 0]
    return Similarity(scale, rotation, translation)


def procrustes_rigid(pred: Points, true: Points) -> Aligned:
    """Best similarity with a proper rotation (det +1): a mirrored hand stays wrong. See :func:`fit_similarity`."""
    return fit_similarity(pred, true, allow_reflection=False).apply(check_pair(pred, true)[0])


def procrustes_with_reflection(pred: Points, true: Points) -> Aligned:
    """Best similarity, mirroring allowed, as in the official FreiHAND and HO-3D scripts. See :func:`fit_similarity`."""
    return fit_similarity(pred, true, allow_reflection=True).apply(check_pair(pred, true)[0])


ALIGNMENTS: dict[str, Callable[[Points, Points], Aligned]] = {
    "none": align_none,
    "root": align_root,
    "scale_root": align_scale_root,
    "procrustes_rigid": procrustes_rigid,
    "procrustes_with_reflection": procrustes_with_reflection,
}


def align(pred: Points, true: Points, alignment: str) -> Aligned:
    """The alignment of that name, a key of :data:`ALIGNMENTS`, with its defaults."""
    if alignment not in ALIGNMENTS:
        raise BadInputError(f"alignment: {alignment!r}, expected one of {list(ALIGNMENTS)}.")
    return ALIGNMENTS[alignment](pred, true)
