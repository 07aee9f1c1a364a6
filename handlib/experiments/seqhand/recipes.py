"""The rows of the chapter's tables as recipes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from handlib.errors import BadInputError
from handlib.experiments.seqhand.effort import Effort, StartEffort
from handlib.models.film_stand_ins import STAND_INS
from handlib.models.seqhand import SeqHandConfig
from handlib.reproduce.recipe import Recipe

CHAPTER = "seqhand"
FILMS = "generated films, test split"
TARGET_COLUMNS = {
    "auc_ed": "auc_target_films",
    "error_ed": "error_target_films",
    "auc_do": "auc_covered_films",
    "error_do": "error_covered_films",
    "auc_stb": "auc_target_stills",
    "error_stb": "error_target_stills",
}
"""What stands in the columns of Tables 3 and 4, for which we have no pictures.

EgoDexter, whose camera and background move: films of the target domain. Dexter+Object, hands behind things: the same
films, in which something covers half of the hand in six frames of ten. STB, the only one inside the training domain:
test stills, each a film of one frame.
"""

Supervision = Literal["labels", "detected"]


@dataclass(frozen=True, kw_only=True)
class SeqHandRecipe(Recipe):
    """Anything of this chapter.

    Attributes:
        effort: sizes in the profile ``full``; the others have their own.
    """

    chapter: str = CHAPTER
    dataset: str = FILMS
    columns: Mapping[str, str] = field(default_factory=lambda: {**TARGET_COLUMNS, "parameters": "true_parameters"})
    effort: Effort = Effort()


@dataclass(frozen=True, kw_only=True)
class DataRecipe(SeqHandRecipe):
    """What is generated, how fast, and how the three walks through a pose database differ."""

    name: str = "seqhand-data"


@dataclass(frozen=True, kw_only=True)
class StartRecipe(Recipe):
    """The encoder that all rows share: a frame-by-frame network that learns from single frames of the films, once.

    Attributes:
        effort: as of all.
    """

    chapter: str = CHAPTER
    dataset: str = FILMS

    name: str = "seqhand-encoder-start"
    columns: Mapping[str, str] = field(default_factory=dict)
    effort: StartEffort = StartEffort()


@dataclass(frozen=True, kw_only=True)
class FilmRecipe(SeqHandRecipe):
    """A network that learns from generated films, of which all is known (Eq. 14).

    Attributes:
        encoder: of Table 2: "resnet50", "resnet101", "i3d" or "mfnet"; which network that is, is the effort's choice.
        memory: "none", "lstm" or "conv_lstm".
        as_stills: the same frames, but in no order: nothing is moving, and Eq. 12 has nothing to compare.
    """

    encoder: str = "resnet50"
    memory: str = "none"
    as_stills: bool = False


@dataclass(frozen=True, kw_only=True)
class FineTunedRecipe(SeqHandRecipe):
    """A network of ``of`` that goes on to stills of the target domain, each a film of one frame (Eq. 15).

    Attributes:
        of: what it learnt before.
        attached: whether the memory learns on; the paper's TrainC leaves it alone.
        supervision: "labels": 2D and 3D joints and masks of the target, as the paper has of real hands; "detected": the
            2D keypoints of a detector, weighted with its confidences, and nothing else.
    """

    of: FilmRecipe
    attached: bool = True
    supervision: str = "labels"
    dataset: str = "open target domain, test films and stills"


@dataclass(frozen=True, kw_only=True)
class BaselineRecipe(SeqHandRecipe):
    """What a trained network has to beat.

    Attributes:
        method: "mean": one hand for every frame, the mean of the generated films' training hands; "constant": the
            first of them; "untrained": a network before its first step.
    """

    method: str


@dataclass(frozen=True, kw_only=True)
class DerivedRecipe(SeqHandRecipe):
    """Another look at a trained network.

    Attributes:
        of: the row.
        look: "again": as it is; "shuffled": its answers to other films; "held": its answer to each film's first frame,
            repeated; "forgetful": its memory emptied before every frame; "pieces": emptied after as many frames as the
            films had that it learnt from.
    """

    of: FilmRecipe | FineTunedRecipe
    look: str = "again"


def config_of(recipe: FilmRecipe, effort: Effort) -> SeqHandConfig:
    """The network of a row.

    Raises:
        BadInputError: no row of Table 2 has that encoder.
    """
    if recipe.encoder not in STAND_INS:
        raise BadInputError(f"encoder {recipe.encoder!r}: expected one of {', '.join(STAND_INS)}")
    encoder = STAND_INS[recipe.encoder] if effort.stand_ins else recipe.encoder
    return SeqHandConfig(encoder=encoder, memory=recipe.memory, hidden=effort.hidden)


def film_recipe_of(recipe: FilmRecipe | FineTunedRecipe) -> FilmRecipe:
    """The training on generated films that a row is, or begins with."""
    return recipe.of if isinstance(recipe, FineTunedRecipe) else recipe


def check_supervision(supervision: str) -> None:
    """Raise ``BadInputError`` for a supervision that is none of :data:`Supervision`."""
    if supervision not in get_args(Supervision):
        raise BadInputError(f"supervision {supervision!r}: expected one of {get_args(Supervision)}")
