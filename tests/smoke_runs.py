"""Looking into smoke runs, for the tests of the chapters' recipes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image

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


def put_a_photograph(folder: Path) -> None:
    """Leave something to stand behind hands where ``HANDLIB_DATA`` names the folder: a picture of noise."""
    (folder / "backgrounds").mkdir()
    Image.effect_noise((90, 70), 60).convert("RGB").save(folder / "backgrounds" / "noise.png")
