"""What the demo is asked for, and which files that means."""

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from handlib.data.images import IMAGE_SUFFIXES
from handlib.errors import BadInputError
from handlib.keypoints import HandDetection

FILM_SUFFIXES = frozenset({".mp4", ".avi", ".mov", ".mkv", ".webm"})
OVERLAY = "-overlay.png"
FILM_OVERLAY = "-overlay.mp4"


@dataclass(frozen=True)
class Request:
    """What is asked of every picture.

    Attributes:
        out: the folder for the results.
        side: auto, left or right.
        max_hands: at most so many a picture.
        stored: detections by the picture's name; None asks the detector.
        detector: False takes every picture as the crop of one hand.
        fit: fit to the detected keypoints, instead of letting the network look.
        checkpoint: the network; None for the released one.
        every: of films, every so many frames.
        smooth: of films, one of :data:`handlib.demo.tracks.SMOOTHINGS`.
        options: all of this as text, for the record that each result carries.
    """

    out: Path
    side: str = "auto"
    max_hands: int = 2
    stored: dict[str, list[HandDetection]] | None = None
    detector: bool = True
    fit: bool = False
    checkpoint: Path | None = None
    every: int = 1
    smooth: str = "none"
    options: dict[str, Any] = field(default_factory=dict)

    def asked(self, path: Path) -> dict[str, Any]:
        """What the results of a file depend on: its content and the options."""
        return {"sha256": digest(path), **self.options}


def find_inputs(paths: list[Path]) -> list[Path]:
    """The pictures and films among files and folders, by name; overlays of earlier runs are left out.

    Raises:
        BadInputError: there is none, or two would write the same results. A name that is not there is left to the
            reader of pictures to report.
    """
    found: dict[str, Path] = {}
    for path in paths:
        inside = [path]
        if path.is_dir():
            entries = (entry for entry in path.iterdir() if not entry.name.endswith((OVERLAY, FILM_OVERLAY)))
            inside = sorted(entry for entry in entries if entry.suffix.lower() in IMAGE_SUFFIXES | FILM_SUFFIXES)
        for picture in inside:
            other = found.setdefault(picture.stem, picture)
            if other != picture:
                raise BadInputError(
                    f"{other} and {picture} would both write {picture.stem}{OVERLAY}: rename one, or run twice with "
                    "two --out folders"
                )
    if not found:
        raise BadInputError(
            f"no pictures in {', '.join(map(str, paths))}: expected {', '.join(sorted(IMAGE_SUFFIXES))}, or films"
        )
    return list(found.values())


def is_film(path: Path) -> bool:
    """Whether a file is taken for a film; its name decides."""
    return path.suffix.lower() in FILM_SUFFIXES


def digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal digits; films are read piece by piece."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def was_asked(record: Path | str, asked: dict[str, Any]) -> bool:
    """Whether a result, a JSON file or line, is the answer to this very question."""
    try:
        text = record.read_text(encoding="utf-8") if isinstance(record, Path) else record
        return json.loads(text).get("asked") == asked
    except (ValueError, AttributeError):
        return False
