"""Procedural backgrounds: rooms, foliage, wood, cloth and lights out of focus, as linear RGB pictures.

They are no photographs and need not be: what a network must learn is that edges, colours and textures around the hand
mean nothing. Photographs can stand in their place where the data folder has them.
"""

from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float

from handlib.data.images import IMAGE_SUFFIXES, read_image
from handlib.data.noise import plane_noise
from handlib.data.photos import require_data
from handlib.data.skin_tone import srgb_to_linear
from handlib.errors import MissingFileError

Picture = Float[np.ndarray, "size size 3"]


def draw_background(stream: np.random.Generator, size_px: int) -> Picture:
    """A cluttered scene of one of five kinds, out of focus to some degree, lit unevenly; linear RGB 0..1."""
    kind = stream.choice(5, p=[0.42, 0.16, 0.16, 0.14, 0.12])
    picture = (_room, _foliage, _wood, _cloth, _lights)[kind](stream, size_px)
    if kind < 4 and stream.random() < 0.5:
        picture = _with_things(stream, picture, int(stream.integers(1, 5)))
    blur = size_px * np.exp(stream.uniform(np.log(0.001), np.log(0.02)))
    picture = cv2.GaussianBlur(picture, (0, 0), max(blur, 0.2))
    shade = np.exp(0.25 * plane_noise(stream, size_px, 1.5, octaves=1))
    return np.clip(picture * shade, 0, 1)


def photograph_paths() -> list[Path]:
    """The photographs of ``HANDLIB_DATA/backgrounds``, sorted by name.

    Raises:
        MissingFileError: no such folder, or no picture in it.
    """
    folder = require_data("backgrounds")
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)
    if not paths:
        raise MissingFileError(f"{folder} holds no pictures: put some photographs there")
    return paths


def draw_photograph(stream: np.random.Generator, size_px: int) -> Picture:
    """A random square of a random photograph of the data folder, perhaps mirrored; linear RGB 0..1."""
    paths = photograph_paths()
    image = read_image(paths[stream.integers(len(paths))])
    side = int(min(image.shape[:2]) * stream.uniform(0.5, 1.0))
    top, left = (stream.integers(length - side + 1) for length in image.shape[:2])
    cut = image[top : top + side, left : left + side][:, :: stream.choice([1, -1])]
    small = cv2.resize(np.ascontiguousarray(cut), (size_px, size_px), interpolation=cv2.INTER_AREA)
    return srgb_to_linear(small.astype(np.float32) / 255)


def _paint(stream: np.random.Generator, dull: float = 1.0) -> Float[np.ndarray, "3"]:
    """A colour as things indoors have it: any hue, seldom much of it, less still if ``dull`` exceeds 1."""
    hue, saturation, value = stream.random(), 0.75 * stream.beta(1.0, 1.6 * dull), stream.beta(1.3, 1.7)
    # Hue as three shifted, clipped triangles: the HSV colour wheel.
    wheel = np.clip(np.abs((hue * 6 + np.array([0, 4, 2])) % 6 - 3) - 1, 0, 1)
    linear = (value * (1 - saturation * (1 - wheel))) ** 2.0
    return (linear * [1.05, 1.0, 0.92]).clip(0.01, 0.95).astype(np.float32)


def _room(stream: np.random.Generator, size: int) -> Picture:
    """A wall, perhaps a table or floor before it, and things on both."""
    picture = np.ones((size, size, 3), np.float32) * (_paint(stream, 2.5) * 0.75 + 0.12)
    if stream.random() < 0.7:
        horizon, tilt = stream.uniform(0.35, 0.9), stream.normal(0, 0.08)
        edge = [(0, horizon), (1, horizon + tilt), (1, 1.5), (0, 1.5)]
        _fill(picture, np.array(edge) * size, _paint(stream), fall=tuple(stream.normal(0, 0.8, 2)))
    picture = _with_things(stream, picture, int(stream.integers(3, 14)))
    return picture * (1 + 0.05 * plane_noise(stream, size, 6, octaves=5, roughness=0.8))


def _with_things(stream: np.random.Generator, picture: Picture, count: int) -> Picture:
    """Boxes, discs and bars, some striped, each with light from one side."""
    size = len(picture)
    for _ in range(count):
        centre, angle = stream.uniform(-0.1, 1.1, 2), stream.normal(0, 0.25) + stream.choice([0, np.pi / 2])
        half = np.exp(stream.uniform(np.log(0.03), np.log(0.4), 2))
        if stream.random() < 0.3:
            steps = np.linspace(0, 2 * np.pi, 40, endpoint=False)
            outline = np.stack([np.cos(steps), np.sin(steps)], -1)
        else:
            outline = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) + stream.normal(0, 0.08, (4, 2))
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        points = (outline * half @ turn.T + centre) * size
        colour, second = _paint(stream), _paint(stream)
        fall = tuple(stream.normal(0, 1.0, 2))
        _fill(picture, points + stream.uniform(-0.03, 0.03, 2) * size, np.zeros(3), opacity=0.4)  # a shadow, roughly
        _fill(picture, points, colour, fall=fall)
        if stream.random() < 0.35:
            for share in np.linspace(-1, 1, stream.integers(2, 9), endpoint=False):
                stripe = np.array([(-1, share), (1, share), (1, share + 0.12), (-1, share + 0.12)])
                _fill(picture, (stripe * half @ turn.T + centre) * size, second, fall=fall)
    return picture


