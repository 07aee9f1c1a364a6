"""The STB protocol: root-aligned PCK between 20 and 50 mm, of which two versions are in print.

* ``hand3d``: ``linspace(0, 50 mm, 20)[8:]``, twelve thresholds from 21.05 mm (Zimmermann & Brox, ICCV 2017,
  https://github.com/lmb-freiburg/hand3d);
* ``linspace``: ``linspace(20 mm, 50 mm, 20)``, twenty thresholds from 20 mm (most later repositories).

The same errors score differently under them (.8787 and .8714 in one case), so the version is part of every
result's key. Both leave out the first 20 mm, where methods differ most; TASSN (WACV 2021) adds 0 to 50 mm.
"""

import numpy as np

from handlib.errors import BadInputError
from handlib.metrics.alignment import align_root, procrustes_rigid
from handlib.metrics.errors import MM_PER_M, mean_error, point_errors
from handlib.metrics.inputs import Points, check_metres, check_pair
from handlib.metrics.pck import FREIHAND_THRESHOLDS_M, Thresholds, pck_auc

STB_THRESHOLDS_M: dict[str, Thresholds] = {
    "hand3d": np.linspace(0.0, 0.05, 20)[8:],
    "linspace": np.linspace(0.02, 0.05, 20),
}


def stb(
    pred_joints: Points,
    true_joints: Points,
    thresholds: str = "both",
    root: int = 0,
) -> dict[str, float]:
    """Score joints (frames, 21, 3) in metres, aligned by joint ``root``.

    The default root is the wrist, to which STB's palm must have been moved. ``thresholds`` says which version
    to report: "hand3d", "linspace" or "both". Keys: ``root_mpjpe`` (mm), ``root_auc_j_20_50mm_hand3d`` and/or
    ``root_auc_j_20_50mm_linspace``, ``root_auc_j_0_50mm`` (FreiHAND's 100 thresholds); for comparison ``mpjpe``
    (no alignment) and ``pa_rigid_mpjpe`` (Procrustes without reflection). PCK is inclusive (``<=``). Raises
    ``BadInputError`` on shapes, NaN or units.
    """
    pred, true = check_pair(pred_joints, true_joints)
    check_metres(pred, true)
    if thresholds not in ("both", *STB_THRESHOLDS_M):
        raise BadInputError(f"thresholds: {thresholds!r}, expected 'both' or one of {list(STB_THRESHOLDS_M)}.")
    errors = point_errors(align_root(pred, true, root), true)
    versions = STB_THRESHOLDS_M if thresholds == "both" else {thresholds: STB_THRESHOLDS_M[thresholds]}
    return {
        "root_mpjpe": MM_PER_M * mean_error(errors),
        **{f"root_auc_j_20_50mm_{name}": pck_auc(errors, steps) for name, steps in versions.items()},
        "root_auc_j_0_50mm": pck_auc(errors, FREIHAND_THRESHOLDS_M),
        "mpjpe": MM_PER_M * mean_error(point_errors(pred, true)),
        "pa_rigid_mpjpe": MM_PER_M * mean_error(point_errors(procrustes_rigid(pred, true), true)),
    }
