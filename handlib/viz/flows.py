"""Optical flow as pictures: colour for the direction, strength of colour for the length, arrows over both."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float, UInt8

from handlib.errors import BadInputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def flow_picture(
    flow: Float[np.ndarray, "height width 2"], longest_px: float | int | None = None
) -> UInt8[np.ndarray, "height width 3"]:
    """Flow in the usual colours (Baker et al., IJCV 2011, in HSV): hue is the direction, white stands still.

    Args:
        flow: px, x to the right and y down.
        longest_px: length that is fully coloured; None takes the longest of this flow.
    """
    from matplotlib.colors import hsv_to_rgb

    length = np.linalg.norm(flow, axis=-1)
    longest = max(float(length.max()) if longest_px is None else float(longest_px), 1e-6)
    hue = (np.arctan2(flow[..., 1], flow[..., 0]) / (2 * np.pi)) % 1
    hsv = np.stack([hue, (length / longest).clip(0, 1), np.full_like(hue, 0.95)], axis=-1)
    return (255 * hsv_to_rgb(hsv)).round().astype(np.uint8)


def flow_figure(
    flows: Mapping[str, Float[np.ndarray, "height width 2"]],
    counted: Bool[np.ndarray, "height width"] | None = None,
    *,
    every: int = 6,
    columns: int = 3,
    tile: float | int = 2.3,
) -> "Figure":
    """Flows of one picture side by side, in common colours and with arrows in their true length.

    Args:
        flows: title -> flow (px).
        counted: pixels to show; the others are grey. None shows all.
        every: pixels from arrow to arrow.
        columns: panels in a row.
        tile: width of a panel, inches.

    Raises:
        BadInputError: there is no flow, or they differ in size.
    """
    from matplotlib.figure import Figure as MatplotlibFigure

    shapes = {flow.shape for flow in flows.values()}
    if len(shapes) != 1:
        raise BadInputError(f"flows: shapes {sorted(shapes)}, expected one or more flows of one picture")
    (height, width, _), columns = shapes.pop(), min(columns, len(flows))
    shown = np.ones((height, width), bool) if counted is None else counted
    longest = max(float(np.linalg.norm(flow, axis=-1)[shown].max(initial=0)) for flow in flows.values())
    count = -(-len(flows) // columns)
    figure = MatplotlibFigure(figsize=(tile * columns, (tile * height / width + 0.3) * count), layout="constrained")
    panels = list(figure.subplots(count, columns, squeeze=False).flat)
    rows, cols = np.mgrid[every // 2 : height : every, every // 2 : width : every]
    rows, cols = (index[shown[rows, cols]] for index in (rows, cols))
    for axes in panels:
        axes.axis("off")
    for axes, (title, flow) in zip(panels, flows.items(), strict=False):
        picture = np.where(shown[..., None], flow_picture(flow, longest), 128).astype(np.uint8)
        axes.imshow(picture, interpolation="nearest")
        arrows = flow[rows, cols]
        axes.quiver(cols, rows, arrows[:, 0], arrows[:, 1], angles="xy", scale_units="xy", scale=1,
                    color="#222222", width=0.008)  # fmt: skip
        axes.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))
        axes.set_title(title, fontsize=9)
    return figure
