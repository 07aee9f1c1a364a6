"""Metrics: numpy in float64, arrays or tensors in, metres in, millimetres out; every name or argument says the
alignment.

The front doors are the official protocols :func:`freihand`, :func:`ho3d`, :func:`stb` and :func:`nyu`, and for
fingertips :func:`handlib.metrics.protocols.fingertips.fingertips`. Under them: ``alignment`` (what is forgiven),
``errors`` (MPJPE and kin), ``pck``, ``fscore``, ``success`` and ``temporal``.
"""

from handlib.metrics.alignment import (
    ALIGNMENTS,
    Similarity,
    align,
    align_none,
    align_root,
    align_scale_root,
    fit_similarity,
    procrustes_rigid,
    procrustes_with_reflection,
)
from handlib.metrics.errors import box_normalised_errors, epe_2d_px, mean_error, mpjpe, mpvpe, point_errors
from handlib.metrics.fscore import f_score, f_scores_per_frame
from handlib.metrics.pck import FREIHAND_THRESHOLDS_M, area_under_curve, pck, pck_auc, pck_per_point
from handlib.metrics.protocols.freihand import freihand
from handlib.metrics.protocols.ho3d import ho3d
from handlib.metrics.protocols.nyu import nyu, nyu_errors_mm, uvd_to_xyz_mm
from handlib.metrics.protocols.stb import STB_THRESHOLDS_M, stb
from handlib.metrics.success import success_curve
from handlib.metrics.temporal import acceleration_error, accelerations_m, mean_acceleration, sequence_std

__all__ = [
    "ALIGNMENTS",
    "FREIHAND_THRESHOLDS_M",
    "STB_THRESHOLDS_M",
    "Similarity",
    "acceleration_error",
    "accelerations_m",
    "align",
    "align_none",
    "align_root",
    "align_scale_root",
    "area_under_curve",
    "box_normalised_errors",
    "epe_2d_px",
    "f_score",
    "f_scores_per_frame",
    "fit_similarity",
    "freihand",
    "ho3d",
    "mean_acceleration",
    "mean_error",
    "mpjpe",
    "mpvpe",
    "nyu",
    "nyu_errors_mm",
    "pck",
    "pck_auc",
    "pck_per_point",
    "point_errors",
    "procrustes_rigid",
    "procrustes_with_reflection",
    "sequence_std",
    "stb",
    "success_curve",
    "uvd_to_xyz_mm",
]
