"""The last step: colours, and everything as arrays."""

import numpy as np
from jaxtyping import Bool, Int
from torch import Tensor

from handlib.reconstruction.estimate import Estimate
from handlib.reconstruction.result import HandReconstruction
from handlib.reconstruction.texture import read_texture


def assemble(
    pictures: list[np.ndarray], hands: Estimate, left: Bool[Tensor, "batch"], faces: Int[Tensor, "faces 3"]
) -> HandReconstruction:
    """What :func:`handlib.reconstruct` returns, of the hands of some pictures.

    Args:
        pictures: (H, W, 3) 8-bit RGB, of any sizes, to read colours from.
        hands: as a network or a fit gives them.
        left: which of them are left hands.
        faces: of right hands.
    """
    return HandReconstruction(
        joints=hands.joints.numpy(),
        vertices=hands.vertices.numpy(),
        joints_2d=hands.joints_2d_px.numpy(),
        texture=read_texture(pictures, hands.vertices, hands.K, faces).numpy(),
        faces=faces.numpy(),
        intrinsics=hands.K.numpy(),
        sides=tuple("left" if is_left else "right" for is_left in left.tolist()),
        keypoints=hands.keypoints_px.numpy(),
        confidence=hands.confidence.numpy(),
        energy=hands.energy.numpy(),
    )
