"""The hand as 41 spheres (Wan et al., CVPR 2019, Sec. 3.1): 11 in the palm, 6 in each finger, moved by skinning.

Two spheres sit on every bone of a finger: one at its joint, one further out (in the last bone, inside the fingertip).
So the joints can be read from the spheres, and two spheres on one bone keep their distance whatever the pose. The order
is the palm, then index, middle, ring, little and thumb, each from tip to base, in which the paper's code lists its
radii. (Its arrays run from the base outwards and from the little finger on: reorder predictions of its networks.)

Where a sphere rests is a mix of the 21 rest joints, plus a small step into the middle of the flesh, found on the mesh;
the mix lets the shape coefficients carry the spheres along. Radii do not change with pose or shape, as in the paper.
"""

from typing import NamedTuple

import roma
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from handlib.errors import BadInputError
from handlib.hand import lbs
from handlib.hand.anatomy import as_right_hand, joints_to_21, palm_frame, unit
from handlib.hand.model import HandModel
from handlib.hand.skinning import skin_points
from handlib.hand.surface_distance import point_mesh_distance
from handlib.skeleton import FINGER_JOINTS, JOINT_NAMES, MODEL_JOINT_NAMES, MODEL_TO_21

RADIUS_SOURCES = ("mesh", "inscribed", "published")

SPHERE_FINGERS = ("index", "middle", "ring", "little", "thumb")
"""Fingers in the order of their spheres, which start at 11."""

NUM_PALM_SPHERES, NUM_SPHERES = 11, 41

BULGE_M = 2e-3
"""By how much spheres stick out of the mesh where they are nearest to its skin. Spheres that stay inside leave a fifth
of the hand's picture empty; of 0, 1, 2 and 3 mm, these explain the depth maps of both packaged hands best (64 poses:
intersection over union 0.91 and 0.88, against 0.82 and 0.79 inside the mesh, 0.81 and 0.78 with the released radii)."""

_PALM = {  # how far from the wrist to which knuckles, and how far (in knuckle rows) to the little finger's side
    "wrist_ulnar": (0.0, ("middle",), 0.26),
    "wrist_radial": (0.0, ("middle",), -0.26),
    "middle_knuckle": (0.88, ("middle", "ring"), 0.0),
    "little_knuckle": (0.84, ("little",), 0.0),
    "centre": (0.60, ("middle", "ring"), 0.0),
    "wrist": (0.0, ("middle",), 0.0),
    "heel": (0.30, ("middle", "ring"), 0.0),
    "heel_ulnar": (0.28, ("little",), 0.10),
    "edge_ulnar": (0.56, ("little",), 0.05),
    "index_knuckle": (0.84, ("index",), 0.0),
    "index_metacarpal": (0.58, ("index",), 0.0),
}
_CLIMB_STEP_M, _CLIMB_STEPS = 0.5e-3, 12
_SLICE_M = 4e-3  # half the thickness of the slice of skin that counts as beside a sphere
_TIP_INSET = 0.35  # of the last bone: as far out as leaves no gap to the sphere at its joint

SPHERE_NAMES: tuple[str, ...] = (
    *(f"palm_{name}" for name in _PALM),
    *(
        f"{finger}_{part}"
        for finger in SPHERE_FINGERS
        for part in (
            ("tip", "ip", "proximal", "mcp", "metacarpal", "cmc")
            if finger == "thumb"
            else ("tip", "dip", "middle", "pip", "proximal", "mcp")
        )
    ),
)

PUBLISHED_RADII_M: tuple[float, ...] = tuple(
    round(80e-3 * share, 6)
    for share in (
        *(0.25, 0.25, 0.28, 0.28, 0.30, 0.28, 0.25, 0.25, 0.25, 0.25, 0.25),
        *(0.14, 0.16, 0.17, 0.18, 0.20, 0.21),
        *(0.15, 0.17, 0.18, 0.20, 0.20, 0.21),
        *(0.12, 0.14, 0.17, 0.18, 0.19, 0.20),
        *(0.10, 0.12, 0.14, 0.16, 0.17, 0.21),
        *(0.17, 0.19, 0.20, 0.25, 0.28, 0.28),
    )
)
"""Radii of the released code: a table times 80 mm, for the hand of the NYU data set."""

_PALM_BONES = (
    *((3, 2), (2, 9), (3, 8), (8, 2), (2, 4), (2, 10), (9, 10), (8, 4), (4, 10), (8, 7)),
    *((7, 4), (4, 6), (6, 10), (7, 6), (0, 5), (5, 1), (7, 0), (7, 5), (6, 5), (6, 1)),
)
BONE_PAIRS: tuple[tuple[int, int], ...] = (
    *_PALM_BONES,
    *((base + k, base + k + 1) for base in range(NUM_PALM_SPHERES, NUM_SPHERES, 6) for k in (0, 2, 4)),
)
"""The 35 pairs of spheres whose distance Eq. 14 bounds (those of the released code): neighbours in the palm, and the
two spheres of each phalanx. None crosses a joint: nothing in Eq. 14 ties a finger to the palm."""

