"""S2HAND(V) on HO-3D: the rows of its tables as recipes."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from handlib.experiments.official_run import OfficialRecipe
from handlib.experiments.s2hand.effort import Effort
from handlib.experiments.s2hand.official_recipes import PAPER_EFFORT, OfficialS2HandRecipe
from handlib.experiments.s2hand_v.recipes import CHAPTER, VideoRecipe

MOTION_COLUMNS = {"shape_sd": "test_shape_sd", "texture_sd": "test_texture_sd"}


@dataclass(frozen=True, kw_only=True)
class OfficialVideoRecipe(OfficialS2HandRecipe):
    """A training on HO-3D's sequences, all of the network, after the first stage of S2HAND's own row.

    Attributes:
        of: S2HAND's row on the same data, whose first stage is shared.
        row: the row of the open benchmark: its terms, frames, interval and camera.
    """

    chapter: str = CHAPTER
    of: OfficialS2HandRecipe
    row: VideoRecipe


@dataclass(frozen=True, kw_only=True)
class OfficialMotionRecipe(OfficialRecipe):
    """How smooth the answers of S2HAND's own row, ``of``, are; its errors are in the chapter of S2HAND."""

    chapter: str = CHAPTER
    columns: Mapping[str, str] = field(default_factory=lambda: dict(MOTION_COLUMNS))
    of: OfficialS2HandRecipe

    @property
    def effort(self) -> Effort:
        """The sizes of the row that is looked at."""
        return self.of.effort


def on_official(row: VideoRecipe, of: OfficialS2HandRecipe) -> OfficialVideoRecipe:
    """A row of the open benchmark on an official set.

    Args:
        row: whose name and terms it takes.
        of: S2HAND's row on that set.
    """
    names = ("data", "dataset", "train_split", "test_split")
    return OfficialVideoRecipe(
        name=f"{row.name}@{of.data}",
        **{name: getattr(of, name) for name in names},
        columns={**of.columns, **MOTION_COLUMNS},
        branches="3d",
        photometric=True,
        effort=PAPER_EFFORT,
        of=of,
        row=replace(row, name="row", steps=1.0),
    )


def motion_of(of: OfficialS2HandRecipe) -> OfficialMotionRecipe:
    """How smooth S2HAND's own row on an official set is."""
    names = ("name", "data", "dataset", "train_split", "test_split")
    return OfficialMotionRecipe(**{name: getattr(of, name) for name in names}, of=of)
