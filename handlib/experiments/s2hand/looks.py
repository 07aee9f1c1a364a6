"""Trained networks of this chapter, for whoever wants to look at what they say: pages and demonstrations.

Nothing that trains imports this.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float

from handlib.errors import MissingFileError
from handlib.experiments.s2hand.data import labels, pictures
from handlib.experiments.s2hand.effort import Effort, effort_of
from handlib.experiments.s2hand.lifting import LiftingRecipe, build_task, lifted_effort_of, train_lifting
from handlib.experiments.s2hand.recipes import S2HandRecipe
from handlib.experiments.s2hand.supervision import NETWORK
from handlib.experiments.s2hand.training import build_network, train_and_score
from handlib.metrics.alignment import procrustes_rigid
from handlib.metrics.errors import point_errors
from handlib.models.images import normalise_images
from handlib.models.s2hand import HandPrediction, S2HandNetwork
from handlib.reproduce.artifacts import find_artifact
from handlib.reproduce.recipe import run
from handlib.reproduce.state import read_state

_BATCH = 64


@dataclass(frozen=True, eq=False)
class TrainedNetwork:
    """A network, the profile in which it was trained, and the sizes that go with it."""

    network: S2HandNetwork
    profile: str
    effort: Effort


def trained_network(recipe: S2HandRecipe, profile: str, seed: int) -> TrainedNetwork:
    """The weights of the full run if they are on this machine; else of ``profile``, which is run if need be."""
    try:
        path, used = find_artifact(recipe.chapter, recipe.name, "full", seed, NETWORK), "full"
    except MissingFileError:
        run(recipe, profile, seed, train_and_score, needs=(NETWORK,), force=False)
        path, used = find_artifact(recipe.chapter, recipe.name, profile, seed, NETWORK), profile
    effort = effort_of(used, recipe.effort)
    network = build_network(recipe, effort, seed)
    network.load_state_dict(read_state(path))
    return TrainedNetwork(network.eval(), used, effort)


def lifting_network(profile: str) -> tuple[S2HandNetwork, str]:
    """A network whose lifting head alone is trained, and in which profile: the full one's if it is on this machine."""
    recipe = LiftingRecipe()
    try:
        path, used = find_artifact(recipe.chapter, recipe.name, "full", 0, NETWORK), "full"
    except MissingFileError:
        run(recipe, profile, 0, train_lifting, needs=(NETWORK,), force=False)
        path, used = find_artifact(recipe.chapter, recipe.name, profile, 0, NETWORK), profile
    network = build_task(lifted_effort_of(used, recipe.lifted), 1, 0).network
    network.geometry.load_state_dict(read_state(path))
    return network.eval(), used


def untrained_network(recipe: S2HandRecipe, effort: Effort, seed: int) -> S2HandNetwork:
    """The same network before its first step."""
    return build_network(recipe, effort, seed).eval()


@torch.no_grad()
def look(network: S2HandNetwork, effort: Effort, rows: np.ndarray | list[int]) -> HandPrediction:
    """What a network says of some test stills of the target domain."""
    seen = pictures(effort, "target", "test")
    return network(normalise_images(torch.from_numpy(seen.rgb[rows])), torch.from_numpy(seen.K[rows]))


def errors_mm(network: S2HandNetwork, effort: Effort, count: int) -> Float[np.ndarray, "stills"]:
    """PA-MPJPE (mm, rigid) of each of the first ``count`` test stills."""
    true = labels(effort, "target", "test").joints_m[:count]
    blocks = np.array_split(np.arange(len(true)), -(-len(true) // _BATCH))
    predicted = np.concatenate([look(network, effort, block).joints.numpy() for block in blocks])
    return 1000 * point_errors(procrustes_rigid(predicted, true), true).mean(-1)
