"""Fit the hand to detected 2D keypoints, one optimisation a picture, many pictures at once.

The energy is S2HAND's E_geo (Eq. 5) plus what replaces the network's experience: joint angles that stay within the
limits of living hands (by construction), fingers that bend together, a pose and a shape near the ordinary. Several
starts are run side by side and the one with the least energy is kept, because depth is not in the picture.
"""

from functools import cache

import torch
from jaxtyping import Float
from torch import Tensor

from handlib.camera import Camera, PerspectiveCamera
from handlib.errors import BadInputError
from handlib.fitting.pose_library import PoseLibrary
from handlib.fitting.problem import FitProblem, FitResult, FitSettings, keypoint_extent
from handlib.hand.anatomy import AnatomicalPose
from handlib.hand.model import HandModel

# A hand of 0.18 m at arm's length, seen by a camera with a field of view of 65 degrees, fills 1 / 2.8 of its focal
# length: what is assumed of a picture whose camera is not known.
FOCAL_PER_HAND_SIZE = 2.8


def fit_to_keypoints(
    model: HandModel,
    keypoints_px: Float[Tensor, "batch 21 2"],
    confidence: Float[Tensor, "batch 21"] | None = None,
    camera: PerspectiveCamera | None = None,
    *,
    library: PoseLibrary | None = None,
    settings: FitSettings | None = None,
    progress: bool = False,
) -> FitResult:
    """Fit the hand to detected keypoints, each hand of the batch by itself.

    Args:
        model: the hand, with ``pose_space="axis_angle"`` and of the side that the pictures show (or right, if left
            hands were mirrored at the door).
        keypoints_px: (batch, 21, 2) detected joints, px.
        confidence: (batch, 21) in 0..1; all ones if not given. Joints that were not found have 0 and any finite place.
        camera: the pictures' camera. If it is not known, one with a focal length of :data:`FOCAL_PER_HAND_SIZE` times
            the hand's size in the picture is assumed; depth is then only as good as that guess.
        library: where starts come from; built (once a model) if not given.
        settings: weights and effort.
        progress: show a progress bar.

    Returns:
        the fit with the least energy of each hand.

    Raises:
        BadInputError: no hand at all, NaN, wrong shapes or types, confidence outside 0..1, fewer than 4 joints with
            confidence, a camera without perspective or for another batch, more starts than the library has entries, or
            a PCA model.

    Source: energy of S2HAND Eq. 5 with anatomical limits (Spurr et al. 2020, https://arxiv.org/abs/2003.09282).
    """
    settings = settings or FitSettings()
    confidence = torch.ones_like(keypoints_px[..., 0]) if confidence is None else confidence
    check_arguments(model, keypoints_px, confidence, camera, settings)
    camera = assumed_camera(keypoints_px, confidence) if camera is None else camera
    library = default_library(model) if library is None else library
    problem = FitProblem.start(model, keypoints_px, confidence, camera, library, settings)
    problem.optimise(settings, progress)
    return problem.best(keypoints_px, camera)


def assumed_camera(
    keypoints_px: Float[Tensor, "batch 21 2"], confidence: Float[Tensor, "batch 21"]
) -> PerspectiveCamera:
    """A camera for pictures whose own is not known: looks at the hand, at about arm's length from it."""
    size, centre = keypoint_extent(keypoints_px, confidence)
    return PerspectiveCamera.from_focal((FOCAL_PER_HAND_SIZE * size)[:, None].expand(-1, 2), centre)


@cache
def default_library(model: HandModel) -> PoseLibrary:
    """The library that fits start from: 512 draws of the pose sampler, seen from 128 directions (seed 0)."""
    from handlib.hand.sampler import PoseSampler

    angles = PoseSampler(model, seed=0).sample(512)
    return PoseLibrary.build(model, AnatomicalPose(model).to(model.v_template).to_axis_angle(angles), angles)


def check_arguments(
    model: HandModel,
    keypoints_px: Tensor,
    confidence: Tensor,
    camera: Camera | None,
    settings: FitSettings,
) -> None:
    """Refuse what cannot be fitted: the errors of :func:`fit_to_keypoints`."""
    if model.pose_space != "axis_angle":
        raise BadInputError("fitting needs a hand loaded with pose_space='axis_angle': its joints are bent one by one")
    count = len(keypoints_px)
    if keypoints_px.shape != (count, 21, 2) or confidence.shape != (count, 21):
        raise BadInputError(
            f"keypoints_px has shape {tuple(keypoints_px.shape)} and confidence {tuple(confidence.shape)}: expected "
            "(batch, 21, 2) and (batch, 21)"
        )
    if {keypoints_px.dtype, confidence.dtype} != {model.v_template.dtype}:
        raise BadInputError(
            f"keypoints_px is {keypoints_px.dtype}, confidence {confidence.dtype} and the hand "
            f"{model.v_template.dtype}: give all three one float type"
        )
    if camera is not None and (not isinstance(camera, PerspectiveCamera) or len(camera) not in (1, count)):
        raise BadInputError(
            f"camera is a batch of {len(camera)} {type(camera).__name__}: expected a PerspectiveCamera, one for all or "
            f"one for each of the {count} hands"
        )
    if count == 0:
        raise BadInputError("keypoints_px is an empty batch: there is no hand to fit")
    if not (torch.isfinite(keypoints_px).all() and torch.isfinite(confidence).all()):
        finite = torch.isfinite(keypoints_px).all(-1) & torch.isfinite(confidence)
        bad = (~finite.all(-1)).nonzero().flatten().tolist()
        raise BadInputError(
            f"keypoints_px or confidence is not finite (hands {bad[:5]}): give joints that were not found confidence 0 "
            "and any finite place"
        )
    if confidence.amin() < 0 or confidence.amax() > 1:
        low, high = float(confidence.amin()), float(confidence.amax())
        raise BadInputError(f"confidence runs from {low:g} to {high:g}: expected 0..1; divide percentages by 100")
    few = ((confidence > 0).sum(-1) < 4).nonzero().flatten().tolist()
    if few:
        raise BadInputError(f"hands {few[:5]} have fewer than 4 joints with confidence: too few to fit a hand to")
    if settings.starts < 1 or settings.steps < 1:
        raise BadInputError(f"starts and steps are at least 1, not {settings.starts} and {settings.steps}")
