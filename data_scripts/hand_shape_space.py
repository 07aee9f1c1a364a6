"""From sampled bodies to a ten-component hand shape space with the spread of real adults.

Points are skin vertices followed by the 16 joints, so that every linear map below moves both together.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from makehuman_source import (
    AGES,
    DETAIL_TARGETS,
    HEIGHTS,
    MUSCLES,
    PROPORTIONS,
    RACES,
    SEXES,
    WEIGHTS,
)

from handlib.skeleton import FINGERS, MODEL_PARENTS

PALM = (0, 1, 4, 7, 10)  # wrist and the four finger knuckles: the part that moves as one
CHAINS = {"index": (1, 2, 3), "middle": (4, 5, 6), "little": (7, 8, 9), "ring": (10, 11, 12), "thumb": (13, 14, 15)}
NUM_SHAPES = 10
NUM_LATENT = 40  # directions of the sampled bodies kept before calibration (the rest is below a micrometre)

# How far the body sliders are moved. They only have to span the bodies: the spread of the measured dimensions is
# replaced by the survey's, and what remains is their say on proportions that no survey column covers.
SLIDER_SD = 0.2
DETAIL_SD = {
    "hands/r-hand-scale": 0.06,
    "hands/r-hand-fingers-length": 0.25,
    "hands/r-hand-fingers-diameter": 0.15,
    "hands/measure-wrist-circ": 0.4,
    "arms/r-lowerarm-fat": 0.3,
    "arms/r-lowerarm-muscle": 0.3,
}
# MakeHuman has no slider for a broad or a thick hand, nor for one finger's length: without them a broad hand could only
# be made of thick fingers. These are our own, synthetic: depth (y) and breadth (z) scale, a length factor per finger.
SECTION_SD = np.array([0.0, 0.05, 0.05])
FINGER_LENGTH_SD = 0.02


@dataclass(frozen=True)
class ShapeSpace:
    """mean + directions @ beta, beta in standard deviations; points in metres, canonical frame."""

    mean: Float[np.ndarray, "points 3"]
    directions: Float[np.ndarray, "points 3 shapes"]
    explained: Float[np.ndarray, " shapes"]


def average_body() -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Factors and details (batch of one) of the body in the middle of all sliders, young adult."""
    return _factors(*(np.array([0.5]) for _ in range(5)), age=np.array([0.0]), race=np.full((1, 3), 1 / 3)), np.zeros(
        (1, len(DETAIL_TARGETS))
    )


def random_bodies(count: int, rng: np.random.Generator) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Factors and details of ``count`` adult bodies: half of them men, ages young to old, sliders about the middle."""

    def slider():
        return np.clip(rng.normal(0.5, SLIDER_SD, count), 0, 1)

    sex = np.tile([0.0, 1.0], count // 2 + 1)[:count]
    factors = _factors(
        sex, slider(), slider(), slider(), slider(), age=rng.uniform(0, 1, count), race=rng.dirichlet(np.ones(3), count)
    )
    spread = np.array([DETAIL_SD[name] for name in DETAIL_TARGETS])
    return factors, np.clip(rng.normal(size=(count, len(spread))) * spread, -1, 1)


def _factors(male, muscle, weight, height, proportion, *, age, race) -> dict[str, np.ndarray]:
    """MakeHuman's interpolation: how much of each named end of a slider a body has."""
    factors = dict(zip(SEXES, (1 - male, male), strict=True)) | dict(zip(AGES, (1 - age, age), strict=True))
    factors |= dict(zip(RACES, race.T, strict=True))
    for names, value in ((MUSCLES, muscle), (WEIGHTS, weight)):
        low, high = np.clip(1 - 2 * value, 0, 1), np.clip(2 * value - 1, 0, 1)
        factors |= dict(zip(names, (low, 1 - low - high, high), strict=True))
    for names, value in ((HEIGHTS, height), (PROPORTIONS, proportion)):
        factors |= dict(zip(names, (np.clip(1 - 2 * value, 0, 1), np.clip(2 * value - 1, 0, 1)), strict=True))
    return factors


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

    The palm is laid on the reference palm (rotation only, wrist at the origin) and scaled along the canonical frame's axes;
    then every bone is turned by the smallest rotation that gives it its rest direction, and the skin follows by linear
    blend skinning.
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


def calibrated_shape_space(
    samples: Float[np.ndarray, "samples points 3"],
    measured: Float[np.ndarray, "samples measures"],
    target_mean: Float[np.ndarray, " measures"],
    target_covariance: Float[np.ndarray, "measures measures"],
) -> ShapeSpace:
    """The normal distribution of shapes nearest to the sampled one whose measurements are those of the survey.

    The sampled bodies give p(shape) and, through the measurements m that are (nearly) linear in shape, p(shape | m). Of
    all normal distributions with the wanted p(m), the one at the smallest Kullback-Leibler distance keeps p(shape | m)
    and replaces p(m):  mean' = mean + G (mu - m),  covariance' = C + G (S - M C M^T) G^T  with  G = C M^T (M C M^T)^-1.
    Its ten leading axes are kept, and since cutting the rest would lose a little of the wanted spread, the same step is
    taken once more inside those ten.
    """
    flat = samples.reshape(len(samples), -1)
    mean, measured_mean = flat.mean(0), measured.mean(0)
    _, scale, axes = np.linalg.svd(flat - mean, full_matrices=False)
    axes, variance = axes[:NUM_LATENT], scale[:NUM_LATENT] ** 2 / (len(flat) - 1)
    latent = (flat - mean) @ axes.T
    slopes = np.linalg.lstsq(latent, measured - measured_mean, rcond=None)[0].T

    shift, covariance = _with_measurements(np.diag(variance), slopes, target_mean - measured_mean, target_covariance)
    values, vectors = np.linalg.eigh(covariance)
    kept = vectors[:, ::-1][:, :NUM_SHAPES]
    inner_slopes = slopes @ kept
    _, inner = _with_measurements(
        np.diag(values[::-1][:NUM_SHAPES]), inner_slopes, np.zeros(len(slopes)), target_covariance
    )
    values_kept, rotation = np.linalg.eigh(inner)
    basis = (kept @ rotation[:, ::-1] * np.sqrt(values_kept[::-1])).T @ axes
    # Every component's sign is free: make its plus end the hand with the larger sum of measurements.
    basis *= np.where(inner_slopes.sum(0) @ rotation[:, ::-1] < 0, -1, 1)[:, None]
    return ShapeSpace(
        mean=(mean + shift @ axes).reshape(samples.shape[1:]),
        directions=basis.reshape(NUM_SHAPES, *samples.shape[1:]).transpose(1, 2, 0),
        explained=values_kept[::-1] / values.sum(),
    )


def _with_measurements(covariance, slopes, mean_shift, target_covariance):
    """Shift of the mean, and new covariance, that give a normal distribution the wanted measurements."""
    own = slopes @ covariance @ slopes.T
    gain = covariance @ slopes.T @ np.linalg.inv(own)
    return gain @ mean_shift, covariance + gain @ (target_covariance - own) @ gain.T
