"""Hands from keypoints that somebody else found: one optimisation a picture."""

from functools import cache

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from handlib.camera import PerspectiveCamera
from handlib.crops import mirror_pixels, mirror_points
from handlib.fitting import FitResult, FitSettings, fit_to_keypoints
from handlib.hand import HandModel
from handlib.reconstruction.estimate import Estimate


@cache
def default_model() -> HandModel:
    """The open right hand, loaded once."""
    return HandModel.load("open")


def fit_hands(
    keypoints_px: Float[Tensor, "batch 21 2"],
    confidence: Float[Tensor, "batch 21"],
    left: Bool[Tensor, "batch"],
    K: Float[Tensor, "batch 3 3"] | None = None,
    *,
    settings: FitSettings | None = None,
    progress: bool = False,
) -> Estimate:
    """Fit the hand to keypoints (:func:`handlib.fitting.fit_to_keypoints`), left hands as mirrored right ones.

    Raises:
        BadInputError: as :func:`handlib.fitting.fit_to_keypoints`.
    """
    camera = None if K is None else PerspectiveCamera(_mirror_cameras(K, left))
    target = _mirror_pixels(keypoints_px, left)
    fit: FitResult = fit_to_keypoints(default_model(), target, confidence, camera, settings=settings, progress=progress)
    aside = left[:, None, None]
    return Estimate(
        vertices=torch.where(aside, mirror_points(fit.vertices), fit.vertices),
        joints=torch.where(aside, mirror_points(fit.joints), fit.joints),
        joints_2d_px=_mirror_pixels(fit.joints_2d_px, left),
        keypoints_px=keypoints_px,
        confidence=confidence,
        K=_mirror_cameras(fit.camera.K, left),
        energy=fit.energy,
        doubt=fit.energy,
    )


# Mirrored as if pictures had no width: what is mirrored at one line and back again does not depend on the line, and
# pictures of several widths need no line each.
def _mirror_pixels(points: Tensor, left: Tensor) -> Tensor:
    return torch.where(left[:, None, None], mirror_pixels(points, 0), points)


def _mirror_cameras(K: Tensor, left: Tensor) -> Tensor:
    return torch.where(left[:, None, None], PerspectiveCamera(K).mirror(0).K, K)
