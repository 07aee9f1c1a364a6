"""Images with what was found in them drawn on top, as matplotlib figures."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool, Float, Num, UInt8
from torch import Tensor

from handlib.errors import BadInputError
from handlib.viz.pictures import image_picture
from handlib.viz.theme import FINGER_COLOURS, finger_of_joint

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def image_with_keypoints(
    image: UInt8[np.ndarray, "h w 3"] | Float[np.ndarray, "h w 3"] | UInt8[Tensor, "h w 3"] | Float[Tensor, "h w 3"],
    keypoints: Num[np.ndarray, "21 2"] | Num[Tensor, "21 2"],
    confidence: Num[np.ndarray, "21"] | Num[Tensor, "21"] | None = None,
    *,
    reference: Num[np.ndarray, "21 2"] | Num[Tensor, "21 2"] | None = None,
    title: str | None = None,
    size: float | int = 4.0,
) -> "Figure":
    """An image (RGB, uint8 or 0..1) with a hand's 21 keypoints (pixels) and bones, coloured by finger.

    Args:
        image: the picture, channels last.
        keypoints: (21,2) pixel coordinates x, y; the centre of the top-left pixel is (0,0). NaN: not drawn.
        confidence: (21,) 0..1; a joint's dot is as large and as opaque as it is confident.
        reference: other keypoints to compare with, drawn in white under the coloured ones.
        title: text above the picture.
        size: width in inches.

    Raises:
        BadInputError: the image has no pixels.
    """
    from matplotlib.figure import Figure as MatplotlibFigure

    pixels = np.asarray(image_picture(_array(image)))
    if not pixels.size:
        raise BadInputError(f"image has shape {pixels.shape}: no pixels to draw")
    figure = MatplotlibFigure(figsize=(size, size * pixels.shape[0] / pixels.shape[1]))
    axes = figure.add_axes((0, 0, 1, 1))
    _picture(axes, pixels, title)
    if reference is not None:
        draw_keypoints(axes, _array(reference), colour="white")
    draw_keypoints(axes, _array(keypoints), None if confidence is None else _array(confidence))
    return figure


def draw_keypoints(
    axes: "Axes",
    keypoints: Num[np.ndarray, "21 2"],
    confidence: Num[np.ndarray, "21"] | None = None,
    *,
    colour: str | None = None,
) -> None:
    """Draw 21 keypoints (pixels) and their bones into matplotlib axes that show the image."""
    from handlib.skeleton import BONES

    weight = np.ones(21) if confidence is None else np.clip(np.nan_to_num(np.asarray(confidence, float)), 0, 1)
    for parent, child in BONES:
        ink = colour or FINGER_COLOURS[finger_of_joint(child)]
        axes.plot(
            *keypoints[[parent, child]].T, color=ink, linewidth=2, alpha=0.35 + 0.65 * weight[[parent, child]].min()
        )
    for joint, point in enumerate(keypoints):
        ink = colour or FINGER_COLOURS[finger_of_joint(joint)]
        axes.scatter(*point, s=10 + 30 * weight[joint], color=ink, edgecolors="white", linewidths=0.6,
                     alpha=0.35 + 0.65 * weight[joint], zorder=3)  # fmt: skip


def image_grid(
    images: Sequence[Any] | Num[np.ndarray, "n ..."] | Num[Tensor, "n ..."],
    titles: Sequence[str] | None = None,
    *,
    columns: int = 4,
    keypoints: Sequence[Any] | None = None,
    tile: float | int = 1.9,
) -> "Figure":
    """Images in rows, each with its title and, where given, its keypoints (21,2) in pixels (None: without).

    Raises:
        BadInputError: there is no image, or not one title or entry of ``keypoints`` an image.
    """
    from matplotlib.figure import Figure as MatplotlibFigure

    pictures = [np.asarray(image_picture(_array(image))) for image in images]
    for name, given in (("titles", titles), ("keypoints", keypoints)):
        if given is not None and len(given) != len(pictures):
            raise BadInputError(f"{name} has {len(given)} entries for {len(pictures)} images; give one an image")
    if not pictures:
        raise BadInputError("images is empty; give at least one image")
    columns = min(columns, len(pictures))
    rows = -(-len(pictures) // columns)
    shape = pictures[0].shape[0] / pictures[0].shape[1]
    figure = MatplotlibFigure(
        figsize=(tile * columns, (tile * shape + (0.25 if titles else 0)) * rows), layout="constrained"
    )
    for index, axes in enumerate(figure.subplots(rows, columns, squeeze=False).flat):
        axes.axis("off")
        if index < len(pictures):
            _picture(axes, pictures[index], titles[index] if titles else None)
            if keypoints is not None and keypoints[index] is not None:
                draw_keypoints(axes, _array(keypoints[index]))
    return figure


def _array(values: Any) -> Any:
    return values.detach().cpu().numpy() if isinstance(values, Tensor) else values


def _picture(axes: "Axes", pixels: Num[np.ndarray, "..."] | Bool[np.ndarray, "..."], title: str | None) -> None:
    """An image without axes, whose keypoints do not enlarge it."""
    axes.imshow(
        pixels, cmap="gray" if pixels.ndim == 2 else None, interpolation="nearest" if pixels.shape[0] < 64 else None
    )
    axes.set(xlim=(-0.5, pixels.shape[1] - 0.5), ylim=(pixels.shape[0] - 0.5, -0.5))
    axes.axis("off")
    if title:
        axes.set_title(title, fontsize=9)
