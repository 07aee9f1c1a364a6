"""What a real detector makes of hands whose 3D is known for nothing: keypoints of rendered pictures, and the hands.

The lifting head has learnt from keypoints with mistakes that a formula draws, each joint by itself. A detector's are of
another kind: neighbouring joints are wrong together, and some are wrong in the same direction each time. Rendered
pictures of the source's hand tell which: the detector looks at them as it looks at photographs, and the 3D is there.
"""

from dataclasses import dataclass

import numpy as np
import torch

from handlib.data.open_benchmark import OpenBenchmark
from handlib.errors import MissingExtraError, MissingFileError
from handlib.keypoints import find_hands
from handlib.reproduce.profiles import by_profile
from handlib.reproduce.recipe import Recipe, RunContext
from handlib.reproduce.results import Metric, Outcome
from handlib.reproduce.state import write_state

CHAPTER = "s2hand"
PAIRS = "pairs.safetensors"
FIELDS = ("keypoints_px", "confidence", "joints_m", "joints_2d_px", "K")
_BLOCK = 50


@dataclass(frozen=True, kw_only=True)
class PairsRecipe(Recipe):
    """The detector's answers to rendered pictures of the open hand, with the hands.

    Attributes:
        domain: "varied" or "varied-photographs", see :class:`~handlib.data.open_benchmark.OpenBenchmark`.
        stills: how many pictures it is shown, in the profile ``full``.
        image_px: their side.
    """

    chapter: str = CHAPTER
    name: str = "s2hand-pairs-varied"
    dataset: str = "rendered pictures of the source's hand"
    domain: str = "varied"
    stills: int = 6000
    image_px: int = 224


def find_pairs(context: RunContext) -> Outcome:
    """The work of a :class:`PairsRecipe`: leaves the pairs of all pictures in which a right hand is found.

    The pictures themselves are not kept. Hands that the detector takes for left ones are left out, as
    :mod:`~handlib.experiments.s2hand.found` does.
    """
    recipe: PairsRecipe = context.recipe
    count = by_profile(context.profile, smoke=6, laptop=100, full=recipe.stills)
    state = context.load_checkpoint() or {"done": 0, "kept": {name: [] for name in FIELDS}}
    try:
        benchmark = OpenBenchmark(recipe.domain, size=count, image_px=recipe.image_px)
        for start in context.progress(range(state["done"], count, _BLOCK), what="drawing and detecting"):
            _add_pairs(state["kept"], benchmark, range(start, min(start + _BLOCK, count)))
            state["done"] = min(start + _BLOCK, count)
            context.save_checkpoint(state, at_most_every=60.0)
    except (MissingExtraError, MissingFileError) as error:
        return Outcome(not_obtained=str(error))
    kept = {name: np.concatenate(parts) if parts else np.zeros((0,)) for name, parts in state["kept"].items()}
    write_state(context.artifact_path(PAIRS), kept)
    context.samples_seen = count
    metrics = {"kept": Metric(100 * len(kept["K"]) / count, "%"), "hands": Metric(len(kept["K"]), "1")}
    if len(kept["K"]):
        error_px = np.linalg.norm(kept["keypoints_px"] - kept["joints_2d_px"], axis=-1) * 224 / recipe.image_px
        metrics |= {
            "mpjpe_2d": Metric(float(error_px.mean()), "px"),
            "median_2d": Metric(float(np.median(error_px)), "px"),
        }
    return Outcome(metrics)


def _add_pairs(kept: dict[str, list[np.ndarray]], benchmark: OpenBenchmark, indices: range) -> None:
    """Draw a block of pictures, look for hands, and keep those that are found."""
    batch = benchmark.render_batch(indices)
    found = [find_hands(picture, max_hands=1) for picture in batch.rgb.numpy()]
    rows = [row for row, hands in enumerate(found) if hands and hands[0].side == "right"]
    if not rows:
        return
    values = {
        "keypoints_px": np.stack([found[row][0].keypoints_px for row in rows]),
        "confidence": np.stack([found[row][0].confidence for row in rows]),
    }
    values |= {name: getattr(batch, name)[torch.tensor(rows)].numpy() for name in FIELDS[2:]}
    for name, array in values.items():
        kept[name].append(array.astype(np.float32))
