"""Pose-corrective blend shapes, derived: what linear blend skinning loses at a bent joint, as a linear map of R - I.

Linear blend skinning averages matrices, and the average of two rotations is not a rotation: it shrinks. A bent knuckle
caves in on the back, and the flesh on the palm side is squeezed to nothing. For each joint (the four knuckles at once),
over rotations it can make, the skin is put where it should rather be, in two steps:

1. dual-quaternion skinning (Kavan et al., "Geometric skinning with approximate dual quaternion blending", ACM TOG
   27(4), 2008) averages rigid motions to a rigid motion, so that the knuckle keeps its distance from the joint;
2. half of the volume still missing is given back by the smallest smooth displacement of the skin that does so, with
   stretched skin stiff and compressed flesh soft. (All of it would need bulges of up to a centimetre where in truth
   flesh meets flesh.)

The difference to linear blend skinning, carried back to the rest pose, is fitted linearly to the nine numbers of R - I
of that joint, without a constant: it vanishes at rest, and only skin near the joint is moved. The convention is MANO's:
v_posed = v_shaped + posedirs @ (R_1 - I, ..., R_15 - I), each row by row.
"""

from dataclasses import dataclass

import numpy as np
import roma
import torch
from jaxtyping import Bool, Float, Int
from scipy.sparse import coo_matrix, csr_matrix
from tqdm import tqdm

KNUCKLES = (1, 4, 7, 10)  # index, middle, little, ring: they share the webs, so they are fitted together
THUMB_BASE = 13
JOINT_GROUPS = (KNUCKLES, *((joint,) for joint in range(1, 16) if joint not in KNUCKLES))
VOLUME_SHARE = 0.5
STRETCH_STIFFNESS = 4  # stiffness grows with this power of the area a vertex's surroundings have gained
BLENDED = (0.02, 0.98)  # a vertex lies at a joint when this much of it moves with what is beyond
NUM_ROTATIONS = 60  # per joint
RIDGE = 5e-2  # per sample, against features of order one: impossible poses stay harmless

# Ranges sampled, degrees: twist about x, abduction about y, flexion about z (canonical frame, straight fingers).
KNUCKLE_RANGE = np.array([[-8, 8], [-25, 25], [-25, 100]])
FINGER_RANGE = np.array([[-5, 5], [-8, 8], [-15, 115]])
MAX_ANGLE = 75.0  # the thumb's axes are oblique: any axis, up to this angle
ANY_SHARE = 0.2  # of a finger joint's samples, turned like the thumb's, to keep the fit sane where no finger goes


@dataclass(frozen=True)
class RiggedMesh:
    """The rest state: skin (V, 3), faces, weights (V, 16), joints (16, 3)."""

    vertices: Float[np.ndarray, "vertices 3"]
    faces: Int[np.ndarray, "faces 3"]
    weights: Float[np.ndarray, "vertices 16"]
    joints: Float[np.ndarray, "16 3"]


def derive_pose_correctives(mesh: RiggedMesh, seed: int = 0) -> Float[np.ndarray, "vertices 3 135"]:
    """Pose correctives of a rigged hand in the canonical frame with straight fingers, metres."""
    rng = np.random.default_rng(seed)
    posedirs = np.zeros((len(mesh.vertices), 3, 15, 9))
    for group in tqdm(JOINT_GROUPS, desc="pose correctives", unit="group"):
        turns = _sample_rotations(group, rng)
        linear, blended = linear_blend_skinning(mesh, group, turns)
        rigid = dual_quaternion_skinning(mesh, group, turns)
        shares = _shares(mesh, group)
        near = ((shares > BLENDED[0]) & (shares < BLENDED[1])).any(1)
        wanted = np.stack([_give_back_volume(mesh, skin, near) for skin in rigid])
        residual = np.linalg.solve(blended, (wanted - linear)[..., None])[..., 0]
        features = (turns - np.eye(3)).reshape(len(turns), -1)
        normal_matrix = features.T @ features + RIDGE * len(turns) * np.eye(features.shape[1])
        fitted = np.linalg.solve(normal_matrix, features.T @ residual.reshape(len(turns), -1))
        fitted = fitted.reshape(len(group), 9, -1, 3)
        posedirs[:, :, np.array(group) - 1] = fitted.transpose(2, 3, 0, 1)
    return posedirs.reshape(-1, 3, 135)


