"""What :func:`handlib.reconstruct` is given, checked: a wrong argument is named before any work begins."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Num, Shaped

from handlib.data.images import as_rgb8
from handlib.errors import BadInputError


def check_pictures(images: Shaped[np.ndarray, "batch *picture"] | Sequence[np.ndarray]) -> list[np.ndarray]:
    """Any batch of pictures as a list of (H, W, 3), 8-bit RGB, each of its own size.

    Raises:
        BadInputError: a path, one picture that is no batch, none at all, or something that is no picture.
    """
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
    return [as_rgb8(np.asarray(image)) for image in images]


def check_sides(side: str | Sequence[str], count: int) -> tuple[str, ...]:
    """One of "left", "right" and "auto" for each picture."""
    sides = (side,) * count if isinstance(side, str) else tuple(side)
    if len(sides) != count or not set(sides) <= {"left", "right", "auto"}:
        raise BadInputError(
            f"side is 'left', 'right' or 'auto', or one of them for each of the {count} pictures, not {side!r}"
        )
    return sides


def split_confidence(
    keypoints: Num[np.ndarray, "..."], count: int
) -> tuple[Float[torch.Tensor, "batch 21 2"], Float[torch.Tensor, "batch 21"]]:
    """Keypoints (px) and their confidence, 1 where none is given."""
    keypoints = np.asarray(keypoints)
    if keypoints.shape not in ((count, 21, 2), (count, 21, 3)):
        raise BadInputError(
            f"keypoints has shape {keypoints.shape}: expected ({count}, 21, 2) pixels, or (..., 3) with a confidence"
        )
    points = torch.from_numpy(np.array(keypoints, np.float32))
    return points[..., :2], points[..., 2] if points.shape[2] == 3 else torch.ones(points.shape[:2])


def check_intrinsics(intrinsics: Num[np.ndarray, "..."], count: int) -> Float[torch.Tensor, "batch 3 3"]:
    """One camera a picture, with focal lengths that are lengths."""
    if np.shape(intrinsics) != (count, 3, 3):
        raise BadInputError(
            f"intrinsics has shape {np.shape(intrinsics)}: expected ({count}, 3, 3), one a picture; one camera for "
            f"all is np.repeat(K[None], {count}, axis=0)"
        )
    K = torch.from_numpy(np.array(intrinsics, np.float32))
    if not torch.isfinite(K).all() or not bool((K[:, [0, 1], [0, 1]] > 0).all()):
        raise BadInputError("intrinsics: focal lengths (K[:, 0, 0], K[:, 1, 1]) must be positive, and all finite, px")
    return K
