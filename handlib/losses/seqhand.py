"""SeqHAND's training objectives, Eq. 8 to 15 (Yang et al., ECCV 2020, section 4), every term by name.

All terms take films, (batch, frames, ...), and give one number a film: the mean over its frames. Inside a frame the
norms are the printed ones, over all coordinates of all points together.

The paper names no units, and its weights mean nothing without them. Ours: places in the picture are in fractions of its
width, lengths in decimetres (:data:`LENGTH_UNIT_M`), so that the weighted 2D and 3D terms of a hand that is a
centimetre off are of the same order. A hand's code (Eq. 13) is in the units in which the network gives it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import grid_sample

from handlib.errors import BadInputError

LENGTH_UNIT_M = 0.1
TEMPORAL_POSE_WEIGHT = 2e-4
"""Weight of the pose inside Eq. 12 where the paper lists its weights; where it explains the term it says 0.01."""


@dataclass(frozen=True, kw_only=True)
class SeqHandWeights:
    """Weights of Eq. 14 and 15, a field a term; 0 leaves the term out."""

    joints_2d: float = 5.0
    points_3d: float = 100.0
    temporal: float = 100.0
    camera: float = 1.0
    mask: float = 10.0


def joints_2d_loss(
    joints_2d_px: Float[Tensor, "batch frames 21 2"],
    true_joints_2d_px: Float[Tensor, "batch frames 21 2"],
    image_px: int,
) -> Float[Tensor, "batch"]:
    """Eq. 8, ``|J_2D - x_J2D|_1``: sum over joints and coordinates, in picture widths; gentle with wrong labels.

    Args:
        joints_2d_px, true_joints_2d_px: px.
        image_px: width of the picture.
    """
    return (joints_2d_px - true_joints_2d_px).abs().sum((-2, -1)).mean(1) / image_px


def points_3d_loss(
    points_m: Float[Tensor, "batch frames points 3"], true_points_m: Float[Tensor, "batch frames points 3"]
) -> Float[Tensor, "batch"]:
    """``|R P - x|_2^2``: squared distances, summed over the points, in units of :data:`LENGTH_UNIT_M` squared.

    Args:
        points_m: rotated, in metres; both relative to the wrist, because weak perspective knows no depth.
        true_points_m: likewise.
    """
    return ((points_m - true_points_m) / LENGTH_UNIT_M).square().sum((-2, -1)).mean(1)


def joints_3d_loss(
    joints_m: Float[Tensor, "batch frames 21 3"], true_joints_m: Float[Tensor, "batch frames 21 3"]
) -> Float[Tensor, "batch"]:
    """Eq. 9, ``|R J(theta, beta) - x_J3D|_2^2``: see :func:`points_3d_loss`."""
    return points_3d_loss(joints_m, true_joints_m)


def vertices_3d_loss(
    vertices_m: Float[Tensor, "batch frames vertices 3"], true_vertices_m: Float[Tensor, "batch frames vertices 3"]
) -> Float[Tensor, "batch"]:
    """Eq. 10, ``|R M(theta, beta) - x_M3D|_2^2``: see :func:`points_3d_loss`.

    A sum over 778 vertices counts 37 times as much as one over 21 joints, under the same weight: as printed.
    """
    return points_3d_loss(vertices_m, true_vertices_m)


def inside_mask(
    points_px: Float[Tensor, "pictures points 2"], mask: Float[Tensor, "pictures height width"]
) -> Float[Tensor, "pictures points"]:
    """The indicator H of Eq. 11: 1 inside the hand's region, 0 outside and beyond the picture.

    A step has no gradient, so the mask is interpolated between pixel centres: exact on them, and across the outline,
    for the width of one pixel, a slope that pulls vertices in. A vertex farther out is not pulled at all.
    """
    height, width = mask.shape[1:]
    # grid_sample's -1 and 1 with align_corners are the centres of the first and the last pixel.
    size = points_px.new_tensor([max(width - 1, 1), max(height - 1, 1)])
    grid = (2 * points_px / size - 1)[:, None]
    return grid_sample(mask[:, None], grid, padding_mode="zeros", align_corners=True)[:, 0, 0]


def mask_loss(
    vertices_2d_px: Float[Tensor, "batch frames vertices 2"],
    mask: Bool[Tensor, "batch frames height width"] | Float[Tensor, "batch frames height width"],
) -> Float[Tensor, "batch"]:
    """Eq. 11, ``1 - mean_i H(M_2D^i)``: the share of the vertices that lie outside of the hand's mask.

    It keeps the hand inside its mask, and says nothing about the mask being filled.
    """
    region = mask.flatten(0, 1).to(vertices_2d_px)
    inside = inside_mask(vertices_2d_px.flatten(0, 1), region)
    return 1 - inside.unflatten(0, mask.shape[:2]).mean((1, 2))


def temporal_loss(
    shape: Float[Tensor, "batch frames num_shape"],
    pose: Float[Tensor, "batch frames num_pose"],
    pose_weight: float = TEMPORAL_POSE_WEIGHT,
) -> Float[Tensor, "batch"]:
    """Eq. 12, ``|beta_{t-1} - beta_t|^2 + w |theta_{t-1} - theta_t|^2``: mean over pairs of neighbours in time.

    One film shows one hand: its shape should not change at all, its pose not jump. A still, which is a film of one
    frame, has no pair and costs nothing.
    """
    if shape.shape[1] < 2:
        return (shape.sum((1, 2)) + pose.sum((1, 2))) * 0
    of_shape, of_pose = (code.diff(dim=1).square().sum(-1).mean(1) for code in (shape, pose))
    return of_shape + pose_weight * of_pose


def camera_loss(
    code: Float[Tensor, "batch frames numbers"], true_code: Float[Tensor, "batch frames numbers"]
) -> Float[Tensor, "batch"]:
    """Eq. 13, ``sum over i in {theta, beta, r, t, s} of |i^ - i|_2^2``: squared distance of whole codes.

    Args:
        code, true_code: pose, shape, scale, translation and rotation side by side: the network's 26 numbers.
    """
    return (code - true_code).square().sum(-1).mean(1)


def pretraining_loss(
    terms: Mapping[str, Float[Tensor, "batch"]], weights: SeqHandWeights | None = None
) -> Float[Tensor, "batch"]:
    """Eq. 14: all five terms, weighted; for generated films, of which everything is known.

    Args:
        terms: "joints_2d", "points_3d" (Eq. 9, plus Eq. 10 where vertices are labelled), "temporal", "camera", "mask".
        weights: the paper's by default.

    Raises:
        BadInputError: one that has a weight is missing, or there is one of another name.
    """
    return _weighted(terms, weights, ("joints_2d", "points_3d", "temporal", "camera", "mask"), "Eq. 14")


def finetuning_loss(
    terms: Mapping[str, Float[Tensor, "batch"]], weights: SeqHandWeights | None = None
) -> Float[Tensor, "batch"]:
    """Eq. 15: as Eq. 14 without the codes, which nobody knows of a real hand. Errors as there; "mask" may be missing.

    STB has no masks; on stills "temporal" is zero, whatever its weight.
    """
    weights = weights or SeqHandWeights()
    if "mask" not in terms:
        weights = replace(weights, mask=0.0)
    return _weighted(terms, weights, ("joints_2d", "points_3d", "temporal", "mask"), "Eq. 15")


def _weighted(
    terms: Mapping[str, Tensor], weights: SeqHandWeights | None, names: tuple[str, ...], equation: str
) -> Tensor:
    weights = weights or SeqHandWeights()
    wanted = {name: getattr(weights, name) for name in names if getattr(weights, name)}
    missing = [name for name in wanted if name not in terms]
    if missing or not wanted:
        raise BadInputError(f"terms of {equation}: {missing or 'all'} missing; give them, or others a weight of 0")
    if unknown := sorted(set(terms) - set(names)):
        raise BadInputError(f"terms of {equation}: {unknown} have no part in it, expected some of {names}")
    return sum(weight * terms[name] for name, weight in wanted.items())
