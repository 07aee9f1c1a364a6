"""Skin tones: colours over the whole range of human skin, drawn in CIELAB.

Dermatology orders skin by its individual typology angle, ``ITA = atan((L* - 50) / b*)``, from about 60 degrees (very
light) to -50 (dark) (Chardon, Cretois and Hourseau 1991, Int. J. Cosmetic Science 13(4),
https://doi.org/10.1111/j.1467-2494.1991.tb00561.x). Drawing the angle evenly gives every group its share.
"""

import numpy as np
from jaxtyping import Float

ITA_DEGREES = (-45.0, 60.0)


def draw_skin_lab(stream: np.random.Generator) -> Float[np.ndarray, "3"]:
    """The back of a hand: L*, a*, b* (D65), with the typology angle uniform over :data:`ITA_DEGREES`."""
    ita = np.radians(stream.uniform(*ITA_DEGREES))
    b = np.clip(stream.normal(16.5, 2.0), 12.0, 21.0)
    lightness = 50.0 + b * np.tan(ita)
    # Redness falls in very light and in very dark skin.
    a = np.clip(stream.normal(12.0, 1.5), 8.0, 16.0) - 0.004 * (lightness - 55.0) ** 2
    return np.array([lightness, a, b])


def lab_to_linear_rgb(lab: Float[np.ndarray, "*points 3"]) -> Float[np.ndarray, "*points 3"]:
    """CIELAB (D65) to linear sRGB, clipped to 0..1 (CIE 15:2004; IEC 61966-2-1)."""
    lightness, a, b = np.moveaxis(lab, -1, 0)
    fy = (lightness + 16) / 116
    f = np.stack([fy + a / 500, fy, fy - b / 200], axis=-1)
    xyz = np.where(f > 6 / 29, f**3, 3 * (6 / 29) ** 2 * (f - 4 / 29)) * np.array([0.95047, 1.0, 1.08883])
    matrix = np.array([[3.2406, -1.5372, -0.4986], [-0.9689, 1.8758, 0.0415], [0.0557, -0.2040, 1.0570]])
    return np.clip(xyz @ matrix.T, 0.0, 1.0).astype(lab.dtype)


def linear_to_srgb(linear: Float[np.ndarray, "*points"]) -> Float[np.ndarray, "*points"]:
    """Linear light 0..1 to sRGB values 0..1 (IEC 61966-2-1)."""
    linear = np.clip(linear, 0.0, 1.0)
    curve = 1.055 * np.maximum(linear, 0.0031308) ** (1 / 2.4) - 0.055
    return np.where(linear <= 0.0031308, 12.92 * linear, curve).astype(linear.dtype)


def srgb_to_linear(srgb: Float[np.ndarray, "*points"]) -> Float[np.ndarray, "*points"]:
    """sRGB values 0..1 to linear light 0..1, the inverse of :func:`linear_to_srgb`."""
    curve = ((np.maximum(srgb, 0.04045) + 0.055) / 1.055) ** 2.4
    return np.where(srgb <= 0.04045, srgb / 12.92, curve).astype(srgb.dtype)
