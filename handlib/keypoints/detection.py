"""What a detector finds, and the JSON file that stores it so that later steps need no detector."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float

from handlib.errors import BadInputError, MissingFileError
from handlib.files import atomic_write

FORMAT = "handlib-detections-1"


@dataclass(frozen=True)
class HandDetection:
    """One detected hand.

    Attributes:
        keypoints_px: (21, 2) positions in the picture that was given, in pixels, centre of the top-left pixel (0, 0).
        confidence: (21,) in 0..1. A detector that scores whole hands gives each joint the hand's score.
        side: which hand the detector takes it for, as seen in an unmirrored photograph. It can be wrong.
        side_score: the detector's own probability of ``side``.
    """

    keypoints_px: Float[np.ndarray, "21 2"]
    confidence: Float[np.ndarray, "21"]
    side: Literal["left", "right"]
    side_score: float

    @property
    def box_px(self) -> tuple[float, float, float, float]:
        """The tight box around the keypoints: left, top, right, bottom, in pixels."""
        (left, top), (right, bottom) = self.keypoints_px.min(0), self.keypoints_px.max(0)
        return float(left), float(top), float(right), float(bottom)


def write_detections(path: str | Path, detections: dict[str, list[HandDetection]], detector: str) -> None:
    """Store detections as JSON, whole or not at all.

    Args:
        path: the file to write; an older one is replaced in one step.
        detections: for each picture's name its hands, surest first; an empty list where no hand was found.
        detector: name and version of the detector, for the record.

    Raises:
        DiskFullError: no room; the older file is untouched.
    """
    pictures = {
        name: [
            asdict(hand) | {"keypoints_px": _rounded(hand.keypoints_px), "confidence": _rounded(hand.confidence, 4)}
            for hand in hands
        ]
        for name, hands in detections.items()
    }
    text = json.dumps({"format": FORMAT, "detector": detector, "pictures": pictures}, indent=1) + "\n"
    atomic_write(Path(path), text.encode())


def read_detections(path: str | Path) -> dict[str, list[HandDetection]]:
    """Read what :func:`write_detections` wrote.

    Returns:
        for each picture's name its hands, in the stored order.

    Raises:
        MissingFileError: there is no such file.
        BadInputError: it is not such a file, or a hand in it has not 21 keypoints of 2 finite numbers, a confidence of
            each, and a side.
    """
    path = Path(path)
    if not path.is_file():
        raise MissingFileError(f"no detections at {path}: write them with data_scripts/detect_photos.py")
    try:
        stored = json.loads(path.read_text())
        if stored["format"] != FORMAT:
            raise BadInputError(f"{path} has format {stored['format']!r}, not {FORMAT!r}: detect the pictures again")
        return {name: [_hand(path, name, hand) for hand in hands] for name, hands in stored["pictures"].items()}
    except BadInputError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadInputError(f"{path} is not a detections file ({error!r}): detect the pictures again") from error


def _hand(path: Path, name: str, stored: dict) -> HandDetection:
    keypoints, confidence = (np.asarray(stored[key], np.float32) for key in ("keypoints_px", "confidence"))
    shapes = keypoints.shape, confidence.shape
    if shapes != ((21, 2), (21,)) or not (np.isfinite(keypoints).all() and np.isfinite(confidence).all()):
        raise BadInputError(
            f"{path}: a hand of {name} has keypoints of shape {keypoints.shape} and confidences of shape "
            f"{confidence.shape}; expected (21, 2) and (21,), finite: detect the pictures again"
        )
    if stored["side"] not in ("left", "right"):
        raise BadInputError(f"{path}: a hand of {name} has side {stored['side']!r}; expected 'left' or 'right'")
    return HandDetection(keypoints, confidence, stored["side"], float(stored["side_score"]))


def _rounded(array: np.ndarray, digits: int = 2) -> list:
    return np.asarray(array, np.float64).round(digits).tolist()
