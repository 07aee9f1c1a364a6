"""A camera's own contribution to a picture: blur, exposure, white balance, noise, tone curve and JPEG.

In this order light goes through a real one: lens and motion, sensor, development, file.
"""

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from handlib.data.skin_tone import linear_to_srgb


def take_picture(
    stream: np.random.Generator,
    radiance: Float[np.ndarray, "size size 3"],
    metered: Float[np.ndarray, "size size"],
) -> UInt8[np.ndarray, "size size 3"]:
    """Turn linear light into an 8-bit sRGB file.

    Args:
        stream: random numbers.
        radiance: linear RGB.
        metered: weight of each pixel in the exposure's choice: cameras look after the middle and the subject.
    """
    size = len(radiance)
    # Half a pixel of blur has every lens; sharpness varies on top of it.
    blur = 0.35 + size / 224 * stream.exponential(0.35)
    picture = cv2.GaussianBlur(radiance.astype(np.float32), (0, 0), min(blur, 2.2 * size / 224 + 0.35))
    if stream.random() < 0.3:
        picture = cv2.filter2D(picture, -1, _motion_kernel(stream, size))
    grey = picture @ np.array([0.2126, 0.7152, 0.0722], np.float32)
    level = (grey * metered).sum() / metered.sum()
    # An automatic exposure aims at 18 % grey, and here gets half of the way, or all skins would match.
    exposure = 0.9 * np.exp(stream.normal(0, 0.22)) * (0.25 / max(level, 0.01)) ** 0.5
    balance = np.exp(stream.normal(0, [0.07, 0.02, 0.09])).astype(np.float32)
    picture = _add_noise(stream, picture * np.float32(exposure) * balance)
    picture = linear_to_srgb(_shoulder(picture))
    contrast = stream.uniform(0, 0.5)
    picture = picture + contrast * (picture * picture * (3 - 2 * picture) - picture)
    image = np.rint(picture.clip(0, 1) * 255).astype(np.uint8)
    return _as_jpeg(image, quality=int(stream.integers(50, 96)))


def _motion_kernel(stream: np.random.Generator, size: int) -> Float[np.ndarray, "side side"]:
    """A streak of light: the path of a point while the shutter is open."""
    length = size / 224 * stream.uniform(2.0, 7.0)
    side = int(np.ceil(length)) | 1
    side = max(side, 3)
    kernel = np.zeros((side, side), np.float32)
    angle, middle = stream.uniform(0, np.pi), (side - 1) / 2
    offset = np.array([np.cos(angle), np.sin(angle)]) * length / 2
    ends = [tuple(np.round((middle + sign * offset) * 16).astype(int).tolist()) for sign in (-1, 1)]
    cv2.line(kernel, *ends, 1.0, 1, cv2.LINE_AA, shift=4)
    return kernel / kernel.sum()


def _add_noise(stream: np.random.Generator, picture: np.ndarray) -> np.ndarray:
    """Shot noise, whose variance grows with the light, and read noise (Foi et al. 2008, IEEE TIP 17(10))."""
    shot, read = np.exp(stream.uniform(np.log([2e-4, 1e-3]), np.log([2e-3, 7e-3])))
    sigma = np.sqrt(shot * picture.clip(0) + read**2)
    return (picture + sigma * stream.standard_normal(picture.shape, dtype=np.float32)).astype(np.float32)


def _shoulder(picture: np.ndarray) -> np.ndarray:
    """Compress what is brighter than 0.7 instead of clipping it, as cameras' tone curves do."""
    above = (picture - 0.7).clip(0)
    return np.minimum(picture, 0.7) + 0.3 * (1 - np.exp(-above / 0.3))


def _as_jpeg(image: np.ndarray, quality: int) -> np.ndarray:
    """What is left of a picture after a JPEG file of that quality."""
    _, file = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.ascontiguousarray(cv2.imdecode(file, cv2.IMREAD_COLOR)[..., ::-1])
