"""How deep the parts of a hand stick into each other: a fast measure on a skeleton of capsules.

Every bone is a capsule (all points within a radius of its segment): four in the palm, three in each finger.
The radii are measured on the rest mesh. Flesh is soft and a capsule is a rough finger, so depths of a few
millimetres are normal where fingers touch; the measure tells a hand with fingers through its palm from one
without, at thousands of poses a second. It is no collision test of the mesh.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from handlib.hand.anatomy import RestHand, joints_to_21
from handlib.skeleton import FINGER_JOINTS, FINGERS

CAPSULES: tuple[tuple[int, int], ...] = (
    *((0, FINGER_JOINTS[finger][0]) for finger in FINGERS[1:]),
    *((FINGER_JOINTS[finger][k], FINGER_JOINTS[finger][k + 1]) for finger in FINGERS for k in range(3)),
)
"""The 19 capsules as pairs of the 21 joints: 4 metacarpals of the palm, then 3 a finger from thumb to
little."""

PALM_CAPSULES = 4


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
    s = ((uv * vw - vv * uw) / (uu * vv - uv * uv).clamp(min=1e-12 * (uu * vv).max() + tiny)).clamp(0.0, 1.0)
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


class HandPenetration(nn.Module):
    """Depth of self-penetration of a posed hand, from its 21 joints.

    `forward` gives the deepest overlap of any two capsules in metres, 0 for none; `pair_depths` gives them
    all. Overlap that the rest pose already has (the thumb's base in the palm) belongs to the hand and does
    not count.
    """

    radii: Tensor
    pairs: Tensor
    rest_depths: Tensor

    def __init__(self, model: RestHand) -> None:
        super().__init__()
        vertices = model.v_template.detach()
        joints = joints_to_21(model.J_regressor @ vertices, vertices[model.tip_vertices])
        starts, ends = joints[[a for a, _ in CAPSULES]], joints[[b for _, b in CAPSULES]]
        distance = point_segment_distance(vertices[:, None].expand(-1, 19, -1), starts, ends)
        nearest = distance.argmin(dim=1)
        # A vertex beyond the ends of its bone (the forearm, a joint's rounding) says nothing of the bone's
        # thickness.
        along = ((vertices - starts[nearest]) * (ends - starts)[nearest]).sum(-1)
        beside = (along / ((ends - starts)[nearest] ** 2).sum(-1) - 0.5).abs() < 0.4
        radii = torch.stack([distance[(nearest == k) & beside, k].quantile(0.25) for k in range(19)])
        self.register_buffer("radii", radii, persistent=False)
        self.register_buffer("pairs", capsule_pairs(), persistent=False)
        self.register_buffer("rest_depths", radii.new_zeros(len(self.pairs)), persistent=False)
        self.rest_depths = self.pair_depths(joints[None])[0].clamp(min=0.0)

    def pair_depths(self, joints: Float[Tensor, "batch 21 3"]) -> Float[Tensor, "batch pairs"]:
        """Overlap of every pair of capsules in metres, beyond that of the rest pose; negative is a gap."""
        starts, ends = joints[:, [a for a, _ in CAPSULES]], joints[:, [b for _, b in CAPSULES]]
        # The last capsule of a finger would reach a radius past the fingertip, so it ends that much earlier.
        last = [k for k in range(PALM_CAPSULES, 19) if (k - PALM_CAPSULES) % 3 == 2]
        bone = ends[:, last] - starts[:, last]
        length = torch.linalg.vector_norm(bone, dim=-1, keepdim=True)
        back = (self.radii[last, None] / length).clamp(max=1.0)
        ends = ends.index_copy(1, self.pairs.new_tensor(last), ends[:, last] - back * bone)
        first, second = self.pairs.unbind(-1)
        distance = segment_distance(starts[:, first], ends[:, first], starts[:, second], ends[:, second])
        return self.radii[first] + self.radii[second] - distance - self.rest_depths

    def forward(self, joints: Float[Tensor, "batch 21 3"]) -> Float[Tensor, "batch"]:
        """Deepest self-penetration of each hand in metres; 0 where nothing touches."""
        return self.pair_depths(joints).amax(dim=1).clamp(min=0.0)
