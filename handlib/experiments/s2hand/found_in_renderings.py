"""What a real detector finds in the very pictures that a network learns from, beside their free labels.

:mod:`~handlib.experiments.s2hand.pairs` draws pictures, asks the detector, and forgets the pictures: enough for a head
that is shown keypoints alone. A network that is shown both has to see what the detector saw.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import UInt8

from handlib.data.stills_cache import StillsName, read_pictures
from handlib.errors import MissingExtraError, MissingFileError
from handlib.experiments.stills import drawn
from handlib.keypoints import find_hands
from handlib.reproduce.profiles import by_profile
from handlib.reproduce.recipe import Recipe, RunContext
from handlib.reproduce.results import Metric, Outcome
from handlib.reproduce.state import write_state

CHAPTER = "s2hand"
FOUND = "found.safetensors"
_BLOCK = 100


@dataclass(frozen=True, kw_only=True)
class RenderingsRecipe(Recipe):
    """The detector's answers to rendered training pictures.

    Attributes:
        domain: "varied" or "varied-photographs", see :class:`~handlib.data.open_benchmark.OpenBenchmark`.
        stills: how many, in the profile ``full``; in others :attr:`smoke` and :attr:`laptop`.
        image_px: their side.
    """

    chapter: str = CHAPTER
    name: str = "s2hand-found-in-renderings"
    dataset: str = "rendered pictures of the source's hand"
    columns: Mapping[str, str] = field(default_factory=dict)
    domain: str = "varied"
    stills: int = 24_000
    smoke: int = 12
    laptop: int = 300
    image_px: int = 144


def renderings_of(context: RunContext, recipe: RenderingsRecipe) -> StillsName:
    """The pictures of a recipe at the run's profile."""
    count = by_profile(context.profile, smoke=recipe.smoke, laptop=recipe.laptop, full=recipe.stills)
    return StillsName(recipe.domain, "train", count, recipe.image_px)


def find_in_renderings(context: RunContext) -> Outcome:
    """The work of a :class:`RenderingsRecipe`: leaves which pictures have a right hand, and its keypoints (px)."""
    state = context.load_checkpoint() or {"done": 0, "blocks": []}
    try:
        pictures = read_pictures(drawn(renderings_of(context, context.recipe)))
        for start in context.progress(range(state["done"], len(pictures), _BLOCK), what="detecting"):
            state["done"] = min(start + _BLOCK, len(pictures))
            state["blocks"].append(_look(pictures.rgb, range(start, state["done"])))
            context.save_checkpoint(state, at_most_every=60.0)
    except (MissingExtraError, MissingFileError) as error:
        return Outcome(not_obtained=str(error))
    found = {name: np.concatenate([np.array(block[name]) for block in state["blocks"]]) for name in state["blocks"][0]}
    write_state(context.artifact_path(FOUND), found)
    context.samples_seen = len(pictures)
    kept = len(found["rows"])
    return Outcome({"kept": Metric(100 * kept / len(pictures), "%"), "hands": Metric(kept, "1")})


def _look(rgb: UInt8[np.ndarray, "stills height width 3"], rows: range) -> dict[str, np.ndarray]:
    """The right hands of some pictures: their rows, keypoints and confidences."""
    found = {row: find_hands(rgb[row], max_hands=1) for row in rows}
    kept = {row: hands[0] for row, hands in found.items() if hands and hands[0].side == "right"}
    return {
        "rows": np.array(list(kept), np.int64),
        "keypoints_px": np.array([hand.keypoints_px for hand in kept.values()], np.float32).reshape(-1, 21, 2),
        "confidence": np.array([hand.confidence for hand in kept.values()], np.float32).reshape(-1, 21),
    }
