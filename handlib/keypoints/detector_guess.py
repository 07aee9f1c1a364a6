"""mediapipe's own guess in 3D, from a network that was trained WITH 3D labels: to stand beside, never to learn from."""

import warnings
from collections.abc import Iterable

import numpy as np
from jaxtyping import Float, UInt8

from handlib.errors import BadInputError
from handlib.keypoints.mediapipe_detector import _hands_graph, _quiet_native_code

_MIN_CONFIDENCE = 0.3


def guess_joints(pictures: Iterable[UInt8[np.ndarray, "_ _ 3"]]) -> Float[np.ndarray, "pictures 21 3"]:
    """Joints (m, camera axes, from the wrist) of the surest hand in each picture; NaN where none is found.

    Args:
        pictures: RGB, 0..255, each searched afresh.

    Raises:
        BadInputError: no picture.
        MissingExtraError: mediapipe is not installed.

    Source:
        "world landmarks" of Zhang et al., MediaPipe Hands: On-device Real-time Hand Tracking, 2020,
        https://arxiv.org/abs/2006.10214
    """
    graph, guesses = _hands_graph(1, _MIN_CONFIDENCE), []
    for picture in pictures:
        with warnings.catch_warnings(), _quiet_native_code():
            warnings.filterwarnings("ignore", message=r"SymbolDatabase\.GetPrototype", category=UserWarning)
            found = graph.process(np.ascontiguousarray(picture)).multi_hand_world_landmarks
        points = [(mark.x, mark.y, mark.z) for mark in found[0].landmark] if found else [(np.nan,) * 3] * 21
        guesses.append(points)
    if not guesses:
        raise BadInputError("pictures: none, expected one or more")
    joints = np.array(guesses, np.float32)
    return joints - joints[:, :1]
