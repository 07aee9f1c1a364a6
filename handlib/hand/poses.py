"""Named natural poses: rest, fist, pinches, digits, grips and signs, as anatomical angles.

The table `assets/named_poses.yml` is in degrees and meant to be read and edited. What touches what in a pose
is written there too, because the angles that bring two fingertips together differ a little from hand to hand:
`close_contacts` adapts a pose to another hand, and made the table's angles for the open hand.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
import yaml
from jaxtyping import Float
from torch import Tensor

from handlib.errors import BadInputError
from handlib.hand.anatomy import AnatomicalPose
from handlib.hand.penetration import HandPenetration
from handlib.hand.pose_limits import angles_from_unconstrained, coupling_residual, unconstrained_from_angles
from handlib.skeleton import FINGERS, JOINT_NAMES, MODEL_JOINT_NAMES

NAMED_POSES_FILE = Path(__file__).parent / "assets" / "named_poses.yml"

_FIRST_ROW = {name.split("_")[0]: row for row, name in enumerate(MODEL_JOINT_NAMES[1:]) if row % 3 == 0}
_ENTRIES = {finger: ((0, 0), (0, 1), (1, 0), (2, 0)) for finger in FINGERS} | {
    "thumb": ((0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (2, 0))
}


@dataclass(frozen=True)
class Touch:
    """Two places of a hand that touch: each a joint, or the middle between two; and how far apart they are
    then."""

    first: tuple[str, ...]
    second: tuple[str, ...]
    distance_m: float


@dataclass(frozen=True)
class NamedPose:
    """A pose with a name: what it shows, its angles (15, 3) in radians (model order), and what touches in
    it."""

    name: str
    about: str
    angles: Float[Tensor, "15 3"]
    touches: tuple[Touch, ...] = ()


def read_named_poses(path: Path = NAMED_POSES_FILE) -> dict[str, NamedPose]:
    """Read a table of poses; its head says how a row is written.

    Raises BadInputError when a finger of a pose is missing or has the wrong number of angles.
    """
    return {name: _named_pose(name, row, path) for name, row in yaml.safe_load(path.read_text()).items()}


def _named_pose(name: str, row: Mapping, path: Path) -> NamedPose:
    angles = torch.zeros(15, 3)
    for finger, entries in _ENTRIES.items():
        values = row.get(finger, ())
        if len(values) != len(entries):
            raise BadInputError(f"{path}: {name}: {finger} has {len(values)} angles; {len(entries)} are wanted.")
        for (joint, kind), degrees in zip(entries, values, strict=True):
            angles[_FIRST_ROW[finger] + joint, kind] = degrees
    touches = tuple(Touch(tuple(a), tuple(b), mm / 1000.0) for a, b, mm in row.get("touch", ()))
    return NamedPose(name, row["about"], angles.deg2rad(), touches)


def table_row(angles: Float[Tensor, "15 3"]) -> dict[str, list[int]]:
    """The row of the table for `angles` (radians), in whole degrees."""
    degrees = torch.rad2deg(angles).round().int()
    return {
        finger: [int(degrees[_FIRST_ROW[finger] + joint, kind]) for joint, kind in entries]
        for finger, entries in _ENTRIES.items()
    }


NAMED_POSES: dict[str, NamedPose] = read_named_poses()
"""All named poses, in the order of the table."""


def named_pose(name: str) -> Float[Tensor, "15 3"]:
    """Anatomical angles of a named pose, in radians, model order.

    Raises BadInputError for an unknown name, with the names there are.
    """
    if name not in NAMED_POSES:
        raise BadInputError(f"there is no pose named {name!r}; the names are {', '.join(NAMED_POSES)}.")
    return NAMED_POSES[name].angles.clone()


@cache
def all_named_poses() -> Float[Tensor, "poses 15 3"]:
    """The angles of all named poses, stacked in the order of `NAMED_POSES`."""
    return torch.stack([pose.angles for pose in NAMED_POSES.values()])


def touch_errors_m(joints: Float[Tensor, "batch 21 3"], touches: Sequence[Touch]) -> Float[Tensor, "batch touches"]:
    """Distance of the two places of each touch, less the distance they have when they touch; metres."""

    def place(names: tuple[str, ...]) -> Float[Tensor, "batch 3"]:
        return joints[:, [JOINT_NAMES.index(name) for name in names]].mean(dim=1)

    gaps = [
        torch.linalg.vector_norm(place(touch.first) - place(touch.second), dim=-1) - touch.distance_m
        for touch in touches
    ]
    return torch.stack(gaps, dim=1) if gaps else joints.new_zeros(len(joints), 0)


def close_contacts(
    pose: NamedPose, anatomy: AnatomicalPose, penetration: HandPenetration, *, steps: int = 250
) -> Float[Tensor, "15 3"]:
    """Adapt a named pose to a hand: what should touch touches, nothing sinks in more than 2 mm, the rest
    stays.

    Gradient descent on the angles within their limits (about a second). The thumb may leave its angles more
    readily than the fingers: it is what opposes them.
    """
    start = pose.angles.to(anatomy.limits)[None]
    stiffness = torch.where(torch.arange(15)[:, None] < _FIRST_ROW["thumb"], 1.0, 0.3).to(start)
    unconstrained = unconstrained_from_angles(start, anatomy.limits, margin=0.01).requires_grad_()
    optimizer = torch.optim.Adam([unconstrained], lr=0.02)
    for _ in range(steps):
        angles = angles_from_unconstrained(unconstrained, anatomy.limits)
        joints = anatomy.to_joints(angles)
        gaps_cm = 100.0 * touch_errors_m(joints, pose.touches)
        depths_cm = 100.0 * (penetration.pair_depths(joints) - 0.002).clamp(min=0.0)
        moved = (angles - start).square() * stiffness
        uncoupled = coupling_residual(angles) - coupling_residual(start)
        terms = (2.0 * gaps_cm.square(), 6.0 * depths_cm.square(), 0.15 * moved, 0.3 * uncoupled.square())
        optimizer.zero_grad()
        torch.stack([term.sum() for term in terms]).sum().backward()
        optimizer.step()
    return angles_from_unconstrained(unconstrained, anatomy.limits).detach()[0]
