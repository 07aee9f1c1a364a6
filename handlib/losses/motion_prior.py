"""Rotations as unit quaternions, and S2HAND(V)'s prior: between two frames a joint turns about one axis, at any speed.

The unit quaternions are a sphere in four dimensions, on which ``q`` and ``-q`` are the same rotation (the double
cover). A transition about a fixed axis is an arc of a great circle, whatever the speed along it (Eq. 13): Eq. 14 says
so with a blend of the ends, Eq. 15 (Slerp) fixes the speed as well, and Eq. 16, 19 and 20 measure the arc.

Quaternions have the real part last, as in roma; the paper writes it first. All functions take and give (..., 4), go
the shorter of the two ways between rotations, and have finite gradients everywhere, also at the zero rotation, where
the rotation vector has no axis.

Source: Tu et al., "Consistent 3D Hand Reconstruction in Video via Self-Supervised Learning", section 3.3.1.
"""

import roma
import torch
from jaxtyping import Float
from torch import Tensor

Quaternions = Float[Tensor, "*#batch 4"]


def rotvec_to_quaternion(rotvec: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 4"]:
    """``q = (cos a/2, sin a/2 u)``: unit quaternion of the rotation by ``a`` radians about the unit axis ``u``.

    Args:
        rotvec: rotation vectors ``a u``; zero is the zero rotation, with the gradient 1/2.

    Source: S2HAND(V) Eq. 12; the smooth quotient ``sin(a/2) / a`` at zero is roma's.
    """
    return roma.rotvec_to_unitquat(rotvec)


def matrix_to_quaternion(rotations: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 4"]:
    """Unit quaternion of rotation matrices, by Markley's method (2008), which has no singular angle.

    Its sign is arbitrary and jumps from one rotation to the next: whoever compares must allow for both.
    """
    return roma.rotmat_to_unitquat(rotations)


def transition_quaternion(start: Quaternions, end: Quaternions) -> Float[Tensor, "*batch 4"]:
    """``q1 q0^-1``, the rotation that leads from one orientation to the other; Hamilton product.

    Its real part is ``cos b/2`` for the angle ``b`` that it turns by, and equals the inner product of the two as
    vectors of four numbers: the angle needs no product. Source: S2HAND(V) Eq. 20.
    """
    return roma.quat_product(end, roma.quat_conjugation(start))


def transition(start: Quaternions, end: Quaternions, progress: Float[Tensor, "*#batch"]) -> Float[Tensor, "*batch 4"]:
    """``q_t = (q1 q0^-1)^phi q0``: the part ``phi`` of the way from one orientation to the other, about one axis.

    Args:
        start, end: unit quaternions.
        progress: ``phi(t)``, 0 at the start and 1 at the end; the prior says only that it never decreases.

    Source: S2HAND(V) Eq. 13. How the progress scales the angle is our reading of a jumbled print.
    """
    whole = roma.unitquat_to_rotvec(transition_quaternion(start, end))
    return roma.quat_product(rotvec_to_quaternion(progress[..., None] * whole), start.expand(*whole.shape[:-1], 4))


def blend(
    start: Quaternions, end: Quaternions, mu: Float[Tensor, "*#batch"], epsilon: Float[Tensor, "*#batch"]
) -> Float[Tensor, "*batch 4"]:
    """``Norm[mu q0 + epsilon q1]``: with weights that are not negative, a point of the arc of :func:`transition`.

    A plane through the centre cuts the sphere in a great circle: any weights stay on it, and only say how far along.
    Source: S2HAND(V) Eq. 14.
    """
    mixed = mu[..., None] * start + epsilon[..., None] * same_side(end, start)
    return mixed / torch.linalg.vector_norm(mixed, dim=-1, keepdim=True)


def slerp(start: Quaternions, end: Quaternions, time: Float[Tensor, "*#batch"]) -> Float[Tensor, "*batch 4"]:
    """Spherical linear interpolation: the transition whose progress is the time itself, 0..1, at constant speed.

    ``sin((1-t) c) / sin c q0 + sin(t c) / sin c q1``, ``c`` from :func:`included_angle`. Written with sin(x) / x, so
    that equal ends are no special case. The paper compares with it and does not train with it: a hand between two
    frames need not move at constant speed. Source: S2HAND(V) Eq. 15; Shoemake, SIGGRAPH 1985.
    """
    angle = included_angle(start, end)
    weights = [share * _sinc(share * angle) / _sinc(angle) for share in (1 - time, time)]
    return weights[0][..., None] * start + weights[1][..., None] * same_side(end, start)


def included_angle(start: Quaternions, end: Quaternions) -> Float[Tensor, "*batch"]:
    """Angle between two quaternions as vectors of any length, radians in 0..pi/2, the same for ``q`` and ``-q``.

    As printed, Eq. 16 sets the angle equal to its cosine ``q1 . q0 / (|q1| |q0|)``; the angle is meant. Computed from
    the chord, since the inverse cosine is blind to small angles and has an infinite gradient at zero.

    Source: S2HAND(V) Eq. 16.
    """
    start, end = (q / torch.linalg.vector_norm(q, dim=-1, keepdim=True) for q in (start, end))
    return roma.unitquat_geodesic_distance(start, end) / 2


def rotation_angle(start: Quaternions, end: Quaternions) -> Float[Tensor, "*batch"]:
    """``Psi``: the angle ``b`` by which one rotation must be turned to become the other, radians in 0..pi.

    Twice :func:`included_angle`, since ``cos b/2 = cos c``. For equal rotations, where an angle like any distance has a
    kink, the gradient is zero. Source: S2HAND(V) Eq. 19.
    """
    return 2 * included_angle(start, end)


def same_side(quaternions: Quaternions, reference: Quaternions) -> Float[Tensor, "*batch 4"]:
    """The same rotations, written with the sign that brings them nearer to ``reference``."""
    opposite = (quaternions * reference).sum(-1, keepdim=True) < 0
    return torch.where(opposite, -quaternions, quaternions)


def _sinc(angle: Tensor) -> Tensor:
    """sin(x) / x; torch's own has pi in it."""
    return torch.sinc(angle / torch.pi)
