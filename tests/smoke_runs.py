"""Looking into smoke runs, for the tests of the chapters' recipes."""

from collections.abc import Callable
from typing import Any

from handlib.reproduce.recipe import Recipe, RunContext, run
from handlib.reproduce.results import Outcome


def within(recipe: Recipe, work: Callable[[RunContext], Any], seed: int = 0) -> Any:
    """Do something inside a smoke run of a recipe, and give what it gives."""
    found = []

    def look(context: RunContext) -> Outcome:
        found.append(work(context))
        return Outcome(not_obtained="looked at only")

    run(recipe, "smoke", seed, look, force=True, device="cpu")
    return found[0]
