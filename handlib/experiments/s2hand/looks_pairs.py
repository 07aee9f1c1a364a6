"""How a real detector errs, beside the mistakes that a formula draws: for the page on photographs.

Nothing that trains imports this.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float

from handlib.errors import MissingFileError
from handlib.experiments.s2hand.pairs import PAIRS, PairsRecipe, find_pairs
from handlib.hand import HandModel
from handlib.reproduce.artifacts import find_artifact
from handlib.reproduce.recipe import run
from handlib.reproduce.state import read_state
from handlib.skeleton import BONES, JOINT_NAMES
from handlib.training.lifting import as_detected, draw_hands, see_from_anywhere

MIDDLE_KNUCKLE = JOINT_NAMES.index("middle_mcp")
_DRAWN_PX = 224


@dataclass(frozen=True, eq=False)
class Mistakes:
    """Offsets of keypoints from where the joints are, in parts of the hand's longer side.

    ``towards`` is the direction in the picture from the wrist to the middle finger's knuckle, of length 1.
    """

    offsets: Float[np.ndarray, "hands 21 2"]
    towards: Float[np.ndarray, "hands 2"]

    @classmethod
    def of(cls, keypoints_px: Float[np.ndarray, "hands 21 2"], true_px: Float[np.ndarray, "hands 21 2"]) -> "Mistakes":
        """The offsets of keypoints from the true ones."""
        side_px = np.ptp(true_px, axis=1).max(-1)[:, None, None]
        along = true_px[:, MIDDLE_KNUCKLE] - true_px[:, 0]
        return cls((keypoints_px - true_px) / side_px, along / np.linalg.norm(along, axis=1, keepdims=True))

    def shared_along_fingers(self) -> dict[str, float]:
        """Rank correlation of a joint's offset with that of the joint before it, by how far along the finger it is."""
        levels = {name: BONES[level::4] for level, name in enumerate(("knuckle", "second", "third", "tip"))}
        found = {}
        for name, bones in levels.items():
            ends = (self.offsets[:, [bone[end] for bone in bones]].ravel() for end in (0, 1))
            ranks = (values.argsort().argsort() for values in ends)
            found[name] = float(np.corrcoef(*ranks)[0, 1])
        return found

    def wrist_shift_percent(self) -> float:
        """How far the wrist is seen towards the fingers, on average, in per cent of the hand."""
        return float(100 * (self.offsets[:, 0] * self.towards).sum(-1).mean())

    def percent(self) -> Float[np.ndarray, "joint_errors"]:
        """All distances, in per cent of the hand."""
        return 100 * np.linalg.norm(self.offsets, axis=-1).ravel()


def real_mistakes(profile: str) -> tuple[Mistakes, str] | None:
    """A real detector's on rendered hands, and in which profile: the full one's if it is on this machine.

    None where no detector is installed, or it finds no right hand.
    """
    recipe = PairsRecipe()
    try:
        path, used = find_artifact(recipe.chapter, recipe.name, "full", 0, PAIRS), "full"
    except MissingFileError:
        run(recipe, profile, 0, find_pairs, needs=(PAIRS,), force=False)
        try:
            path, used = find_artifact(recipe.chapter, recipe.name, profile, 0, PAIRS), profile
        except MissingFileError:
            return None
    pairs = read_state(path)
    if not len(pairs["K"]):
        return None
    return Mistakes.of(np.array(pairs["keypoints_px"]), np.array(pairs["joints_2d_px"])), used


def drawn_mistakes(count: int, seed: int = 0) -> Mistakes:
    """Those that the lifting head's first schooling draws."""
    generator = torch.Generator().manual_seed(seed)
    seen = see_from_anywhere(draw_hands(HandModel.load("open"), count, seed), _DRAWN_PX, generator)
    return Mistakes.of(as_detected(seen, generator).points_px.numpy(), seen.keypoints_px.numpy())
