"""Trained networks of this chapter and what they say of a film, for the page; nothing that trains imports this."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8

from handlib.errors import MissingFileError
from handlib.experiments.s2hand_v.effort import Effort, effort_of
from handlib.experiments.s2hand_v.network import NETWORK, starting_network, with_encoder
from handlib.experiments.s2hand_v.recipes import CHAPTER, VideoRecipe
from handlib.models.images import normalise_images
from handlib.models.placement import assumed_intrinsics
from handlib.models.s2hand import HandPrediction, S2HandNetwork
from handlib.reproduce.artifacts import find_artifact


@dataclass(frozen=True, eq=False)
class LeftNetwork:
    """A network that sees pictures, the profile in which its heads were trained, and the sizes that go with it."""

    network: S2HandNetwork
    profile: str
    effort: Effort


def left_network(recipe: VideoRecipe, profile: str, seed: int = 0) -> LeftNetwork | None:
    """What a row's full run has left on this machine, else that of ``profile``; None where neither is here."""
    for used in dict.fromkeys(("full", profile)):
        try:
            path = find_artifact(CHAPTER, recipe.name, used, seed, NETWORK)
        except MissingFileError:
            continue
        network = with_encoder(starting_network(recipe.camera, seed), path)
        return LeftNetwork(network, used, effort_of(used, recipe.effort))
    return None


@torch.no_grad()
def look(
    network: S2HandNetwork,
    rgb: UInt8[np.ndarray, "frames height width 3"],
    K: Float[np.ndarray, "frames 3 3"] | None = None,
) -> HandPrediction:
    """What a network says of frames, each by itself; without ``K``, through the lens that it assumes."""
    lenses = None if K is None or network.config.camera == "weak_perspective" else torch.from_numpy(np.asarray(K))
    return network(normalise_images(torch.from_numpy(np.asarray(rgb))), lenses)


def draw_over(
    rgb: UInt8[np.ndarray, "frames height width 3"],
    said: HandPrediction,
    faces: Int[np.ndarray, "faces 3"],
    K: Float[np.ndarray, "frames 3 3"] | None = None,
) -> list[UInt8[np.ndarray, "height width 3"]]:
    """The said hands drawn over their frames, through the lens that they were said for."""
    from handlib.viz.overlay import overlay_mesh

    if K is None:
        K = assumed_intrinsics(said.vertices, rgb.shape[1]).numpy()
    vertices = said.vertices.numpy()
    return [overlay_mesh(np.asarray(rgb[i]), vertices[i], faces, np.asarray(K[i])) for i in range(len(rgb))]
