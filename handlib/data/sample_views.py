"""A sample seen otherwise: cropped to the hand, or as a right hand. Everything that it holds is carried along."""

from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from handlib.crops import (
    crop_affine,
    mirror_image,
    mirror_points,
    opposite_side,
    square_box,
    transform_pixels,
    warp_image,
)
from handlib.data.sample import Sample
from handlib.errors import BadInputError


def crop_sample(sample: Sample, image_px: int, *, enlarge: float | int | None = 1.5) -> Sample:
    """The square around a hand, resized: picture, K, 2D joints, box, mask and depth; 3D stays as it is.

    The square is ``enlarge`` times the longer side of the box around the labelled 2D joints, or, where fewer than three
    have a label (HO-3D's evaluation split), around the data set's own ``box_px``. With ``enlarge=None`` it is the whole
    picture (FreiHAND's are crops already), with a margin where that is no square.

    Raises:
        BadInputError: the sample has neither joints nor box.
    """
    affine = crop_affine(*_square(sample, enlarge), image_px)
    matrix = affine[0]
    changed = {"image": warp_image(sample.image, matrix, image_px)}
    if sample.K is not None:
        changed["K"] = (np.vstack([matrix.numpy(), [0, 0, 1]]) @ sample.K).astype(sample.K.dtype)
    if sample.joints_2d_px is not None:
        moved = transform_pixels(torch.as_tensor(sample.joints_2d_px, dtype=torch.float64)[None], affine)[0].numpy()
        changed["joints_2d_px"] = moved.astype(sample.joints_2d_px.dtype)
        if sample.confidence is not None:
            # A joint without a label keeps its pixel (0, 0).
            changed["joints_2d_px"][sample.confidence == 0] = 0
    if sample.box_px is not None:
        corners = torch.as_tensor(sample.box_px, dtype=torch.float64).reshape(1, 2, 2)
        changed["box_px"] = transform_pixels(corners, affine)[0].reshape(4).numpy().astype(sample.box_px.dtype)
    for name in ("mask", "depth_m"):
        if (values := getattr(sample, name)) is not None:
            # Between two depths, or two masks, there is no third one.
            changed[name] = warp_image(np.asarray(values, np.float32), matrix, image_px, interpolation="nearest")
    return replace(sample, **changed)


def as_right_hand(sample: Sample) -> Sample:
    """The sample, mirrored if it shows a left hand: networks here know right hands only."""
    if sample.side == "right":
        return sample
    width = sample.image.shape[1]
    changed = {"side": opposite_side(sample.side), "image": mirror_image(sample.image)}
    if sample.K is not None:
        K = sample.K.copy()
        K[0, 2] = width - 1 - K[0, 2]
        K[0, 1] = -K[0, 1]
        changed["K"] = K
    if sample.joints_2d_px is not None:
        pixels = sample.joints_2d_px.copy()
        known = np.ones(21, bool) if sample.confidence is None else sample.confidence > 0
        pixels[known, 0] = width - 1 - pixels[known, 0]
        changed["joints_2d_px"] = pixels
    if sample.box_px is not None:
        left, top, right, bottom = sample.box_px
        changed["box_px"] = np.array([width - 1 - right, top, width - 1 - left, bottom], sample.box_px.dtype)
    for name in ("joints_m", "vertices_m"):
        if (points := getattr(sample, name)) is not None:
            changed[name] = mirror_points(points)
    for name in ("mask", "depth_m"):
        if (values := getattr(sample, name)) is not None:
            changed[name] = np.ascontiguousarray(values[:, ::-1])
    return replace(sample, **changed)


def _square(sample: Sample, enlarge: float | int | None) -> tuple[Float[Tensor, "1 2"], Float[Tensor, "1"]]:
    """Centre and side, px, of what :func:`crop_sample` keeps."""
    if enlarge is None:
        height, width = sample.image.shape[:2]
        # A picture ends half a pixel beyond the centres of its outermost pixels.
        corners = [[-0.5, -0.5], [width - 0.5, height - 0.5]]
        return square_box(torch.tensor([corners], dtype=torch.float64), 1.0)
    points = np.zeros((0, 2), np.float32)
    if sample.joints_2d_px is not None:
        known = np.ones(21, bool) if sample.confidence is None else sample.confidence > 0
        points = sample.joints_2d_px[known]
    if len(points) < 3:
        if sample.box_px is None:
            raise BadInputError(f"{sample.name}: no 2D joints and no box to crop by; crop it with handlib.crops")
        points = sample.box_px.reshape(2, 2)
    return square_box(torch.as_tensor(points, dtype=torch.float64)[None], enlarge)
