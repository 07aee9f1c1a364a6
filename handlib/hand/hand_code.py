"""A hand in 26 numbers, and what they look like through a weak-perspective camera (Eq. 1 to 4 of SeqHAND).

Yang et al., ECCV 2020, section 3.1, after Boukhayma et al., CVPR 2019: pose (10 principal components), shape (10),
scale, translation (2) and rotation (3, axis-angle). Weak perspective knows no distance: a hand has its wrist at the
origin, is turned, and is drawn at a scale and a place. So that the numbers do not depend on the size of the picture,
scale is in picture widths a metre, and translation in picture widths from the middle of the picture.
"""

from typing import NamedTuple

import roma
import torch
from jaxtyping import Float
from torch import Tensor

from handlib.camera import WeakPerspectiveCamera
from handlib.errors import BadInputError
from handlib.hand.model import HandMesh, HandModel

CAMERA_NUMBERS = 6
"""Scale, translation and rotation."""


class HandCode(NamedTuple):
    """The parts of a code, in their order: the parameters that Eq. 13 compares."""

    pose: Float[Tensor, "*batch num_pose"]
    shape: Float[Tensor, "*batch num_shape"]
    scale: Float[Tensor, "*batch"]
    translation: Float[Tensor, "*batch 2"]
    rotation: Float[Tensor, "*batch 3"]

    @property
    def numbers(self) -> Float[Tensor, "*batch numbers"]:
        """All of them side by side."""
        return torch.cat([self.pose, self.shape, self.scale[..., None], self.translation, self.rotation], dim=-1)

    @classmethod
    def split(cls, numbers: Float[Tensor, "*batch numbers"], num_pose: int = 10) -> "HandCode":
        """The parts of ``numbers``; what is neither pose nor camera is shape.

        Raises:
            BadInputError: too few numbers.
        """
        num_shape = numbers.shape[-1] - num_pose - CAMERA_NUMBERS
        if num_shape < 0:
            raise BadInputError(f"numbers: {numbers.shape[-1]} a hand, expected at least {num_pose + CAMERA_NUMBERS}")
        pose, shape, scale, translation, rotation = numbers.split([num_pose, num_shape, 1, 2, 3], dim=-1)
        return cls(pose, shape, scale[..., 0], translation, rotation)


class SeenHand(NamedTuple):
    """Hands as a weak-perspective camera sees them.

    ``vertices_m`` and ``joints_m``: turned, the wrist at the origin, metres, axes of an OpenCV camera.
    ``vertices_2d_px`` and ``joints_2d_px``: in the picture. ``camera``: one a hand, batch axes flattened.
    """

    vertices_m: Float[Tensor, "*batch vertices 3"]
    joints_m: Float[Tensor, "*batch 21 3"]
    vertices_2d_px: Float[Tensor, "*batch vertices 2"]
    joints_2d_px: Float[Tensor, "*batch 21 2"]
    camera: WeakPerspectiveCamera


def posed_mesh(
    hand: HandModel, pose: Float[Tensor, "batch num_pose"], shape: Float[Tensor, "batch num_shape"]
) -> HandMesh:
    """Eq. 1, ``M(theta, beta) = W(T(theta, beta, T0), J(beta), theta, w)``: the skinned mesh, the wrist at the origin.

    Also its joints, because the wrist is one of them. Metres, the hand file's own axes.
    """
    mesh = hand(pose, shape)
    wrist = mesh.joints[:, :1]
    return HandMesh(mesh.vertices - wrist, mesh.joints - wrist)


def posed_joints(
    hand: HandModel, pose: Float[Tensor, "batch num_pose"], shape: Float[Tensor, "batch num_shape"]
) -> Float[Tensor, "batch 21 3"]:
    """Eq. 2, ``J(theta, beta) = R_theta(J(beta))``: the joints of a shape, turned by the pose; wrist at the origin, m.

    The same as those of :func:`posed_mesh`, without skinning the mesh.
    """
    joints = hand.joints(pose, shape)
    return joints - joints[:, :1]


def project_weak_perspective(
    points_m: Float[Tensor, "batch points 3"],
    rotation: Float[Tensor, "batch 3"],
    scale: Float[Tensor, "batch"],
    translation: Float[Tensor, "batch 2"],
) -> Float[Tensor, "batch points 2"]:
    """Eq. 3 and 4, ``s Pi R X + t``: turn the points of a hand, drop z, scale, move.

    Args:
        points_m: of the mesh (Eq. 3) or the joints (Eq. 4), metres.
        rotation: axis-angle, radians; R is made of it by Rodrigues' formula.
        scale: pixels a metre, positive.
        translation: px.

    Returns:
        Pixels. ``BadInputError`` for a scale that is not positive.
    """
    return WeakPerspectiveCamera(scale, translation).project(turn_points(points_m, rotation))


def turn_points(
    points_m: Float[Tensor, "batch points 3"], rotation: Float[Tensor, "batch 3"]
) -> Float[Tensor, "batch points 3"]:
    """``R X``: points turned about the origin by an axis-angle (radians) a hand."""
    return points_m @ roma.rotvec_to_rotmat(rotation).mT


def see_hand(hand: HandModel, code: HandCode, image_px: int) -> SeenHand:
    """Hands of codes with any batch axes, through their cameras, in square pictures of ``image_px``.

    Args:
        hand: with the principal components of the pose: ``HandModel.load(..., pose_space="pca", num_pca=10,
            flat_hand_mean=False)``.
        code: in the units of this file.
        image_px: width of the pictures.
    """
    batch = code.scale.shape
    pose, shape, rotation = (part.reshape(-1, part.shape[-1]) for part in (code.pose, code.shape, code.rotation))
    scale_px = code.scale.reshape(-1) * image_px
    translation_px = (image_px - 1) / 2 + code.translation.reshape(-1, 2) * image_px
    vertices, joints = posed_mesh(hand, pose, shape)
    turned = (turn_points(points, rotation) for points in (vertices, joints))
    pixels = (project_weak_perspective(points, rotation, scale_px, translation_px) for points in (vertices, joints))
    return SeenHand(
        *(points.unflatten(0, batch) for points in (*turned, *pixels)), WeakPerspectiveCamera(scale_px, translation_px)
    )
