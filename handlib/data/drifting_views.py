"""How SeqHAND's cameras move: drawn for the first and the last frame, and drifting from one to the other.

Shares a frame are those of the released code: scale 0.5 / n, translation 0.2 / n, rotation U(0, 0.6) / n, background
1 / n of what is left of the way.
"""

import numpy as np
import roma
import torch
from jaxtyping import Float
from torch import Tensor

SCALE_SHARE, PLACE_SHARE, TURN_SHARE, BACKGROUND_SHARE = 0.5, 0.2, 0.6, 1.0

EGO_TILT = (np.radians(10.0), np.radians(55.0))
EGO_DEVIATION = np.radians(15.0)
"""A hand held up before the eyes: how far it leans away, and how far it is turned any way besides."""


def drift(
    start: Float[np.ndarray, "*numbers"], end: Float[np.ndarray, "*numbers"], share: float, num_frames: int
) -> Float[np.ndarray, "frames *numbers"]:
    """Numbers on their way from ``start`` to ``end``: ``share / n`` of what is left a frame, as the poses (Eq. 6)."""
    left = (1 - share / num_frames) ** np.arange(num_frames)
    return end + left.reshape(-1, *[1] * np.ndim(start)) * (start - end)


def draw_turns(stream: np.random.Generator, num_frames: int, egocentric: bool) -> Float[Tensor, "frames 3 3"]:
    """Rotations of a hand's rest frame into the camera's, drifting from one draw towards another.

    Others' hands ("third person") are turned by any angle about any axis, as in the released code. For one's own hands
    that code adds small random numbers to one axis-angle vector in its renderer's axes; ours, in OpenCV's, are built:
    fingers up and away, the back of the hand towards the eyes.
    """
    draw = _egocentric if egocentric else _third_person
    turn, end = draw(stream), draw(stream)
    turns = [turn]
    for share in stream.uniform(0, TURN_SHARE / num_frames, num_frames - 1):
        turns.append(turns[-1] @ _turn(share * roma.rotmat_to_rotvec(turns[-1].mT @ end)))
    return torch.stack(turns)


def draw_scale(stream: np.random.Generator, extent_m: float) -> float:
    """Picture widths a metre that let a hand of ``extent_m`` fill 48 to 59 % of the picture."""
    return 1 / (stream.uniform(1.7, 2.1) * extent_m)


def draw_place(stream: np.random.Generator) -> Float[np.ndarray, "2"]:
    """Where the hand's middle knuckle is, in picture widths from the middle."""
    return stream.uniform(-0.1, 0.1, 2)


def _third_person(stream: np.random.Generator) -> Tensor:
    axis = stream.standard_normal(3)
    return _turn(torch.from_numpy(axis / np.linalg.norm(axis)) * stream.uniform(-np.pi, np.pi))


def _egocentric(stream: np.random.Generator) -> Tensor:
    tilt = stream.uniform(*EGO_TILT)
    c, s = np.cos(tilt), np.sin(tilt)
    # Columns: where the rest frame's x (towards the elbow), y (out of the back) and z (thumb) go.
    upright = torch.tensor([[0.0, 0.0, -1.0], [c, -s, 0.0], [-s, -c, 0.0]], dtype=torch.float64)
    return _turn(torch.from_numpy(EGO_DEVIATION * stream.standard_normal(3))) @ upright


def _turn(rotvec: Tensor) -> Tensor:
    return roma.rotvec_to_rotmat(rotvec)
