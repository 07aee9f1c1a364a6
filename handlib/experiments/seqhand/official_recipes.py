"""SeqHAND's rows on real pictures, as recipes: FreiHAND and STB to learn from, three sets of videos to be scored on."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from handlib.data.official_index import split_index
from handlib.errors import BadInputError
from handlib.experiments.official_run import OfficialRecipe, on_bad
from handlib.experiments.seqhand.effort import PAPER_EFFORT, Effort
from handlib.experiments.seqhand.recipes import FilmRecipe, SeqHandRecipe
from handlib.reproduce.digest import digest_json

LEARNT_FROM = {"freihand": "training", "stb": "train"}
"""The real pictures of the paper's fine-tuning, and their training splits."""

TIPS_COLUMNS = {
    "auc_ed": "centroid_tip_auc_20_50mm",
    "error_ed": "centroid_tip_error",
    "auc_do": "centroid_tip_auc_20_50mm",
    "error_do": "centroid_tip_error",
}
"""Of EgoDexter and Dexter+Object only fingertips are labelled. Weak perspective gives no distance, so that the tips'
common translation has to be forgiven; the paper does not say what it forgives."""

STB_COLUMNS = {"auc_stb": "root_auc_j_20_50mm_linspace", "error_stb": "root_mpjpe"}
DETAIL = {"": "as it learnt from films", "attached": "all learns on", "detached": "all but the memory learns on"}


@dataclass(frozen=True, kw_only=True)
class OfficialFilmRecipe(SeqHandRecipe, OfficialRecipe):
    """A row of Table 3 on an official set: networks of the paper's size, which learn from generated films first.

    Attributes:
        of: the training on generated films, or on their frames.
        finetuning: a key of :data:`DETAIL`.
        learn_from: the sets that are fine-tuned on, by their labels; each needs its folder.
        enlarge: side of the crops in longer sides of the box around the labelled joints; 2.2 in the paper, around what
            its hand detector finds.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    test_split: str = "test"
    of: FilmRecipe
    finetuning: str = ""
    learn_from: tuple[str, ...] = ()
    enlarge: float = 2.2
    effort: Effort = PAPER_EFFORT

    def __post_init__(self) -> None:
        """Refuse sets to learn from without a way to learn, and the other way round."""
        if self.finetuning not in DETAIL or bool(self.finetuning) != bool(self.learn_from):
            raise BadInputError(
                f"finetuning {self.finetuning!r}, learn_from {self.learn_from}: expected one of {', '.join(DETAIL)!r}, "
                "and sets to learn from where it is not empty"
            )

    def data_digest(self) -> str:
        """Digest of the labels of all sets that it reads; errors as the readers'."""
        indices = [split_index(name, LEARNT_FROM[name], on_bad=on_bad()).digest for name in self.learn_from]
        return digest_json([super().data_digest(), *indices])


@dataclass(frozen=True, kw_only=True)
class OfficialDataRecipe(SeqHandRecipe, OfficialRecipe):
    """Films that walk on the poses of BigHand2.2M, the paper's database, and how its three walks fare there."""

    columns: Mapping[str, str] = field(default_factory=dict)
    test_split: str = "all"


def on_official(
    row: SeqHandRecipe, of: FilmRecipe, data: str, dataset: str, finetuning: str = ""
) -> OfficialFilmRecipe:
    """A row of the open benchmark on an official set.

    Args:
        row: whose name it takes.
        of: its training on generated films.
        data, dataset: the set, as handlib and as the paper names it.
        finetuning: a key of :data:`DETAIL`.
    """
    return OfficialFilmRecipe(
        name=f"{row.name}@{data}",
        data=data,
        dataset=dataset,
        columns=STB_COLUMNS if data == "stb" else TIPS_COLUMNS,
        of=replace(of, name=f"{of.name}-films@{data}", effort=PAPER_EFFORT),
        finetuning=finetuning,
        learn_from=tuple(LEARNT_FROM) if finetuning else (),
    )
