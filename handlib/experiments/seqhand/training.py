"""The work of the trained rows: learning from generated films, fine-tuning on the target, scores."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from handlib.experiments.seqhand.batches import FilmDrawer
from handlib.experiments.seqhand.effort import Effort, effort_of
from handlib.experiments.seqhand.encodings import encoded, target_still_pictures
from handlib.experiments.seqhand.evaluation import network_responds, score_all
from handlib.experiments.seqhand.films import film_rows
from handlib.experiments.seqhand.networks import (
    NETWORK,
    keep_stages,
    millions,
    new_network,
    read_network,
    write_network,
)
from handlib.experiments.seqhand.recipes import (
    FilmRecipe,
    FineTunedRecipe,
    StartRecipe,
    check_supervision,
    config_of,
    film_recipe_of,
)
from handlib.experiments.seqhand.start import film_drawer, fit, train_start
from handlib.experiments.seqhand.target import placed_detections, placed_labels
from handlib.experiments.training_report import log_curves, speed_of
from handlib.hand.hand_code import CAMERA_NUMBERS
from handlib.models.film_encoders import make_encoder
from handlib.models.film_readouts import make_readout
from handlib.models.seqhand import SeqHandConfig, SeqHandNetwork
from handlib.reproduce.recipe import RunContext
from handlib.reproduce.results import Metric, Outcome
from handlib.training.loop import TrainingLog, TrainSettings


def train_on_films(context: RunContext) -> Outcome:
    """The work of a :class:`FilmRecipe`: Eq. 14 on generated films, or on their frames in no order."""
    recipe: FilmRecipe = context.recipe
    effort = effort_of(context.profile, recipe.effort)
    network = new_network(recipe, effort, context.seed, shared_encoder(context, effort))
    keep_stages(network, effort.kept_stages)
    batch = effort.batch_films * (effort.frames if recipe.as_stills else 1)
    drawer = film_drawer(effort, network, effort.kept_stages, batch, context.seed, as_stills=recipe.as_stills)
    settings = TrainSettings(effort.steps, learning_rate=effort.learning_rate, schedule="cosine")
    log = fit(context, network, "everything", effort.kept_stages, drawer, settings)
    outcome = finish(context, network, log, effort)
    sizes = {
        "parameters_trained": Metric(millions(network), "M"),
        "true_parameters": Metric(true_millions(recipe), "M", dataset="the network of the paper's size, not trained"),
    }
    return Outcome({**outcome.metrics, **sizes}, outcome.curves)


def fine_tune(context: RunContext) -> Outcome:
    """The work of a :class:`FineTunedRecipe`: Eq. 15 on the target's stills, after the films."""
    network, log = fine_tuned(context)
    return finish(context, network, log, effort_of(context.profile, context.recipe.effort))


def fine_tuned(context: RunContext) -> tuple[SeqHandNetwork, TrainingLog]:
    """The training of a :class:`FineTunedRecipe`; without the supervision "labels" it opens no label of the target.

    Raises:
        BadInputError: a supervision of unknown name, or a memory to leave alone where there is none.
    """
    recipe: FineTunedRecipe = context.recipe
    check_supervision(recipe.supervision)
    effort = effort_of(context.profile, recipe.effort)
    network, stages = load_network(context, recipe.of, effort), effort.finetune_kept_stages
    keep_stages(network, stages)
    if not recipe.attached:
        network.freeze_memory()
    labelled = recipe.supervision == "labels"
    labels = placed_labels(effort) if labelled else placed_detections(context, effort)
    shown = encoded(target_still_pictures(effort, "train"), network.encoder if stages else None, stages, context.device)
    drawer = FilmDrawer(
        shown, labels, film_rows(len(shown), 1), effort.finetune_batch, effort.image_px, context.seed + 1000
    )
    settings = TrainSettings(effort.finetune_steps, learning_rate=effort.finetune_rate, schedule="cosine")
    return network, fit(context, network, recipe.supervision, stages, drawer, settings)


def finish(context: RunContext, network: SeqHandNetwork, log: TrainingLog, effort: Effort) -> Outcome:
    """Leave the weights for others, and score."""
    write_network(context.artifact_path(NETWORK), network)
    metrics, curves = score_all(network_responds(network, effort), effort)
    return Outcome({**metrics, **speed_of(log)}, {**curves, **log_curves(log)})


def shared_encoder(context: RunContext, effort: Effort) -> Path | None:
    """The weights of the shared encoder, which is trained first if need be; None where every row trains its own."""
    if not effort.stand_ins:
        return None
    return context.left_by(StartRecipe(effort=context.recipe.effort.start), train_start, NETWORK, seed=0)


def load_network(context: RunContext, recipe: FilmRecipe | FineTunedRecipe, effort: Effort) -> SeqHandNetwork:
    """The network that a row of this seed has left, on the run's device; it is trained first if need be."""
    work = fine_tune if isinstance(recipe, FineTunedRecipe) else train_on_films
    path = context.left_by(recipe, work, NETWORK)
    return read_network(path, film_recipe_of(recipe), effort).to(context.device)


def true_millions(recipe: FilmRecipe) -> float:
    """Parameters, in millions, of the row's network as large as the paper's; nothing of it is computed."""
    config = config_of(recipe, replace(recipe.effort, stand_ins=False, hidden=SeqHandConfig.hidden))
    # On the meta device tensors have shapes and no numbers; the hand model brings its own and has none to train.
    with torch.device("meta"):
        encoder = make_encoder(config.encoder)
        numbers = config.num_pose + config.num_shape + CAMERA_NUMBERS
        readout = make_readout(config.memory, encoder.channels, config.hidden, numbers)
    return round(float(np.sum([millions(part) for part in (encoder, readout)])), 2)
