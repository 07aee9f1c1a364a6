"""One look for every figure of the book: colours that read on a white and on a dark page.

A colour that has to turn with the page (text, axes, bones drawn in "ink") is written as the CSS variable :data:`INK`;
the page's script puts the page's own text colour there. The colours of :data:`COLOURS` stay the same on both, so they
are mid-tones: each has a contrast of at least 3:1 against white and against the dark page.
"""

from typing import Any

INK = "var(--hl-ink)"
"""The page's text colour: use it for lines and text that must turn with the page."""

INKS = {"light": "#1f2933", "dark": "#e4e7eb"}
"""What :data:`INK` becomes on each page."""

GRIDS = {"light": "#d5dae1", "dark": "#3e4650"}
"""Grid lines on each page."""

COLOURS = ("#2a7fbf", "#d9622b", "#2e9a63", "#a65fc4", "#b07d10", "#d6476e", "#1a9a9a", "#7d7f86")
"""Categorical colours, in the order in which curves take them (Okabe-Ito hues, moved to mid lightness)."""

SKIN = "#c98d70"
"""The colour of a hand mesh that has no colour of its own."""

FINGER_COLOURS = {
    "wrist": "#7d7f86",
    "thumb": "#d6476e",
    "index": "#d9622b",
    "middle": "#2e9a63",
    "ring": "#2a7fbf",
    "little": "#a65fc4",
}
"""One colour a finger, the same in every figure."""


def finger_of_joint(joint: int) -> str:
    """Finger that a joint of the 21 belongs to: ``"wrist"`` for 0, then thumb, index, middle, ring, little by fours."""
    return tuple(FINGER_COLOURS)[(joint + 3) // 4]


def plotly_layout() -> dict[str, Any]:
    """Layout settings every plotly figure of the book starts from (transparent, inked, no template of plotly's own)."""
    axis = {"gridcolor": "var(--hl-grid)", "zerolinecolor": "var(--hl-grid)", "linecolor": INK, "automargin": True}
    scene_axis = {"backgroundcolor": "rgba(0,0,0,0)", "gridcolor": "var(--hl-grid)", "zerolinecolor": "var(--hl-grid)"}
    return {
        "colorway": list(COLOURS),
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"color": INK, "family": "system-ui, sans-serif", "size": 13},
        "margin": {"l": 56, "r": 16, "t": 40, "b": 48},
        "hoverlabel": {"font": {"family": "system-ui, sans-serif"}},
        "legend": {"bgcolor": "rgba(0,0,0,0)"},
        "xaxis": axis,
        "yaxis": axis,
        "scene": {"xaxis": scene_axis, "yaxis": scene_axis, "zaxis": scene_axis},
    }


def resolve_colour(colour: Any, page: str) -> Any:
    """Replace the page's variables in one colour by what they are on the ``"light"`` or ``"dark"`` page."""
    if colour == INK:
        return INKS[page]
    return GRIDS[page] if colour == "var(--hl-grid)" else colour
