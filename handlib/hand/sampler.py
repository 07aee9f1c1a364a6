"""Random hand poses that a living hand could take, thousands a second, the same for the same seed.

Half of the poses lie between two named ones, with noise on every joint. The other half are made from the way
fingers move: neighbours bend together (in the hand's natural use two components explain over 80 % of 15 joint
angles: Santello et al. 1998, https://doi.org/10.1523/JNEUROSCI.18-23-10105.1998; the index is the freest
finger, Ingram et al. 2008, https://doi.org/10.1007/s00221-008-1355-3), the DIP follows the PIP, fingers
spread less the more they bend, and the thumb pronates as it opposes. All angles are within their limits, and
no part of the hand sinks deeper than 4 mm into another, measured on capsules (`handlib.hand.penetration`).
"""

import numpy as np
import torch
from jaxtyping import Bool, Float
from scipy.special import ndtri
from torch import Tensor

from handlib.errors import BadInputError
from handlib.hand.anatomy import AnatomicalPose, RestHand
from handlib.hand.penetration import HandPenetration
from handlib.hand.pose_limits import DIP_JOINTS, DIP_PER_PIP, PIP_JOINTS, dof_mask, relaxed_angles
from handlib.hand.poses import all_named_poses

MAX_DEPTH_M = 0.004
"""Deepest self-penetration of a sampled pose, on capsules."""

_MCP_JOINTS = (0, 3, 6, 9)
_ATTEMPTS = 4
_UNIFORMS = 64  # numbers one attempt may use; a multiple of four, because Philox makes four at a time

# Latent correlation of index, middle, little, ring (model order): 0.9 between the ulnar fingers, 0.7 from
# index to middle, falling off with distance.
_NEIGHBOURS = torch.tensor(
    [[1.0, 0.7, 0.45, 0.55], [0.7, 1.0, 0.75, 0.9], [0.45, 0.75, 1.0, 0.9], [0.55, 0.9, 0.9, 1.0]],
    dtype=torch.float64,
)
_FINGER_FACTOR = torch.linalg.cholesky(_NEIGHBOURS)

# Abduction (degrees) of fingers that lie together and of fingers spread wide, index, middle, little, ring.
_TOGETHER_DEG = (-14.0, 0.0, 23.0, 12.0)
_SPREAD_DEG = (8.0, 0.0, -10.0, -5.0)


