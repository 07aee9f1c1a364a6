"""One joint, looked at closely, for the page: how it moves between frames, and what each loss makes of noisy frames."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from handlib.data.archives import read_arrays
from handlib.data.photos import require_data
from handlib.losses.motion_prior import included_angle, rotation_angle, same_side
from handlib.viz.orientations import bent_and_spread

STB_POSES = "stb_joint_poses.npz"
STB_RUN = 1500
_PARENTS = (5, 6, 7, 9, 10, 11, 13, 14, 15, 17, 18, 19)


@dataclass(frozen=True, eq=False)
class MiddleFrames:
    """Three frames of a film, an interval apart: angles on the sphere, radians, of every joint and start.

    ``whole`` from the first to the last; ``off_arc`` of the middle frame from the nearest point of their arc, which the
    prior of a fixed axis forbids; ``along_arc`` of that point from halfway, where Slerp, a prior on the speed as well,
    expects it. The two are independent, so that either can be the larger: distances from halfway and from the arc
    are not, as halfway is a point of the arc.
    """

    whole: Float[Tensor, "starts joints"]
    along_arc: Float[Tensor, "starts joints"]
    off_arc: Float[Tensor, "starts joints"]


def middle_frames(orientations: Float[Tensor, "frames joints 4"], interval: int) -> MiddleFrames:
    """Where the middle frame lies, of all three frames that are ``interval`` apart.

    For directions, written as (x, y, z, 0), the angles are their own; for rotations they are half of what is turned.
    """
    first, middle = orientations[: -2 * interval], orientations[interval:-interval]
    last = same_side(orientations[2 * interval :], first)
    whole = included_angle(first, last)
    # The part of the middle frame that lies in the plane of the arc, and how far along the arc it points.
    across = last - (first * last).sum(-1, keepdim=True) * first
    across = across / torch.linalg.vector_norm(across, dim=-1, keepdim=True).clamp(min=1e-12)
    middle = same_side(middle, first + last)
    along = torch.atan2((middle * across).sum(-1), (middle * first).sum(-1))
    place = torch.minimum(along.clamp(min=0), whole)[..., None]
    nearest = place.cos() * first + place.sin() * across
    return MiddleFrames(whole, (place[..., 0] - whole / 2).abs(), included_angle(middle, nearest))


def real_bone_directions() -> list[Float[Tensor, "frames 12 4"]]:
    """How the bones of four fingers point, seen from the palm, in ten real films of hands (STB), as (x, y, z, 0).

    Zhang et al., "3D Hand Pose Tracking and Estimation Using Stereo Matching", 2016; annotated joints, which tremble
    by themselves. Read from ``HANDLIB_DATA``.

    Raises:
        MissingFileError: the file is not there.
    """
    joints = read_arrays(require_data(STB_POSES), ("train_m",), "fetch it again from its source")["train_m"]
    films = torch.from_numpy(np.asarray(joints, np.float64)).unflatten(0, (-1, STB_RUN))
    unit = torch.nn.functional.normalize
    up = unit(films[..., 9, :] - films[..., 0, :], dim=-1)
    out = unit(torch.linalg.cross(up, films[..., 5, :] - films[..., 17, :]), dim=-1)
    palm = torch.stack([up, torch.linalg.cross(out, up), out], dim=-2)
    bones = unit(films[:, :, [parent + 1 for parent in _PARENTS]] - films[:, :, list(_PARENTS)], dim=-1)
    seen = bones @ palm.mT
    return list(torch.cat([seen, torch.zeros_like(seen[..., :1])], dim=-1).float())


@dataclass(frozen=True, eq=False)
class NoisyJoint:
    """A joint that bends, rests, and bends on, without twist: ``true``, and as a noisy observer has ``seen`` it."""

    true: Float[Tensor, "frames 4"]
    seen: Float[Tensor, "frames 4"]


def noisy_joint(seed: int, frames: int = 40, noise_rad: float = 0.08) -> NoisyJoint:
    """A bend of 80 degrees in two movements with a rest between them, and what a noisy observer sees of it."""
    time = torch.linspace(0, 2, frames)
    part = time.fract() if frames == 1 else torch.where(time < 2, time.remainder(1), torch.ones(()))
    # Each movement is over after two thirds of its time.
    share = (1.5 * part).clamp(max=1)
    done = (10 * share**3 - 15 * share**4 + 6 * share**5 + (time >= 1) * (time < 2) + (time >= 2)) / 2
    bend, spread = np.deg2rad(80) * done, np.deg2rad(25) * (done - 0.5)
    noise = noise_rad * torch.randn(2, frames, generator=torch.Generator().manual_seed(seed))
    return NoisyJoint(bent_and_spread(bend, spread), bent_and_spread(bend + noise[0], spread + noise[1]))


def triples(orientations: Float[Tensor, "frames 4"]) -> Float[Tensor, "clips 3 1 4"]:
    """All overlapping clips of three neighbouring frames, as the losses on motion take them."""
    return torch.stack([orientations[:-2], orientations[1:-1], orientations[2:]], dim=1)[:, :, None]


def settle(
    seen: Float[Tensor, "frames 4"], motion: Callable[[Tensor], Tensor], weight: float, steps: int = 200
) -> Float[Tensor, "frames 4"]:
    """Where the frames come to lie between what was seen and a loss on motion, by gradient descent on both.

    Minimises the mean squared angle from ``seen`` plus ``weight`` times the mean of ``motion`` over :func:`triples`.
    """
    sine = seen[:, 1:3].norm(dim=-1, keepdim=True)
    angles = (2 * torch.atan2(sine, seen[:, 3:]) / sine.clamp(min=1e-9) * seen[:, 1:3]).clone().requires_grad_()
    optimiser = torch.optim.Adam([angles], lr=0.02)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for _ in range(steps):
        frames = bent_and_spread(angles[:, 1], angles[:, 0])
        loss = rotation_angle(frames, seen).square().mean() + weight * motion(triples(frames)).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return bent_and_spread(angles[:, 1], angles[:, 0]).detach()


def go_downhill(
    frames: Float[Tensor, "frames 4"], loss: Callable[[Tensor], Tensor], steps: int = 20
) -> Float[Tensor, "frames 4"]:
    """A clip's frames after some steps down a loss on motion alone, each at most 0.1 long on the sphere.

    What the buttons of :func:`handlib.viz.turning_joint` do: all frames may move, and a step is half of what would
    bring the loss to nothing if it were a cone.
    """
    for _ in range(steps):
        moving = frames.detach().requires_grad_()
        value = loss(moving[None, :, None]).sum()
        (slope,) = torch.autograd.grad(value, moving)
        slope = slope - (slope * frames).sum(-1, keepdim=True) * frames
        square = float(slope.square().sum())
        if value.item() < 1e-5 or square < 1e-12:
            break
        pace = min(0.5 * value.item() / square, 0.1 / square**0.5)
        frames = torch.nn.functional.normalize(frames - pace * slope, dim=-1)
    return frames.detach()


def trembling_rad(frames: Float[Tensor, "frames 4"]) -> float:
    """Mean length of the second difference of the orientations, as rotation vectors without twist: rad per frame^2."""
    sine = frames[:, 1:3].norm(dim=-1, keepdim=True)
    angles = 2 * torch.atan2(sine, frames[:, 3:]) / sine.clamp(min=1e-9) * frames[:, 1:3]
    return float((angles[2:] - 2 * angles[1:-1] + angles[:-2]).norm(dim=-1).mean())
