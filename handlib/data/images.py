"""Reading a picture, whatever it is, as 8-bit RGB.

Pictures in the wild are grey, transparent, 16-bit, CMYK, rotated by a flag in their header, cut off in the middle or
far too large. Each of these either becomes an ordinary (H, W, 3) array or is refused with a sentence that says why.
"""

import contextlib
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageOps, UnidentifiedImageError

from handlib.errors import BadInputError, MissingFileError

# 12,000 x 12,000: larger than any camera's picture. Reading it takes 1.5 GB, of which the result is a third.
MAX_PIXELS = 144_000_000
IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"})


def read_image(path: str | Path) -> UInt8[np.ndarray, "height width 3"]:
    """Read a picture file as 8-bit RGB, upright.

    Grey pictures are repeated over the channels, 16-bit ones are scaled by their type's range, transparent ones are
    laid on white, CMYK is converted, and the camera's orientation flag (EXIF) is applied.

    Args:
        path: any file that Pillow reads: JPEG, PNG, TIFF, BMP, WebP.

    Returns:
        (H, W, 3), 0..255, RGB.

    Raises:
        MissingFileError: there is no such file.
        BadInputError: the file is no picture, may not be read, is cut off, or has more than :data:`MAX_PIXELS` pixels.
    """
    path = Path(path)
    with _opened(path) as picture:
        return as_rgb8(np.asarray(_upright_rgb(picture)))


def read_stored_pixels(path: str | Path) -> np.ndarray:
    """Read a picture file's numbers as they are stored: depth maps and label maps, which no conversion may touch.

    Returns:
        (H, W) or (H, W, channels), uint8 or uint16 as in the file; channels in the order red, green, blue. Of pictures
        with a palette the indices.

    Raises:
        MissingFileError, BadInputError: as :func:`read_image`.
    """
    with _opened(Path(path)) as picture:
        pixels = np.asarray(picture)
        return pixels.astype(np.uint16) if pixels.dtype == np.int32 else pixels


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """The picture, loaded; whatever is wrong with the file becomes an error that names it."""
    if not path.is_file():
        raise MissingFileError(f"no picture at {path}: check the path")
    try:
        # Pillow warns of large pictures before we can refuse them.
        with warnings.catch_warnings(action="ignore", category=Image.DecompressionBombWarning):
            opened = Image.open(path)
        with opened as picture:
            width, height = picture.size
            if width * height > MAX_PIXELS:
                raise BadInputError(
                    f"{path} has {width} x {height} pixels, more than the {MAX_PIXELS:,} that are read at once: "
                    "scale it down or crop it first"
                )
            picture.load()
            yield picture
    except Image.DecompressionBombError as error:
        raise BadInputError(f"{path} is too large to be read safely ({error}): scale it down first") from error
    except UnidentifiedImageError as error:
        raise BadInputError(f"{path} is not a picture that can be read: convert it to JPEG or PNG") from error
    except PermissionError as error:
        raise BadInputError(f"{path} may not be read: check its permissions") from error
    except (OSError, SyntaxError, ValueError) as error:
        if isinstance(error, BadInputError):
            raise
        raise BadInputError(f"{path} is damaged or cut off ({error}): copy it again from its source") from error


def as_rgb8(image: np.ndarray) -> UInt8[np.ndarray, "height width 3"]:
    """Turn an array that holds a picture into 8-bit RGB.

    Args:
        image: (H, W), (H, W, 1), (H, W, 3) or (H, W, 4); uint8 in 0..255, uint16 in 0..65535, or float in 0..1. A
            fourth channel is taken as opacity, over white.

    Returns:
        (H, W, 3), 0..255.

    Raises:
        BadInputError: another shape or type, floats outside 0..1, or NaN.
    """
    if image.ndim == 2:
        image = image[..., None]
    if image.ndim != 3 or image.shape[-1] not in (1, 3, 4) or 0 in image.shape:
        raise BadInputError(
            f"a picture has shape (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), not {tuple(image.shape)}: "
            "one picture at a time, channels last"
        )
    if image.dtype == np.uint8 and image.shape[-1] == 3:
        # No detour through floats, which would take twelve times the memory.
        return np.array(image, order="C")
    unit = _as_unit_float(image)
    if unit.shape[-1] == 4:
        unit = unit[..., :3] * unit[..., 3:] + (1 - unit[..., 3:])
    return np.rint(np.broadcast_to(unit, (*unit.shape[:2], 3)) * 255).astype(np.uint8)


def _as_unit_float(image: np.ndarray) -> np.ndarray:
    if image.dtype in (np.uint8, np.uint16):
        return image / np.float32(np.iinfo(image.dtype).max)
    if image.dtype == bool:
        return image.astype(np.float32)
    if not np.issubdtype(image.dtype, np.floating):
        raise BadInputError(f"a picture has uint8, uint16 or floating point values, not {image.dtype}")
    if not np.isfinite(image).all() or image.min() < 0 or image.max() > 1:
        raise BadInputError("a floating-point picture has finite values in 0..1: divide 0..255 values by 255 first")
    return image


def _upright_rgb(picture: Image.Image) -> Image.Image | np.ndarray:
    ImageOps.exif_transpose(picture, in_place=True)
    if picture.mode.startswith("I;16"):
        return np.asarray(picture).astype(np.uint16)
    if picture.mode in ("I", "F"):
        values = np.asarray(picture).astype(np.float64)
        # Pillow opens some 16-bit files as 32-bit "I": scale by the 16-bit range unless the values are 8-bit.
        return np.clip(values / (65535 if values.max(initial=0) > 255 else 255), 0, 1)
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        return picture.convert("RGBA")
    return picture if picture.mode == "RGB" else picture.convert("RGB")
