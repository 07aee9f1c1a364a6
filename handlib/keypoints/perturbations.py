"""Small changes to a photograph that leave the hand what it is: what a detector answers to them is its noise.

Shifted by two pixels, a little darker, mirrored: the joints have moved in a known way, so each answer can be brought
back to the first picture and compared there, without anybody's labels.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from jaxtyping import Float, UInt8

from handlib.crops import invert_affine, transform_pixels
from handlib.skeleton import JOINT_NAMES


@dataclass(frozen=True)
class Perturbation:
    """One change of a picture; the defaults leave it as it is.

    Attributes:
        kind: what the change is called: still, shift, scale, turn, brightness, mirror, cover.
        shift_px: (x, y) by which the picture moves.
        scale: about the picture's centre.
        turn_deg: about the picture's centre, clockwise as seen.
        gain: by which the colours are multiplied.
        mirror: flip left to right, after everything else.
        cover_px: (x, y, radius) of a disc in the unchanged picture, painted in the colour of the picture's corner.
    """

    kind: str = "still"
    shift_px: tuple[int, int] = (0, 0)
    scale: float = 1.0
    turn_deg: int = 0
    gain: float = 1.0
    mirror: bool = False
    cover_px: tuple[float, float, float] | None = None

    @property
    def name(self) -> str:
        """Kind and amount, such as ``"shift 2,-2"``: unique among :func:`standard_perturbations`."""
        amounts = {"shift": "{0.shift_px[0]},{0.shift_px[1]}", "scale": "{0.scale:g}", "turn": "{0.turn_deg}",
                   "brightness": "{0.gain:g}"}  # fmt: skip
        return f"{self.kind} {amounts[self.kind].format(self)}" if self.kind in amounts else self.kind

    def affine(self, width: int, height: int) -> Float[np.ndarray, "2 3"]:
        """Where the pixels of a picture of this size go: (2, 3), pixel centres, top-left (0, 0)."""
        centre = np.array([width - 1, height - 1]) / 2
        angle = np.deg2rad(self.turn_deg)
        linear = self.scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        offset = centre - linear @ centre + np.array(self.shift_px)
        if self.mirror:
            linear, offset = linear * [[-1], [1]], np.array([width - 1 - offset[0], offset[1]])
        return np.concatenate([linear, offset[:, None]], axis=1)

    def apply(self, image: UInt8[np.ndarray, "height width 3"]) -> UInt8[np.ndarray, "height width 3"]:
        """The changed picture, of the same size; what comes in at the edges repeats the edge."""
        image = image.copy()
        if self.cover_px is not None:
            x, y, radius = self.cover_px
            cv2.circle(image, (round(x), round(y)), round(radius), image[0, 0].tolist(), thickness=-1)
        height, width = image.shape[:2]
        if self.kind not in ("still", "cover", "brightness"):
            image = cv2.warpAffine(image, self.affine(width, height), (width, height), flags=cv2.INTER_LINEAR,
                                   borderMode=cv2.BORDER_REPLICATE)  # fmt: skip
        return np.clip(image.astype(np.float32) * self.gain, 0, 255).round().astype(np.uint8)

    def undo(self, keypoints_px: Float[np.ndarray, "21 2"], width: int, height: int) -> Float[np.ndarray, "21 2"]:
        """Keypoints of the changed picture (px) to where they are in the unchanged one."""
        affine = torch.from_numpy(self.affine(width, height))[None]
        points = torch.from_numpy(np.asarray(keypoints_px, np.float64))[None]
        return transform_pixels(points, invert_affine(affine))[0].numpy()


def standard_perturbations(keypoints_px: Float[np.ndarray, "21 2"]) -> list[Perturbation]:
    """The 43 changes that the book shows, the first of which is none; the cover hides the index fingertip.

    Args:
        keypoints_px: (21, 2) what the detector finds in the unchanged picture; says where the cover goes.
    """
    tip, dip = (keypoints_px[JOINT_NAMES.index(f"index_{joint}")] for joint in ("tip", "dip"))
    radius = 0.9 * float(np.linalg.norm(tip - dip))
    directions = [(x, y) for x in (-1, 0, 1) for y in (-1, 0, 1) if (x, y) != (0, 0)]
    return [
        Perturbation(),
        *(Perturbation("shift", shift_px=(step * x, step * y)) for step in (2, 6) for x, y in directions),
        *(Perturbation("scale", scale=scale) for scale in (0.85, 0.9, 0.95, 0.98, 1.02, 1.05, 1.1, 1.15)),
        *(Perturbation("brightness", gain=gain) for gain in (0.4, 0.6, 0.8, 0.9, 1.1, 1.2, 1.4, 1.6)),
        *(Perturbation("turn", turn_deg=angle) for angle in (-20, -10, -5, -2, 2, 5, 10, 20)),
        Perturbation("mirror", mirror=True),
        Perturbation("cover", cover_px=(float(tip[0]), float(tip[1]), radius)),
    ]
