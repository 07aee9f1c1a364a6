"""What a reconstruction is: one 3D hand a picture, with what it was made from."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, Int

Side = Literal["left", "right"]


@dataclass(frozen=True)
class HandReconstruction:
    """One 3D hand a picture, in the camera's frame (OpenCV axes: x right, y down, z forward).

    Attributes:
        joints: (N, 21, 3) metres, wrist, then thumb to little finger, each knuckle to tip.
        vertices: (N, V, 3) metres.
        joints_2d: (N, 21, 2) the joints, projected, pixels of the picture that was given.
        texture: (N, V, 3) colours in 0..1, read off the picture; vertices that are not seen get their neighbours'.
        faces: (F, 3) of right hands; :meth:`faces_of` turns them for left ones.
        intrinsics: (N, 3, 3) the camera, given or assumed, pixels.
        sides: which hand each is.
        keypoints: (N, 21, 2) what was given, or detected, or what the network read off the picture, pixels.
        confidence: (N, 21) in 0..1: as given; or how sure the detector or the network is of each keypoint, less where
            the 3D hand lies beside it. Low for pictures without a hand, as far as the network of the package can tell.
        energy: (N,) what is left unexplained; compare hands by it, and distrust those far above the others. Of a fit,
            its energy. Of a network, the mean distance between a keypoint and the projected joint, in sizes of the hand
            (the longer side of the keypoints' box): 0.02 is a good hand, 0.1 none.
    """

    joints: Float[np.ndarray, "batch 21 3"]
    vertices: Float[np.ndarray, "batch vertices 3"]
    joints_2d: Float[np.ndarray, "batch 21 2"]
    texture: Float[np.ndarray, "batch vertices 3"]
    faces: Int[np.ndarray, "faces 3"]
    intrinsics: Float[np.ndarray, "batch 3 3"]
    sides: tuple[Side, ...]
    keypoints: Float[np.ndarray, "batch 21 2"]
    confidence: Float[np.ndarray, "batch 21"]
    energy: Float[np.ndarray, "batch"]

    def faces_of(self, index: int) -> Int[np.ndarray, "faces 3"]:
        """Faces of one hand, wound so that they look outward: those of a left hand are turned."""
        return self.faces if self.sides[index] == "right" else self.faces[:, ::-1]
