"""Boxes and arrows: what a network consists of, drawn with matplotlib so that it turns with the page and prints."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from handlib.errors import BadInputError
from handlib.viz.theme import COLOURS

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Block:
    """A box of a diagram.

    Attributes:
        x, y: its middle, in units of a box's width and height; y grows downwards.
        text: in it; lines are broken where it says.
        colour: index into :data:`handlib.viz.theme.COLOURS`; None: an outline alone.
    """

    x: float | int
    y: float | int
    text: str
    colour: int | None = None


def block_diagram(
    blocks: Mapping[str, Block],
    arrows: Sequence[tuple[str, str]],
    dashed: Sequence[tuple[str, str]] = (),
    *,
    width: float | int = 7.4,
) -> "Figure":
    """Boxes joined by arrows.

    Args:
        blocks: name -> box.
        arrows: (from, to) by name.
        dashed: likewise, drawn dashed: what is compared rather than computed.
        width: in inches.

    Raises:
        BadInputError: an arrow names no box, or there is none.
    """
    from matplotlib.figure import Figure as MatplotlibFigure
    from matplotlib.patches import FancyBboxPatch

    unknown = {end for arrow in (*arrows, *dashed) for end in arrow} - set(blocks)
    if unknown or not blocks:
        raise BadInputError(f"arrows name {sorted(unknown)}, the boxes are {sorted(blocks)}; name boxes that are there")
    right, low = (max(getattr(block, axis) for block in blocks.values()) for axis in ("x", "y"))
    figure = MatplotlibFigure(figsize=(width, width * 0.5 * (low + 1) / (right + 1)))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(-0.55, right + 0.55), ylim=(low + 0.55, -0.55))
    axes.axis("off")
    points = width / (right + 1.1) * 72
    for block in blocks.values():
        face = "none" if block.colour is None else COLOURS[block.colour] + "30"
        edge = "black" if block.colour is None else COLOURS[block.colour]
        axes.add_patch(
            FancyBboxPatch(
                (block.x - 0.43, block.y - 0.33), 0.86, 0.66, boxstyle="round,pad=0,rounding_size=0.06",
                facecolor=face, edgecolor=edge, linewidth=1.3,
            )
        )  # fmt: skip
        axes.text(block.x, block.y, block.text, ha="center", va="center", fontsize=points / 9.6, color="black")
    for arrow in (*arrows, *dashed):
        start, end = (blocks[name] for name in arrow)
        style = {"arrowstyle": "->", "color": "black", "linewidth": 1.2, "shrinkA": 1, "shrinkB": 1}
        if arrow in dashed:
            style |= {"linestyle": (0, (4, 3)), "arrowstyle": "<->"}
        axes.annotate("", xy=_edge(end, start), xytext=_edge(start, end), arrowprops=style)
    return figure


def _edge(block: Block, towards: Block) -> tuple[float, float]:
    """Where the line from a box's middle to another's leaves the box."""
    dx, dy = towards.x - block.x, towards.y - block.y
    reach = min(0.44 / abs(dx) if dx else 99.0, 0.34 / abs(dy) if dy else 99.0)
    return block.x + reach * dx, block.y + reach * dy
