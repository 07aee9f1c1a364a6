"""TASSN on STB and MHP: the rows of its table as recipes, and the stages that they share."""

from dataclasses import dataclass, replace

from handlib.experiments.official_run import OfficialRecipe
from handlib.experiments.tassn.effort import Effort
from handlib.experiments.tassn.recipes import PRETRAIN, STILLS, TassnRecipe

PAPER_EFFORT = Effort(
    image_px=256,
    drawn_px=256,
    source_films=10_000,
    interval=1,
    guided=False,
    channels=256,
    depth=4,
    num_modules=2,
    pretrain_steps=30_000,
    still_steps=6_000,
    video_steps=12_000,
    still_rate=1e-5,
    video_rate=1e-5,
)
"""Sizes and rate of the paper; how long it trained is not printed. A day on one GPU."""


@dataclass(frozen=True, kw_only=True)
class OfficialTassnRecipe(TassnRecipe, OfficialRecipe):
    """A stage of TASSN on an official data set: 1, 2 or 3, of which the third is a row of Table 1.

    2D keypoints are the data set's labels, as in the paper; silhouettes are cut by GrabCut with their help. The mesh
    estimator begins with the rendered source, where the paper takes weights that had seen 3D labels of STB.

    Attributes:
        test_videos: videos to be scored on, by the beginning of their names; the others are learnt from.
        stage: which stage this is.
        wrist: how the palm becomes a wrist, a key of :data:`handlib.data.palm_wrist.WRISTS`.
    """

    train_split: str = "all"
    test_split: str = "all"
    test_videos: tuple[str, ...]
    stage: int = 3
    wrist: str = "ring"
    keypoints: str = "true"
    effort: Effort = PAPER_EFFORT


def stage_before(recipe: OfficialTassnRecipe) -> OfficialTassnRecipe:
    """The stage that comes before the second or third; the rows of a data set share it."""
    plain = OfficialTassnRecipe(
        name=f"{(STILLS if recipe.stage == 3 else PRETRAIN).name}@{recipe.data}",
        data=recipe.data,
        dataset=recipe.dataset,
        test_videos=recipe.test_videos,
        wrist=recipe.wrist,
        effort=recipe.effort,
    )
    return replace(plain, stage=recipe.stage - 1)
