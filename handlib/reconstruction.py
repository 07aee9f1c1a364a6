"""The front door: pictures of hands in, 3D hands out."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Num, Shaped, UInt8

from handlib.camera import PerspectiveCamera
from handlib.crops import mirror_pixels
from handlib.data.images import as_rgb8
from handlib.errors import BadInputError
from handlib.fitting import FitResult, FitSettings, fit_to_keypoints
from handlib.fitting.vertex_colours import sample_vertex_colours
from handlib.hand import HandModel
from handlib.keypoints import find_hands

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
        keypoints: (N, 21, 2) what was fitted to, pixels; ``confidence`` (N, 21).
        energy: (N,) what the fit left; compare hands by it, and distrust those far above the others.
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


def reconstruct(
    images: Shaped[np.ndarray, "batch *picture"] | Sequence[np.ndarray],
    keypoints: Num[np.ndarray, "*keypoint_batch points coordinates"] | None = None,
    checkpoint: str | Path | None = None,
    side: str | Sequence[str] = "right",
    *,
    intrinsics: Float[np.ndarray, "camera_batch 3 3"] | None = None,
    settings: FitSettings | None = None,
    progress: bool = False,
) -> HandReconstruction:
    """Reconstruct the hand in each picture.

    Without a trained network this fits the hand to 2D keypoints, given or detected, one optimisation a picture: see
    :func:`handlib.fitting.fit_to_keypoints`.

    Args:
        images: (N, H, W, 3) RGB, uint8; one hand each. Floats in 0..1, 16-bit, grey and transparent pictures are
            converted. That a picture is BGR, as ``cv2.imread`` gives it, cannot be seen from its numbers: the hand is
            then found less surely and has a blue texture; turn the channels round with ``image[..., ::-1]``.
        keypoints: (N, 21, 2) pixels, or (N, 21, 3) with a confidence in 0..1 as third number, 0 for a joint that was
            not found. Detected if not given, which needs the extra ``detect``.
        checkpoint: for trained networks; this version has none, and refuses one.
        side: which hand the pictures show, one for all or one for each. "auto" fits both and keeps the one that
            explains the keypoints with less energy: a flat hand does not tell, a bent finger does.
        intrinsics: (N, 3, 3) the cameras, pixels. If not given, a camera at arm's length is assumed, and the distance
            to the hand is only as good as that guess.
        settings: weights and effort of the fit.
        progress: show a progress bar.

    Returns:
        one hand a picture, in the pictures' order.

    Raises:
        BadInputError: empty batch, wrong shapes, types or ranges, pictures of several sizes, NaN, fewer than 4 joints
            with confidence, a picture in which no hand was found (named by index).
        MissingExtraError: no keypoints, and no detector is installed.

    Example:
        >>> hands = handlib.reconstruct(image[None], side="left")
        >>> hands.joints.shape
        (1, 21, 3)
    """
    if checkpoint is not None:
        raise BadInputError(
            f"checkpoint={checkpoint}: this version fits keypoints and reads no checkpoint; leave it out"
        )
    images = _pictures(images)
    sides = _sides(side, len(images))
    points, confidence = detect_keypoints(images) if keypoints is None else _split_confidence(keypoints, len(images))
    width = images.shape[2]
    cameras = None if intrinsics is None else _intrinsics(intrinsics, len(images))

    def fit_as(left: Bool[torch.Tensor, "batch"]) -> FitResult:
        camera = None if cameras is None else PerspectiveCamera(_mirror_cameras_where(left, cameras, width))
        target = _mirror_where(left, points, width)
        return fit_to_keypoints(default_model(), target, confidence, camera, settings=settings, progress=progress)

    left = torch.tensor([s == "left" for s in sides])
    if "auto" in sides:
        unknown = torch.tensor([s == "auto" for s in sides])
        left = torch.where(unknown, fit_as(left | unknown).energy < fit_as(left & ~unknown).energy, left)
    return _as_seen(fit_as(left), images, left, points, confidence)


def detect_keypoints(
    images: UInt8[np.ndarray, "batch height width 3"],
) -> tuple[Float[torch.Tensor, "batch 21 2"], Float[torch.Tensor, "batch 21"]]:
    """The surest hand's keypoints (px) and confidences in each picture; tight crops are tried again with a border.

    Raises:
        BadInputError: names the pictures in which no hand was found.
        MissingExtraError: no detector is installed.
    """
    found = [find_hands(image, max_hands=1) for image in images]
    if empty := [index for index, hands in enumerate(found) if not hands]:
        named = ", ".join(map(str, empty[:10])) + (" ..." if len(empty) > 10 else "")
        raise BadInputError(
            f"no hand was found in {len(empty)} of {len(images)} pictures (index {named}): leave them out, crop nearer "
            "to the hand, or give keypoints of your own"
        )
    points = np.stack([hands[0].keypoints_px for hands in found])
    confidence = np.stack([hands[0].confidence for hands in found])
    return torch.from_numpy(points), torch.from_numpy(confidence)


@cache
def default_model() -> HandModel:
    """The open right hand, loaded once."""
    return HandModel.load("open")


def _pictures(images: Shaped[np.ndarray, "batch *picture"] | Sequence[np.ndarray]) -> np.ndarray:
    """Any batch of pictures as (N, H, W, 3), 8-bit RGB."""
    if isinstance(images, str | Path) or not hasattr(images, "__len__"):
        raise BadInputError(
            f"images is a {type(images).__name__}: expected pictures as an array (N, H, W, 3); "
            "handlib.data.read_image(path)[None] makes one of a file"
        )
    if len(images) == 0:
        raise BadInputError("images is an empty batch: there is no hand to reconstruct")
    shape = np.shape(images[0])
    if len(shape) == 2 and shape[-1] in (3, 4):
        raise BadInputError(
            f"images has shape {np.shape(images)}: expected a batch (N, H, W, 3); one picture is image[None]"
        )
    pictures = [as_rgb8(np.asarray(image)) for image in images]
    sizes = {picture.shape[:2] for picture in pictures}
    if len(sizes) > 1:
        raise BadInputError(
            f"images are of {len(sizes)} sizes, such as {' and '.join(map(str, sorted(sizes)[:2]))}: "
            "scale them to one size, or reconstruct them one by one"
        )
    return np.stack(pictures)


def _sides(side: str | Sequence[str], count: int) -> tuple[str, ...]:
    sides = (side,) * count if isinstance(side, str) else tuple(side)
    if len(sides) != count or not set(sides) <= {"left", "right", "auto"}:
        raise BadInputError(
            f"side is 'left', 'right' or 'auto', or one of them for each of the {count} pictures, not {side!r}"
        )
    return sides


def _split_confidence(keypoints: np.ndarray, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    keypoints = np.asarray(keypoints)
    if keypoints.shape not in ((count, 21, 2), (count, 21, 3)):
        raise BadInputError(
            f"keypoints has shape {keypoints.shape}: expected ({count}, 21, 2) pixels, or (..., 3) with a confidence"
        )
    points = torch.from_numpy(np.array(keypoints, np.float32))
    return points[..., :2], points[..., 2] if points.shape[2] == 3 else torch.ones(points.shape[:2])


def _intrinsics(intrinsics: np.ndarray, count: int) -> torch.Tensor:
    if intrinsics.shape != (count, 3, 3):
        raise BadInputError(f"intrinsics has shape {intrinsics.shape}: expected ({count}, 3, 3), one a picture")
    return torch.from_numpy(np.array(intrinsics, np.float32))


def _mirror_cameras_where(left: torch.Tensor, K: torch.Tensor, width: int) -> torch.Tensor:
    return torch.where(left[:, None, None], PerspectiveCamera(K).mirror(width).K, K)


def _mirror_where(left: torch.Tensor, points: torch.Tensor, width: int) -> torch.Tensor:
    return torch.where(left[:, None, None], mirror_pixels(points, width), points)


def _as_seen(
    fit: FitResult,
    images: np.ndarray,
    left: torch.Tensor,
    points: torch.Tensor,
    confidence: torch.Tensor,
) -> HandReconstruction:
    """Undo the mirroring of left hands, and read the texture off the pictures."""
    width = images.shape[2]
    flip = torch.where(left[:, None], torch.tensor([-1.0, 1.0, 1.0]), torch.ones(3))[:, None]
    vertices, joints = fit.vertices * flip, fit.joints * flip
    camera = PerspectiveCamera(_mirror_cameras_where(left, fit.camera.K, width))
    faces = default_model().faces
    colours, _ = sample_vertex_colours(torch.from_numpy(images).float() / 255, vertices, faces, camera)
    return HandReconstruction(
        joints=joints.numpy(),
        vertices=vertices.numpy(),
        joints_2d=_mirror_where(left, fit.joints_2d_px, width).numpy(),
        texture=colours.numpy(),
        faces=faces.numpy(),
        intrinsics=camera.K.numpy(),
        sides=tuple("left" if is_left else "right" for is_left in left.tolist()),
        keypoints=points.numpy(),
        confidence=confidence.numpy(),
        energy=fit.energy.numpy(),
    )
