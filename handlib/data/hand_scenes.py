"""Hands in front of a camera: drawn poses, shapes, viewpoints and intrinsics, and the labels that follow from them.

Both domains of the open benchmark place their hands here, so that they differ in the hand and in how it looks, not in
where cameras stand.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cache

import numpy as np
import roma
import torch
from jaxtyping import Float, Int
from torch import Tensor

from handlib.camera import PerspectiveCamera
from handlib.hand.anatomy import AnatomicalPose
from handlib.hand.model import HandModel
from handlib.hand.sampler import PoseSampler

# Labels are rounded to about a micrometre, which takes out the last bits that depend on the batch size.
GRID_M = 2.0**-20
NEAREST_M = 0.25


@dataclass(frozen=True)
class Framing:
    """How a domain's photographer holds the camera.

    Attributes:
        focal: least and greatest focal length as a multiple of the image's width (FreiHAND's is about 2.1); longer
            where the camera would come nearer than :data:`NEAREST_M`.
        fill: least and greatest part of the image's width that the longer side of the hand's box takes.
        jitter: standard deviation of the box's centre from the image's, as a part of the width.
        cut_share: share of pictures in which the hand may be partly out of the picture.
    """

    focal: tuple[float, float] = (1.4, 3.2)
    fill: tuple[float, float] = (0.6, 0.85)
    jitter: float = 0.02
    cut_share: float = 0.0


@dataclass(frozen=True, eq=False)
class HandScenes:
    """A batch of hands in the camera's frame (OpenCV axes, metres), and what drew them.

    ``wrist_frame`` (B, 3, 3) turns the hand's rest frame into the camera's; ``rest_vertices_m`` is the unposed hand of
    the same shape, in its own frame.
    """

    vertices_m: Float[Tensor, "batch vertices 3"]
    joints_m: Float[Tensor, "batch 21 3"]
    rest_vertices_m: Float[Tensor, "batch vertices 3"]
    wrist_frame: Float[Tensor, "batch 3 3"]
    angles: Float[Tensor, "batch 15 3"]
    shape: Float[Tensor, "batch num_shape"]
    K: Float[Tensor, "batch 3 3"]

    def to(self, device: torch.device | str) -> "HandScenes":
        """The batch on another device."""
        return HandScenes(**{field.name: getattr(self, field.name).to(device) for field in fields(self)})

    @property
    def camera(self) -> PerspectiveCamera:
        """The batch's cameras."""
        return PerspectiveCamera(self.K)


class HandStage(torch.nn.Module):
    """A hand model with all that drawing hands of it needs, in double precision."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.source = source
        self.model = HandModel.load(source, dtype=torch.float64)
        self.anatomy = AnatomicalPose(self.model)
        self.faces = close_holes(self.model.faces)


@cache
def hand_stage(source: str) -> HandStage:
    """The stage of a packaged hand, loaded once a process."""
    return HandStage(source)


@torch.no_grad()
def draw_scenes(
    stage: HandStage,
    angles: Float[Tensor, "batch 15 3"],
    streams: Sequence[np.random.Generator],
    framing: Framing,
    image_px: int,
) -> HandScenes:
    """Draw the shape of each posed hand, the side from which it is seen, and its camera.

    Args:
        stage: the hand.
        angles: anatomical angles, radians.
        streams: one generator a sample, used up from where it stands.
        framing: the domain's cameras.
        image_px: side of the picture in pixels.
    """
    num_shape = stage.model.num_shape
    shape = torch.as_tensor(np.stack([stream.standard_normal(num_shape).clip(-2.5, 2.5) for stream in streams]))
    turns = torch.as_tensor(np.stack([_draw_view(stream) for stream in streams]))
    pose = stage.anatomy.to_axis_angle(angles)
    mesh = stage.model(pose, shape, roma.rotmat_to_rotvec(turns))
    rest = stage.model(torch.zeros_like(pose), shape)
    K, translation = _place(mesh.vertices.numpy(), streams, framing, image_px)
    moved = (_on_grid(points + translation[:, None]) for points in (mesh.vertices, mesh.joints))
    return HandScenes(*moved, _on_grid(rest.vertices), turns.float(), angles.float(), shape.float(), K.float())


def draw_poses(sampler: PoseSampler, indices: Sequence[int]) -> Float[Tensor, "batch 15 3"]:
    """The sampler's poses of these indices, in one call where the indices follow one another."""
    if list(indices) == list(range(indices[0], indices[0] + len(indices))):
        return sampler.sample(len(indices), start=indices[0])
    return torch.cat([sampler.sample(1, start=index) for index in indices])


