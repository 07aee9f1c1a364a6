"""Trained networks of this chapter and what they say of a film, for the page; nothing that trains imports this."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8

from handlib.errors import MissingFileError
from handlib.experiments.s2hand_v.detections import DETECTIONS
from handlib.experiments.s2hand_v.effort import Effort, effort_of
from handlib.experiments.s2hand_v.network import NETWORK, starting_network, with_encoder
from handlib.experiments.s2hand_v.recipes import CHAPTER, DetectionsRecipe, VideoRecipe
from handlib.experiments.s2hand_v.training import film_answers
from handlib.models.images import normalise_images
from handlib.models.placement import assumed_intrinsics
from handlib.models.s2hand import HandPrediction, S2HandNetwork
from handlib.reproduce.artifacts import find_artifact
from handlib.reproduce.state import read_state


@dataclass(frozen=True, eq=False)
class LeftNetwork:
    """A network that sees pictures, the profile in which its heads were trained, and the sizes that go with it."""

    network: S2HandNetwork
    profile: str
    effort: Effort


@dataclass(frozen=True, eq=False)
class LeftDetections:
    """What a keypoint detector said of the test films' frames, the profile it was run in, and the films' sizes."""

    keypoints_px: Float[np.ndarray, "frames 21 2"]
    profile: str
    effort: Effort


def left_network(recipe: VideoRecipe, profile: str, seed: int = 0) -> LeftNetwork | None:
    """What a row's full run has left on this machine, else that of ``profile``; None where neither is here."""
    left = _left(recipe.name, profile, seed, NETWORK)
    if left is None:
        return None
    used, path = left
    network = with_encoder(starting_network(recipe.camera, seed), path)
    return LeftNetwork(network, used, effort_of(used, recipe.effort))


def left_detections(profile: str) -> LeftDetections | None:
    """What the detector's full run has left on this machine, else that of ``profile``; None where neither is here."""
    recipe = DetectionsRecipe()
    left = _left(recipe.name, profile, 0, DETECTIONS)
    if left is None:
        return None
    used, path = left
    found = read_state(path)["test"]["keypoints_px"]
    return LeftDetections(np.asarray(found, np.float32), used, effort_of(used, recipe.effort))


def shapes_in_films(recipe: VideoRecipe, profile: str, seed: int = 0) -> Float[np.ndarray, "films frames 10"] | None:
    """The shape that a row's network says in every frame of every test film; None where it has left none.

    Of the full run, else of ``profile``; from the kept encodings of the frames, which are made if they are not there.
    """
    left = _left(recipe.name, profile, seed, NETWORK)
    if left is None:
        return None
    used, path = left
    effort = effort_of(used, recipe.effort)
    network = starting_network(recipe.camera, seed)
    network.load_state_dict(read_state(path))
    shape = film_answers(network.eval(), effort, "test").shape
    return shape.reshape(effort.test_films, effort.film_frames, -1)


def within_and_between(shapes: Float[np.ndarray, "films frames coefficients"]) -> tuple[float, float]:
    """Deviation of shapes over the frames of a film, and of the films' mean shapes; both means over coefficients.

    The first should be zero, as one film shows one hand, and the second should not, as films show different hands.
    """
    return float(shapes.std(1).mean()), float(shapes.mean(1).std(0).mean())


def _left(name: str, profile: str, seed: int, artifact: str) -> tuple[str, Path] | None:
    for used in dict.fromkeys(("full", profile)):
        try:
            return used, find_artifact(CHAPTER, name, used, seed, artifact)
        except MissingFileError:
            continue
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
