"""Hand pose as anatomical angles: flexion, abduction and twist of every joint.

Axis-angle vectors say nothing about what a joint can do: half of the 45 numbers of a MANO pose move fingers
in ways no finger moves. Here every joint gets a frame from the bones and the palm, and its pose is three
angles about the axes of that frame, in radians. Zero is a straight finger in line with its metacarpal,
whatever the rest pose of the mesh is.

The frame of a joint has the columns (flexion axis, abduction axis, twist axis):

- twist axis: along the bone, away from the wrist;
- abduction axis: out of the back of the finger (fingers: the palm's normal at that metacarpal; thumb: out of
  the nail);
- flexion axis: abduction axis x twist axis, so that the three are right-handed.

Signs, for a right hand (a left hand is its mirror image): positive **flexion** bends toward the palm;
positive **abduction** of a finger moves its tip toward the thumb's side, of the thumb away from the palm's
plane (palmar abduction); positive **twist** supinates (the back of a finger turns toward the little finger's
side). A joint turns by ``R_flexion @ R_abduction @ R_twist``: the flexion axis stays with the parent bone,
the abduction axis moves with flexion, which is how the trapeziometacarpal joint is built (Hollister et al.
1992, J Orthop Res 10(3)), and the direction of the bone depends on flexion and abduction
only.
"""

import math
from typing import Protocol, runtime_checkable

import roma
import torch
from jaxtyping import Float
from torch import Tensor, nn

from handlib.crops import mirror_points
from handlib.errors import BadInputError
from handlib.hand.mirror import mirror_rotvec
from handlib.hand.pose_limits import JOINT_LIMITS
from handlib.skeleton import FINGER_JOINTS, MODEL_JOINT_NAMES, reorder_joints

# The thumb has no metacarpal beside which "straight" could be defined, so its zero is a direction in the
# palm: 45 degrees from the middle metacarpal toward the radial side and 30 degrees in front of the palm, nail
# facing radially. On the packaged meshes the nail so predicted is within 4 (open) and 19 degrees (generic) of
# the one measured on the skin.
THUMB_ZERO_RADIAL = math.radians(45.0)
THUMB_ZERO_PALMAR = math.radians(30.0)

_CHAIN_ROWS = [row for name in MODEL_JOINT_NAMES[1::3] for row in FINGER_JOINTS[name.split("_")[0]]]
_HINGES = [j for j in range(15) if j % 3]
_FINGER_HINGES = [j for j, name in enumerate(MODEL_JOINT_NAMES[1:]) if name.endswith(("_pip", "_dip"))]


@runtime_checkable
class RestHand(Protocol):
    """What anatomy needs of a hand: `HandModel` has it."""

    v_template: Tensor
    J_regressor: Tensor
    tip_vertices: Tensor
    side: str


def as_right_hand(points: Float[Tensor, "*batch 3"], side: str) -> Float[Tensor, "*batch 3"]:
    """Mirror the points of a left hand (x to -x) into those of a right hand; a right hand's pass through."""
    return mirror_points(points) if side == "left" else points


def rest_joints_m(model: RestHand) -> Float[Tensor, "21 3"]:
    """The 21 joints of the unposed mean hand as a right hand, in metres, in the model's frame."""
    vertices = as_right_hand(model.v_template.detach(), model.side)
    return joints_to_21(model.J_regressor @ vertices, vertices[model.tip_vertices])


def joints_to_21(
    joints: Float[Tensor, "*batch 16 3"], tips: Float[Tensor, "*batch 5 3"]
) -> Float[Tensor, "*batch 21 3"]:
    """The model's 16 joints and its 5 fingertips (thumb to little) in the order of the 21 joints."""
    return reorder_joints(torch.cat([joints, tips], dim=-2), "smplx", "handlib")


