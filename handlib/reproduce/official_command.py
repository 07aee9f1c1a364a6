"""What ``handlib run`` and ``handlib reproduce`` share about official data sets: their options, and what is said."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated

import typer
from tqdm import tqdm

from handlib.data.official import root_folder
from handlib.data.official_index import split_index
from handlib.data.official_sets import official_set, open_official
from handlib.data.prepare import prepare_split
from handlib.errors import BadInputError
from handlib.experiments.official_run import OfficialRecipe, on_bad

Data = Annotated[
    str | None, typer.Option("--data", metavar="NAME", help="Run on this official data set (handlib data list).")
]
Root = Annotated[Path | None, typer.Option(metavar="DIR", help="Its folder; else HANDLIB_<NAME> names it.")]
SkipBad = Annotated[bool, typer.Option("--skip-bad", help="Leave its damaged samples out, and report them.")]


def check_data_options(data: str | None, root: Path | None, skip_bad: bool) -> None:
    """Refuse options that mean nothing without ``--data``.

    Raises:
        BadInputError: ``--root`` or ``--skip-bad`` without it, or no data set has that name.
    """
    if data is not None:
        official_set(data)
    elif root is not None or skip_bad:
        raise BadInputError("--root and --skip-bad need --data NAME: which official data set they are about")


def say_what_is_there(recipes: Sequence[OfficialRecipe], skip_bad: bool) -> bool:
    """Say how much of the data set the folder holds and what is left out, before anything is run.

    With ``skip_bad`` every picture is read once, unless that was done before (``handlib data prepare``).

    Args:
        recipes: of the runs to come, all on one data set, whose folder HANDLIB_<NAME> names.
        skip_bad: leave damaged samples out.

    Returns:
        whether the runs may stand beside published numbers.

    Raises:
        BadInputError, MissingFileError: the folder cannot be read, or has damaged labels.
    """
    name = recipes[0].data
    for split in dict.fromkeys(split for recipe in recipes for split in recipe.splits):
        if skip_bad:
            _look_through(name, split)
        index = split_index(name, split, on_bad=on_bad())
        typer.echo(f"{name} {split}: {index.samples:,} samples, {len(index.left_out)} left out", err=True)
        for left_out, why in index.left_out.items():
            typer.echo(f"    left out {left_out}: {why}", err=True)
    lacks = [text for text in dict.fromkeys(recipe.shortfall() for recipe in recipes) if text]
    for text in lacks:
        typer.echo(
            f"This is not the published {name} ({text}): results go to the cache, and never beside published numbers.",
            err=True,
        )
    return not lacks


def _look_through(name: str, split: str) -> None:
    root = root_folder(name, None)
    if open_official(name, root, split, on_bad="skip").was_looked_through:
        return

    def progress(indices: Iterable[int], title: str) -> Iterable[int]:
        return tqdm(indices, desc=f"reading {title}", unit="picture")

    prepare_split(official_set(name), root, split, skip_bad=True, progress=progress)
