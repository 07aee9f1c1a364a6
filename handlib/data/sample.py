"""One sample of any data set: what every reader and generator of ``handlib`` gives.

Units and joint orders are converted at the door, by the reader; past it everything is metres, pixels, RGB, OpenCV axes
and the 21 joints of :data:`handlib.skeleton.JOINT_NAMES`.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, UInt8

Side = Literal["left", "right"]


@dataclass(frozen=True)
class Sample:
    """One image of one hand and what is known of it; whatever is not known is ``None``.

    Attributes:
        image: (H, W, 3) RGB, 0..255.
        name: what a person would call it: a file name, or ``"target/000017"``.
        side: which hand the *image* shows.
        K: (3, 3) intrinsics in pixels; the centre of the top-left pixel is (0, 0). ``None`` for an unknown camera.
        joints_2d_px: (21, 2) pixel positions.
        confidence: (21,) in 0..1: how far ``joints_2d_px`` can be trusted; 1 for rendered labels, the detector's own
            number for detections, 0 for a joint that was not found or has no label (its pixel is (0, 0) then).
        joints_m: (21, 3) camera frame, metres; NaN for a joint without a label, where a data set labels only some. In
            the target domain and on photographs these are for scoring only.
        vertices_m: (V, 3) camera frame, metres.
        mask: (H, W) in 0..1, the hand's own pixels.
        depth_m: (H, W) metres along the optical axis, 0 where there is nothing.
        visible: (21,) whether each joint is seen, not hidden behind the hand itself or another object.
        sequence: name of the video that the image belongs to.
        frame: index in that video.
        subject: name of the person, where known.
        box_px: (4,) left, top, right, bottom of the hand, where the data set gives a box to crop by.
    """

    image: UInt8[np.ndarray, "height width 3"]
    name: str
    side: Side = "right"
    K: Float[np.ndarray, "3 3"] | None = None
    joints_2d_px: Float[np.ndarray, "21 2"] | None = None
    confidence: Float[np.ndarray, "21"] | None = None
    joints_m: Float[np.ndarray, "21 3"] | None = None
    vertices_m: Float[np.ndarray, "vertices 3"] | None = None
    mask: Float[np.ndarray, "height width"] | None = None
    depth_m: Float[np.ndarray, "height width"] | None = None
    visible: np.ndarray | None = None
    sequence: str | None = None
    frame: int | None = None
    subject: str | None = None
    box_px: Float[np.ndarray, "4"] | None = None
