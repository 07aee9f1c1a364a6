"""Where in front of the camera a hand is: from what a picture shows of it to metres, and back to a camera.

A picture shows where a hand is and how large it appears, not how far away it is; for that one must know the camera.
A network that outputs metres (as S2HAND's does) has to learn the focal length of its training pictures; one that
outputs position and *apparent* size leaves the focal length to the formula ``z = f size_m / size_px``.

The *anchor* is the hand's place: the knuckle of the middle finger, which is near the middle of most crops.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from handlib.camera import PerspectiveCamera, WeakPerspectiveCamera
from handlib.skeleton import JOINT_NAMES

ANCHOR = JOINT_NAMES.index("middle_mcp")
# The distance from wrist to anchor of the mean open hand, rounded: "apparent size" is the size of this length.
REFERENCE_LENGTH_M = 0.09
# FreiHAND's cameras (480 px for crops of 224 px) look at its hands about like that. It is only a guess for a picture
# of unknown origin: the hand's distance is as good as it, and its shape hardly depends on it.
ASSUMED_FOCAL_IN_WIDTHS = 2.2


def assumed_intrinsics(like: Float[Tensor, "batch *any"], image_px: int) -> Float[Tensor, "batch 3 3"]:
    """Intrinsics for square pictures of unknown origin: :data:`ASSUMED_FOCAL_IN_WIDTHS`, looking at the middle.

    Args:
        like: gives the batch size, the device and the dtype.
        image_px: width of the pictures.
    """
    focal, middle = ASSUMED_FOCAL_IN_WIDTHS * image_px, (image_px - 1) / 2
    K = like.new_tensor([[focal, 0.0, middle], [0.0, focal, middle], [0.0, 0.0, 1.0]])
    return K.expand(len(like), 3, 3)


def focal_length_px(K: Float[Tensor, "batch 3 3"]) -> Float[Tensor, "batch"]:
    """One focal length (px) a camera: the geometric mean of both, whether or not the crop was turned."""
    return torch.linalg.det(K[:, :2, :2]).sqrt()


def anchor_from_apparent(
    centre: Float[Tensor, "batch 2"],
    log_size: Float[Tensor, "batch"],
    scale: Float[Tensor, "batch"],
    K: Float[Tensor, "batch 3 3"],
    image_px: int,
) -> Float[Tensor, "batch 3"]:
    """Where (m, camera frame) the anchor of a hand is that appears at ``centre`` with a size of ``exp(log_size)``.

    Args:
        centre: of the anchor, from the middle of the picture, in fractions of its width.
        log_size: logarithm of the apparent size of ``scale *`` :data:`REFERENCE_LENGTH_M`, seen square on, in fractions
            of the width.
        scale: of the hand, 1 for the model's own size.
        K: intrinsics, px.
        image_px: width of the square picture.

    Returns:
        ``z = f scale length / size_px``, and x, y on the ray through the centre. Twice the focal length is twice the
        distance, and the same pixel.
    """
    depth = focal_length_px(K) * scale * REFERENCE_LENGTH_M / (log_size.exp() * image_px)
    pixels = (image_px - 1) / 2 + centre * image_px
    return PerspectiveCamera(K).unproject(pixels[:, None], depth[:, None])[:, 0]


def weak_perspective_at(anchor_m: Float[Tensor, "batch 3"], camera: PerspectiveCamera) -> WeakPerspectiveCamera:
    """The weak-perspective camera that agrees with a perspective one at ``anchor_m`` and in its plane.

    Every point is seen as if it were at the anchor's depth: ``s = f / z``. For photographs whose focal length nobody
    knows, where a guessed perspective would bend the hand.
    """
    scale = focal_length_px(camera.K) / anchor_m[:, 2]
    pixels = camera.project(anchor_m[:, None])[:, 0]
    return WeakPerspectiveCamera(scale, pixels - scale[:, None] * anchor_m[:, :2])
