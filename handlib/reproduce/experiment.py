"""Experiments: the recipes that a chapter registers, each with its work, so that they can be run in batch.

A chapter's module ``handlib/experiments/<chapter>.py`` (or the ``__init__.py`` of a package of that name) has a tuple
``EXPERIMENTS``.
"""

import importlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType

import handlib
from handlib.errors import BadInputError
from handlib.reproduce.identity import Recipe, RunIdentity, identify
from handlib.reproduce.profiles import Profile, read_profile
from handlib.reproduce.recipe import RunContext, run
from handlib.reproduce.results import Outcome, Result

PACKAGE = "handlib.experiments"


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """A recipe with what does it.

    Attributes:
        recipe: what is done.
        work: does it: a function of a module, as all that tells one run from another is a field of the recipe.
        seeds: of the profile ``full``; the others run the first of them.
        device: where the work has to be done, if it can be done in one place only: "cpu".

    Raises:
        BadInputError: the work is no function of a module, or there are no seeds.
    """

    recipe: Recipe
    work: Callable[[RunContext], Outcome]
    seeds: tuple[int, ...] = (0, 1, 2)
    device: str | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.work, FunctionType) or "<" in self.work.__qualname__:
            raise BadInputError(
                f"experiment {self.recipe.name}: its work is {self.work!r}, expected a function defined in a module: "
                "what a partial or a lambda would hold belongs in a field of the recipe"
            )
        if not self.seeds:
            raise BadInputError(f"experiment {self.recipe.name}: no seeds; give at least one")

    def seeds_for(self, profile: str) -> tuple[int, ...]:
        """The seeds that a profile asks for."""
        return self.seeds if read_profile(profile) is Profile.FULL else self.seeds[:1]

    def identify(self, profile: str, seed: int) -> RunIdentity:
        """What determines the result of one of its runs."""
        return identify(self.recipe, profile, seed, self.work)

    def run(self, profile: str, seed: int, *, needs: Iterable[str] = (), force: bool | None = None) -> Result:
        """The result: stored, resumed or computed, as :func:`handlib.reproduce.recipe.run` has it."""
        return run(self.recipe, profile, seed, self.work, needs=needs, force=force, device=self.device)


def chapters() -> list[str]:
    """The chapters that register experiments, by name."""
    return [name for name in _modules() if _registered(name) is not None]


def experiments_of(chapter: str) -> tuple[Experiment, ...]:
    """The experiments of a chapter.

    Raises:
        BadInputError: there is no such chapter, two of its recipes have one name, or one names another chapter.
    """
    experiments = _registered(chapter) if chapter in _modules() else None
    if experiments is None:
        raise BadInputError(f"{chapter!r} has no recipes to run: choose one of {', '.join(chapters())}")
    names = [experiment.recipe.name for experiment in experiments]
    for experiment in experiments:
        recipe = experiment.recipe
        if names.count(recipe.name) > 1:
            raise BadInputError(f"{PACKAGE}.{chapter}: two experiments are named {recipe.name!r}; rename one")
        if recipe.chapter != chapter:
            raise BadInputError(
                f"{PACKAGE}.{chapter}: {recipe.name} is of chapter {recipe.chapter!r}; expected {chapter!r}"
            )
    return experiments


def _modules() -> list[str]:
    """The modules and packages that may belong to a chapter, without importing them."""
    folder = Path(handlib.__file__).parent / "experiments"
    places = [*folder.glob("[!_]*.py"), *(path.parent for path in folder.glob("*/__init__.py"))]
    return sorted(path.stem for path in places)


def _registered(name: str) -> tuple[Experiment, ...] | None:
    return getattr(importlib.import_module(f"{PACKAGE}.{name}"), "EXPERIMENTS", None)
