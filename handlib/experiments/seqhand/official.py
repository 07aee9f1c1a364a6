"""SeqHAND on official data: Tables 3 and 4, Figures 6 to 8, and the paper's pose database.

``handlib run seqhand --data ego_dexter --root DIR --profile full``, ``--data dexter_object`` and ``--data stb``. The
fine-tuned rows learn from FreiHAND and STB, whose folders HANDLIB_FREIHAND and HANDLIB_STB name. ``--data bighand``
walks on the poses of BigHand2.2M. One seed, as in the paper; ``--seed 1`` gives more.
"""

from handlib.experiments.seqhand import ATTACHED, CONV_LSTM, DETACHED, STILLS, STILLS_REAL, VIDEO
from handlib.experiments.seqhand.official_recipes import OfficialDataRecipe, OfficialFilmRecipe, on_official
from handlib.experiments.seqhand.official_training import train_official, walk_on_bighand
from handlib.reproduce.experiment import Experiment


def rows_on(data: str, dataset: str) -> tuple[OfficialFilmRecipe, ...]:
    """The rows of Table 3 on one of its data sets."""
    return (
        on_official(STILLS, STILLS, data, dataset),
        on_official(VIDEO, CONV_LSTM, data, dataset),
        on_official(STILLS_REAL, STILLS, data, dataset, "attached"),
        on_official(ATTACHED, CONV_LSTM, data, dataset, "attached"),
        on_official(DETACHED, CONV_LSTM, data, dataset, "detached"),
    )


_SETS = {"ego_dexter": "EgoDexter", "dexter_object": "Dexter+Object", "stb": "STB"}
_BIGHAND = OfficialDataRecipe(name="seqhand-data@bighand", data="bighand", dataset="BigHand2.2M")

OFFICIAL: tuple[Experiment, ...] = (
    *(
        Experiment(recipe=recipe, work=train_official, seeds=(0,))
        for data, dataset in _SETS.items()
        for recipe in rows_on(data, dataset)
    ),
    Experiment(recipe=_BIGHAND, work=walk_on_bighand, seeds=(0,)),
)