def close_holes(faces: Int[Tensor, "faces 3"]) -> Int[Tensor, "closed_faces 3"]:
    """The faces and, over each hole, a fan of triangles: nobody should look into a hand through its wrist."""
    edges = {(int(a), int(b)) for face in faces for a, b in zip(face, face.roll(-1), strict=True)}
    after = {b: a for a, b in edges if (b, a) not in edges}  # the border, run against its faces' direction
    caps = []
    while after:
        first, second = next(iter(after.items()))
        del after[first]
        while (third := after.pop(second)) != first:
            caps.append((first, second, third))
            second = third
    return torch.cat([faces, torch.tensor(caps, dtype=faces.dtype).reshape(-1, 3)])


def _draw_view(stream: np.random.Generator) -> Float[np.ndarray, "3 3"]:
    """A rotation, uniform but for arms that come from the camera (never) or from above (seldom)."""
    while True:
        x, y, z, w = stream.standard_normal(4)
        turn = roma.unitquat_to_rotmat(torch.tensor([x, y, z, w]) / np.sqrt(x * x + y * y + z * z + w * w)).numpy()
        forearm = turn[:, 0]  # the hand's +x axis runs from the wrist to the elbow
        if forearm[2] > -0.45 and (forearm[1] > -0.3 or stream.random() < 0.35):
            return turn


def _place(
    vertices: Float[np.ndarray, "batch vertices 3"],
    streams: Sequence[np.random.Generator],
    framing: Framing,
    image_px: int,
) -> tuple[Float[Tensor, "batch 3 3"], Float[Tensor, "batch 3"]]:
    """Intrinsics (px) and the wrist's place (m) that give the hand's box its drawn size and centre in the picture."""
    draws = np.stack([stream.random(3) for stream in streams])
    jitter = np.stack([stream.standard_normal(2) for stream in streams]).clip(-2, 2)
    focal = image_px * np.exp(_between(np.log(framing.focal), draws[:, 0]))
    fill = _between(framing.fill, draws[:, 1])
    spread = np.where(draws[:, 2] < framing.cut_share, 0.16, framing.jitter)
    centre_px = (spread[:, None] * jitter) * image_px
    low, high = vertices.min(1), vertices.max(1)
    middle = (low + high) / 2
    place = np.zeros((len(vertices), 3))
    place[:, 2] = focal * (high - low)[:, :2].max(1) / (fill * image_px)
    # A small view of a hand is taken with a longer lens, not from a hand's breadth away.
    focal *= np.maximum(1.0, NEAREST_M / place[:, 2])
    place[:, 2] = place[:, 2].clip(NEAREST_M)
    # Perspective moves and swells the box a little: three corrections bring it to a hundredth of a pixel.
    for _ in range(4):
        points = vertices - middle[:, None] + place[:, None]
        pixels = points[..., :2] / points[..., 2:] * focal[:, None, None]
        box_low, box_high = pixels.min(1), pixels.max(1)
        place[:, 2] *= (box_high - box_low).max(1) / (fill * image_px)
        place[:, :2] += (centre_px - (box_low + box_high) / 2) * (place[:, 2] / focal)[:, None]
    K = np.zeros((len(vertices), 3, 3))
    K[:, 0, 0] = K[:, 1, 1] = focal
    K[:, :2, 2] = (image_px - 1) / 2
    K[:, 2, 2] = 1
    return torch.as_tensor(K), torch.as_tensor(place - middle)


def _between(ends: Float[np.ndarray, "2"] | tuple[float, float], share: np.ndarray) -> np.ndarray:
    return ends[0] + (ends[1] - ends[0]) * share


def _on_grid(metres: Tensor) -> Tensor:
    return ((metres / GRID_M).round() * GRID_M).float()
