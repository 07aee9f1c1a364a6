"""One frame and one rest pose for all hands: wrist at the origin, fingers straight along -x, palm facing -y.

Points are skin vertices followed by the 16 joints (order of ``handlib.skeleton.MODEL_JOINT_NAMES``).
"""

import numpy as np
from jaxtyping import Float, Int

from handlib.skeleton import FINGERS, MODEL_PARENTS

PALM = (0, 1, 4, 7, 10)  # wrist and the four finger knuckles: the part that moves as one
CHAINS = {"index": (1, 2, 3), "middle": (4, 5, 6), "little": (7, 8, 9), "ring": (10, 11, 12), "thumb": (13, 14, 15)}


def fingertips(points: Float[np.ndarray, "points 3"], weights: Float[np.ndarray, "vertices 16"]) -> np.ndarray:
    """Tip vertices of thumb, index, middle, ring, little: the farthest along each finger's last bone."""
    joints, tips = points[-16:], []
    for last in (CHAINS[finger][-1] for finger in FINGERS):
        own = np.flatnonzero(weights[:, last] > 0.5)
        tips.append(own[np.argmax((points[own] - joints[last]) @ (joints[last] - joints[last - 1]))])
    return np.array(tips)


def to_canonical_frame(points: Float[np.ndarray, "points 3"]) -> Float[np.ndarray, "points 3"]:
    """Wrist to the origin, middle knuckle on -x, palm facing -y, thumb on the +z side."""
    joints = points[-16:]
    x = joints[0] - joints[4]
    x /= np.linalg.norm(x)
    palm = joints[list(PALM)]
    normal = np.linalg.svd(palm - palm.mean(0))[2][2]
    y = normal - (normal @ x) * x
    y /= np.linalg.norm(y)
    z = np.cross(x, y)
    if z @ (joints[13] - joints[0]) < 0:
        y, z = -y, -z
    return (points - joints[0]) @ np.stack([x, y, z], axis=1)


def flat_bone_directions(points: Float[np.ndarray, "points 3"], tips: Int[np.ndarray, "5"]) -> np.ndarray:
    """Unit bone directions (16, 3) of the rest pose: fingers straight and in the plane of the palm.

    A finger keeps its own sideways angle; the thumb is left as it is. Row 0 (the wrist) is unused.
    """
    directions = _bone_directions(points, tips)
    for finger, chain in CHAINS.items():
        if finger != "thumb":
            flat = directions[chain[0]] * [1, 0, 1]
            directions[list(chain)] = flat / np.linalg.norm(flat)
    return directions


def unpose(
    points: Float[np.ndarray, "batch points 3"],
    weights: Float[np.ndarray, "vertices 16"],
    tips: Int[np.ndarray, "5"],
    reference: Float[np.ndarray, "points 3"],
    directions: Float[np.ndarray, "16 3"],
    scales: Float[np.ndarray, "batch 3"],
) -> Float[np.ndarray, "batch points 3"]:
    """Give every body the same pose, so that what is left of the differences is shape.

    The palm is laid on the reference palm (rotation only, wrist at the origin) and scaled along the canonical frame's
    axes; then every bone is turned by the smallest rotation that gives it its rest direction, and the skin follows by
    linear blend skinning.
    """
    points = points - points[:, -16:-15]
    points = points @ _best_rotations(points[:, -16:][:, PALM], (reference - reference[-16])[-16:][list(PALM)])
    points = points * scales[:, None]
    current = np.stack([_bone_directions(p, tips) for p in points])
    turns, origins = [np.broadcast_to(np.eye(3), (len(points), 3, 3))], [points[:, -16]]
    for joint in range(1, 16):
        parent = MODEL_PARENTS[joint]
        turned = np.einsum("bij,bj->bi", turns[parent], current[:, joint])
        turns.append(_smallest_rotations(turned, directions[joint]) @ turns[parent])
        offset = points[:, -16 + joint] - points[:, -16 + parent]
        origins.append(origins[parent] + np.einsum("bij,bj->bi", turns[parent], offset))
    turns, origins = np.stack(turns, 1), np.stack(origins, 1)
    shifts = origins - np.einsum("bjik,bjk->bji", turns, points[:, -16:])
    skin = np.einsum("vj,bjik,bvk->bvi", weights, turns, points[:, :-16], optimize=True)
    skin += np.einsum("vj,bji->bvi", weights, shifts)
    return np.concatenate([skin, origins], axis=1)


def stretch_fingers(
    points: Float[np.ndarray, "batch points 3"],
    weights: Float[np.ndarray, "vertices 16"],
    tips: Int[np.ndarray, "5"],
    factors: Float[np.ndarray, "batch 5"],
) -> Float[np.ndarray, "batch points 3"]:
    """Lengthen each finger (thumb, index, middle, ring, little) along itself, from its first joint outward."""
    points = points.copy()
    for column, (tip, finger) in enumerate(zip(tips, FINGERS, strict=True)):
        base, member = CHAINS[finger][0], np.zeros(points.shape[1])
        member[:-16] = weights[:, list(CHAINS[finger])].sum(1)
        member[-16:][list(CHAINS[finger])] = 1
        origin = points[:, -16 + base][:, None]
        axis = points[:, tip][:, None] - origin
        axis /= np.linalg.norm(axis, axis=-1, keepdims=True)
        along = np.clip(((points - origin) * axis).sum(-1), 0, None) * member
        points += ((factors[:, column, None] - 1) * along)[..., None] * axis
    return points


def _bone_directions(points, tips):
    """Unit vector from each joint to the next one along its finger (to the fingertip vertex for the last)."""
    joints, directions = points[-16:], np.zeros((16, 3))
    for tip, finger in zip(tips, FINGERS, strict=True):
        chain = [*joints[list(CHAINS[finger])], points[tip]]
        for joint, start, end in zip(CHAINS[finger], chain[:-1], chain[1:], strict=True):
            directions[joint] = (end - start) / np.linalg.norm(end - start)
    return directions


def _best_rotations(palms, reference):
    """Matrices (B, 3, 3) that, multiplied from the right, lay each palm on the reference (Kabsch)."""
    u, _, vt = np.linalg.svd(np.einsum("bji,jk->bik", palms, reference))
    flip = np.ones((len(palms), 3))
    flip[:, 2] = np.linalg.det(u @ vt)
    return (u * flip[:, None]) @ vt


def _smallest_rotations(starts, end):
    """Rotation matrices (B, 3, 3) turning unit vectors (B, 3) into one unit vector by the shortest way."""
    axis, cosine = np.cross(starts, end), starts @ end
    skew = np.zeros((len(starts), 3, 3))
    skew[:, [2, 0, 1], [1, 2, 0]] = axis
    skew[:, [1, 2, 0], [2, 0, 1]] = -axis
    return np.eye(3) + skew + skew @ skew / (1 + cosine)[:, None, None]
