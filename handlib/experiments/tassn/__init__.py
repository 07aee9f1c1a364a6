"""TASSN on films of the open target domain: the rows of Table 1, what they begin with, and what they have to beat.

``handlib run tassn --profile full`` does them one after another and goes on where it was stopped. All rows share the
detected keypoints and silhouettes, and the first stage (``tassn-source``): heatmaps on films of both domains, the mesh
on the labelled source. The rows of a seed share its second stage, single frames of the target (``tassn-before-video``).
"""

from handlib.experiments.tassn.baselines import score_baseline, score_derived
from handlib.experiments.tassn.flow import train_flow
from handlib.experiments.tassn.recipes import (
    CHAPTER,
    CONSISTENCY_ALONE,
    FLOW,
    FULL,
    IN_DECIMETRES,
    IN_MILLIMETRES,
    LABELS,
    NETWORK_FLOW,
    NO_CONSISTENCY,
    NO_SILHOUETTE,
    POSE_CONSISTENCY,
    PRETRAIN,
    STILLS,
    TABLE_1,
    BaselineRecipe,
    DerivedRecipe,
    StereoRecipe,
    TassnRecipe,
)
from handlib.experiments.tassn.stereo import score_stereo
from handlib.experiments.tassn.supervision import find_supervision
from handlib.experiments.tassn.training import pretrain, train_on_stills, train_on_video
from handlib.reproduce.experiment import Experiment

__all__ = ["CHAPTER", "EXPERIMENTS", "FULL", "FULL_SEEDS", "TABLE_1"]

FULL_SEEDS = (0, 1, 2)
_STEREO = (("no-consistency", NO_CONSISTENCY), ("source", PRETRAIN), ("before-video", STILLS), ("full", FULL))


def _on_video(*recipes: TassnRecipe, seeds: tuple[int, ...] = FULL_SEEDS) -> tuple[Experiment, ...]:
    return tuple(Experiment(recipe=recipe, work=train_on_video, seeds=seeds) for recipe in recipes)


# In the order of their importance to the page, so that whoever runs out of time has Table 1.
EXPERIMENTS: tuple[Experiment, ...] = (
    Experiment(recipe=LABELS, work=find_supervision, seeds=(0,)),
    *(
        Experiment(recipe=BaselineRecipe(name=f"tassn-{name}", method=method), work=score_baseline, seeds=(0,))
        for name, method in (("constant", "constant"), ("mean-hand", "mean"), ("untrained", "untrained"))
    ),
    Experiment(recipe=PRETRAIN, work=pretrain, seeds=(0,)),
    Experiment(recipe=STILLS, work=train_on_stills, seeds=FULL_SEEDS),
    *_on_video(FULL, NO_CONSISTENCY, POSE_CONSISTENCY),
    *(
        Experiment(recipe=DerivedRecipe(name=f"tassn-{look}", of=FULL, look=look), work=score_derived)
        for look in ("shuffled", "single")
    ),
    *_on_video(NO_SILHOUETTE, CONSISTENCY_ALONE, seeds=(0,)),
    Experiment(recipe=FLOW, work=train_flow, seeds=(0,)),
    Experiment(recipe=BaselineRecipe(name="tassn-fit-detected", method="fit"), work=score_baseline, seeds=(0,)),
    *(Experiment(recipe=StereoRecipe(name=f"tassn-{name}@stereo", of=of), work=score_stereo) for name, of in _STEREO),
    Experiment(recipe=StereoRecipe(name="tassn-mean-hand@stereo"), work=score_stereo, seeds=(0,)),
    *_on_video(IN_DECIMETRES, IN_MILLIMETRES, NETWORK_FLOW, seeds=(0,)),
)
