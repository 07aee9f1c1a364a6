"""Light on skin and things: a sky, two lamps, a cast shadow, skin that scatters, and a little gloss.

All in linear RGB, at surface points of one picture, numpy. Compare ``handlib.render.shading``: that light is simple
enough to be estimated from one image, this one is meant not to be.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

Points = Float[np.ndarray, "points"]
Vectors = Float[np.ndarray, "points 3"]

# How far light of each colour creeps round the terminator of skin: red goes deepest (d'Eon and Luebke, GPU Gems 3,
# chapter 14; the wrapped cosine is GPU Gems, chapter 16).
SKIN_WRAP = np.array([0.28, 0.12, 0.08], np.float32)


@dataclass(frozen=True, eq=False)
class Illumination:
    """Linear light: ``sky`` and ``ground`` (3,) from above and below; ``lamps`` (L, 3), ``directions`` (L, 3) to them.

    The first lamp is the one that casts a shadow.
    """

    sky: Float[np.ndarray, "3"]
    ground: Float[np.ndarray, "3"]
    lamps: Float[np.ndarray, "lamps 3"]
    directions: Float[np.ndarray, "lamps 3"]


def draw_illumination(stream: np.random.Generator) -> Illumination:
    """Daylight, lamplight or a mixture; key light mostly from the camera's side and from above."""
    warmth = stream.normal(0, 0.16)
    tint = np.array([np.exp(warmth), 1.0, np.exp(-warmth)])
    ambient = stream.uniform(0.12, 0.5)
    sky = ambient * np.exp(stream.normal(0, 0.08, 3)) * tint ** stream.normal(-0.5, 0.7)
    ground = sky * stream.uniform(0.25, 0.9) * np.exp(stream.normal(0, 0.1, 3))
    key = stream.standard_normal(3) * [0.9, 0.6, 0.45] + [0, -0.7, -0.9]
    fill = stream.standard_normal(3) + [0, -0.2, -0.3]
    directions = np.stack([key / np.linalg.norm(key), fill / np.linalg.norm(fill)])
    lamps = np.stack([stream.uniform(0.6, 1.3) * tint, stream.uniform(0.0, 0.35) * np.exp(stream.normal(0, 0.15, 3))])
    return Illumination(*(part.astype(np.float32) for part in (sky, ground, lamps, directions)))


def shade(
    albedo: Vectors,
    normals: Vectors,
    view: Vectors,
    light: Illumination,
    *,
    shadow: Points,
    openness: Points,
    wrap: Float[np.ndarray, "points 3"],
    gloss: Points,
    hardness: Points,
) -> Vectors:
    """Linear RGB that leaves each point towards the camera.

    Args:
        albedo: (P, 3) linear.
        normals: (P, 3) unit, of the side that is seen.
        view: (P, 3) unit, from the point to the camera.
        light: what shines.
        shadow: (P,) share of the key light that arrives.
        openness: (P,) share of the sky that a point sees.
        wrap: (P, 3) how far light creeps round, per colour: :data:`SKIN_WRAP` on skin, 0 on things.
        gloss: (P,) strength, and ``hardness`` (P,) exponent, of the Blinn-Phong highlight.
    """
    # Image y points down, so a normal with negative y faces the sky.
    upward = (0.5 - 0.5 * normals[:, 1:2]).astype(np.float32)
    total = albedo * (light.ground + upward * (light.sky - light.ground)) * openness[:, None]
    for number, (lamp, direction) in enumerate(zip(light.lamps, light.directions, strict=True)):
        arrives = shadow if number == 0 else openness
        cosine = (normals @ direction)[:, None]
        diffuse = ((cosine + wrap) / (1 + wrap)).clip(0) ** (1 + wrap)
        # What creeps round the terminator also creeps into the shadow's edge.
        reaches = arrives[:, None] + wrap * 0.3 * (1 - arrives[:, None])
        halfway = view + direction
        halfway /= np.linalg.norm(halfway, axis=1, keepdims=True).clip(1e-6)
        highlight = gloss * (halfway * normals).sum(1).clip(0) ** hardness * (cosine[:, 0] > 0) * arrives
        total += lamp * (albedo * diffuse * reaches + highlight[:, None])
    return total
