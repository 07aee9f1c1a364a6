"""A projected hand whose joints the reader drags over a picture, and S2HAND's keypoint losses as they change.

Works on the page without a kernel: ``static/draggable_keypoints.js`` computes Eq. 3 to 5 and their gradient.
"""

from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from handlib.losses.s2hand import PAPER_IMAGE_PX
from handlib.skeleton import BONES, JOINT_NAMES
from handlib.viz.display import emit, json_for_script, still_html, wrap_figure
from handlib.viz.images import image_with_keypoints
from handlib.viz.pictures import data_uri, image_picture
from handlib.viz.theme import FINGER_COLOURS, finger_of_joint

DELTA_PX = 5.0
"""Where the smooth L1 loss turns from a parabola into a line, px of 224."""


def draggable_keypoints(
    image: UInt8[np.ndarray, "height width 3"],
    detected_px: Float[np.ndarray, "21 2"],
    projected_px: Float[np.ndarray, "21 2"],
    confidence: Float[np.ndarray, "21"] | None = None,
    *,
    orientation_weight: float | int = 100,
    alt: str = "A projected hand over a picture; its joints can be dragged, and the keypoint losses follow",
    caption: str | None = None,
    name: str | None = None,
) -> None:
    """Show a picture with detected keypoints (white) and a projected hand (coloured) that can be dragged.

    Beside it stand E_loc, the weighted E_ori and their sum; yellow lines show where the losses pull each joint. Works
    with mouse, touch and keyboard. In print it is a picture.

    Args:
        image: (H, W, 3) RGB.
        detected_px, projected_px: (21, 2) px of the picture.
        confidence: (21,) of the detected ones; all sure by default.
        orientation_weight: ``w_ori``; 100 in both sets of weights.
        alt: what the figure shows, in words.
        caption: text under the figure.
        name: the figure's address on the page becomes ``#figure-<name>``.

    Raises:
        BadInputError: ``alt`` is empty, or the image is none.
    """
    emit(draggable_html(image, detected_px, projected_px, confidence, orientation_weight, alt, caption, name), alt)


def draggable_html(
    image: UInt8[np.ndarray, "height width 3"],
    detected_px: Float[np.ndarray, "21 2"],
    projected_px: Float[np.ndarray, "21 2"],
    confidence: Float[np.ndarray, "21"] | None,
    orientation_weight: float | int,
    alt: str,
    caption: str | None = None,
    name: str | None = None,
) -> str:
    """The HTML of :func:`draggable_keypoints` (arguments and errors as there), without the scripts."""
    height, width = image.shape[:2]
    data: dict[str, Any] = {
        "image": data_uri(image_picture(image)),
        "width": width,
        "height": height,
        "pixelScale": PAPER_IMAGE_PX / width,
        "delta": DELTA_PX,
        "weight": orientation_weight,
        "detected": _rounded(detected_px),
        "projected": _rounded(projected_px),
        "confidence": _rounded(np.ones(21) if confidence is None else confidence),
        "bones": [list(bone) for bone in BONES],
        "colours": [FINGER_COLOURS[finger_of_joint(joint)] for joint in range(21)],
        "names": [joint.replace("_", " ") for joint in JOINT_NAMES],
        "label": alt,
    }
    still = still_html(image_with_keypoints(image, projected_px, reference=detected_px), alt)
    script = f'<script type="application/json" class="hl-spec">{json_for_script(data)}</script>'
    return wrap_figure(f'{still}<div class="hl-panel"></div>{script}', "draggable", alt, caption, name)


def _rounded(values: np.ndarray) -> list[Any]:
    return np.round(np.asarray(values, np.float64), 4).tolist()
