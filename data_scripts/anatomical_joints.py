"""Joint centres where anatomy has them, and skinning weights to go with them.

MakeHuman bends a finger near its web and the thumb in the middle of its metacarpal. Both are animators' places: the
real knuckle (MCP) lies one to two centimetres nearer to the wrist, under the bump on the back of the hand, and the
thumb's saddle joint (CMC) two centimetres nearer. People who annotate photographs mark the real ones.

Each moved joint slides along the line to the wrist joint by a fixed share, chosen on the average body. That keeps it
linear in MakeHuman's targets, so every body's joints stay a weighted sum of the same data.
"""

from dataclasses import replace

import numpy as np
from jaxtyping import Float
from makehuman_source import MakeHumanHand

# Share of a finger's length, knuckle to fingertip, that is its proximal phalanx. Joint centres on radiographs give 0.47
# (ring) to 0.50 (index) (Buchholz, Armstrong & Goldstein, Ergonomics 35(3), 1992, as commonly quoted); the annotated
# hands of STB give 0.45 to 0.49. MakeHuman has 0.34 to 0.39.
PROXIMAL_SHARE = 0.47
# Length of the thumb's metacarpal over that of its proximal phalanx, same source (0.251 / 0.196).
THUMB_METACARPAL_RATIO = 1.28
FINGER_BASES = (1, 4, 7, 10)  # knuckles of index, middle, little, ring
THUMB_BASE = 13

KNUCKLE_BAND = (-0.010, 0.014)  # metres along the finger over which the skin passes from palm to finger
THUMB_BAND = (-0.010, 0.016)
LATERAL_SPREAD = 0.007  # metres: how the palm's distal edge is shared out between the fingers
THUMB_RADII = (0.016, 0.034)  # metres from the thumb's metacarpal: moves with it fully, not at all


def with_anatomical_joints(
    hand: MakeHumanHand, average: Float[np.ndarray, "points 3"], tips: Float[np.ndarray, "5"]
) -> MakeHumanHand:
    """Move knuckles and thumb base in the template and in all targets, and weight the skin around them anew.

    Args:
        average: skin and joints of the average body, metres.
        tips: vertices at the tips of thumb, index, middle, ring, little.
    """
    joints = average[-16:]
    shares = np.zeros(16)
    for base, tip in zip(FINGER_BASES, tips[[1, 2, 4, 3]], strict=True):
        outer = _length(joints[base + 1 : base + 3]) + np.linalg.norm(average[tip] - joints[base + 2])
        shares[base] = _share_towards(joints, base, outer * PROXIMAL_SHARE / (1 - PROXIMAL_SHARE))
    wanted = THUMB_METACARPAL_RATIO * _length(joints[THUMB_BASE + 1 : THUMB_BASE + 3])
    shares[THUMB_BASE] = _share_towards(joints, THUMB_BASE, wanted)

    def slide(points: np.ndarray) -> np.ndarray:
        moved = points[..., -16:, :] + shares[:, None] * (points[..., -16:-15, :] - points[..., -16:, :])
        return np.concatenate([points[..., :-16, :], moved], axis=-2)

    return replace(
        hand,
        points=slide(hand.points),
        macro_targets=slide(hand.macro_targets),
        detail_targets=slide(hand.detail_targets),
        weights=_new_weights(slide(average), hand.weights),
    )


def _length(chain: np.ndarray) -> float:
    return float(np.linalg.norm(np.diff(chain, axis=0), axis=1).sum())


def _share_towards(joints: np.ndarray, base: int, wanted: float) -> float:
    """How far to slide a joint to the wrist (0 stays, 1 reaches it) so that its bone has the wanted length."""
    start, way = joints[base] - joints[base + 1], joints[0] - joints[base]
    a, b, c = way @ way, 2 * start @ way, start @ start - wanted**2  # |start + share * way| = wanted
    return float((-b + np.sqrt(b * b - 4 * a * c)) / (2 * a))


def _smoothstep(x: np.ndarray) -> np.ndarray:
    x = np.clip(x, 0, 1)
    return x * x * (3 - 2 * x)


def _new_weights(points: np.ndarray, old: np.ndarray) -> np.ndarray:
    """Weights (vertices, 16): the two outer bones of every finger keep theirs, the first bone takes the rest."""
    skin, joints = points[:-16], points[-16:]
    bases = (*FINGER_BASES, THUMB_BASE)
    chains = {base: old[:, base : base + 3].sum(1) for base in bases}
    free = np.clip(1 - sum(chains.values()), 0, 1)  # what no finger claimed: the palm

    axes = {base: (joints[base + 1] - joints[base]) / _length(joints[base : base + 2]) for base in bases}
    along = {base: (skin - joints[base]) @ axes[base] for base in bases}
    normal = np.linalg.svd(joints[[0, *FINGER_BASES]] - joints[[0, *FINGER_BASES]].mean(0))[2][2]
    sideways = {base: (skin - joints[base]) @ np.cross(normal, axes[base]) for base in FINGER_BASES}
    nearness = {base: np.exp(-0.5 * (sideways[base] / LATERAL_SPREAD) ** 2) + 1e-12 for base in FINGER_BASES}
    total = sum(nearness.values())

    new = old.copy()
    for base in FINGER_BASES:
        low, high = KNUCKLE_BAND
        beyond = _smoothstep((along[base] - low) / (high - low))
        chain = beyond * (chains[base] + free * nearness[base] / total)
        new[:, base] = np.clip(chain - old[:, base + 1] - old[:, base + 2], 0, None)
    radius = np.linalg.norm(skin - joints[THUMB_BASE] - along[THUMB_BASE][:, None] * axes[THUMB_BASE], axis=1)
    low, high = THUMB_BAND
    beyond = _smoothstep((along[THUMB_BASE] - low) / (high - low))
    inner, outer = THUMB_RADII
    thenar = beyond * _smoothstep((outer - radius) / (outer - inner))
    fingers = new[:, 1:13].sum(1)
    chain = np.maximum(chains[THUMB_BASE], thenar) * np.clip(1 - fingers, 0, 1)
    new[:, THUMB_BASE] = np.clip(chain - old[:, THUMB_BASE + 1] - old[:, THUMB_BASE + 2], 0, None)
    new[:, 0] = np.clip(1 - new[:, 1:].sum(1), 0, None)
    return new / new.sum(1, keepdims=True)
