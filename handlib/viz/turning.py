"""Three frames of one joint on the sphere of its orientations, to be dragged, and what losses on motion say of them.

Works on the page without a kernel: ``static/turning_joint.js`` computes the terms of :mod:`handlib.losses.motion`.
"""

from typing import Any

import numpy as np
from jaxtyping import Float
from torch import Tensor

from handlib.errors import BadInputError
from handlib.losses.motion import SMOOTH_THRESHOLD_RAD
from handlib.viz.display import emit, json_for_script, still_html, wrap_figure
from handlib.viz.orientations import (
    SpherePath,
    graticule_circles,
    orientation_sphere,
    sphere_points,
)
from handlib.viz.theme import COLOURS

# Right, up, and towards the reader, who looks down at the pole; bending goes to the right.
_VIEW = [[0.0, 1.0, 0.0], [-0.8, 0.0, 0.6], [0.6, 0.0, 0.8]]
_FRAME_COLOURS = [COLOURS[0], COLOURS[1], COLOURS[2]]


def turning_joint(
    frames: Float[Tensor, "3 4"],
    *,
    threshold_rad: float = SMOOTH_THRESHOLD_RAD,
    alt: str = "Three orientations of a joint on a sphere; each can be dragged, and four losses follow",
    caption: str | None = None,
    name: str | None = None,
) -> None:
    """Show three frames of a joint on the sphere; beside it their losses, and buttons that go downhill.

    Works with mouse, touch and keyboard. In print it is a picture.

    Args:
        frames: unit quaternions (real part last) without twist, in order.
        threshold_rad: of the smooth loss.
        alt: what the figure shows, in words.
        caption: text under the figure.
        name: the figure's address on the page becomes ``#figure-<name>``.

    Raises:
        BadInputError: other than three frames, one that twists, or an empty ``alt``.
    """
    emit(turning_joint_html(frames, threshold_rad, alt, caption, name), alt)


def turning_joint_html(
    frames: Float[Tensor, "frames 4"],
    threshold_rad: float,
    alt: str,
    caption: str | None = None,
    name: str | None = None,
) -> str:
    """The HTML of :func:`turning_joint` (arguments and errors as there), without the scripts."""
    if len(frames) != 3:
        raise BadInputError(f"frames: {len(frames)} of them, expected 3")
    points = sphere_points(frames)
    data: dict[str, Any] = {
        "frames": points.double().tolist(),
        "threshold": threshold_rad,
        "circles": [np.round(circle, 3).tolist() for circle in graticule_circles()],
        "view": _VIEW,
        "colours": _FRAME_COLOURS,
        "label": alt,
    }
    still = still_html(orientation_sphere({"frames 1, 2 and 3": SpherePath(frames, dots=True)}), alt)
    script = f'<script type="application/json" class="hl-spec">{json_for_script(data)}</script>'
    return wrap_figure(f'{still}<div class="hl-panel"></div>{script}', "turning", alt, caption, name)
