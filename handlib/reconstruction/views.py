"""Square views of hands: where they are cut out of pictures, and through which camera they look.

A view is a crop that may be turned, and mirrored for a left hand, so that a network sees upright right hands of the
size that it was trained on. Whatever is done to the picture is done to the camera (:mod:`handlib.crops`); ``to_frame``
brings what the network says back.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import roma
import torch
from jaxtyping import Bool, Float, Shaped, UInt8
from torch import Tensor

from handlib.camera import PerspectiveCamera
from handlib.crops import (
    compose_affines,
    crop_affine,
    invert_affine,
    split_in_plane_rotation,
    transform_pixels,
    warp_image,
)
from handlib.models.placement import assumed_intrinsics

BOX_FACTOR = 1.5
"""Side of the square that is looked at, over the box of the keypoints: the middle of what networks are trained on."""


@dataclass(frozen=True, eq=False)
class Views:
    """One view a picture.

    Attributes:
        affine: (B, 2, 3) pixels of the picture to pixels of the view.
        K: (B, 3, 3) intrinsics of the view, px.
        to_frame: (B, 3, 3) from the picture's camera frame to the view's; with a reflection where a hand is mirrored.
        picture_K: (B, 3, 3) intrinsics of the picture, given or assumed, px.
    """

    affine: Float[Tensor, "batch 2 3"]
    K: Float[Tensor, "batch 3 3"]
    to_frame: Float[Tensor, "batch 3 3"]
    picture_K: Float[Tensor, "batch 3 3"]

    def points_to_picture(self, points: Float[Tensor, "batch points 3"]) -> Float[Tensor, "batch points 3"]:
        """From the view's frame to the picture's camera frame (m)."""
        return points @ self.to_frame

    def pixels_to_view(self, pixels: Float[Tensor, "batch points 2"]) -> Float[Tensor, "batch points 2"]:
        """From pixels of the picture to pixels of the view."""
        return transform_pixels(pixels, self.affine)

    def pixels_to_picture(self, pixels: Float[Tensor, "batch points 2"]) -> Float[Tensor, "batch points 2"]:
        """From pixels of the view to pixels of the picture."""
        return transform_pixels(pixels, invert_affine(self.affine))


def make_views(
    centre_px: Float[Tensor, "batch 2"],
    side_px: Float[Tensor, "batch"],
    left: Bool[Tensor, "batch"],
    view_px: int,
    K: Float[Tensor, "batch 3 3"] | None = None,
    turn_rad: float | Float[Tensor, "batch"] = 0.0,
    zoom: float = 1.0,
) -> Views:
    """Look at squares of pictures.

    Args:
        centre_px: middles of the squares, pixels of the pictures.
        side_px: their sides.
        left: which show a left hand, and are mirrored.
        view_px: side of the views.
        K: (B, 3, 3) the pictures' intrinsics, px; None assumes a camera that looks at the square's middle.
        turn_rad: how far what is seen is turned about its middle, clockwise; after mirroring.
        zoom: shows ``1 / zoom`` of the square's side.
    """
    batch = len(side_px)
    # Mirroring after a turn makes it a turn the other way.
    turn = torch.where(left, -1.0, 1.0).to(side_px) * turn_rad
    crop = crop_affine(centre_px, side_px / zoom, view_px, turn)
    flip = torch.tensor([[[-1.0, 0.0, view_px - 1], [0.0, 1.0, 0.0]]])
    affine = torch.where(left[:, None, None], compose_affines(flip, crop), crop)
    if K is None:
        straight = _homogeneous(crop_affine(centre_px, side_px, view_px))
        picture_K = aimed_K = torch.linalg.inv(straight) @ assumed_intrinsics(side_px, view_px)
        aim = torch.eye(3).expand(batch, 3, 3)
    else:
        picture_K, (aimed_K, aim) = K, aim_at(K, centre_px)
    mirror = torch.where(left[:, None, None], torch.tensor([-1.0, 1.0, 1.0]).diag(), torch.eye(3))
    view_K, straighten = split_in_plane_rotation(_homogeneous(affine) @ aimed_K @ mirror)
    return Views(affine, view_K, straighten @ mirror @ aim, picture_K)


def aim_at(
    K: Float[Tensor, "batch 3 3"], pixel: Float[Tensor, "batch 2"]
) -> tuple[Float[Tensor, "batch 3 3"], Float[Tensor, "batch 3 3"]]:
    """The camera at the same place that looks straight at a pixel: its intrinsics, and the rotation into its frame.

    Networks see crops as if the camera had looked at their middle. A hand at the edge of the picture is then turned by
    the angle between the two directions; the rotation takes that out. Pixels stay where they are at the middle and
    nearly so around it: what the two cameras see differs by the stretch of wide angles alone.
    """
    direction = PerspectiveCamera(K).unproject(pixel[:, None], torch.ones(len(K), 1))[:, 0]
    across = direction[:, :2].norm(dim=-1)
    # About the axis that is at right angles to both the ray and the optical axis; no turn where they are one.
    angle_over_sine = torch.where(across > 1e-6, across.atan2(direction[:, 2]) / across.clamp(min=1e-6), 1.0)
    axis = torch.stack([direction[:, 1], -direction[:, 0], torch.zeros_like(across)], dim=-1)
    rotation = roma.rotvec_to_rotmat(axis * angle_over_sine[:, None])
    # What is seen at the same distance along a slanted ray is nearer to the picture's plane, hence larger.
    aimed = K.clone()
    aimed[:, :2, :2] = K[:, :2, :2] * direction.norm(dim=-1)[:, None, None]
    aimed[:, :2, 2] = pixel
    return aimed, rotation


def cut_views(
    pictures: list[Shaped[np.ndarray, "_height _width 3"]], affine: Float[Tensor, "batch 2 3"], view_px: int
) -> UInt8[np.ndarray, "batch view_px view_px 3"]:
    """The views' pixels; black where a view looks past its picture."""
    return np.stack([cut_view(picture, matrix, view_px) for picture, matrix in zip(pictures, affine, strict=True)])


