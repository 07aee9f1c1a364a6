"""How far hand joints turn: S2HAND's released table, and what the clinical literature measured, with sources.

The two are not interchangeable. S2HAND clamps the *components of MANO's axis-angle vectors*, joint by joint, which are
no anatomical angles; the literature states *clinical angles* (flexion, abduction) of adults. These are the published
numbers; ranges laid into the frames of a hand model, ready for a prior, are in :mod:`handlib.hand.pose_limits`.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from handlib.skeleton import FINGER_JOINTS, JOINT_NAMES, MODEL_JOINT_NAMES

_Range = tuple[float, float]
_HINGE: tuple[_Range, _Range, _Range] = ((-5, 5), (-5, 5), (-10, 100))
_KNUCKLE: tuple[_Range, _Range, _Range] = ((-5, 5), (-10, 10), (-10, 100))

# S2HAND (Chen et al. 2021, https://arxiv.org/abs/2103.11703), the limits of E_J as released at
# https://github.com/TerenceCYJ/S2HAND: degrees on the x, y, z components of axis-angle in MANO's frame, mean pose
# included. The paper's Fig. 3B draws azimuth, pitch and roll instead: the released code does not compute those.
_S2HAND_DEG: dict[str, tuple[_Range, _Range, _Range]] = {
    **{name: _HINGE for name in MODEL_JOINT_NAMES[1:]},
    **{f"{finger}_mcp": _KNUCKLE for finger in ("index", "middle", "ring")},
    "little_mcp": ((-20, 5), (-10, 20), (-10, 100)),
    "thumb_cmc": ((0, 90), (-22.5, 33.75), (-22.5, 22.5)),
    "thumb_mcp": ((-5, 5), (-5, 5), (-22.5, 22.5)),
    "thumb_ip": ((-5, 5), (-5, 5), (-20, 100)),
}

S2HAND_LIMITS: Float[np.ndarray, "15 3 2"] = np.radians([_S2HAND_DEG[name] for name in MODEL_JOINT_NAMES[1:]])
"""(15, 3, 2) radians: lower and upper bound of axis-angle x, y, z of joints 1..15 in model order."""

S2HAND_AXIS_WEIGHTS: tuple[float, float, float] = (1.0, 1.0, 2.0)
"""How much E_J counts an excess on each axis: bending (z) twice."""


@dataclass(frozen=True)
class LimitSource:
    """One published range of movement: degrees; ``low`` negative is hyperextension or adduction."""

    joints: tuple[str, ...]
    motion: str
    low_deg: float
    high_deg: float
    source: str


def _joints(part: int, fingers: tuple[str, ...] = ("index", "middle", "ring", "little")) -> tuple[str, ...]:
    """The joint of that rank, knuckle first, in several fingers."""
    return tuple(JOINT_NAMES[FINGER_JOINTS[finger][part]] for finger in fingers)


_EHAND = "e-hand.com, The Electronic Textbook of Hand Surgery: joint motion"
_COONEY = "Cooney et al. 1981, J. Bone Joint Surg. Am. 63(9); a total range, here halved to each side of rest"

LITERATURE_LIMITS: tuple[LimitSource, ...] = (
    LimitSource(_joints(0), "flexion", -45.0, 90.0, _EHAND),
    LimitSource(_joints(0), "abduction", -20.0, 20.0, "gpnotebook.com: metacarpophalangeal joint"),
    LimitSource(_joints(1), "flexion", 0.0, 100.0, _EHAND),
    LimitSource(_joints(2), "flexion", 0.0, 80.0, _EHAND),
    LimitSource(("thumb_cmc",), "flexion", -26.5, 26.5, _COONEY),
    LimitSource(("thumb_cmc",), "abduction", -21.0, 21.0, _COONEY),
    LimitSource(("thumb_mcp",), "flexion", -10.0, 55.0, _EHAND),
    LimitSource(("thumb_ip",), "flexion", -15.0, 80.0, _EHAND),
)
"""Passive ranges of movement in adults, by 21-joint name."""

FUNCTIONAL_RANGES: tuple[LimitSource, ...] = tuple(
    LimitSource(_joints(part), "flexion", low, high, "Bain et al. 2015, J. Hand Surg. Eur. 40(4): 406-411")
    for part, (low, high) in enumerate([(19.0, 71.0), (23.0, 87.0), (10.0, 64.0)])
)
"""What everyday tasks use of it: a place to start from, no limit."""
