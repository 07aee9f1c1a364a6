"""The runs on official data sets that chapters register, and the folder that they read: see the convention in
:mod:`handlib.experiments.official_run`.
"""

import contextlib
import importlib
import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from handlib.data.official import root_folder, root_variable
from handlib.data.official_sets import OFFICIAL_SETS, official_set
from handlib.errors import BadInputError
from handlib.experiments.official_run import SKIP_BAD_VARIABLE, OfficialRecipe
from handlib.reproduce.experiment import PACKAGE, Experiment, chapters


def official_chapters(data: str | None = None) -> dict[str, tuple[Experiment, ...]]:
    """The chapters with runs on official data, by name, with these.

    Args:
        data: one data set, whose runs alone are given; all by default.

    Raises:
        BadInputError: there is no data set of that name, or a chapter registers what is no such run.
    """
    name = None if data is None else official_set(data).name
    found = {chapter: _registered(chapter, name) for chapter in chapters()}
    return {chapter: experiments for chapter, experiments in found.items() if experiments}


def official_experiments(chapter: str, data: str) -> tuple[Experiment, ...]:
    """The runs of a chapter on a data set.

    Raises:
        BadInputError: there is no such data set, no such chapter, or the chapter has no run on it; the message says
            what it has, and who uses the data set.
    """
    name, known = official_set(data).name, official_chapters()
    if chapter not in chapters():
        raise BadInputError(f"{chapter!r} has no recipes to run: choose one of {', '.join(known)}")
    own = _registered(chapter, name)
    if own:
        return own
    others = ", ".join(official_chapters(name)) or "no chapter"
    its = sorted({experiment.recipe.data for experiment in known.get(chapter, ())}, key=list(OFFICIAL_SETS).index)
    has = f"it has runs on {', '.join(its)}" if its else "it has none on official data"
    raise BadInputError(f"chapter {chapter} has no runs on {name}: {has}; {name} is used by {others}")


@contextlib.contextmanager
def official_place(data: str, root: Path | None, skip_bad: bool = False) -> Iterator[Path]:
    """Name a data set's folder, and what to do about damaged samples, for everything inside the block.

    Both are said in environment variables, so that processes that are started inside know them too.

    Args:
        data: the set.
        root: its folder; None for the one that HANDLIB_<NAME> names already.
        skip_bad: leave damaged samples out.

    Raises:
        BadInputError: there is no such data set.
        MissingFileError: no folder is known, or it is not there.
    """
    name = official_set(data).name
    folder = root_folder(name, root).resolve()
    names = {root_variable(name): str(folder), SKIP_BAD_VARIABLE: "1" if skip_bad else "0"}
    before = {variable: os.environ.get(variable) for variable in names}
    os.environ.update(names)
    try:
        yield folder
    finally:
        for variable, value in before.items():
            if value is None:
                del os.environ[variable]
            else:
                os.environ[variable] = value


def _registered(chapter: str, data: str | None) -> tuple[Experiment, ...]:
    module = f"{PACKAGE}.{chapter}.official"
    package = importlib.import_module(f"{PACKAGE}.{chapter}")
    if not hasattr(package, "__path__") or find_spec(module) is None:
        return ()
    experiments = importlib.import_module(module).OFFICIAL
    for experiment in experiments:
        recipe = experiment.recipe
        if not isinstance(recipe, OfficialRecipe) or not recipe.name.endswith(f"@{recipe.data}"):
            raise BadInputError(
                f"{module}: {recipe.name} is no run on official data: expected an OfficialRecipe named ROW@DATA"
            )
        if recipe.chapter != chapter:
            raise BadInputError(f"{module}: {recipe.name} is of chapter {recipe.chapter!r}; expected {chapter!r}")
    return tuple(experiment for experiment in experiments if data in (None, experiment.recipe.data))