def cut_view(
    picture: UInt8[np.ndarray, "_height _width 3"], affine: Float[Tensor, "2 3"], view_px: int
) -> UInt8[np.ndarray, "view_px view_px 3"]:
    """One view. Its part of the picture is scaled down to about twice the view first: large pictures cost no more."""
    edge = torch.tensor([[[-0.5, -0.5], [-0.5, view_px - 0.5], [view_px - 0.5, -0.5], [view_px - 0.5] * 2]])
    corners = transform_pixels(edge, invert_affine(affine[None]))[0].numpy()
    reach = 2 + int(np.ptp(corners, axis=0).max() / view_px)
    size = np.array(picture.shape[1::-1])
    low = np.clip(np.floor(corners.min(0)).astype(int) - reach, 0, size)
    high = np.clip(np.ceil(corners.max(0)).astype(int) + reach, 0, size)
    if (high <= low).any():
        return np.zeros((view_px, view_px, 3), np.uint8)
    part = picture[low[1] : high[1], low[0] : high[0]]
    shrink = max(1.0, float(torch.linalg.det(affine[:, :2]).abs()) ** -0.5 / 2)
    new_size = np.maximum(1, ((high - low) / shrink).round().astype(int))
    ratio = new_size / (high - low)
    if shrink > 1:
        part = cv2.resize(part, new_size.tolist(), interpolation=cv2.INTER_AREA)
    # Pixels of the scaled part to pixels of the picture; edges onto edges, hence the halves.
    offset = (0.5 / ratio - 0.5) + low
    back = torch.tensor([[[1 / ratio[0], 0, offset[0]], [0, 1 / ratio[1], offset[1]]]], dtype=affine.dtype)
    return warp_image(np.ascontiguousarray(part), compose_affines(affine[None], back)[0], view_px)


def _homogeneous(affine: Float[Tensor, "batch 2 3"]) -> Float[Tensor, "batch 3 3"]:
    last = torch.tensor([[[0.0, 0.0, 1.0]]]).expand(len(affine), 1, 3)
    return torch.cat([affine, last.to(affine)], dim=1)
