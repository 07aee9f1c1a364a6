"""Statistical regularisation of S2HAND (Chen et al., CVPR 2021, Sec. 3.4.1): what a hand without labels must not be.

2D losses are content with hands that no one has: a finger bent backwards projects like one bent forwards, a giant
far away like a child nearby. These terms know nothing of the picture; each is one number a hand, zero (or smallest)
for a plausible one. The paper leaves the formulas of E_C, E_s and E_J to an appendix; where the released code's form
differs from the text, both are here and named.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from handlib.hand.anatomy import RestHand, rest_joints_m
from handlib.hand.pose_limits import limit_violation
from handlib.joint_limits import S2HAND_AXIS_WEIGHTS, S2HAND_LIMITS
from handlib.skeleton import FINGER_JOINTS

MANO_MIDDLE_PROXIMAL_M = 0.0282
"""Length of the middle finger's proximal bone that the released code asks of MANO's hand, metres."""

_MIDDLE_MCP, _MIDDLE_PIP = FINGER_JOINTS["middle"][:2]
# The released mean runs over 16 joints: the wrist, which has no limits, and the 15 of the pose.
_RELEASED_ANGLES = 16 * 3


def shape_prior(shape: Float[Tensor, "batch coefficients"]) -> Float[Tensor, "batch"]:
    """E_beta: distance of the shape from the mean shape, the norm ``||beta||`` in standard deviations.

    Source: S2HAND Sec. 3.4.1. A norm, not its square: its pull does not fade near the mean shape.
    """
    return torch.linalg.vector_norm(shape, dim=-1)


def squared_shape_prior(shape: Float[Tensor, "batch coefficients"]) -> Float[Tensor, "batch"]:
    """The released code's E_beta: mean square of the shape coefficients (https://github.com/TerenceCYJ/S2HAND)."""
    return shape.square().mean(-1)


def texture_outlier_loss(colours: Float[Tensor, "batch vertices 3"], deviations: float = 2.0) -> Float[Tensor, "batch"]:
    """E_C: how far outlying colours lie from the hand's mean colour.

    A vertex's channel is an outlier where it is more than ``deviations`` standard deviations from the mean of that
    channel over the same hand; it costs its distance from the mean, the others nothing. The mean over vertices and
    channels is returned.

    Source: S2HAND Sec. 3.4.1, with the released code's rule (https://github.com/TerenceCYJ/S2HAND).
    """
    distance = (colours - colours.mean(1, keepdim=True)).abs()
    outlier = distance > deviations * colours.detach().std(1, correction=0, keepdim=True)
    return torch.where(outlier, distance, 0.0).mean((1, 2))


def middle_proximal_length_m(joints: Float[Tensor, "*batch 21 3"]) -> Float[Tensor, "*batch"]:
    """Length of the middle finger's proximal bone (knuckle to PIP), metres: FreiHAND's and S2HAND's measure of size."""
    return torch.linalg.vector_norm(joints[..., _MIDDLE_PIP, :] - joints[..., _MIDDLE_MCP, :], dim=-1)


def template_scale_m(model: RestHand) -> float:
    """The target for :func:`scale_loss` that suits a hand model: the bone's length in its own template, metres.

    On the packaged hands the bone has 44 and 47 mm: MANO's 28 mm, from joints that its own regressor places, would
    shrink them by two fifths and bring them as much nearer.
    """
    return float(middle_proximal_length_m(rest_joints_m(model)))


def scale_loss(
    joints: Float[Tensor, "batch 21 3"], target_m: float = MANO_MIDDLE_PROXIMAL_M, squared: bool = False
) -> Float[Tensor, "batch"]:
    """E_s: the hand should have the size of a hand, which fixes its distance from a single camera.

    Args:
        joints: in metres, in any frame.
        target_m: wanted length of the middle finger's proximal bone; see :func:`template_scale_m`.
        squared: the square of the difference (m^2) instead of its absolute value (m).

    Source: S2HAND Sec. 3.4.1. The released code takes the absolute value with the weight 0.1; the paper's weight is
    a thousand times that, which makes sense for the square alone: both then cost the same at one millimetre.
    """
    difference = middle_proximal_length_m(joints) - target_m
    return difference.square() if squared else difference.abs()