def _shares(mesh: RiggedMesh, group: tuple[int, ...]) -> np.ndarray:
    """How much of each vertex moves with each joint of the group and what is beyond it on its finger, (V, G)."""
    return np.stack([mesh.weights[:, joint : (joint - 1) // 3 * 3 + 4].sum(1) for joint in group], axis=1)


def linear_blend_skinning(
    mesh: RiggedMesh, group: tuple[int, ...], turns: Float[np.ndarray, "batch group 3 3"]
) -> tuple[Float[np.ndarray, "batch vertices 3"], Float[np.ndarray, "batch vertices 3 3"]]:
    """Skin when some joints, none beyond another, are turned; and the blended matrices that carry the offsets."""
    shares, centres = _shares(mesh, group), mesh.joints[list(group)]
    change = turns - np.eye(3)
    blended = np.eye(3) + np.einsum("vg,bgik->bvik", shares, change)
    shifts = np.einsum("bgik,gk->bgi", change, centres)
    skin = np.einsum("bvik,vk->bvi", blended, mesh.vertices) - np.einsum("vg,bgi->bvi", shares, shifts)
    return skin, blended


def dual_quaternion_skinning(
    mesh: RiggedMesh, group: tuple[int, ...], turns: Float[np.ndarray, "batch group 3 3"]
) -> Float[np.ndarray, "batch vertices 3"]:
    """The same, averaging dual quaternions (Kavan et al. 2008, algorithm 1)."""
    shares, centres = torch.from_numpy(_shares(mesh, group)), mesh.joints[list(group)]
    shift = torch.from_numpy(centres - np.einsum("bgik,gk->bgi", turns, centres))
    real = roma.rotmat_to_unitquat(torch.from_numpy(turns))
    real = real * torch.where(real[..., 3:] < 0, -1.0, 1.0)  # the short way round
    dual = 0.5 * roma.quat_product(torch.nn.functional.pad(shift, (0, 1)), real)
    rest = torch.tensor([0.0, 0.0, 0.0, 1.0], dtype=real.dtype) * (1 - shares.sum(1, keepdim=True))
    real, dual = rest + torch.einsum("vg,bgq->bvq", shares, real), torch.einsum("vg,bgq->bvq", shares, dual)
    length = real.norm(dim=-1, keepdim=True)
    real, dual = real / length, dual / length
    translation = 2 * roma.quat_product(dual, roma.quat_conjugation(real))[..., :3]
    return (roma.quat_action(real, torch.from_numpy(mesh.vertices).expand(len(turns), -1, -1)) + translation).numpy()


def _sample_rotations(group: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Rotation matrices (N, G, 3, 3). Fingers bend together: half of a group's turn is common to it."""
    count = NUM_ROTATIONS * len(group)
    anywhere = rng.normal(size=(count, len(group), 3))
    anywhere *= (
        np.radians(MAX_ANGLE) * rng.uniform(size=(count, 1, 1)) / np.linalg.norm(anywhere, axis=2, keepdims=True)
    )
    ranges = KNUCKLE_RANGE if group == KNUCKLES else FINGER_RANGE
    own = rng.uniform(size=(count, len(group), 3))
    common = rng.uniform(size=(count, 1, 3))
    together = rng.uniform(size=(count, 1, 1)) * (len(group) > 1)
    position = together * common + (1 - together) * own
    usual = np.radians(ranges[:, 0] + position * (ranges[:, 1] - ranges[:, 0]))
    any_axis = rng.uniform(size=(count, 1, 1)) < (1 if group[0] >= THUMB_BASE else ANY_SHARE)
    return roma.rotvec_to_rotmat(torch.from_numpy(np.where(any_axis, anywhere, usual))).numpy()


def enclosed_volume(vertices: Float[np.ndarray, "*batch vertices 3"], faces: Int[np.ndarray, "faces 3"]) -> np.ndarray:
    """Signed volume of the cones from the origin to every face; m^3 for metres.

    For a mesh with a hole it is the enclosed volume up to the cone over the hole, constant while the rim rests.
    """
    a, b, c = (vertices[..., faces[:, corner], :] for corner in range(3))
    return (a * np.cross(b, c)).sum((-1, -2)) / 6


def _volume_gradient(vertices, faces, gather: csr_matrix):
    a, b, c = (vertices[faces[:, corner]] for corner in range(3))
    return gather @ np.concatenate([np.cross(b, c), np.cross(c, a), np.cross(a, b)]) / 6


def _vertex_areas(vertices, faces, gather: csr_matrix):
    a, b, c = (vertices[faces[:, corner]] for corner in range(3))
    return gather @ np.tile(np.linalg.norm(np.cross(b - a, c - a), axis=1) / 6, 3)


def _give_back_volume(mesh: RiggedMesh, skin: np.ndarray, near: Bool[np.ndarray, " vertices"]) -> np.ndarray:
    """Move the skin near the joint so that ``VOLUME_SHARE`` of the lost (or gained) volume is made good.

    Minimises u^T (L + diag(stretch^p)) u, L the graph Laplacian, under the volume constraint: u is a multiple of the
    volume gradient smoothed by that matrix. Three steps, because volume is cubic.
    """
    inside = np.flatnonzero(near)
    count, faces = len(mesh.vertices), mesh.faces
    corners = faces.T.ravel()
    gather = coo_matrix(
        (np.ones(len(corners)), (corners, np.arange(len(corners)))), shape=(count, len(corners))
    ).tocsr()
    stretch = _vertex_areas(skin, faces, gather) / _vertex_areas(mesh.vertices, faces, gather)
    laplacian = _graph_laplacian(faces, count)[np.ix_(inside, inside)]
    stiffness = laplacian + np.diag(stretch[inside] ** STRETCH_STIFFNESS)
    now = enclosed_volume(skin, faces)
    wanted = now + VOLUME_SHARE * (enclosed_volume(mesh.vertices, faces) - now)
    skin = skin.copy()
    for _ in range(3):
        gradient = _volume_gradient(skin, faces, gather)[inside]
        direction = np.linalg.solve(stiffness, gradient)
        skin[inside] += (wanted - enclosed_volume(skin, faces)) / (gradient * direction).sum() * direction
    return skin


def _graph_laplacian(faces: np.ndarray, count: int) -> np.ndarray:
    laplacian = np.zeros((count, count))
    for a, b in ((0, 1), (1, 2), (2, 0)):
        laplacian[faces[:, a], faces[:, b]] = laplacian[faces[:, b], faces[:, a]] = -1
    np.fill_diagonal(laplacian, -laplacian.sum(1))
    return laplacian
