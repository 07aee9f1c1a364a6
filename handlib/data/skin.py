"""Procedural skin: the colour of every point of a hand, computed where the point lies in the hand at rest.

Tone differs between palm and back, most in dark skin; finger pads and knuckles are redder; fingers and palm have
creases where they bend; nails lie on the backs of the last phalanges; veins shine through the back; noise mottles all.
Lengths are those of an adult hand of 19 cm.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from handlib.data.noise import SolidNoise
from handlib.data.skin_tone import draw_skin_lab, lab_to_linear_rgb
from handlib.hand.anatomy import AnatomicalPose, anatomical_to_matrix, palm_frame
from handlib.skeleton import FINGER_JOINTS, FINGERS, MODEL_JOINT_NAMES

# The hand's last phalanges, middle and first ones, in the order thumb to little.
_BONES = [(FINGER_JOINTS[finger][k], FINGER_JOINTS[finger][k + 1]) for finger in FINGERS for k in range(3)]
_MODEL_ROW = [
    MODEL_JOINT_NAMES[1::3].index(next(n for n in MODEL_JOINT_NAMES[1::3] if n.startswith(finger))) * 3 + k
    for finger in FINGERS
    for k in range(3)
]
# Heart, head and life line of the palm in its own frame (m): radial, distal, as three points of a parabola.
_PALM_LINES = (
    ((-0.036, 0.066), (-0.010, 0.069), (0.020, 0.084)),
    ((-0.030, 0.047), (0.002, 0.060), (0.030, 0.068)),
    ((0.006, 0.018), (0.014, 0.050), (0.032, 0.066)),
)


@dataclass(frozen=True, eq=False)
class SkinMap:
    """Where things are on a hand at rest: phalanges with their frames, and each vertex's share of the palm's side.

    ``starts``, ``ends`` (15, 3) m, thumb to little, and ``frames`` (15, 3, 3) with the columns (across, dorsal, along);
    ``palm`` (3, 3) with the columns (radial, dorsal, distal); ``rest_m`` (V, 3); ``palmar`` (V,) from -1 (the back) to
    1 (the palm).
    """

    starts: Float[np.ndarray, "15 3"]
    ends: Float[np.ndarray, "15 3"]
    frames: Float[np.ndarray, "15 3 3"]
    palm: Float[np.ndarray, "3 3"]
    rest_m: Float[np.ndarray, "vertices 3"]
    palmar: Float[np.ndarray, "vertices"]

    @classmethod
    def of_hand(cls, anatomy: AnatomicalPose, weights: Tensor, rest_m: Tensor, normals: Tensor) -> "SkinMap":
        """Measure a right hand: its anatomy, skinning weights (V, 16), rest vertices (m) and their normals."""
        joints = anatomy.rest_joints
        rest = anatomical_to_matrix(anatomy.rest_angles + anatomy.hinge_bend)
        frames = anatomy.zero_frames @ rest
        palm = palm_frame(joints)
        dorsal = torch.cat([palm[None, :, 1], frames[..., 1]])
        palmar = -((weights @ dorsal) * normals).sum(-1)
        starts, ends = joints[[a for a, _ in _BONES]], joints[[b for _, b in _BONES]]
        parts = (starts, ends, frames[_MODEL_ROW], palm, rest_m, palmar)
        return cls(*(part.float().numpy() for part in parts))


class Skin:
    """One person's skin: draws its tones and noise from a stream, then colours points."""

    def __init__(self, stream: np.random.Generator) -> None:
        self.back_lab = draw_skin_lab(stream)
        # Palms have little melanin: all are light, and the difference grows with the darkness of the back.
        lightness, a, b = self.back_lab
        self.palm_lab = np.array([lightness + 0.45 * (71.0 - lightness), a + 2.5, b - 0.5])
        self.mottling, self.creases, self.veins = stream.uniform([0.6, 0.5, 0.0], [1.6, 1.3, 1.0])
        self.nail_lab = 0.55 * self.palm_lab + 0.45 * np.array([76.0, 13.0, 11.0])
        self.noise = SolidNoise(stream)

    def forearm(self, points_m: Float[np.ndarray, "points 3"]) -> Float[np.ndarray, "points 3"]:
        """Linear RGB of skin beyond the wrist."""
        palmar = np.clip(-points_m[:, 1:2] / 0.03, -1, 1) * 0.5
        return lab_to_linear_rgb(self._mottled(self._tone(palmar * 0.7 - 0.2), points_m))

    def colour(
        self, where: SkinMap, points_m: Float[np.ndarray, "points 3"], palmar: Float[np.ndarray, "points"]
    ) -> tuple[Float[np.ndarray, "points 3"], Float[np.ndarray, "points"]]:
        """Linear RGB of points of the hand, and how far each is nail (0..1).

        Args:
            where: the hand at rest.
            points_m: (P, 3) their places on the hand at rest, metres.
            palmar: (P,) from -1 (back) to 1 (palm), interpolated from :class:`SkinMap`.
        """
        bone, local, length = _nearest_phalanx(where, points_m)
        across, height, along = local.T
        lab = self._tone(palmar[:, None])
        on_finger = _step(along, -0.004, 0.004)
        pad = on_finger * (bone % 3 == 2) * _step(palmar, -0.1, 0.5)
        knuckle = np.exp(-((along / 0.008) ** 2)) * _step(-palmar, 0.2, 0.7)
        redness = 3.5 * pad + 2.5 * knuckle * (bone % 3 < 2)
        lab += redness[:, None] * np.array([-0.5, 1.0, 0.1])
        lab[:, 0] -= 0.10 * (lab[:, 0] - 30.0).clip(0) * knuckle * (bone % 3 < 2)
        lab = self._mottled(lab, points_m)
        lab[:, 0] -= self.creases * self._crease_depth(where, points_m, bone, along, palmar)
        back = _step(-palmar, 0.3, 0.8) * (1 - on_finger)
        vein = np.clip(1 - np.abs(self.noise(points_m, 0.016, shift=3.1)) / 0.16, 0, 1) * back * self.veins
        lab += vein[:, None] * np.array([-2.5, -2.5, -2.0])
        nail = _nail(bone, across, along - length, height)
        lab += nail[:, None] * (self.nail_lab - lab)
        return lab_to_linear_rgb(lab.astype(np.float32)), nail

    def _tone(self, palmar: Float[np.ndarray, "points 1"]) -> Float[np.ndarray, "points 3"]:
        return self.back_lab + _step(palmar, -0.35, 0.45) * (self.palm_lab - self.back_lab)

    def _mottled(self, lab: np.ndarray, points_m: np.ndarray) -> np.ndarray:
        coarse, fine = self.noise(points_m, 0.012, 3), self.noise(points_m, 0.0022, 2, shift=11.7)
        lab[:, 0] += self.mottling * (1.1 * coarse + 0.5 * fine)
        lab[:, 1] += self.mottling * 1.3 * self.noise(points_m, 0.009, 2, shift=5.9)
        return lab

    def _crease_depth(
        self, where: SkinMap, points_m: np.ndarray, bone: np.ndarray, along: np.ndarray, palmar: np.ndarray
    ) -> np.ndarray:
        """How much lightness the bending lines take: across the fingers at each joint, and three lines in the palm."""
        wobble = 0.0007 * self.noise(points_m, 0.007, shift=8.8)
        inside = _step(palmar, 0.1, 0.5)
        depth = 9.0 * np.exp(-(((along + wobble - 0.001) / 0.0010) ** 2)) * inside * (bone % 3 > 0)
        # The skin over a finger's middle knuckle lies in folds while the finger is straight.
        folds = np.cos(along / 0.0026 * 2 * np.pi + 1.5 * self.noise(points_m, 0.005, shift=1.7))
        depth += 3.0 * folds.clip(0) * np.exp(-((along / 0.006) ** 2)) * _step(-palmar, 0.3, 0.7) * (bone % 3 > 0)
        radial, _, distal = (points_m @ where.palm).T
        for line in _PALM_LINES:
            curve = np.poly1d(np.polyfit(*np.transpose(line), 2))
            slope = np.hypot(1, curve.deriv()(radial))
            beyond = np.maximum(line[0][0] - radial, radial - line[2][0]).clip(0)
            offset = (distal - curve(radial)) / slope + wobble
            depth += 9.0 * inside * np.exp(-((offset / 0.0011) ** 2) - (beyond / 0.004) ** 2) * (along < 0.004)
        return depth


