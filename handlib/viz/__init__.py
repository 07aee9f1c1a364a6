"""Figures for the book and for notebooks: :func:`show` puts one on the page, the other functions make one.

Nothing here is imported before it is asked for: plotly, matplotlib, ipywidgets and IPython belong to the extra
``book``.
"""

from importlib import import_module
from typing import Any

_PLACES = {
    "show": "display",
    "figure_html": "display",
    "in_book": "display",
    "mesh_figure": "figures",
    "skeleton_figure": "figures",
    "curve_figure": "figures",
    "CAMERAS": "figures",
    "stepped_figure": "steps",
    "show_table": "tables",
    "measured_table": "measured",
    "show_measured": "measured",
    "show_claims": "measured",
    "show_runs": "measured",
    "image_with_keypoints": "images",
    "image_grid": "images",
    "overlay_mesh": "overlay",
    "mesh_before_picture": "overlay",
    "posable_hand": "posable",
    "draggable_keypoints": "dragging",
    "turning_joint": "turning",
    "orientation_sphere": "orientations",
    "bent_and_spread": "orientations",
    "SpherePath": "orientations",
    "dot_figure": "dots",
    "row_dots_figure": "dots",
    "flow_picture": "flows",
    "flow_figure": "flows",
    "coarse_graph_figure": "mesh_graphs",
    "mesh_waves": "mesh_graphs",
    "built_of_waves": "mesh_graphs",
    "block_diagram": "diagrams",
    "Block": "diagrams",
    "explore": "controls",
    "Slider": "controls",
    "pose_sliders": "controls",
    "shape_sliders": "controls",
    "camera_sliders": "controls",
    "light_sliders": "controls",
    "weight_sliders": "controls",
    "slider_angles": "controls",
    "draw_keypoints": "images",
    "COLOURS": "theme",
    "FINGER_COLOURS": "theme",
    "INK": "theme",
    "SKIN": "theme",
}

__all__ = list(_PLACES)


def __getattr__(name: str) -> Any:
    """Import a name on first use (PEP 562)."""
    if name not in _PLACES:
        raise AttributeError(f"module 'handlib.viz' has no attribute {name!r}")
    value = getattr(import_module(f"handlib.viz.{_PLACES[name]}"), name)
    globals()[name] = value
    return value
