"""S2HAND's training objective: all its terms by name, and the two sets of weights that add them up.

Eq. 1 nests: ``E = w_3d E_3d + w_2d E_2d + w_con E_con``, where E_3d (Eq. 2) is the weighted sum of the geometric
(Eq. 5), the photometric (Eq. 8) and the regularising terms (Eq. 9). :func:`s2hand_terms` computes the terms without
weights, :func:`total_loss` adds them with a :class:`S2HandWeights`, so that a term can be plotted, or left out by
``dataclasses.replace(weights, orientation=0.0)``.

The paper's text and the released code agree in every product of weights that both use, save that of E_s, but not in
what some terms measure; ``form`` chooses the whole set:

============  ==========  ==========  ===================================  =======================================
term          "paper"     "released"  "paper" is                           "released" is
============  ==========  ==========  ===================================  =======================================
location      1e-3        1e-3        mean of con_i Huber_i                weights (k_i con_i)^2, normalised
orientation   0.1         0.1         con_i con_j |difference|^2           the same
pixel         5e-3        5e-3        2-norm over |S|, times con_sum       mean over the picture, mean con squared
ssim          1e-3        0           1 - SSIM                             in no shipped configuration
mean_colour   0           1e-3        -                                    difference of mean colours
shape         1e-2        1e-2        norm of beta                         mean square of beta
texture       5e-3        5e-3        distance of 2-sigma outliers         the same
scale         100         0.1         squared length difference            absolute length difference
joint_limits  0.1         0.1         pitch, azimuth, roll of each bone    components of MANO's axis-angle
laplacian     0           0.1         -                                    mean roughness of the mesh
keypoints_2d  1e-3        1e-3        as location                          weights con_i^2, normalised
consistency   2e-4        2e-4        mean of Huber_i                      the same
============  ==========  ==========  ===================================  =======================================

Sources: weights of the paper in S2HAND(V) (Tu et al.), Sec. 4.3; https://github.com/TerenceCYJ/S2HAND. The square in
the paper's E_s is our reading of its weight, see :func:`~handlib.losses.regularisation.scale_loss`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from handlib.errors import BadInputError
from handlib.hand.anatomy import AnatomicalPose
from handlib.losses.keypoints import bone_orientation_loss, joint_location_loss
from handlib.losses.photometric import mean_colour_loss, pixel_loss, released_pixel_loss, ssim_loss
from handlib.losses.regularisation import (
    MANO_MIDDLE_PROXIMAL_M,
    axis_angle_limit_loss,
    euler_limit_loss,
    laplacian_loss,
    scale_loss,
    shape_prior,
    squared_shape_prior,
    texture_outlier_loss,
)
from handlib.skeleton import TIPS

PAPER_IMAGE_PX = 224.0
"""Side of the pictures whose pixels the weights are meant for."""

# The released table leaves even axes that do not turn 5 degrees of play; a clinical range of zero is meant no harder.
_PLAY_RAD = 5 * torch.pi / 180
_GEOMETRIC = ("location", "orientation")
_PHOTOMETRIC = ("pixel", "ssim", "mean_colour")
_REGULARISING = ("shape", "texture", "scale", "joint_limits", "laplacian")
_BRANCHES = ("keypoints_2d", "consistency")
TERM_NAMES: tuple[str, ...] = (*_GEOMETRIC, *_PHOTOMETRIC, *_REGULARISING, *_BRANCHES)
"""Names of all terms, in the order of the equations."""


@dataclass(frozen=True, kw_only=True)
class S2HandWeights:
    """Weights of Eq. 1, 2, 5, 8 and 9, each multiplied by those of the groups around it, and the form of the terms.

    A field with a term's name weighs that term; 0 leaves it out and saves its computation. The groups are
    ``branch_3d``, and in it ``geometric``, ``photometric`` and ``regularisation``.
    """

    form: Literal["paper", "released"]
    branch_3d: float = 1.0
    geometric: float = 1e-3
    photometric: float = 5e-3
    regularisation: float = 1e-2
    location: float = 1.0
    orientation: float = 100.0
    pixel: float = 1.0
    ssim: float
    mean_colour: float
    shape: float = 1.0
    texture: float = 0.5
    scale: float
    joint_limits: float = 10.0
    laplacian: float
    keypoints_2d: float = 1e-3
    consistency: float = 2e-4


S2HAND_WEIGHTS: dict[str, S2HandWeights] = {
    "paper": S2HandWeights(form="paper", ssim=0.2, mean_colour=0.0, scale=10000.0, laplacian=0.0),
    "released": S2HandWeights(form="released", ssim=0.0, mean_colour=0.2, scale=10.0, laplacian=10.0),
}


def released_joint_weights(confidence: Float[Tensor, "batch 21"], emphasis: bool = True) -> Float[Tensor, "batch 21"]:
    """The released code's weight of each joint: squared confidence, normalised to a mean of one over the hand.

    With ``emphasis`` the confidence is first doubled at the wrist and multiplied by 1.5 at the fingertips (its 3D
    branch), without it is not (its 2D branch). A hand without any confidence gets zeros.

    Since the weights are normalised, a hand whose detections are all doubtful counts as much as a clear one, which
    Eq. 3 avoids. Source: https://github.com/TerenceCYJ/S2HAND.
    """
    factor = torch.ones_like(confidence)
    if emphasis:
        factor[:, 0], factor[:, list(TIPS)] = 2.0, 1.5
    squared = (confidence * factor).square()
    total = squared.sum(-1, keepdim=True)
    return torch.where(total > 0, squared / torch.where(total > 0, total, 1.0), 0.0) * confidence.shape[-1]


def keypoint_branch_loss(
    estimated_px: Float[Tensor, "batch stacks 21 2"],
    detected_px: Float[Tensor, "batch 21 2"],
    confidence: Float[Tensor, "batch 21"],
    delta_px: float = 5.0,
) -> Float[Tensor, "batch"]:
    """E_2d: the 2D branch should find the joints where the detector did; Eq. 3 on its output.

    Args:
        estimated_px: of every stack of the hourglass, px; their losses are summed.
        detected_px, confidence, delta_px: as in :func:`handlib.losses.keypoints.joint_location_loss`.

    Source: S2HAND Eq. 10.
    """
    stacks = estimated_px.shape[1]
    detected, trust = (x.repeat_interleave(stacks, 0) for x in (detected_px, confidence))
    return joint_location_loss(estimated_px.flatten(0, 1), detected, trust, delta_px).unflatten(0, (-1, stacks)).sum(1)


def consistency_loss(
    projected_px: Float[Tensor, "batch 21 2"], estimated_px: Float[Tensor, "batch 21 2"], delta_px: float = 5.0
) -> Float[Tensor, "batch"]:
    """E_con: both branches should see the same hand; Eq. 3 between them, without confidences.

    Gradients reach both. A joint that the detector missed is compared too: here each branch teaches the other.
    Source: S2HAND Eq. 11.
    """
    return joint_location_loss(projected_px, estimated_px, torch.ones_like(projected_px[..., 0]), delta_px)


def s2hand_terms(
    weights: S2HandWeights,
    *,
    confidence: Float[Tensor, "batch 21"],
    keypoints_px: Float[Tensor, "batch 21 2"],
    joints_2d_px: Float[Tensor, "batch 21 2"] | None = None,
    estimated_px: Float[Tensor, "batch stacks 21 2"] | None = None,
    pixel_scale: float = 1.0,
    image: Float[Tensor, "batch height width 3"] | None = None,
    rendered: Float[Tensor, "batch height width 3"] | None = None,
    silhouette: Float[Tensor, "batch height width"] | None = None,
    colours: Float[Tensor, "batch vertices 3"] | None = None,
    shape: Float[Tensor, "batch coefficients"] | None = None,
    joints: Float[Tensor, "batch 21 3"] | None = None,
    scale_target_m: float = MANO_MIDDLE_PROXIMAL_M,
    pose_axis_angle: Float[Tensor, "batch 45"] | None = None,
    anatomy: AnatomicalPose | None = None,
    vertices: Float[Tensor, "batch vertices 3"] | None = None,
    laplacian: Float[Tensor, "vertices vertices"] | None = None,
) -> dict[str, Float[Tensor, "batch"]]:
    """Every active term of Eq. 1, without its weight, by the names of :data:`TERM_NAMES`.

    A term is active if its weight and those of its groups are not zero and what it needs is given. A branch that does
    not run, or a hand that is not rendered, is left out by giving None.

    Args:
        weights: says which terms count, and their form.
        confidence: of the detected keypoints, 0..1.
        keypoints_px: detected, px; finite, also where the confidence is 0.
        joints_2d_px: the 3D branch's joints, projected, px.
        estimated_px: the 2D branch's joints, of all stacks, px.
        pixel_scale: ``PAPER_IMAGE_PX`` / side of the picture, so that weights and Huber's 5 px keep their meaning.
        image: the picture, 0..1; with ``rendered`` and ``silhouette`` as in :mod:`handlib.losses.photometric`.
        colours: of the vertices, before lighting.
        shape: standard deviations.
        joints: metres; with ``scale_target_m`` from :func:`~handlib.losses.regularisation.template_scale_m`.
        pose_axis_angle: radians, mean pose added; the form "paper" needs ``anatomy`` with it.
        vertices: metres; with ``laplacian`` from :func:`~handlib.losses.regularisation.laplacian_matrix`.

    Raises:
        BadInputError: a picture without its rendering, or the reverse; limits of the form "paper" without ``anatomy``.
    """
    released = weights.form == "released"
    effective = effective_weights(weights)
    target_px = keypoints_px * pixel_scale
    terms: dict[str, Tensor] = {}

    def active(name: str, *needed: object) -> bool:
        return effective[name] != 0 and all(value is not None for value in needed)

    if joints_2d_px is not None:
        projected = joints_2d_px * pixel_scale
        if active("location"):
            trust = released_joint_weights(confidence) if released else confidence
            terms["location"] = joint_location_loss(projected, target_px, trust)
        if active("orientation"):
            terms["orientation"] = bone_orientation_loss(projected, target_px, confidence)
        if active("consistency", estimated_px):
            terms["consistency"] = consistency_loss(projected, estimated_px[:, -1] * pixel_scale)
    if active("keypoints_2d", estimated_px):
        trust = released_joint_weights(confidence, emphasis=False) if released else confidence
        terms["keypoints_2d"] = keypoint_branch_loss(estimated_px * pixel_scale, target_px, trust)

    picture = (image, rendered, silhouette)
    if any(x is None for x in picture) and any(x is not None for x in (rendered, silhouette)):
        raise BadInputError(
            "image, rendered, silhouette: the photometric terms need all three; give all, or no render."
        )
    if active("pixel", *picture):
        terms["pixel"] = (released_pixel_loss if released else pixel_loss)(*picture, confidence)
    if active("ssim", *picture):
        terms["ssim"] = ssim_loss(*picture)
    if active("mean_colour", *picture):
        terms["mean_colour"] = mean_colour_loss(*picture)

    if active("shape", shape):
        terms["shape"] = (squared_shape_prior if released else shape_prior)(shape)
    if active("texture", colours):
        terms["texture"] = texture_outlier_loss(colours)
    if active("scale", joints):
        terms["scale"] = scale_loss(joints, scale_target_m, squared=not released)
    if active("joint_limits", pose_axis_angle):
        terms["joint_limits"] = _joint_limit_loss(pose_axis_angle, None if released else anatomy, released)
    if active("laplacian", vertices, laplacian):
        terms["laplacian"] = laplacian_loss(vertices, laplacian)
    return terms


def _joint_limit_loss(pose: Tensor, anatomy: AnatomicalPose | None, released: bool) -> Tensor:
    """E_J in the form asked for."""
    if released:
        return axis_angle_limit_loss(pose)
    if anatomy is None:
        raise BadInputError("anatomy: None, but E_J in the paper's form needs the AnatomicalPose of the hand model.")
    return euler_limit_loss(anatomy.from_axis_angle(pose), anatomy.limits, _PLAY_RAD)


def _weighted_sum(terms: Mapping[str, Tensor], weights: S2HandWeights, names: tuple[str, ...]) -> Tensor:
    """Sum of the named terms that are there, each times its weight; zeros if none is."""
    if unknown := set(terms) - set(TERM_NAMES):
        raise BadInputError(f"terms: {sorted(unknown)} are not S2HAND's; expected names out of {TERM_NAMES}.")
    if not terms:
        raise BadInputError("terms: empty, so nothing would be learnt; give joints_2d_px or estimated_px.")
    zero = torch.zeros_like(next(iter(terms.values())))
    return sum((getattr(weights, name) * terms[name] for name in names if name in terms), zero)


def regularisation_loss(terms: Mapping[str, Float[Tensor, "batch"]], weights: S2HandWeights) -> Float[Tensor, "batch"]:
    """E_regu: the regularising terms, weighted (S2HAND Eq. 9: ``E_beta + w_C E_C + w_s E_s + w_J E_J``).

    With the released weights, the Laplacian too. Terms that are absent count nothing; ``BadInputError`` if none is
    there or one is unknown.
    """
    return _weighted_sum(terms, weights, _REGULARISING)


def branch_3d_loss(terms: Mapping[str, Float[Tensor, "batch"]], weights: S2HandWeights) -> Float[Tensor, "batch"]:
    """E_3d: geometry, photometry, regularisation, weighted (S2HAND Eq. 2).

    Args and errors as in :func:`regularisation_loss`.
    """
    geometric, photometric = (_weighted_sum(terms, weights, names) for names in (_GEOMETRIC, _PHOTOMETRIC))
    return (
        weights.geometric * geometric
        + weights.photometric * photometric
        + weights.regularisation * regularisation_loss(terms, weights)
    )


def total_loss(terms: Mapping[str, Float[Tensor, "batch"]], weights: S2HandWeights) -> Float[Tensor, "batch"]:
    """E: the loss of each hand, to be averaged over the batch (S2HAND Eq. 1).

    ``w_2d`` and ``w_con`` are the weights of ``keypoints_2d`` and ``consistency``. Args and errors as in
    :func:`regularisation_loss`.
    """
    return weights.branch_3d * branch_3d_loss(terms, weights) + _weighted_sum(terms, weights, _BRANCHES)


@cache
def effective_weights(weights: S2HandWeights) -> Mapping[str, float]:
    """What each term counts in Eq. 1: its weight times those of the groups around it."""
    one = torch.ones(1, dtype=torch.float64)
    return MappingProxyType({name: float(total_loss({name: one}, weights)) for name in TERM_NAMES})