COLLISION_PAIRS: tuple[tuple[int, int], ...] = tuple(
    (j, k)
    for j in range(NUM_SPHERES)
    for k in range(max(j + 1, NUM_PALM_SPHERES), NUM_SPHERES)
    if j < NUM_PALM_SPHERES or (j - NUM_PALM_SPHERES) // 6 != (k - NUM_PALM_SPHERES) // 6
)
"""The 690 pairs of spheres that Eq. 16 keeps apart (released code): palm and finger, and different fingers."""


class Spheres(NamedTuple):
    """Posed spheres: ``centres_m`` (batch, 41, 3) and ``radii_m`` (batch, 41), metres."""

    centres_m: Float[Tensor, "batch 41 3"]
    radii_m: Float[Tensor, "batch 41"]


class SphereHand(nn.Module):
    """The 41 spheres of a hand model, posed like its mesh.

    Attributes:
        model: the hand model.
        radii_m: (41,) the radii in use. "inscribed": the distance of each rest centre from the skin, the largest sphere
            that stays inside. "mesh": 2 mm more (see ``BULGE_M``). "published": those of the released code.
        rest_m: (41, 3) centres of the unposed mean hand, in the model's frame.
        weights: (16, 41) skinning weights; a sphere at a joint belongs half to either bone.
        bone_lengths_m: (35,) distances at rest of ``BONE_PAIRS``.
    """

    radii_m: Tensor
    rest_m: Tensor
    weights: Tensor
    bone_lengths_m: Tensor

    def __init__(self, model: HandModel, radii: str = "mesh") -> None:
        super().__init__()
        if radii not in RADIUS_SOURCES:
            raise BadInputError(f"radii is {radii!r}, expected one of {RADIUS_SOURCES}")
        self.model = model
        template, regressor, tips = model.v_template, model.J_regressor, model.tip_vertices
        directions = model.shapedirs.movedim(-1, 0)  # (S, V, 3)
        rest_joints = joints_to_21(regressor @ template, template[tips])
        anchors = _anchor_weights().to(template)
        rest, inscribed = _into_the_flesh(model, rest_joints, anchors @ rest_joints)
        choice = {
            "inscribed": inscribed,
            "mesh": inscribed + BULGE_M,
            "published": template.new_tensor(PUBLISHED_RADII_M),
        }
        first, second = (list(ends) for ends in zip(*BONE_PAIRS, strict=True))
        joint_directions = joints_to_21(regressor @ directions, directions[:, tips])
        for name, value in {
            "radii_m": choice[radii],
            "rest_m": rest,
            "weights": _skinning_weights().to(template),
            "bone_lengths_m": (rest[first] - rest[second]).norm(dim=-1),
            "_rest_joints": rest_joints[list(MODEL_TO_21)],
            "_joint_directions": joint_directions[:, list(MODEL_TO_21)],
            "_sphere_directions": anchors @ joint_directions,
        }.items():
            self.register_buffer(name, value, persistent=False)

    def forward(
        self,
        pose: Float[Tensor, "batch pose_width"],
        shape: Float[Tensor, "batch num_shape"] | None = None,
        global_orient: Float[Tensor, "batch 3"] | None = None,
        translation: Float[Tensor, "batch 3"] | None = None,
    ) -> Spheres:
        """Pose the spheres; arguments, frame and errors as for :meth:`handlib.hand.HandModel.forward`."""
        rotvec = self.model.pose_to_axis_angle(pose)
        shape = rotvec.new_zeros(len(pose), self.model.num_shape) if shape is None else shape
        shape = self.model.check_input("shape", shape, self.model.num_shape, len(pose))
        nothing = rotvec.new_zeros(len(pose), 3)
        orient, shift = (
            nothing if value is None else self.model.check_input(name, value, 3, len(pose))
            for name, value in (("global_orient", global_orient), ("translation", translation))
        )
        rotations = roma.rotvec_to_rotmat(torch.cat([orient, rotvec], dim=1).unflatten(1, (16, 3)))
        joints = self._rest_joints + torch.einsum("bs,sjc->bjc", shape, self._joint_directions)
        rest = self.rest_m + torch.einsum("bs,sjc->bjc", shape, self._sphere_directions)
        world, posed = lbs.chain_transforms(rotations, joints)
        centres = skin_points(rest.mT, lbs.joint_motions(world, joints, posed), self.weights)
        return Spheres(centres + shift[:, None], self.radii_m.expand(len(pose), -1))


