"""The work of SeqHAND's rows on official data: fine-tuning on real labelled pictures, scores on real videos."""

import numpy as np

from handlib.data.bighand_poses import bighand_poses
from handlib.data.clips import continuous_runs
from handlib.data.official import OfficialDataset
from handlib.data.official_crops import OfficialCrops
from handlib.experiments.official_run import crops_of, open_split
from handlib.experiments.seqhand.effort import Effort, effort_of
from handlib.experiments.seqhand.films import HandLabels, film_rows
from handlib.experiments.seqhand.generation import measure_films
from handlib.experiments.seqhand.networks import NETWORK, read_network, write_network
from handlib.experiments.seqhand.official_recipes import LEARNT_FROM, OfficialFilmRecipe
from handlib.experiments.seqhand.repositioning import RepositionedDrawer
from handlib.experiments.seqhand.start import fit
from handlib.experiments.seqhand.training import train_on_films
from handlib.experiments.seqhand.videos import read_video
from handlib.experiments.training_report import log_curves, speed_of
from handlib.metrics.protocols.fingertips import FEWEST_TIPS, fingertips
from handlib.metrics.protocols.stb import stb
from handlib.models.seqhand import SeqHandNetwork
from handlib.reproduce.profiles import Profile
from handlib.reproduce.recipe import RunContext
from handlib.reproduce.results import Curve, Metric, Outcome
from handlib.skeleton import TIPS
from handlib.training.loop import TrainSettings

_FEW = 40


def train_official(context: RunContext) -> Outcome:
    """The work of an :class:`~handlib.experiments.seqhand.official_recipes.OfficialFilmRecipe`."""
    recipe: OfficialFilmRecipe = context.recipe
    effort = effort_of(context.profile, recipe.effort)
    network = read_network(context.left_by(recipe.of, train_on_films, NETWORK), recipe.of, effort).to(context.device)
    metrics: dict[str, Metric] = {}
    curves: dict[str, Curve] = {}
    if recipe.finetuning:
        if recipe.finetuning == "detached":
            network.freeze_memory()
        drawer = real_stills(context, effort)
        settings = TrainSettings(effort.finetune_steps, learning_rate=effort.finetune_rate, schedule="cosine")
        log = fit(context, network, "labels", 0, drawer, settings)
        metrics, curves = speed_of(log), log_curves(log)
    write_network(context.artifact_path(NETWORK), network)
    return Outcome({**score_official(context, network.eval(), effort), **metrics}, curves)


def real_stills(context: RunContext, effort: Effort) -> RepositionedDrawer:
    """The pictures that are fine-tuned on, each a film of one frame at a random place, with their labels.

    No mask is known of them all: each hand's is the whole picture, so that Eq. 11 only keeps it from leaving.
    """
    recipe: OfficialFilmRecipe = context.recipe
    crops = [_crops(context, open_split(name, LEARNT_FROM[name]), recipe, effort) for name in recipe.learn_from]
    joints = np.concatenate([part.joints_m for part in crops])
    points, sure = (np.concatenate([getattr(c, name) for c in crops]) for name in ("keypoints_px", "confidence"))
    labels = HandLabels(joints - joints[:, :1], points, sure)
    pictures = np.concatenate([np.asarray(part.rgb) for part in crops])
    rows = film_rows(len(labels), 1)
    return RepositionedDrawer(pictures, labels, rows, effort.finetune_batch, effort.image_px, context.seed + 1000)


def score_official(context: RunContext, network: SeqHandNetwork, effort: Effort) -> dict[str, Metric]:
    """The official protocol on every labelled frame of the test videos, which are read from their first frame on."""
    recipe: OfficialFilmRecipe = context.recipe
    dataset = open_split(recipe.data, recipe.test_split)
    crops = _crops(context, dataset, recipe, effort)
    said = np.empty_like(crops.joints_m)
    for run in continuous_runs(crops.sequence, crops.frame):
        said[run] = read_video(network, np.asarray(crops.rgb[run]), effort.image_px)
    frames = {"frames": Metric(len(crops), "1")}
    if recipe.data == "stb":
        scores = {name: value for name, value in stb(said, crops.joints_m).items() if name != "mpjpe"}
        alignments = {name: "procrustes" if name.startswith("pa_") else "root" for name in scores}
    else:
        found = fingertips(said[:, list(TIPS)], crops.joints_m[:, list(TIPS)])
        # The unaligned scores ask for a distance, of which weak perspective says nothing.
        scores = {name: value for name, value in found.items() if name.startswith(("centroid_", "scale_centroid_"))}
        alignments = dict.fromkeys(scores, "not applicable")
    units = {name: "1" if "auc" in name else "mm" for name in scores}
    return frames | {name: Metric(float(scores[name]), units[name], alignments[name]) for name in scores}


def walk_on_bighand(context: RunContext) -> Outcome:
    """The work of an :class:`~handlib.experiments.seqhand.official_recipes.OfficialDataRecipe`."""
    return measure_films(context, bighand_poses(), effort_of(context.profile, context.recipe.effort))


def _crops(context: RunContext, dataset: OfficialDataset, recipe: OfficialFilmRecipe, effort: Effort) -> OfficialCrops:
    """Crops of a split, of frames whose hand can be found; all in the profile ``full``, else the first ones."""
    chosen = np.arange(len(dataset))
    if "tips_m" in dataset.labels:
        known = np.isfinite(np.asarray(dataset.labels["tips_m"])[dataset.rows]).all(-1)
        chosen = np.flatnonzero(known.sum(-1) >= FEWEST_TIPS)
    chosen = chosen if context.profile is Profile.FULL else chosen[:_FEW]
    return crops_of(dataset, effort.image_px, enlarge=recipe.enlarge, chosen=chosen)
