"""The encoder that all rows begin with, and what every training has in common."""

import numpy as np
import torch

from handlib.experiments.seqhand.batches import FilmDrawer
from handlib.experiments.seqhand.effort import FilmsEffort, StartEffort, start_effort_of
from handlib.experiments.seqhand.encodings import encoded, generated_pictures
from handlib.experiments.seqhand.films import film_labels, film_rows
from handlib.experiments.seqhand.networks import NETWORK, keep_stages, write_network
from handlib.experiments.seqhand.objective import FilmTask, film_objective, predict_films
from handlib.experiments.training_report import log_curves, speed_of
from handlib.metrics.errors import mpjpe
from handlib.models.seqhand import SeqHandConfig, SeqHandNetwork
from handlib.reproduce.recipe import RunContext
from handlib.reproduce.results import Metric, Outcome
from handlib.training.loop import TrainingLog, TrainSettings, fit_network

START_FROZEN = 2
"""Stages of the shared encoder that keep ImageNet's filters: edges and colours, at half of a CPU's time."""

_BLOCK = 200


def train_start(context: RunContext) -> Outcome:
    """A frame-by-frame network on single frames, whose encoder the rows take.

    The work of a :class:`~handlib.experiments.seqhand.recipes.StartRecipe`.
    """
    effort = start_effort_of(context.profile, context.recipe.effort)
    torch.manual_seed(context.seed)
    network = SeqHandNetwork(SeqHandConfig.small("none"))
    keep_stages(network, START_FROZEN)
    drawer = film_drawer(effort, network, 0, effort.start_batch, context.seed, as_stills=True)
    settings = TrainSettings(effort.start_steps, learning_rate=effort.start_rate, schedule="cosine")
    log = fit(context, network, "everything", 0, drawer, settings)
    write_network(context.artifact_path(NETWORK), network)
    error = Metric(error_on_test_mm(network, effort, context.device), "mm", "root")
    return Outcome({"error_3d": error, **speed_of(log)}, log_curves(log))


@torch.no_grad()
def error_on_test_mm(network: SeqHandNetwork, effort: StartEffort, device: torch.device) -> float:
    """Mean joint error (mm, from the wrist) on the frames of the generated test films, each by itself."""
    shown, known = encoded(generated_pictures(effort, "test"), None, 0, device), film_labels(effort, "test")
    parts = []
    for first in range(0, len(shown), _BLOCK):
        block = torch.from_numpy(np.array(shown[first : first + _BLOCK]))[:, None].to(device)
        parts.append(predict_films(network, block, effort.image_px, 0)[0].seen.joints_m[:, 0].cpu().numpy())
    return mpjpe(np.concatenate(parts), known.joints_m, alignment="root")


def film_drawer(
    effort: FilmsEffort, network: SeqHandNetwork, stages: int, batch: int, seed: int, as_stills: bool
) -> FilmDrawer:
    """Draws ``batch`` generated training films a step, or as many of their frames in no order."""
    pictures = generated_pictures(effort, "train")
    device = next(network.parameters()).device
    shown = encoded(pictures, network.encoder.eval() if stages else None, stages, device)
    rows = film_rows(effort.films, effort.frames)
    rows = rows.reshape(-1, 1) if as_stills else rows
    return FilmDrawer(shown, film_labels(effort, "train"), rows, batch, effort.image_px, seed)


def fit(
    context: RunContext,
    network: SeqHandNetwork,
    known: str,
    stages: int,
    drawer: FilmDrawer,
    settings: TrainSettings,
) -> TrainingLog:
    """Train a network in place on what is known of the drawer's films."""
    task = FilmTask(network, known, drawer.image_px, stages)
    return fit_network(context, task, film_objective, drawer.draw, settings)
