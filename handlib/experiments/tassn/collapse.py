"""TASSN without pictures: small enough to watch what each loss holds up, and what agreement alone lets fall.

What an hourglass would find is given: where the keypoints of a frame are, and how they have moved since the frame that
was read before, which is what the flow tells of them. Two dense layers stand for hourglass and features, and a dense
layer each for keypoints (in the place of heatmaps), mesh, and joints from the mesh. Reading backwards and Eq. 2 to 6
are the chapter's own.
"""

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from handlib.camera import PerspectiveCamera, project_perspective
from handlib.data.film_scenes import draw_film
from handlib.data.hand_scenes import hand_stage
from handlib.data.source_domain import SOURCE_HAND
from handlib.hand.sampler import PoseSampler
from handlib.losses.tassn import (
    TassnWeights,
    mesh_consistency_loss,
    mesh_silhouette_loss,
    pose_consistency_loss,
    tassn_objective,
    temporal_consistency_loss,
)
from handlib.models.keypoint_placement import translation_from_keypoints
from handlib.models.mesh_gcn import LENGTH_UNIT_M
from handlib.render import render_silhouette

IMAGE_PX = 32
FRAMES_PER_SECOND = 15.0
NOISE_PX = 0.5
MODES = 40
_HIDDEN = 128
_EVERY = 12  # vertices from one that the joints are made of to the next: a pooling
_CLIPS = 8
_LEARN_RATE, _GO_ON_RATE = 2e-3, 5e-4


class ToyFilms(NamedTuple):
    """Clips of three frames: keypoints as a detector would find them (px of 32), cameras, and true hands (m)."""

    keypoints_px: Float[Tensor, "films 3 21 2"]
    K: Float[Tensor, "films 3 3 3"]
    joints_m: Float[Tensor, "films 3 21 3"]
    vertices_m: Float[Tensor, "films 3 vertices 3"]
    silhouettes: Float[Tensor, "films 32 32"]
    """Of the middle frames."""


class ToyReading(NamedTuple):
    """What is said of some frames: keypoints (px), and mesh and joints (m, from the wrist)."""

    keypoints_px: Tensor
    vertices_m: Tensor
    joints_m: Tensor


def draw_toy_films(count: int, seed: int, hand: str = SOURCE_HAND) -> ToyFilms:
    """Hands in motion before cameras, as in the chapter's films, without rendering more than silhouettes.

    Args:
        count: films.
        seed: names them.
        hand: "open" for the source, "generic" for the target.
    """
    stage = hand_stage(hand)
    sampler = PoseSampler(stage.model, seed)
    options = {"frames": 3, "frames_per_second": FRAMES_PER_SECOND, "image_px": IMAGE_PX}
    hands = [
        draw_film(stage, sampler, index, np.random.default_rng([seed, index]), **options).hands
        for index in range(count)
    ]
    joints, vertices, K = (torch.stack([getattr(x, name) for x in hands]) for name in ("joints_m", "vertices_m", "K"))
    true_px = project_perspective(joints.flatten(0, 1), K.flatten(0, 1)).unflatten(0, (count, 3))
    noise = NOISE_PX * torch.randn(true_px.shape, generator=torch.Generator().manual_seed(seed))
    masks = render_silhouette(vertices[:, 1], stage.faces, PerspectiveCamera(K[:, 1]), IMAGE_PX)
    return ToyFilms(true_px + noise, K, joints, vertices, masks)


class ToyEstimator(nn.Module):
    """Keypoints of a frame and of the one read before it, to keypoints, mesh and joints; cf. ``TassnEstimator``."""

    def __init__(self, source: ToyFilms) -> None:
        """Begin with random weights; of the source's films, the mesh takes its mean and its modes."""
        super().__init__()
        self.faces = hand_stage(SOURCE_HAND).faces
        meshes = (source.vertices_m - source.joints_m[:, :, :1]).flatten(0, 1) / LENGTH_UNIT_M
        mean = meshes.mean(0)
        _, size, modes = torch.linalg.svd((meshes - mean).flatten(1), full_matrices=False)
        deviation = size[:MODES, None] / len(meshes) ** 0.5
        self.register_buffer("mean", mean)
        self.register_buffer("modes", (deviation * modes[:MODES]).unflatten(1, mean.shape))
        self.trunk = nn.Sequential(nn.Linear(84, _HIDDEN), nn.ReLU(), nn.Linear(_HIDDEN, _HIDDEN), nn.ReLU())
        self.keypoints = nn.Linear(_HIDDEN, 42)
        self.mesh = nn.Linear(_HIDDEN, len(self.modes))
        self.pose = nn.Linear(mean[::_EVERY].numel(), 63)

    def forward(self, now_px: Tensor, before_px: Tensor) -> ToyReading:
        """Read frames, given where the keypoints were in the frames before them."""
        middle = (IMAGE_PX - 1) / 2
        seen = torch.cat([(now_px - middle) / 10, (now_px - before_px) / 2], dim=-1).flatten(-2)
        features = self.trunk(seen)
        mesh = self.mean + torch.einsum("...m,mvc->...vc", self.mesh(features), self.modes)
        joints = self.pose(mesh[..., ::_EVERY, :].flatten(-2)).unflatten(-1, (21, 3))
        keypoints = middle + 10 * self.keypoints(features).unflatten(-1, (21, 2))
        wrist = joints[..., :1, :]
        return ToyReading(keypoints, LENGTH_UNIT_M * (mesh - wrist), LENGTH_UNIT_M * (joints - wrist))

    def read_both_ways(self, keypoints_px: Float[Tensor, "films 3 21 2"]) -> tuple[ToyReading, ToyReading]:
        """Each frame after the one before it, and after the one behind it; the first and last frames stand still."""
        before, after = (keypoints_px[:, which] for which in ([0, 0, 1], [1, 2, 2]))
        return self(keypoints_px, before), self(keypoints_px, after)


