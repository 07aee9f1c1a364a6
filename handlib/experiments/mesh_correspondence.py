"""Two hands with different meshes: which place on the one is which vertex of the other.

The target domain's hand and the hand that networks predict have other vertices and other proportions, so the error of
"vertex i" means nothing between them. Both are skinned to the same joints: the one is moved, bone by bone, until its
joints lie on the other's, and each of its vertices is given the nearest point of the other's surface. That is done
once, with both hands at rest; the points are then carried by the mesh in whatever pose and shape. To take the nearest
point again in each prediction would be easier and flatter it: a finger in its neighbour's place lies on some surface.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
import roma
import torch
from jaxtyping import Float, Int
from torch import Tensor

from handlib.hand.anatomy import rest_joints_m
from handlib.hand.model import HandModel
from handlib.metrics.alignment import fit_similarity
from handlib.skeleton import FINGER_JOINTS, MODEL_TO_21

_PALM = [0, *(joints[0] for joints in FINGER_JOINTS.values())]
_BLOCK = 200


@dataclass(frozen=True, eq=False)
class Correspondence:
    """For each vertex of one hand its place on another: a face of it, and barycentric coordinates there."""

    corners: Int[np.ndarray, "points 3"]
    barycentric: Float[np.ndarray, "points 3"]
    distance_m: Float[np.ndarray, "points"]

    def carry(self, vertices: Float[np.ndarray, "frames vertices 3"]) -> Float[np.ndarray, "frames points 3"]:
        """Where the points are on meshes (in any pose) of the other hand; units as given."""
        return (vertices[:, self.corners] * self.barycentric[..., None]).sum(2)


@cache
def hand_correspondence(points_of: str, surface_of: str) -> Correspondence:
    """Places on the packaged hand ``surface_of`` of the vertices of the packaged hand ``points_of``."""
    points, surface = (HandModel.load(name, dtype=torch.float64) for name in (points_of, surface_of))
    moved = move_onto(points, rest_joints_m(surface)).numpy()
    faces = surface.faces.numpy()
    corners = surface.v_template.numpy()[faces]
    same_part = _same_part(_part_of(points.weights), _part_of(surface.weights[surface.faces].sum(1)))
    chosen, barycentric, distance = [], [], []
    for first in range(0, len(moved), _BLOCK):
        block = slice(first, first + _BLOCK)
        coordinates, apart = closest_on_triangles(moved[block], corners)
        apart = np.where(same_part[block], apart, np.inf)
        best = apart.argmin(1)
        rows = np.arange(len(best))
        chosen.append(faces[best])
        barycentric.append(coordinates[rows, best])
        distance.append(apart[rows, best])
    return Correspondence(*(np.concatenate(parts) for parts in (chosen, barycentric, distance)))


def move_onto(model: HandModel, joints_m: Float[Tensor, "21 3"]) -> Float[Tensor, "vertices 3"]:
    """The hand's rest vertices after each bone was turned and stretched onto one between the given joints (m).

    The palm moves as its six joints do together, each phalanx with its own two; skinning weights blend between them.
    """
    own_m = rest_joints_m(model)
    linear, offset = [], []
    for joint in MODEL_TO_21:
        if joint == 0:
            palm = fit_similarity(own_m[None, _PALM], joints_m[None, _PALM], allow_reflection=False)
            turn = torch.from_numpy(palm.scale[0] * palm.rotation[0])
            start = torch.from_numpy(palm.translation[0])
        else:
            before, after = own_m[joint + 1] - own_m[joint], joints_m[joint + 1] - joints_m[joint]
            turn = after.norm() / before.norm() * _turn_between(before, after)
            start = joints_m[joint] - turn @ own_m[joint]
        linear.append(turn)
        offset.append(start)
    moved = torch.einsum("jab,vb->vja", torch.stack(linear), model.v_template) + torch.stack(offset)
    return (model.weights[..., None] * moved).sum(1)


def closest_on_triangles(
    points: Float[np.ndarray, "points 3"], triangles: Float[np.ndarray, "triangles 3 3"]
) -> tuple[Float[np.ndarray, "points triangles 3"], Float[np.ndarray, "points triangles"]]:
    """Nearest place of each triangle to each point: barycentric coordinates, and the distance."""
    edge_1, edge_2 = triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0]
    gram = np.stack([np.stack([(a * b).sum(-1) for b in (edge_1, edge_2)], -1) for a in (edge_1, edge_2)], -2)
    offset = points[:, None] - triangles[:, 0]
    products = np.stack([(offset * edge_1).sum(-1), (offset * edge_2).sum(-1)], -1)
    inner = (np.linalg.inv(gram) @ products[..., None])[..., 0]
    # Candidates: the foot of the perpendicular, where it is inside, and the nearest place of each edge.
    candidates = [np.concatenate([1 - inner.sum(-1, keepdims=True), inner], -1)]
    for start, end in ((0, 1), (1, 2), (2, 0)):
        edge = triangles[:, end] - triangles[:, start]
        along = ((points[:, None] - triangles[:, start]) * edge).sum(-1) / (edge * edge).sum(-1)
        along = along.clip(0, 1)
        place = np.zeros((*along.shape, 3))
        place[..., start], place[..., end] = 1 - along, along
        candidates.append(place)
    coordinates = np.stack(candidates, 2)  # (points, triangles, 4, 3)
    apart = np.linalg.norm(np.einsum("ptkc,tcx->ptkx", coordinates, triangles) - points[:, None, None], axis=-1)
    apart[..., 0][(coordinates[..., 0, :] < 0).any(-1)] = np.inf
    best = apart.argmin(-1)[..., None]
    return np.take_along_axis(coordinates, best[..., None], 2)[..., 0, :], np.take_along_axis(apart, best, 2)[..., 0]


def _turn_between(first: Tensor, second: Tensor) -> Float[Tensor, "3 3"]:
    """The least rotation that takes one direction to the other; they are never opposite in two hands at rest."""
    a, b = first / first.norm(), second / second.norm()
    axis = torch.linalg.cross(a, b)
    angle = torch.atan2(axis.norm(), a @ b)
    return roma.rotvec_to_rotmat(angle * axis / axis.norm().clamp(min=1e-12))


def _part_of(weights: Float[Tensor, "rows joints"]) -> Int[np.ndarray, "rows"]:
    """0 for the palm, 1 to 5 for a finger: that of the joint with the most weight (model order: three a finger)."""
    return -(-weights.argmax(1).numpy() // 3)


def _same_part(points: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Which faces may hold a point: never one of another finger; the palm runs into each finger."""
    return (points[:, None] == faces) | (points[:, None] == 0) | (faces == 0)