def unit(x: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3"]:
    """`x` scaled to length one; a zero vector stays zero and has finite gradients."""
    return torch.nn.functional.normalize(x, dim=-1, eps=1e-9)


def bone_frame(bone: Float[Tensor, "*batch 3"], dorsal: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3 3"]:
    """Right-handed frame with columns (flexion, abduction, twist axis) from a bone and a rough dorsal
    direction."""
    twist = unit(bone)
    flexion = unit(torch.linalg.cross(dorsal, twist))
    return torch.stack((flexion, torch.linalg.cross(twist, flexion), twist), dim=-1)


def palm_frame(joints: Float[Tensor, "*batch 21 3"]) -> Float[Tensor, "*batch 3 3"]:
    """Columns (radial, dorsal, distal) of a right hand's palm: wrist to middle knuckle, and across the
    knuckles."""
    wrist, index, middle, little = (joints[..., j, :] for j in (0, 5, 9, 17))
    return bone_frame(middle - wrist, torch.linalg.cross(middle - wrist, index - little))


def base_frames(joints: Float[Tensor, "*batch 21 3"]) -> Float[Tensor, "*batch 5 3 3"]:
    """Zero frames of the five finger bases (index, middle, little, ring, thumb) of right hands.

    The dorsal direction is the palm's normal for index and middle, whose metacarpals are fixed; the mobile
    ulnar side of the palm arches, so ring and little take the mean of it and of the normal beside them (whole
    local normals: Spurr et al. 2020, Sec. 3.2, https://arxiv.org/abs/2003.09282). On the detected joints of
    1,978 photographs of signed digits and a video of 360 frames, this choice leaves PIP joints nearest to
    hinges. The thumb's zero is fixed in the palm (see the top of this file).
    """
    palm = palm_frame(joints)
    wrist, dorsal = joints[..., 0, :], palm[..., 1]
    index, middle, ring, little = (joints[..., j, :] - wrist for j in (5, 9, 13, 17))
    beside_ring, beside_little = (unit(torch.linalg.cross(b, a)) for a, b in ((middle, ring), (ring, little)))
    ahead = math.cos(THUMB_ZERO_PALMAR)
    thumb = palm @ palm.new_tensor(
        [
            math.sin(THUMB_ZERO_RADIAL) * ahead,
            -math.sin(THUMB_ZERO_PALMAR),
            math.cos(THUMB_ZERO_RADIAL) * ahead,
        ]
    )
    bases = (
        bone_frame(index, dorsal),
        bone_frame(middle, dorsal),
        bone_frame(little, dorsal + beside_little),
        bone_frame(ring, dorsal + unit(beside_ring + beside_little)),
        bone_frame(thumb, palm[..., 0]),
    )
    return torch.stack(bases, dim=-3)


def anatomical_to_matrix(angles: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3 3"]:
    """Rotation ``R_flexion @ R_abduction @ R_twist`` in a joint's own frame, from its three angles in
    radians."""
    (cf, ca, ct), (sf, sa, st) = angles.cos().unbind(-1), angles.sin().unbind(-1)
    entries = (
        *(ca * ct, -ca * st, sa),
        *(cf * st + sf * sa * ct, cf * ct - sf * sa * st, -sf * ca),
        *(sf * st - cf * sa * ct, sf * ct + cf * sa * st, cf * ca),
    )
    return torch.stack(entries, dim=-1).unflatten(-1, (3, 3))


def matrix_to_anatomical(rotation: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 3"]:
    """Inverse of `anatomical_to_matrix`: flexion and twist in (-pi, pi], abduction in [-pi/2, pi/2].

    Only at an abduction of exactly +-90 degrees, far outside every limit, are flexion and twist undefined.
    """
    r = rotation
    flexion = torch.atan2(-r[..., 1, 2], r[..., 2, 2])
    abduction = torch.atan2(r[..., 0, 2], torch.hypot(r[..., 0, 0], r[..., 0, 1]))
    twist = torch.atan2(-r[..., 0, 1], r[..., 0, 0])
    return torch.stack((flexion, abduction, twist), dim=-1)


def direction_to_anatomical(direction: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3"]:
    """Flexion and abduction (twist 0) that turn a frame's twist axis into `direction`, given in that
    frame."""
    x, y, z = direction.unbind(-1)
    flexion, abduction = torch.atan2(-y, z), torch.atan2(x, torch.hypot(y, z))
    return torch.stack((flexion, abduction, torch.zeros_like(x)), dim=-1)


def chain_angles(
    joints: Float[Tensor, "*batch 21 3"],
) -> tuple[Float[Tensor, "*batch 15 3"], Float[Tensor, "*batch 15 3 3"]]:
    """Angles of 21 joints read off their bones, and the zero frame of every joint: of right hands, model
    order 1..15.

    The zero frame of a joint is the frame of the bone before it (for a finger's first joint: of its
    metacarpal). Bones do not show twist, so it is zero and each frame follows its bone the shortest way that
    flexion and abduction allow.
    """
    chains = joints[..., _CHAIN_ROWS, :].unflatten(-2, (5, 4))
    bones = unit(chains[..., 1:, :] - chains[..., :-1, :])
    frame = base_frames(joints)
    angles, frames = [], []
    for level in range(3):
        angle = direction_to_anatomical((frame.mT @ bones[..., level, :, None]).squeeze(-1))
        angles.append(angle)
        frames.append(frame)
        frame = frame @ anatomical_to_matrix(angle)
    return torch.stack(angles, dim=-2).flatten(-3, -2), torch.stack(frames, dim=-3).flatten(-4, -3)


class AnatomicalPose(nn.Module):
    """Conversions between anatomical angles and the axis-angle pose of one hand.

    Joints are the model's own, 1..15 (index, middle, little, ring, thumb, three each); angles (batch, 15, 3)
    are flexion, abduction and twist in radians. The frames are those of the mean shape. A pose is relative to
    the template, that is, for a model loaded with ``flat_hand_mean=True``. All three angles of every joint
    are used, so the map is one to one: which of them a living hand can move is the business of
    `handlib.hand.pose_limits`. Every method raises BadInputError for another shape or dtype.

    Buffers: `limits` (15, 3, 2) radians; `rest_angles` (15, 3) of the unposed hand; `zero_frames` and
    `rest_frames` (15, 3, 3) of each joint at zero and at rest, in the model's axes (of a left hand: of its
    mirror image).
    """

    zero_frames: Tensor
    rest_frames: Tensor
    rest_angles: Tensor
    hinge_bend: Tensor
    limits: Tensor
    rest_joints: Tensor

    def __init__(self, model: RestHand) -> None:
        super().__init__()
        rest = rest_joints_m(model)
        if not bool(torch.isfinite(rest).all()):
            raise BadInputError("AnatomicalPose: the rest joints of the hand are not finite; check the hand's file.")
        angles, frames = chain_angles(rest)
        # A hinge that rests bent sideways, or a straight finger whose joint centres lie on a backward arc, is
        # how this hand is built. Such bends are taken out of the angles: natural movements alone then reach
        # the rest pose.
        bend = torch.zeros_like(angles)
        bend[_HINGES, 1] = angles[_HINGES, 1]
        bend[_FINGER_HINGES, 0] = angles[_FINGER_HINGES, 0].clamp(max=0.0)
        self.side = model.side
        self.register_buffer("zero_frames", frames, persistent=False)
        self.register_buffer("rest_frames", frames @ anatomical_to_matrix(angles), persistent=False)
        self.register_buffer("hinge_bend", bend, persistent=False)
        self.register_buffer("rest_angles", angles - bend, persistent=False)
        self.register_buffer("rest_joints", rest, persistent=False)
        self.register_buffer("limits", torch.deg2rad(rest.new_tensor(JOINT_LIMITS)), persistent=False)

    def to_axis_angle(self, angles: Float[Tensor, "batch 15 3"]) -> Float[Tensor, "batch 45"]:
        """Axis-angle pose (radians, model order, relative to the parent) of anatomical angles (radians)."""
        self._check("angles", angles, (15, 3))
        rotation = self.zero_frames @ anatomical_to_matrix(angles + self.hinge_bend) @ self.rest_frames.mT
        return self._mirror(roma.rotmat_to_rotvec(rotation)).flatten(-2)

    def from_axis_angle(self, pose: Float[Tensor, "batch 45"]) -> Float[Tensor, "batch 15 3"]:
        """Anatomical angles (radians) of an axis-angle pose (radians, model order): the inverse of
        `to_axis_angle`."""
        self._check("pose", pose, (45,))
        rotation = roma.rotvec_to_rotmat(self._mirror(pose.unflatten(-1, (15, 3))))
        return matrix_to_anatomical(self.zero_frames.mT @ rotation @ self.rest_frames) - self.hinge_bend

    def from_joints(self, joints: Float[Tensor, "batch 21 3"]) -> Float[Tensor, "batch 15 3"]:
        """Angles of 21 joints in any unit and place, by analytic inverse kinematics; twist is zero.

        Give the joints of a left hand to the anatomy of a left model. On joints of this very hand the bones
        of the answer are exact; on another hand it keeps the bones' directions relative to the palm.
        """
        self._check("joints", joints, (21, 3))
        return chain_angles(as_right_hand(joints, self.side))[0] - self.hinge_bend

    def to_joints(self, angles: Float[Tensor, "batch 15 3"]) -> Float[Tensor, "batch 21 3"]:
        """The 21 joints of the mean shape in metres, in the model's frame, without its mesh: forward
        kinematics.

        The same as the model's joints wherever the skin of a fingertip follows its last bone alone, as it
        does on both packaged hands.
        """
        self._check("angles", angles, (15, 3))
        turns = anatomical_to_matrix(angles + self.hinge_bend).unflatten(-3, (5, 3))
        chains = self.rest_joints[_CHAIN_ROWS].unflatten(0, (5, 4))
        rows = torch.tensor(_CHAIN_ROWS, device=angles.device).unflatten(0, (5, 4))
        lengths = torch.linalg.vector_norm(chains[:, 1:] - chains[:, :-1], dim=-1)
        frame, joint = self.zero_frames.unflatten(0, (5, 3))[:, 0], chains[:, 0].expand(len(angles), -1, -1)
        joints = self.rest_joints.expand(len(angles), -1, -1)
        for level in range(3):
            frame = frame @ turns[:, :, level]
            joint = joint + lengths[:, level, None] * frame[..., 2]
            joints = joints.index_copy(1, rows[:, level + 1], joint)
        return as_right_hand(joints, self.side)

    def _check(self, name: str, value: Tensor, shape: tuple[int, ...]) -> None:
        """Raise BadInputError for a tensor of another shape or dtype than this hand's."""
        if value.ndim != 1 + len(shape) or value.shape[1:] != shape or value.dtype != self.limits.dtype:
            raise BadInputError(
                f"{name}: shape {tuple(value.shape)}, {value.dtype}; (batch, {', '.join(map(str, shape))}), "
                f"{self.limits.dtype} is wanted. Convert the tensor or the anatomy with .to()."
            )

    def _mirror(self, rotvec: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3"]:
        return mirror_rotvec(rotvec) if self.side == "left" else rotvec
