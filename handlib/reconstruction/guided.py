"""Look at hands with a detector's keypoints in mind: upright squares around them, from several sides.

See :mod:`handlib.models.guided`. A network that always sees fingers above the wrist has less to learn; which way is up,
the keypoints say.
"""

import math

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from handlib.crops import square_box
from handlib.models.guided import GuidedNetwork
from handlib.models.images import normalise_images
from handlib.models.keypoint_readout import ReadKeypoints
from handlib.reconstruction.views import BOX_FACTOR, Views, cut_views, make_views

WRIST, MIDDLE_KNUCKLE = 0, 9
TURNS_DEG = (-18.0, 0.0, 18.0)


def upright_views(
    keypoints_px: Float[Tensor, "batch 21 2"],
    view_px: int,
    K: Float[Tensor, "batch 3 3"] | None = None,
    turn_rad: float | Float[Tensor, "batch"] = 0.0,
    zoom: float | Float[Tensor, "batch"] = 1.0,
    shift: float | Float[Tensor, "batch 2"] = 0.0,
) -> Views:
    """Squares around right hands, turned so that the knuckle of the middle finger is above the wrist.

    Args:
        keypoints_px: pixels of the pictures.
        view_px: side of the views.
        K: (B, 3, 3) the pictures' intrinsics, px; None assumes a camera that looks at the hand.
        turn_rad: clockwise, from there.
        zoom: how much larger the hand is shown.
        shift: how far the square is moved, in its sides.
    """
    centre, side = square_box(keypoints_px, BOX_FACTOR)
    pointing = keypoints_px[:, MIDDLE_KNUCKLE] - keypoints_px[:, WRIST]
    up = -math.pi / 2 - torch.atan2(pointing[:, 1], pointing[:, 0])
    right = torch.zeros(len(side), dtype=torch.bool)
    return make_views(centre + side[:, None] * shift, side / zoom, right, view_px, K, up + turn_rad)


@torch.no_grad()
def look_guided(
    guided: GuidedNetwork,
    pictures: list[np.ndarray],
    keypoints_px: Float[Tensor, "batch 21 2"],
    confidence: Float[Tensor, "batch 21"],
    view_px: int,
    K: Float[Tensor, "batch 3 3"] | None = None,
    turns_deg: tuple[float, ...] = TURNS_DEG,
) -> tuple[Float[Tensor, "batch 21 3"], Float[Tensor, "batch 21 2"]]:
    """Joints (m, from the wrist, the pictures' camera frame) and the keypoints that are read (px): means over turns.

    Args:
        guided: in evaluation mode.
        pictures: (H, W, 3) 8-bit RGB, of right hands.
        keypoints_px, confidence: the detector's.
        view_px: side of the squares that the network looks at.
        K: as for :func:`upright_views`.
        turns_deg: the views.
    """
    joints, read = torch.zeros(len(pictures), 21, 3), torch.zeros(len(pictures), 21, 2)
    for turn in turns_deg:
        view = upright_views(keypoints_px, view_px, K, math.radians(turn))
        images = normalise_images(torch.from_numpy(cut_views(pictures, view.affine, view_px)))
        seen = guided(images, ReadKeypoints(view.pixels_to_view(keypoints_px), confidence), view.K)
        joints += view.points_to_picture(seen.joints - seen.joints[:, :1]) / len(turns_deg)
        read += view.pixels_to_picture(seen.keypoints.points_px) / len(turns_deg)
    return joints, read