def learn_source(films: ToyFilms, steps: int, seed: int = 0) -> ToyEstimator:
    """An estimator trained with 3D labels of the source: what the paper takes from Ge et al."""
    torch.manual_seed(seed)
    network = ToyEstimator(films)
    adam = torch.optim.Adam(network.parameters(), lr=_LEARN_RATE)
    wrist = films.joints_m[:, :, :1]
    for chosen in _draws(len(films.K), steps, seed):
        for said in network.read_both_ways(films.keypoints_px[chosen]):
            apart = (said.vertices_m - (films.vertices_m - wrist)[chosen]).norm(dim=-1).mean()
            apart = apart + (said.joints_m - (films.joints_m - wrist)[chosen]).norm(dim=-1).mean()
            flat = (said.keypoints_px - films.keypoints_px[chosen]).square().mean()
            (apart / LENGTH_UNIT_M + 0.01 * flat).backward()
        adam.step()
        adam.zero_grad()
    return network


def go_on(
    network: ToyEstimator,
    films: ToyFilms,
    weights: TassnWeights,
    steps: int,
    *,
    unit_m: float = LENGTH_UNIT_M,
    seed: int = 0,
) -> list[dict[str, float | int]]:
    """Train without 3D labels, by Eq. 6 with some weights; :func:`toy_scores` every tenth step, from the first."""
    adam = torch.optim.Adam(network.parameters(), lr=_GO_ON_RATE)
    watched = []
    for step, chosen in enumerate(_draws(len(films.K), steps, seed)):
        if step % 10 == 0:
            watched.append({"step": step, **toy_scores(network, films)})
        adam.zero_grad()
        toy_objective(network, films, chosen, weights, unit_m).backward()
        adam.step()
    return [*watched, {"step": steps, **toy_scores(network, films)}]


def toy_objective(
    network: ToyEstimator, films: ToyFilms, chosen: Tensor, weights: TassnWeights, unit_m: float = LENGTH_UNIT_M
) -> Float[Tensor, ""]:
    """Eq. 6 of some films, lengths of Eq. 3 and 4 in ``unit_m``; silhouettes are those of middle frames."""
    there, back = network.read_both_ways(films.keypoints_px[chosen])
    pose = pose_consistency_loss(there.joints_m / unit_m, back.joints_m / unit_m)
    mesh = mesh_consistency_loss(there.vertices_m / unit_m, back.vertices_m / unit_m)
    heatmap = (there.keypoints_px - films.keypoints_px[chosen]).square().sum(-1).mean((1, 2))
    silhouette = torch.zeros_like(pose)
    if weights.silhouette:
        placed = _placed(there, films, chosen)
        camera = PerspectiveCamera(films.K[chosen, 1])
        silhouette = mesh_silhouette_loss(placed, network.faces, camera, films.silhouettes[chosen])
    consistency = temporal_consistency_loss(pose, mesh, weights)
    return tassn_objective(silhouette, heatmap, consistency, weights).mean()


@torch.no_grad()
def toy_scores(network: ToyEstimator, films: ToyFilms) -> dict[str, float]:
    """What an estimator is worth, mm, all from the wrist.

    ``disagreement`` of the joints read both ways; ``spread`` of the joints around their mean over all frames, and
    ``mesh_spread`` of the vertices; ``error`` of the joints.
    """
    there, back = network.read_both_ways(films.keypoints_px)
    said, true = there.joints_m, films.joints_m - films.joints_m[:, :, :1]
    apart = {
        "disagreement": said - back.joints_m,
        "spread": said - said.mean((0, 1)),
        "mesh_spread": there.vertices_m - there.vertices_m.mean((0, 1)),
        "error": said - true,
    }
    return {name: 1000 * float(x.norm(dim=-1).mean()) for name, x in apart.items()}


@torch.no_grad()
def toy_outlines(
    network: ToyEstimator, films: ToyFilms, count: int
) -> tuple[Float[Tensor, "count 32 32"], Float[Tensor, "count"]]:
    """Silhouettes that the first films' middle frames are said to have, and their overlap (0..1) with the true ones."""
    few = torch.arange(min(count, len(films.K)))
    said, _ = network.read_both_ways(films.keypoints_px[few])
    camera = PerspectiveCamera(films.K[few, 1])
    drawn = render_silhouette(_placed(said, films, few), network.faces, camera, IMAGE_PX)
    both, either = (f(drawn, films.silhouettes[few]).sum((1, 2)) for f in (torch.minimum, torch.maximum))
    return drawn, both / either


def _placed(said: ToyReading, films: ToyFilms, chosen: Tensor) -> Float[Tensor, "films vertices 3"]:
    """The meshes of the middle frames, put where their joints meet the keypoints; this place has a gradient, too."""
    place = translation_from_keypoints(said.joints_m[:, 1], films.keypoints_px[chosen, 1], films.K[chosen, 1])
    return said.vertices_m[:, 1] + place[:, None]


def _draws(count: int, steps: int, seed: int):
    """Numbers of the films of each step."""
    generator = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        yield torch.randint(count, (min(_CLIPS, count),), generator=generator)
