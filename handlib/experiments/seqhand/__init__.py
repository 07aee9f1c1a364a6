"""SeqHAND on generated films and on the open target domain: every row of its tables, by the published names.

``handlib run seqhand --profile full`` does them one after another and goes on where it was stopped. Rows share the
generated films and the encoder that was trained on single frames of them (``seqhand-encoder-start``); fine-tuned rows
go on from the row of the same seed that learnt from films.
"""

from dataclasses import replace

from handlib.experiments.seqhand.baselines import score_baseline, score_derived
from handlib.experiments.seqhand.effort import Effort
from handlib.experiments.seqhand.generation import measure_generation
from handlib.experiments.seqhand.recipes import (
    CHAPTER,
    BaselineRecipe,
    DataRecipe,
    DerivedRecipe,
    FilmRecipe,
    FineTunedRecipe,
    StartRecipe,
)
from handlib.experiments.seqhand.start import train_start
from handlib.experiments.seqhand.stereo import StereoRecipe, score_stereo
from handlib.experiments.seqhand.training import fine_tune, train_on_films
from handlib.reproduce.experiment import Experiment

__all__ = ["CHAPTER", "EXPERIMENTS", "FULL_SEEDS", "TABLE_2", "TABLE_3"]

FULL_SEEDS = (0, 1, 2)
TWO_CORES = Effort(steps=400, finetune_steps=300, hidden=64)
"""A row in a minute, which leaves half an hour for all of them and their seeds."""

FRAMES = FilmRecipe(effort=TWO_CORES, name="seqhand-encoder-resnet50")
LSTM = FilmRecipe(effort=TWO_CORES, name="seqhand-encoder-lstm", memory="lstm")
CONV_LSTM = FilmRecipe(effort=TWO_CORES, name="seqhand-encoder-convlstm", memory="conv_lstm")
OTHER_ENCODERS = tuple(
    FilmRecipe(effort=TWO_CORES, name=f"seqhand-encoder-{name}", encoder=name) for name in ("resnet101", "i3d", "mfnet")
)
TABLE_2 = (FRAMES, LSTM, CONV_LSTM, *OTHER_ENCODERS)
STILLS = FilmRecipe(effort=TWO_CORES, name="seqhand-encoder-stills", as_stills=True)
STILLS_REAL = FineTunedRecipe(effort=TWO_CORES, name="seqhand-encoder-stills-real", of=STILLS)
VIDEO = DerivedRecipe(effort=TWO_CORES, name="seqhand-convlstm-video", of=CONV_LSTM)
ATTACHED = FineTunedRecipe(effort=TWO_CORES, name="seqhand-convlstm-video-real-attached", of=CONV_LSTM)
DETACHED = FineTunedRecipe(effort=TWO_CORES, name="seqhand-convlstm-video-real-detached", of=CONV_LSTM, attached=False)
TABLE_3 = (STILLS, STILLS_REAL, VIDEO, ATTACHED, DETACHED)
DETECTED = tuple(
    replace(recipe, name=f"{recipe.name}@detected", supervision="detected")
    for recipe in (STILLS_REAL, ATTACHED, DETACHED)
)
"""Table 3 without any label of the target: the keypoints of a detector instead."""

BASELINES = (
    BaselineRecipe(effort=TWO_CORES, name="seqhand-mean-hand", method="mean"),
    BaselineRecipe(effort=TWO_CORES, name="seqhand-constant", method="constant"),
    BaselineRecipe(effort=TWO_CORES, name="seqhand-untrained", method="untrained"),
)

ON_STEREO = tuple(
    StereoRecipe(effort=TWO_CORES, name=f"{row.name}@stereo", of=row)
    for row in (CONV_LSTM, STILLS_REAL, ATTACHED, DETACHED)
)


def _on_films(*recipes: FilmRecipe, seeds: tuple[int, ...] = FULL_SEEDS) -> tuple[Experiment, ...]:
    return tuple(Experiment(recipe=recipe, work=train_on_films, seeds=seeds) for recipe in recipes)


def _on_target(*recipes: FineTunedRecipe, seeds: tuple[int, ...] = FULL_SEEDS) -> tuple[Experiment, ...]:
    return tuple(Experiment(recipe=recipe, work=fine_tune, seeds=seeds) for recipe in recipes)


def _looks(*recipes: DerivedRecipe, seeds: tuple[int, ...] = FULL_SEEDS) -> tuple[Experiment, ...]:
    return tuple(Experiment(recipe=recipe, work=score_derived, seeds=seeds) for recipe in recipes)


# In the order of their importance to the page, so that whoever runs out of time has Tables 2 and 3 first.
EXPERIMENTS: tuple[Experiment, ...] = (
    Experiment(recipe=StartRecipe(), work=train_start, seeds=(0,)),
    *(Experiment(recipe=recipe, work=score_baseline, seeds=(0,)) for recipe in BASELINES),
    *_on_films(FRAMES, LSTM, CONV_LSTM),
    *_on_target(DETACHED, ATTACHED),
    *_on_films(STILLS),
    *_on_target(STILLS_REAL),
    *_looks(VIDEO),
    *_on_films(*OTHER_ENCODERS, seeds=(0,)),
    *_on_target(*DETECTED, seeds=(0,)),
    *_looks(
        DerivedRecipe(effort=TWO_CORES, name="seqhand-shuffled", of=CONV_LSTM, look="shuffled"),
        DerivedRecipe(effort=TWO_CORES, name="seqhand-held", of=FRAMES, look="held"),
        DerivedRecipe(effort=TWO_CORES, name="seqhand-forgetful", of=CONV_LSTM, look="forgetful"),
        DerivedRecipe(effort=TWO_CORES, name="seqhand-detached-forgetful", of=DETACHED, look="forgetful"),
        DerivedRecipe(effort=TWO_CORES, name="seqhand-attached-forgetful", of=ATTACHED, look="forgetful"),
        DerivedRecipe(effort=TWO_CORES, name="seqhand-detached-held", of=DETACHED, look="held"),
        DerivedRecipe(effort=TWO_CORES, name="seqhand-detached-pieces", of=DETACHED, look="pieces"),
        DerivedRecipe(effort=TWO_CORES, name="seqhand-attached-pieces", of=ATTACHED, look="pieces"),
    ),
    Experiment(recipe=DataRecipe(effort=TWO_CORES), work=measure_generation, seeds=(0,)),
    *(Experiment(recipe=recipe, work=score_stereo) for recipe in ON_STEREO),
    Experiment(recipe=StereoRecipe(effort=TWO_CORES, name="seqhand-mean-hand@stereo"), work=score_stereo, seeds=(0,)),
)
