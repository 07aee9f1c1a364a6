"""Pictures for the page: a matplotlib figure or an image as a small PNG, one for each of light and dark."""

import base64
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Num
from PIL import Image

from handlib.errors import BadInputError, MissingFileError
from handlib.viz.theme import INKS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CSS_DPI = 96  # an inch of a matplotlib figure is an inch of the page; more pixels make it sharper, not larger
PNG_BUDGET = 200_000  # bytes; a photograph over it goes to the page as WebP, a fifth of the size


def figure_pictures(figure: "Figure", dpi: int = 144) -> dict[str, Image.Image]:
    """Draw a matplotlib figure for the ``"light"`` and the ``"dark"`` page.

    The background is transparent. Whatever was left in matplotlib's default black (text, ticks, frames, black lines)
    takes the page's text colour; every other colour stays. The figure itself is left as it was.
    """
    from matplotlib.colors import to_hex

    default_ink = []
    for artist in figure.findobj():
        for name in ("color", "edgecolor"):
            getter, setter = getattr(artist, f"get_{name}", None), getattr(artist, f"set_{name}", None)
            value = getter() if getter and setter else None
            if _is_black(value, to_hex):
                default_ink.append((setter, value))
    pictures = {}
    try:
        for page, ink in INKS.items():
            for setter, _ in default_ink:
                setter(ink)
            buffer = io.BytesIO()
            figure.savefig(buffer, format="png", dpi=dpi, transparent=True, bbox_inches="tight", pad_inches=0.05)
            pictures[page] = Image.open(buffer).copy()
            pictures[page].info["hl-scale"] = dpi / CSS_DPI
    finally:
        for setter, value in default_ink:
            setter(value)
    return pictures


def _is_black(colour: Any, to_hex: Any) -> bool:
    """Whether a matplotlib colour, or the one colour of a collection, is opaque black."""
    if isinstance(colour, np.ndarray) and colour.shape == (1, 4):
        colour = tuple(colour[0])
    if not isinstance(colour, str | tuple):
        return False
    try:
        return to_hex(colour, keep_alpha=True) == "#000000ff"
    except (ValueError, TypeError):
        return False


def image_picture(image: Num[np.ndarray, "..."] | Image.Image | str | Path) -> Image.Image:
    """Read an image as a picture: (H,W), (H,W,3) or (H,W,4), uint8 0..255 or float 0..1, a PIL image, or a file.

    Raises:
        MissingFileError: the file is not there.
        BadInputError: the array is not an image, or the file cannot be read.
    """
    if isinstance(image, Image.Image):
        return image
    if isinstance(image, str | Path):
        if not Path(image).is_file():
            raise MissingFileError(f"image file {image} is not there; give the path of a PNG or JPEG file")
        try:
            return Image.open(image).copy()
        except (OSError, SyntaxError, ValueError) as error:
            raise BadInputError(f"image file {image} cannot be read ({error}); give a PNG or JPEG file") from error
    if image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[-1] not in (3, 4)):
        raise BadInputError(f"image has shape {image.shape}; expected (H,W), (H,W,3) or (H,W,4), channels last")
    if image.dtype != np.uint8:
        if not np.isfinite(image).all():
            raise BadInputError("image has values that are not finite; expected floats in 0..1 or uint8")
        image = (np.clip(image, 0, 1) * 255).round().astype(np.uint8)
    return Image.fromarray(image)


def png_bytes(picture: Image.Image) -> bytes:
    """Encode as PNG; with at most 256 colours where nothing is lost by it."""
    buffer = io.BytesIO()
    if picture.mode in ("RGB", "RGBA") and picture.getcolors(256):
        picture = picture.quantize(256, method=Image.Quantize.FASTOCTREE)
    picture.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def data_uri(picture: Image.Image) -> str:
    """Encode a picture as a ``data:`` address: PNG, or WebP where the PNG would be over :data:`PNG_BUDGET`."""
    data, kind = png_bytes(picture), "png"
    if len(data) > PNG_BUDGET:
        buffer = io.BytesIO()
        picture.save(buffer, "WEBP", quality=90, method=4)
        data, kind = buffer.getvalue(), "webp"
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
