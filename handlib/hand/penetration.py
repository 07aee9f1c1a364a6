"""How deep the parts of a hand stick into each other: a fast measure on a skeleton of capsules.

Every bone is a capsule (all points within a radius of its segment): four in the palm, three in each finger.
The radii are measured on the rest mesh. Flesh is soft and a capsule is a rough finger, so depths of a few
millimetres are normal where fingers touch; the measure tells a hand with fingers through its palm from one
without, at thousands of poses a second. It is no collision test of the mesh.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from handlib.errors import BadInputError
from handlib.hand.anatomy import RestHand, as_right_hand, palm_frame, rest_joints_m
from handlib.skeleton import FINGER_JOINTS, FINGERS, JOINT_NAMES

CAPSULES: tuple[tuple[int, int], ...] = (
    *((0, FINGER_JOINTS[finger][0]) for finger in FINGERS[1:]),
    *((FINGER_JOINTS[finger][k], FINGER_JOINTS[finger][k + 1]) for finger in FINGERS for k in range(3)),
)
"""The 19 capsules as pairs of the 21 joints: 4 metacarpals of the palm, then 3 a finger from thumb to
little."""

PALM_CAPSULES = 4
_SHORTENED = [*range(PALM_CAPSULES), *range(PALM_CAPSULES + 2, len(CAPSULES), 3)]


def segment_distance(
    a0: Float[Tensor, "*batch 3"],
    a1: Float[Tensor, "*batch 3"],
    b0: Float[Tensor, "*batch 3"],
    b1: Float[Tensor, "*batch 3"],
) -> Float[Tensor, "*batch"]:
    """Shortest distance between the segments a0-a1 and b0-b1.

    Closest points after Ericson, Real-Time Collision Detection (2005), Sec. 5.1.9: the best point on the
    infinite lines, each parameter clamped in turn.
    """
    u, v, w = a1 - a0, b1 - b0, a0 - b0
    uu, vv, uv = (u * u).sum(-1), (v * v).sum(-1), (u * v).sum(-1)
    uw, vw = (u * w).sum(-1), (v * w).sum(-1)
    tiny = torch.finfo(u.dtype).tiny
    # The floor serves parallel segments, where any s will do: the last step finds the best one for t.
    s = ((uv * vw - vv * uw) / torch.maximum(uu * vv - uv * uv, 1e-12 * uu * vv + tiny)).clamp(0.0, 1.0)
    t = ((uv * s + vw) / vv.clamp(min=tiny)).clamp(0.0, 1.0)
    s = ((uv * t - uw) / uu.clamp(min=tiny)).clamp(0.0, 1.0)
    gap = w + s[..., None] * u - t[..., None] * v
    return torch.linalg.vector_norm(gap, dim=-1)


def point_segment_distance(
    points: Float[Tensor, "*batch 3"], start: Float[Tensor, "*#batch 3"], end: Float[Tensor, "*#batch 3"]
) -> Float[Tensor, "*batch"]:
    """Distance of points to the segment from `start` to `end`."""
    along = end - start
    t = (((points - start) * along).sum(-1) / (along * along).sum(-1)).clamp(0.0, 1.0)
    return torch.linalg.vector_norm(points - start - t[..., None] * along, dim=-1)


def capsule_pairs() -> Int[Tensor, "pairs 2"]:
    """Pairs of capsules that can collide: not two of the palm, and no two that a joint or the web of skin
    ties together."""
    finger_of = [-1] * PALM_CAPSULES + [k // 3 for k in range(15)]
    pairs = []
    for a in range(19):
        for b in range(max(a + 1, PALM_CAPSULES), 19):
            joined = set(CAPSULES[a]) & set(CAPSULES[b])
            base_a = a < PALM_CAPSULES or (a - PALM_CAPSULES) % 3 == 0
            base_b = (b - PALM_CAPSULES) % 3 == 0
            webbed = base_a and base_b and (finger_of[a] != 0 and finger_of[b] != 0 or a < PALM_CAPSULES)
            if not joined and not webbed:
                pairs.append((a, b))
    return torch.tensor(pairs)


def capsule_radii_m(
    vertices: Float[Tensor, "vertices 3"], joints: Float[Tensor, "21 3"]
) -> tuple[Float[Tensor, "19"], Float[Tensor, "4"]]:
    """Radii of the capsules of a right hand, and how far palmward of their bones the palm's four lie; metres.

    A finger's radius is the lower quartile of the distances from the bone to the skin nearest to it: flesh
    gives and bones are not round. Metacarpals lie close under the back of the hand, so the palm's capsules
    run halfway between the quartiles of its two sides. Vertices beyond a bone's ends (the forearm, a joint's
    rounding) do not count. Raises BadInputError where a bone has no skin beside it.
    """
    starts, ends = joints[[a for a, _ in CAPSULES]], joints[[b for _, b in CAPSULES]]
    distance = point_segment_distance(vertices[:, None].expand(-1, len(CAPSULES), -1), starts, ends)
    nearest = distance.argmin(dim=1)
    offset, bone = vertices - starts[nearest], (ends - starts)[nearest]
    beside = ((offset * bone).sum(-1) / (bone * bone).sum(-1) - 0.5).abs() < 0.4
    dorsal = offset @ palm_frame(joints)[:, 1] > 0

    def quartile(capsule: int, counts: Bool[Tensor, "vertices"]) -> Float[Tensor, ""]:
        skin = distance[counts & beside & (nearest == capsule), capsule]
        if not len(skin):
            first, second = (JOINT_NAMES[joint] for joint in CAPSULES[capsule])
            raise BadInputError(
                f"vertices: none lies beside the bone from {first} to {second}, so it has no thickness; the joints of "
                "this hand do not lie inside its mesh: check the file's J_regressor."
            )
        return skin.quantile(0.25)

    back = torch.stack([quartile(k, dorsal) for k in range(PALM_CAPSULES)])
    front = torch.stack([quartile(k, ~dorsal) for k in range(PALM_CAPSULES)])
    fingers = torch.stack([quartile(k, beside) for k in range(PALM_CAPSULES, len(CAPSULES))])
    return torch.cat(((front + back) / 2, fingers)), (front - back) / 2


class HandPenetration(nn.Module):
    """Depth of self-penetration of a posed hand, from its 21 joints.

    `forward` gives the deepest overlap of any two capsules in metres, 0 for none; `pair_depths` gives them
    all. Overlap that the rest pose already has (the thumb's base in the palm) belongs to the hand and does
    not count.
    """

    radii: Tensor
    palm_shift: Tensor
    pairs: Tensor
    rest_depths: Tensor

    def __init__(self, model: RestHand) -> None:
        super().__init__()
        self.side = model.side
        rest = rest_joints_m(model)
        radii, palm_shift = capsule_radii_m(as_right_hand(model.v_template.detach(), model.side), rest)
        self.register_buffer("radii", radii, persistent=False)
        self.register_buffer("palm_shift", palm_shift, persistent=False)
        self.register_buffer("pairs", capsule_pairs(), persistent=False)
        self.register_buffer("rest_depths", radii.new_zeros(len(self.pairs)), persistent=False)
        self.rest_depths = self.pair_depths(as_right_hand(rest, model.side)[None])[0].clamp(min=0.0)

    def segments(
        self, joints: Float[Tensor, "batch 21 3"]
    ) -> tuple[Float[Tensor, "batch 19 3"], Float[Tensor, "batch 19 3"]]:
        """Both ends of every capsule's axis, in a right hand's mirror image where the model is a left
        hand."""
        joints = as_right_hand(joints, self.side)
        starts, ends = joints[:, [a for a, _ in CAPSULES]], joints[:, [b for _, b in CAPSULES]]
        palmward = -palm_frame(joints)[:, None, :, 1] * self.palm_shift[:, None]
        shift = torch.cat((palmward, palmward.new_zeros(len(joints), len(CAPSULES) - PALM_CAPSULES, 3)), dim=1)
        # Round ends would reach a radius past the fingertip, and past the palm into its own fingers.
        bones = ends - starts
        back = torch.zeros_like(self.radii).index_copy(0, self.pairs.new_tensor(_SHORTENED), self.radii[_SHORTENED])
        ends = ends - bones * (back / torch.linalg.vector_norm(bones, dim=-1)).clamp(max=1.0)[..., None]
        return starts + shift, ends + shift

    def pair_depths(self, joints: Float[Tensor, "batch 21 3"]) -> Float[Tensor, "batch pairs"]:
        """Overlap of every pair of capsules in metres, beyond that of the rest pose; negative is a gap."""
        starts, ends = self.segments(joints)
        first, second = self.pairs.unbind(-1)
        distance = segment_distance(starts[:, first], ends[:, first], starts[:, second], ends[:, second])
        return self.radii[first] + self.radii[second] - distance - self.rest_depths

    def forward(self, joints: Float[Tensor, "batch 21 3"]) -> Float[Tensor, "batch"]:
        """Deepest self-penetration of each hand in metres; 0 where nothing touches."""
        return self.pair_depths(joints).amax(dim=1).clamp(min=0.0)
