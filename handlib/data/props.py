"""What else is in the picture: the forearm, bare or in a sleeve, and an object held or in the way.

Both are surfaces of fixed topology, so that a batch of scenes can be rendered at once.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

_RINGS, _AROUND = 20, 28
_FOREARM_M = 0.55


@dataclass(frozen=True, eq=False)
class Prop:
    """A closed grid surface: ``vertices_m`` (N, 3) in the camera's frame, ``local_m`` (N, 3) in its own."""

    vertices_m: Float[np.ndarray, "points 3"]
    local_m: Float[np.ndarray, "points 3"]


def grid_faces() -> Int[np.ndarray, "faces 3"]:
    """Faces of every :class:`Prop`: rings of :data:`_AROUND` points, closed around, outer side anticlockwise."""
    ring, step = np.meshgrid(np.arange(_RINGS - 1), np.arange(_AROUND), indexing="ij")
    after = (step + 1) % _AROUND
    a, b = ring * _AROUND + step, ring * _AROUND + after
    c, d = a + _AROUND, b + _AROUND
    return np.concatenate([np.stack([a, b, c], -1).reshape(-1, 3), np.stack([b, d, c], -1).reshape(-1, 3)])


def draw_forearm(
    stream: np.random.Generator,
    rest_m: Float[np.ndarray, "vertices 3"],
    wrist_frame: Float[np.ndarray, "3 3"],
    wrist_m: Float[np.ndarray, "3"],
    sleeved: bool,
) -> Prop:
    """A tapered tube from inside the wrist to the elbow, turned at the wrist as wrists turn.

    Args:
        stream: random numbers.
        rest_m: the unposed hand in its own frame, fingers along -x: its wrist gives the tube's first ring.
        wrist_frame: hand frame to camera frame.
        wrist_m: the wrist joint in the camera's frame.
        sleeved: a sleeve is wider, wavier and begins a little later than the arm.
    """
    band = rest_m[rest_m[:, 0] > np.quantile(rest_m[:, 0], 0.965)]
    low, high = band.min(0), band.max(0)
    middle, half = (low + high) / 2, (high - low) / 2
    # The bend's centre is the wrist joint, the tube begins within the hand.
    along = np.linspace(0, 1, _RINGS) ** 1.5  # rings lie closer where the arm bends
    angle = np.arange(_AROUND) / _AROUND * 2 * np.pi
    swell = 1 + 0.5 * np.sin(along.clip(0, 0.6) * np.pi / 1.2) ** 1.3
    begin = low[0] - 0.012
    if sleeved:
        begin += stream.uniform(0.0, 0.012)
        harmonics = np.sin(np.outer([2, 3, 5], angle) + stream.uniform(0, 6, (3, 1)))
        waves = 0.05 * stream.standard_normal((1, 3)) @ harmonics
        folds = 0.035 * np.sin(along[:, None] * stream.uniform(15, 35) + stream.uniform(0, 6) + np.sin(angle))
        swell = swell[:, None] * stream.uniform(1.15, 1.45) + waves * (0.3 + along[:, None]) + folds
    else:
        # Narrow where it starts inside the hand, so that skin comes out of skin without a step.
        swell = np.broadcast_to(
            (swell * np.interp(along * _FOREARM_M, [0, 0.014, 0.03], [0.6, 0.9, 1.0]))[:, None], (_RINGS, _AROUND)
        )
    local = np.stack(
        [
            np.broadcast_to((begin + along * _FOREARM_M)[:, None], swell.shape),
            middle[1] + half[1] * swell * np.cos(angle),
            middle[2] + half[2] * swell * np.sin(angle),
        ],
        axis=-1,
    )
    # Turn more the further a ring lies from the wrist, so that the skin bends rather than breaks.
    bend = np.clip((local[..., 0] - begin) / 0.04, 0, 1)
    flexion, deviation = stream.normal(0, 0.3) * bend, stream.normal(0, 0.12) * bend
    turned = _turn(_turn(local, flexion, 0, 1), deviation, 0, 2)
    vertices = turned.reshape(-1, 3) @ wrist_frame.T + wrist_m
    return Prop(vertices.astype(np.float32), local.reshape(-1, 3).astype(np.float32))


def draw_object(
    stream: np.random.Generator, joints_m: Float[np.ndarray, "21 3"], wrist_frame: Float[np.ndarray, "3 3"]
) -> Prop:
    """A superellipsoid (ball, box, can, stick; Barr 1981): held in the hand, or between it and the camera."""
    roundness = stream.choice([0.25, 0.6, 1.0], size=2)
    held = stream.random() < 0.6
    # As seen from the camera a thing in the way must leave most of the hand to be seen.
    size = np.exp(stream.uniform(np.log(0.012), np.log(0.032 if held else 0.02), 3))
    if stream.random() < 0.5:
        size[2], size[:2] = stream.uniform(0.06, 0.11), stream.uniform(0.004, 0.014)
    turn = np.linalg.qr(stream.standard_normal((3, 3)))[0]
    turn[:, 0] *= np.sign(np.linalg.det(turn))
    if held:
        # Across the palm, at the distance at which curled fingers close.
        palmward = -wrist_frame[:, 1]
        turn = wrist_frame @ _near_axis(stream, 2)
        centre = joints_m[[5, 9, 13, 17]].mean(0) * 0.6 + joints_m[0] * 0.1 + joints_m[[6, 10, 14]].mean(0) * 0.3
        centre = centre + palmward * (0.016 + min(size[0], size[1]))
    else:
        centre = joints_m[stream.integers(21)] * (1 - stream.uniform(0.06, 0.2)) + stream.normal(0, 0.02, 3)
    vertical = np.linspace(-np.pi / 2, np.pi / 2, _RINGS)[:, None]
    around = -np.arange(_AROUND)[None] / _AROUND * 2 * np.pi
    ring, height = _power(np.cos(vertical), roundness[0]), _power(np.sin(vertical), roundness[0])
    x, y = ring * _power(np.cos(around), roundness[1]), ring * _power(np.sin(around), roundness[1])
    local = (np.stack([x, y, np.broadcast_to(height, x.shape)], axis=-1) * size).reshape(-1, 3)
    return Prop((local @ turn.T + centre).astype(np.float32), local.astype(np.float32))


def hidden_object(like: Prop) -> Prop:
    """A prop behind the camera, where nothing is rendered: for a scene without one."""
    return Prop(np.full_like(like.vertices_m, -1.0), like.local_m)


def _power(value: np.ndarray, exponent: float) -> np.ndarray:
    return np.sign(value) * np.abs(value) ** exponent


def _turn(points: np.ndarray, angle: np.ndarray, first: int, second: int) -> np.ndarray:
    """Turn points by an angle each, from one axis towards another."""
    turned = points.copy()
    cos, sin = np.cos(angle), np.sin(angle)
    turned[..., first] = cos * points[..., first] - sin * points[..., second]
    turned[..., second] = sin * points[..., first] + cos * points[..., second]
    return turned


def _near_axis(stream: np.random.Generator, axis: int) -> np.ndarray:
    """A rotation whose last column lies within about 25 degrees of a coordinate axis."""
    third = np.eye(3)[axis] + stream.normal(0, 0.22, 3)
    third /= np.linalg.norm(third)
    first = np.cross(stream.standard_normal(3), third)
    first /= np.linalg.norm(first)
    return np.stack([first, np.cross(third, first), third], axis=1)