def uniform_numbers(seed: int, start: int, count: int) -> Float[Tensor, "count attempts numbers"]:
    """Uniform random numbers of the samples `start`, ..., `start + count - 1` of a seed, for every attempt.

    A counter-based generator jumps to any place of its stream at once, so that each sample owns its numbers
    and a split into batches cannot change them.
    """
    stream = np.random.Philox(key=seed)
    stream.advance(start * _ATTEMPTS * _UNIFORMS // 4)
    return torch.from_numpy(np.random.Generator(stream).random((count, _ATTEMPTS, _UNIFORMS)))


def normal(uniform: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
    """Standard normal numbers from uniform ones, one from one."""
    return torch.from_numpy(ndtri(uniform.clamp(1e-12, 1 - 1e-12).numpy()))


def between_named_poses(uniform: Float[Tensor, "batch numbers"]) -> Float[Tensor, "batch 15 3"]:
    """Poses (radians) between two named ones, mostly near the first, with 5 degrees of noise on every
    movement.

    One finger in six goes over to the second pose whole, so that fingers also combine as in no named pose.
    """
    poses = all_named_poses().double()
    first, second = ((uniform[:, k] * len(poses)).long() for k in (0, 1))
    share = 0.6 * uniform[:, 2].square()
    share = torch.where(uniform[:, 26:31] < 1 / 6, 1.0, share[:, None])
    angles = torch.lerp(poses[first], poses[second], share.repeat_interleave(3, dim=1)[..., None])
    noise = torch.zeros_like(angles)
    noise[:, dof_mask()] = normal(uniform[:, 4:26])
    return angles + np.deg2rad(5.0) * noise


def from_synergies(uniform: Float[Tensor, "batch numbers"]) -> Float[Tensor, "batch 15 3"]:
    """Poses (radians) from correlated finger curls, a common spread, and a thumb that opposes more or
    less."""
    z = normal(uniform[:, 4:30])
    curl = z[:, 0:4] @ _FINGER_FACTOR.T
    clench = 0.55 * curl + 0.84 * (z[:, 4:8] @ _FINGER_FACTOR.T)
    mcp, pip = 38.0 + 34.0 * curl, 40.0 + 34.0 * clench
    dip = DIP_PER_PIP * pip + 9.0 * z[:, 8:12]
    together, spread = (torch.tensor(x, dtype=torch.float64) for x in (_TOGETHER_DEG, _SPREAD_DEG))
    open_share = torch.sigmoid(0.3 + 1.2 * z[:, 12:13])
    room = torch.deg2rad(mcp).cos().clamp(min=0.15)
    abduction = room * (torch.lerp(together, spread, open_share) + 3.0 * z[:, 13:17])
    opposed = z[:, 17]
    thumb = (
        (2.0 + 14.0 * opposed, 2.0 + 8.0 * z[:, 18] + 3.0 * opposed, -4.0 - 3.0 * opposed + 3.0 * z[:, 19]),
        (15.0 + 12.0 * opposed + 10.0 * z[:, 20], 4.0 * z[:, 21], torch.zeros_like(opposed)),
        (15.0 + 14.0 * opposed + 15.0 * z[:, 22], torch.zeros_like(opposed), torch.zeros_like(opposed)),
    )
    degrees = torch.zeros(len(uniform), 15, 3, dtype=torch.float64)
    for joints, flexion in ((_MCP_JOINTS, mcp), (PIP_JOINTS, pip), (DIP_JOINTS, dip)):
        degrees[:, list(joints), 0] = flexion
    degrees[:, list(_MCP_JOINTS), 1] = abduction
    degrees[:, 12:] = torch.stack([torch.stack(angles, dim=-1) for angles in thumb], dim=-2)
    return torch.deg2rad(degrees)


class PoseSampler:
    """Plausible poses of one hand as anatomical angles; sample `i` of a seed is the same in any batch."""

    def __init__(self, model: RestHand, seed: int = 0, *, max_depth_m: float = MAX_DEPTH_M) -> None:
        if seed < 0 or max_depth_m <= 0:
            raise BadInputError(f"PoseSampler: seed {seed} and max_depth_m {max_depth_m} must be positive.")
        self.seed, self.max_depth_m = seed, max_depth_m
        self.anatomy = AnatomicalPose(model).to("cpu")
        self.penetration = HandPenetration(model).to("cpu")

    @torch.no_grad()
    def sample(self, count: int, start: int = 0) -> Float[Tensor, "count 15 3"]:
        """Samples `start`, ..., `start + count - 1`: angles in radians, model order, on the CPU.

        A pose that penetrates itself is drawn again, up to four times; one that still does is moved toward
        the relaxed hand, which touches nothing, as far as it takes.
        """
        if count < 1 or start < 0:
            raise BadInputError(f"PoseSampler.sample: count {count} must be at least 1 and start {start} at least 0.")
        uniform = uniform_numbers(self.seed, start, count)
        angles = self._draw(uniform[:, 0])
        bad = self._too_deep(angles).nonzero()[:, 0]
        for attempt in range(1, _ATTEMPTS):
            again = self._draw(uniform[bad, attempt])
            angles[bad] = again
            bad = bad[self._too_deep(again)]
        relaxed = relaxed_angles().to(angles)
        for share in torch.linspace(0.15, 1.0, 8).tolist():
            if not len(bad):
                break
            angles[bad] = torch.lerp(angles[bad], relaxed, share)
            bad = bad[self._too_deep(angles[bad])]
        return angles

    def _draw(self, uniform: Float[Tensor, "batch numbers"]) -> Float[Tensor, "batch 15 3"]:
        named = uniform[:, 3, None, None] < 0.5
        angles = torch.where(named, between_named_poses(uniform), from_synergies(uniform)).to(self.anatomy.limits)
        low, high = self.anatomy.limits.unbind(-1)
        return angles.clamp(low, high)

    def _too_deep(self, angles: Float[Tensor, "batch 15 3"]) -> Bool[Tensor, " batch"]:
        if not len(angles):
            return torch.zeros(0, dtype=torch.bool)
        return self.penetration(self.anatomy.to_joints(angles)) > self.max_depth_m