def euler_limit_loss(
    angles: Float[Tensor, "batch 15 3"], limits: Float[Tensor, "15 3 2"], play_rad: float = 0.0
) -> Float[Tensor, "batch"]:
    """E_J as the paper draws it (Fig. 3B): each bone's pitch, azimuth and roll from its root bone, within limits.

    These are flexion, abduction and twist of :class:`handlib.hand.anatomy.AnatomicalPose`: its ``from_axis_angle``
    gives the angles, its ``limits`` the ranges, from the clinical literature since the paper prints none.

    Args:
        angles: radians, model order.
        limits: radians, lower and upper; equal for an axis about which the joint does not turn.
        play_rad: how far beyond each limit is still free.

    Returns:
        the mean excess over the 45 angles, radians.
    """
    return (limit_violation(angles, limits) - play_rad).clamp(min=0.0).mean((1, 2))


def axis_angle_limit_loss(pose: Float[Tensor, "batch 45"]) -> Float[Tensor, "batch"]:
    """E_J as the released code computes it: limits on the raw components of MANO's axis-angle vectors.

    Args:
        pose: axis-angle, radians, model order, with the mean pose added (``HandModel.pose_to_axis_angle``).

    Returns:
        the mean excess over 16 x 3 components, that about z (bending) counted twice; radians.

    Cheap, and right only for fingers that bend about exactly the frame's z: ring, little and thumb do not, and the
    components of a rotation about two axes at once are no angles. It refuses every named pose of the packaged hands,
    all for leaving x and y and none for bending too far, where :func:`euler_limit_loss` refuses none.

    Source: https://github.com/TerenceCYJ/S2HAND; table in :data:`handlib.joint_limits.S2HAND_LIMITS`.
    """
    excess = limit_violation(pose.unflatten(-1, (15, 3)), pose.new_tensor(S2HAND_LIMITS))
    return (excess * pose.new_tensor(S2HAND_AXIS_WEIGHTS)).sum((1, 2)) / _RELEASED_ANGLES


def laplacian_matrix(faces: Int[Tensor, "faces 3"], num_vertices: int) -> Float[Tensor, "vertices vertices"]:
    """Uniform Laplacian of a mesh: row ``i`` takes from vertex ``i`` the mean of its neighbours.

    Float32, dense (2 MB for a hand); a vertex without neighbours has a row of zeros. Source: Taubin 1995,
    https://doi.org/10.1145/218380.218473.
    """
    adjacent = torch.zeros(num_vertices, num_vertices, device=faces.device)
    start, end = faces.flatten(), faces.roll(1, dims=1).flatten()
    adjacent[start, end] = adjacent[end, start] = 1.0
    degree = adjacent.sum(1, keepdim=True)
    return torch.diag((degree > 0).to(adjacent).flatten()) - adjacent / degree.clamp(min=1.0)


def laplacian_loss(
    vertices: Float[Tensor, "batch vertices 3"], laplacian: Float[Tensor, "vertices vertices"]
) -> Float[Tensor, "batch"]:
    """Roughness of the mesh: the mean distance of a vertex from the middle of its neighbours, metres.

    ``laplacian`` is :func:`laplacian_matrix`. Zero only where every vertex lies in the middle of its neighbours, which
    no closed surface does: the smallest hand is the smoothest, and the term pulls on the scale. Not in the paper; the
    released code adds it to the regularisation (https://github.com/TerenceCYJ/S2HAND).
    """
    # Millimetres out of a distance of decimetres: without the common part, and in full precision.
    with torch.autocast(vertices.device.type, enabled=False):
        curvature = laplacian.to(vertices) @ (vertices - vertices.mean(1, keepdim=True))
    return torch.linalg.vector_norm(curvature, dim=-1).mean(-1)
