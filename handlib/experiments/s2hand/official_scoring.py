"""S2HAND's scores on FreiHAND and HO-3D, by the protocols of their servers, and the file that these take."""

import numpy as np
from jaxtyping import Float

from handlib.data.official_crops import OfficialCrops
from handlib.data.submission import SAMPLES, write_submission
from handlib.experiments.official_run import OfficialRecipe
from handlib.experiments.s2hand.effort import Effort
from handlib.experiments.s2hand.official_pictures import evaluation_crops, still_pictures
from handlib.experiments.s2hand.scoring import Answers, predict
from handlib.metrics.alignment import fit_similarity, procrustes_rigid
from handlib.metrics.errors import point_errors
from handlib.metrics.fscore import f_scores_per_frame
from handlib.metrics.pck import pck
from handlib.metrics.protocols.freihand import freihand
from handlib.metrics.protocols.ho3d import ho3d
from handlib.models.s2hand import S2HandNetwork
from handlib.reproduce.recipe import RunContext
from handlib.reproduce.results import Curve, Metric

SUBMISSION = "pred.zip"
_THRESHOLDS_MM = tuple(range(0, 51))
_ALIGNMENTS = {"pa_": "procrustes with reflection", "scale_translation_": "scale-root"}


def score_evaluation(
    context: RunContext, network: S2HandNetwork, effort: Effort
) -> tuple[dict[str, Metric], dict[str, Curve]]:
    """Score the evaluation split, and leave ``pred.zip`` for the data set's server.

    Without evaluation labels, which came years after the pictures, there is the file alone.
    """
    recipe: OfficialRecipe = context.recipe
    is_mano = network.hand.file.topology == "mano"
    crops = evaluation_crops(context, effort.image_px, network.hand if is_mano else None)
    answers = predict(network, still_pictures(crops))
    write_submission(
        recipe.data, context.artifact_path(SUBMISSION), answers.joints_m, answers.vertices_m, samples=len(crops)
    )
    counts = {"hands": Metric(len(crops), "1"), "asked_for_by_server": Metric(SAMPLES[recipe.data], "1")}
    if not np.isfinite(crops.joints_m).all():
        return counts, {}
    protocol = freihand if recipe.data == "freihand" else ho3d
    meshes = (answers.vertices_m, crops.vertices_m) if is_mano and crops.vertices_m is not None else ()
    scores = protocol(answers.joints_m, crops.joints_m, *meshes)
    metrics = {name: Metric(value, "mm" if "pe" in name else "1", _alignment(name)) for name, value in scores.items()}
    if not meshes and crops.vertices_m is not None:
        metrics |= surface_scores(answers, crops)
    errors_mm = 1000 * point_errors(procrustes_rigid(answers.joints_m, crops.joints_m), crops.joints_m)
    fractions = pck(errors_mm, np.array(_THRESHOLDS_MM, np.float64))
    curve = Curve(_THRESHOLDS_MM, tuple(fractions.round(5).tolist()), "threshold [mm]", "fraction of joints")
    return {**metrics, **counts}, {"pa_pck": curve}


def surface_scores(answers: Answers, crops: OfficialCrops) -> dict[str, Metric]:
    """F-scores of another hand's surface, aligned by the joints, as the official script does it for such meshes.

    Not by the names of the tables' columns: whose vertices are not MANO's cannot be aligned by them.
    """
    aligned: Float[np.ndarray, "crops vertices 3"] = fit_similarity(
        answers.joints_m, crops.joints_m, allow_reflection=True
    ).apply(answers.vertices_m)
    at_5mm, at_15mm = f_scores_per_frame(aligned, np.asarray(crops.vertices_m)).mean(0)
    alignment = _ALIGNMENTS["pa_"]
    return {
        "f_5mm_aligned_by_joints": Metric(float(at_5mm), "1", alignment),
        "f_15mm_aligned_by_joints": Metric(float(at_15mm), "1", alignment),
    }


def _alignment(name: str) -> str:
    return next((said for prefix, said in _ALIGNMENTS.items() if name.startswith(prefix)), "none")