def _nearest_phalanx(where: SkinMap, points_m: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Each point's nearest phalanx, its place in that phalanx's frame from the proximal joint, and the length (m)."""
    offset = points_m[:, None] - where.starts
    bone = where.ends - where.starts
    share = np.einsum("pbk,bk->pb", offset, bone) / (bone**2).sum(-1)
    distance = np.linalg.norm(offset - share.clip(0, 1)[..., None] * bone, axis=-1)
    nearest = distance.argmin(1)
    local = np.einsum("pk,pkc->pc", offset[np.arange(len(points_m)), nearest], where.frames[nearest])
    return nearest, local, np.linalg.norm(bone, axis=-1)[nearest]


def _nail(bone: np.ndarray, across: np.ndarray, before_tip: np.ndarray, height: np.ndarray) -> np.ndarray:
    """0..1: a rounded rectangle on the back of the last phalanx, largest on the thumb, least on the little finger."""
    size = np.array([1.25, 1.0, 1.05, 1.0, 0.82])[bone // 3]
    x, y = across / (0.0056 * size), (before_tip + 0.0055 * size) / (0.0068 * size)
    return _step(-(x**4 + y**4), -1.25, -0.8) * _step(height, 0.0015, 0.003) * (bone % 3 == 2)


def _step(value: np.ndarray, low: float, high: float) -> np.ndarray:
    """A smooth step from 0 at ``low`` to 1 at ``high``."""
    t = np.clip((value - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)
