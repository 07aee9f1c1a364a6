"""Hands in a photograph, found by mediapipe (optional extra ``detect``).

mediapipe plays here the part that OpenPose plays in S2HAND: a detector that somebody else trained, noisy, with a
confidence. What it gets wrong is a page of the book.
"""

import contextlib
import importlib
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from types import ModuleType

import numpy as np
from jaxtyping import UInt8

from handlib.errors import BadInputError, MissingExtraError
from handlib.keypoints.detection import HandDetection

# A picture without a hand is tried again with so much of its size added on each side.
BORDER = 0.4
# mediapipe names hands as in a mirrored selfie; a photograph that is not mirrored shows the other hand.
_UNMIRRORED_SIDE = {"Left": "right", "Right": "left"}


def detect_hands(
    image: UInt8[np.ndarray, "height width 3"],
    *,
    max_hands: int = 2,
    min_confidence: float = 0.3,
) -> list[HandDetection]:
    """Find hands and their 21 keypoints in one picture.

    Args:
        image: (H, W, 3) RGB, 0..255, not mirrored (a selfie camera mirrors: flip such pictures first).
        max_hands: at most so many hands are returned.
        min_confidence: hands below this score (0..1) are left out.

    Returns:
        the hands, surest first; an empty list where there is none.

    Raises:
        BadInputError: the picture is smaller than 16 px, or an argument is out of range.
        MissingExtraError: mediapipe is not installed.

    Source:
        Zhang et al., MediaPipe Hands: On-device Real-time Hand Tracking, 2020, https://arxiv.org/abs/2006.10214
    """
    if min(image.shape[:2]) < 16:
        raise BadInputError(f"a picture of {image.shape[1]} x {image.shape[0]} px is too small to find a hand in")
    if max_hands < 1 or not 0 <= min_confidence <= 1:
        raise BadInputError(f"max_hands is at least 1 and min_confidence in 0..1, not {max_hands} and {min_confidence}")
    with warnings.catch_warnings(), _quiet_native_code():
        # mediapipe calls protobuf in a way that protobuf will drop: nothing that a reader could do about.
        warnings.filterwarnings("ignore", message=r"SymbolDatabase\.GetPrototype", category=UserWarning)
        found = _hands_graph(max_hands, min_confidence).process(np.ascontiguousarray(image))
    if not found.multi_hand_landmarks:
        return []
    hands = [
        _detection(landmarks.landmark, handedness.classification[0], image.shape)
        for landmarks, handedness in zip(found.multi_hand_landmarks, found.multi_handedness, strict=True)
    ]
    return sorted(hands, key=lambda hand: -hand.side_score)


def find_hands(image: UInt8[np.ndarray, "height width 3"], *, max_hands: int = 2) -> list[HandDetection]:
    """Find the hands in a picture that is believed to show one: where none is found, try again with a border around it.

    Detectors look for a hand in its surroundings and miss one that fills the picture. Arguments, return value and
    errors as for :func:`detect_hands`; the second try takes hands of a score down to 0.1.
    """
    if hands := detect_hands(image, max_hands=max_hands):
        return hands
    border = round(BORDER * max(image.shape[:2]))
    padded = np.pad(image, ((border, border), (border, border), (0, 0)), mode="edge")
    hands = detect_hands(padded, max_hands=max_hands, min_confidence=0.1)
    return [replace(hand, keypoints_px=hand.keypoints_px - np.float32(border)) for hand in hands]


def detector_name() -> str:
    """Name and version of the detector, for the record that :func:`write_detections` keeps."""
    return f"mediapipe {_mediapipe().__version__}"


def detector_is_installed() -> bool:
    """Whether :func:`detect_hands` has what it needs."""
    try:
        _mediapipe()
    except MissingExtraError:
        return False
    return True


@contextlib.contextmanager
def _quiet_native_code() -> Iterator[None]:
    """Keep the notes that mediapipe's C++ writes past Python to the terminal, unless what it did fails.

    They tell of its own insides ("Created TensorFlow Lite XNNPACK delegate for CPU") and break progress bars.
    """
    sys.stderr.flush()
    with tempfile.TemporaryFile() as notes, contextlib.ExitStack() as undo:
        terminal = os.dup(2)
        undo.callback(os.close, terminal)
        undo.callback(os.dup2, terminal, 2)
        os.dup2(notes.fileno(), 2)
        try:
            yield
        except BaseException:
            notes.seek(0)
            os.write(terminal, notes.read())
            raise


def _detection(landmarks, handedness, image_shape: tuple[int, ...]) -> HandDetection:
    height, width = image_shape[:2]
    unit = np.array([(mark.x, mark.y) for mark in landmarks], np.float32)
    # mediapipe's 0..1 spans the outer edges of the picture; our pixel coordinates are those of pixel centres.
    keypoints_px = unit * np.array([width, height], np.float32) - np.float32(0.5)
    confidence = np.full(21, handedness.score, np.float32)
    return HandDetection(keypoints_px, confidence, _UNMIRRORED_SIDE[handedness.label], float(handedness.score))


@cache
def _hands_graph(max_hands: int, min_confidence: float):
    # static_image_mode: every picture is searched afresh, so that the result does not depend on the one before.
    return _mediapipe().solutions.hands.Hands(
        static_image_mode=True, max_num_hands=max_hands, min_detection_confidence=min_confidence
    )


def _mediapipe() -> ModuleType:
    os.environ.setdefault("GLOG_minloglevel", "2")
    try:
        return importlib.import_module("mediapipe")
    except ImportError as error:
        raise MissingExtraError(
            "finding hands in photographs needs mediapipe, which is not installed: pip install -e '.[detect]', or "
            "give keypoints of your own"
        ) from error