def _anchor_weights() -> Float[Tensor, "41 21"]:
    """Rest centres as mixes of the 21 rest joints; each row sums to one."""
    rows = torch.zeros(NUM_SPHERES, 21)
    index, little = (FINGER_JOINTS[finger][0] for finger in ("index", "little"))
    for row, (share, knuckles, ulnar) in zip(rows, _PALM.values(), strict=False):
        row[0] += 1 - share
        row[[FINGER_JOINTS[finger][0] for finger in knuckles]] += share / len(knuckles)
        row[little] += ulnar
        row[index] -= ulnar
    for k, finger in enumerate(SPHERE_FINGERS):
        base, second, third, tip = FINGER_JOINTS[finger]
        start = NUM_PALM_SPHERES + 6 * k
        rows[start, [tip, third]] = torch.tensor([1 - _TIP_INSET, _TIP_INSET])
        rows[[start + 1, start + 3, start + 5], [third, second, base]] = 1.0
        rows[start + 2, [third, second]] = 0.5
        rows[start + 4, [second, base]] = 0.5
    return rows


def _finger_bones(finger: str) -> list[int]:
    """The model joints that turn a finger's three bones, from the base outwards."""
    return [MODEL_JOINT_NAMES.index(JOINT_NAMES[joint]) for joint in FINGER_JOINTS[finger][:3]]


def _skinning_weights() -> Float[Tensor, "16 41"]:
    """The palm on the wrist's bone, a sphere on a bone on it, a sphere at a joint half on either bone."""
    weights = torch.zeros(len(MODEL_JOINT_NAMES), NUM_SPHERES)
    weights[0, :NUM_PALM_SPHERES] = 1.0
    for k, finger in enumerate(SPHERE_FINGERS):
        bones = [0, *_finger_bones(finger)]
        start = NUM_PALM_SPHERES + 6 * k
        for along, bone in enumerate(bones[:0:-1]):
            weights[bone, start + 2 * along] = 1.0
            weights[bone, start + 2 * along + 1] = 0.5
            weights[bones[bones.index(bone) - 1], start + 2 * along + 1] = 0.5
    return weights


@torch.no_grad()
def _into_the_flesh(
    model: HandModel, joints: Float[Tensor, "21 3"], anchors: Float[Tensor, "41 3"]
) -> tuple[Float[Tensor, "41 3"], Float[Tensor, "41"]]:
    """Rest centres, and their distance from the skin: each anchor climbs to where the skin around it is farthest.

    In the palm and at knuckles it climbs along the palm's normal only (sideways it would end in the middle of the
    palm), elsewhere in the plane across the bone. There it starts in the middle of the finger's skin beside it, because
    the joints of a hand may lie so near to its skin that the way up leads out.
    """
    vertices, joints, centres = (as_right_hand(x, model.side) for x in (model.v_template, joints, anchors))
    normal = palm_frame(joints)[:, 1]
    across = torch.zeros(NUM_SPHERES, 2, 3).to(centres)
    across[:, 0] = normal
    for k, finger in enumerate(SPHERE_FINGERS):
        free = slice(NUM_PALM_SPHERES + 6 * k, NUM_PALM_SPHERES + 6 * k + (3 if finger == "thumb" else 5))
        bones = unit(centres[free] - centres[free.start + 1 : free.stop + 1])
        across[free, 1] = unit(torch.linalg.cross(bones, normal.expand_as(bones)))
        across[free, 0] = torch.linalg.cross(across[free, 1], bones)
        skin = vertices[model.weights[:, _finger_bones(finger)].sum(1) > 0.5]
        offset = skin - centres[free, None]
        beside = (offset * bones[:, None]).sum(-1) / _SLICE_M
        middle = (torch.softmax(-beside.square(), dim=1)[..., None] * offset).sum(1)
        centres[free] += torch.einsum("nkc,nc,nkd->nd", across[free], middle, across[free])
    steps = torch.linspace(-_CLIMB_STEP_M, _CLIMB_STEP_M, 3).to(centres)
    moves = torch.einsum("gk,nkc->ngc", torch.cartesian_prod(steps, steps), across)  # (41, 9, 3)
    for _ in range(_CLIMB_STEPS):
        # The nearest vertex finds the way; only the radius at its end needs the triangles between vertices.
        candidates = centres[:, None] + moves
        best = torch.cdist(candidates, vertices.expand(NUM_SPHERES, -1, -1)).amin(-1).argmax(1)
        centres = candidates[torch.arange(NUM_SPHERES), best]
    return as_right_hand(centres, model.side), point_mesh_distance(centres, vertices, model.faces)


def collision_pairs(spheres: SphereHand) -> Int[Tensor, "pairs 2"]:
    """Those of ``COLLISION_PAIRS`` whose spheres do not overlap at rest: for radii that fill the flesh, neighbours
    always do (a finger's base and the knuckle beside it)."""
    pairs = torch.tensor(COLLISION_PAIRS, device=spheres.rest_m.device)
    first, second = pairs.unbind(1)
    gap = (spheres.rest_m[first] - spheres.rest_m[second]).norm(dim=-1)
    return pairs[gap > spheres.radii_m[first] + spheres.radii_m[second]]