def _fill(
    picture: Picture, points_px: np.ndarray, colour: np.ndarray, opacity: float = 1.0, fall: tuple = (0.0, 0.0)
) -> None:
    """Paint a polygon; ``fall`` is how its brightness grows across and down, as from a light at one side."""
    size = len(picture)
    mask = np.zeros((size, size), np.uint8)
    # Four fractional bits: shapes do not snap to whole pixels.
    cv2.fillPoly(mask, [np.round(points_px * 16).astype(np.int32)], 255, lineType=cv2.LINE_AA, shift=4)
    place = np.linspace(-0.5, 0.5, size, dtype=np.float32)
    lit = np.exp(fall[0] * place + fall[1] * place[:, None]).astype(np.float32)
    share = (mask * np.float32(opacity / 255))[..., None]
    picture += share * (lit[..., None] * colour.astype(np.float32) - picture)


def _foliage(stream: np.random.Generator, size: int) -> Picture:
    """Leaves in sun and shade: noise of strong contrast between two greens and the sky or earth behind."""
    leaf = plane_noise(stream, size, stream.uniform(5, 16), octaves=5, roughness=0.75)
    gap = plane_noise(stream, size, stream.uniform(2, 6), octaves=4)
    green = np.array([0.13, 0.17, 0.06]) * np.exp(stream.normal(0, 0.3) + stream.normal(0, 0.13, 3))
    behind = stream.choice(np.array([[0.55, 0.7, 0.9], [0.12, 0.09, 0.06], [0.02, 0.04, 0.02]]))
    leaves = green * np.exp(0.8 * leaf)
    return (leaves + (behind - leaves) / (1 + np.exp(-8 * (gap - 0.7)))).clip(0, 1).astype(np.float32)


def _wood(stream: np.random.Generator, size: int) -> Picture:
    """Boards: a grain along one axis, joints between them."""
    grain = plane_noise(stream, size, (2.0, stream.uniform(18, 50)), octaves=3, roughness=0.7)
    tone = np.array([0.36, 0.22, 0.12]) * np.exp(stream.normal(0, 0.45) + stream.normal(0, 0.12, 3))
    picture = tone * np.exp(0.22 * grain)
    boards = stream.integers(1, 7)
    for left in np.linspace(0, size, boards, endpoint=False)[1:].astype(int):
        picture[:, left : left + max(1, size // 90)] *= 0.35
        picture[:, left:] *= np.exp(stream.normal(0, 0.12))
    turned = picture if stream.random() < 0.4 else np.swapaxes(picture, 0, 1)
    return np.ascontiguousarray(turned, dtype=np.float32)


def _cloth(stream: np.random.Generator, size: int) -> Picture:
    """Cloth in folds, plain, striped or chequered."""
    folds = plane_noise(stream, size, (stream.uniform(1, 5), stream.uniform(1, 5)), octaves=3, roughness=0.4)
    colour, second = _paint(stream), _paint(stream)
    place = np.arange(size) / size + 0.02 * folds[..., 0]
    waves = np.sin(place * stream.uniform(30, 120)) > stream.uniform(0, 0.8)
    pattern = stream.choice(3)
    chosen = (np.zeros_like(waves), waves, waves ^ waves.T)[pattern][..., None]
    picture = np.where(chosen, second, colour) * np.exp(0.3 * folds)
    weave = 1 + 0.06 * stream.standard_normal((size, size, 1))
    return (picture * weave).clip(0, 1).astype(np.float32)


def _lights(stream: np.random.Generator, size: int) -> Picture:
    """A dim scene with lamps far out of focus: discs of light."""
    glow = plane_noise(stream, size, 2.5, octaves=3) + 0.35 * plane_noise(stream, size, 2.0, octaves=2, channels=3)
    picture = np.exp(0.5 * glow) * _paint(stream) * 0.5
    picture = np.ascontiguousarray(picture, dtype=np.float32)
    for _ in range(stream.integers(8, 40)):
        disc = np.zeros((size, size), np.float32)
        centre, radius = stream.uniform(0, size, 2), size * stream.uniform(0.01, 0.07)
        cv2.circle(disc, tuple(np.round(centre * 16).astype(int).tolist()), int(radius * 16), 1.0, -1, cv2.LINE_AA, 4)
        picture += disc[..., None] * (stream.uniform(0.05, 0.5) * np.array([1.0, 0.8, 0.55]) ** stream.normal(0.6, 1))
    return picture.clip(0, 1).astype(np.float32)
