"""S2HAND(V) on the open benchmark's films: every row of its tables, by the names of the published ones.

``handlib run s2hand_v --profile full`` does them one after another and goes on where it was stopped. All rows begin
with the released network and differ in the terms that look at several frames, and in which frames these are. The
published tables' row "S2HAND" is the same training without such a term, so that a row is not better merely because it
was trained for longer.
"""

from dataclasses import replace

from handlib.experiments.s2hand_v.baselines import score_afterwards, score_baseline
from handlib.experiments.s2hand_v.detections import detect_in_films
from handlib.experiments.s2hand_v.longer import DETECTOR, train_longer
from handlib.experiments.s2hand_v.longer import longer as trained_longer
from handlib.experiments.s2hand_v.real_films import score_real_film
from handlib.experiments.s2hand_v.real_recipe import RealFilmRecipe
from handlib.experiments.s2hand_v.recipes import (
    CHAPTER,
    AfterwardsRecipe,
    BaselineRecipe,
    DetectionsRecipe,
    VideoRecipe,
)
from handlib.experiments.s2hand_v.stereo_detector import score_stereo_detector
from handlib.experiments.s2hand_v.training import train_and_score
from handlib.experiments.s2hand_v.trembling import score_trembling, take_apart
from handlib.experiments.s2hand_v.without_hands import train_without_hands, without_hands
from handlib.reproduce.experiment import Experiment

__all__ = ["CHAPTER", "EXPERIMENTS", "FULL", "FULL_SEEDS", "MAIN"]

FULL_SEEDS = (0, 1, 2)
RELEASED = VideoRecipe(name="s2hand-v-released", steps=0.0)
# 300 steps of 24 frames.
S2HAND = VideoRecipe(name="s2hand-ho3d-full", steps=0.6)
TEMPORAL = replace(S2HAND, name="s2hand-v-temporal", motion="temporal")
SMOOTH = replace(S2HAND, name="s2hand-v-smooth", motion="smooth")
QUATERNION = replace(S2HAND, name="s2hand-v-quaternion", motion="quaternion")
TS = replace(S2HAND, name="s2hand-v-ts", texture_shape=True)
FULL = replace(QUATERNION, name="s2hand-v-quaternion-ts", texture_shape=True)
MAIN = (S2HAND, QUATERNION, TEMPORAL, SMOOTH, FULL, TS)
LONGER = tuple(trained_longer(row) for row in (S2HAND, QUATERNION, FULL, TEMPORAL, SMOOTH))
TABLE_7 = tuple(
    replace(QUATERNION, name=f"s2hand-v-quaternion-i{interval}-n{frames}", interval=interval, frames=frames)
    for interval, frames in ((1, 3), (6, 3), (3, 6))
)
# The fourth row of Table 7 is that of Table 4 again.
MEDIUM = AfterwardsRecipe(name="s2hand-v-quaternion-i3-n3", of=QUATERNION, method="same")
STRENGTHS = tuple(
    replace(row, name=f"{row.name}-x{factor}", motion_factor=float(factor))
    for row in (QUATERNION, TEMPORAL)
    for factor in (4, 16)
)
"""Stronger motion terms than the paper's, for the plot of smooth against right."""

ORTHO = replace(S2HAND, name="s2hand-ho3d-ortho", camera="weak_perspective")
ORTHO_QUATERNION = replace(QUATERNION, name="s2hand-v-ortho-quaternion", camera="weak_perspective")
WILD = replace(ORTHO_QUATERNION, name="s2hand-v-ortho-quaternion-wild", extra=True)


def _trained(*recipes: VideoRecipe, seeds: tuple[int, ...] = FULL_SEEDS) -> tuple[Experiment, ...]:
    return tuple(Experiment(recipe=recipe, work=train_and_score, seeds=seeds) for recipe in recipes)


def _real(film: str) -> tuple[Experiment, ...]:
    """A real film's rows."""
    dataset = {"stereo": "real stereo film", "signing": "real film of a signer"}[film]
    name = f"s2hand-v-{film}"
    rows = [
        RealFilmRecipe(name=f"{name}-s2hand", film=film, dataset=dataset, of=S2HAND),
        RealFilmRecipe(name=f"{name}-quaternion-ts", film=film, dataset=dataset, of=FULL),
        RealFilmRecipe(name=f"{name}-released", film=film, dataset=dataset, of=RELEASED),
        RealFilmRecipe(name=f"{name}-one-euro", film=film, dataset=dataset, of=S2HAND, method="one-euro"),
        RealFilmRecipe(name=f"{name}-lifted", film=film, dataset=dataset, of=RELEASED, method="lifted"),
        RealFilmRecipe(name=f"{name}-fit", film=film, dataset=dataset, method="fit"),
        RealFilmRecipe(name=f"{name}-detector", film=film, dataset=dataset, method="detector"),
    ]
    trained = (S2HAND, FULL)
    # The stereo film's labels bring no 3D guess of a detector: it is asked for one.
    asked = score_stereo_detector if film == "stereo" else score_real_film
    return tuple(
        Experiment(
            recipe=row,
            work=asked if row.method == "detector" else score_real_film,
            seeds=FULL_SEEDS if row.of in trained else (0,),
        )
        for row in rows
    )


# In the order of their importance to the page, so that whoever runs out of time has Tables 4 and 5 first.
EXPERIMENTS: tuple[Experiment, ...] = (
    Experiment(recipe=DetectionsRecipe(), work=detect_in_films, seeds=(0,)),
    *_trained(RELEASED, seeds=(0,)),
    *_trained(*MAIN),
    Experiment(recipe=BaselineRecipe(name="s2hand-v-mean-hand", method="mean"), work=score_baseline, seeds=(0,)),
    Experiment(recipe=BaselineRecipe(name="s2hand-v-fit-detected", method="fit"), work=score_baseline, seeds=(0,)),
    Experiment(recipe=AfterwardsRecipe(name="s2hand-v-one-euro", of=S2HAND, method="one-euro"), work=score_afterwards),
    Experiment(
        recipe=AfterwardsRecipe(name="s2hand-v-first-frame", of=S2HAND, method="first-frame"), work=score_afterwards
    ),
    Experiment(
        recipe=AfterwardsRecipe(name="s2hand-v-shuffled", of=S2HAND, method="shuffled"),
        work=score_afterwards,
        seeds=(0,),
    ),
    Experiment(recipe=MEDIUM, work=score_afterwards),
    Experiment(recipe=DETECTOR, work=detect_in_films, seeds=(0,)),
    *(Experiment(recipe=row, work=train_longer, seeds=FULL_SEEDS) for row in LONGER),
    *(Experiment(recipe=take_apart(row), work=score_trembling, seeds=FULL_SEEDS) for row in MAIN),
    *(Experiment(recipe=take_apart(row), work=score_trembling, seeds=(0,)) for row in LONGER[:3]),
    *_trained(*TABLE_7, *STRENGTHS, ORTHO, ORTHO_QUATERNION, WILD, seeds=(0,)),
    *(
        Experiment(recipe=without_hands(row), work=train_without_hands, seeds=(0,))
        for row in (S2HAND, QUATERNION, STRENGTHS[0])
    ),
    *_real("stereo"),
    *_real("signing"),
)
