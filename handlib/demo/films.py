"""A film, frame by frame: an overlay film, and one line of numbers a frame."""

import itertools
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import cv2
import numpy as np
from jaxtyping import UInt8
from tqdm import tqdm

from handlib.demo.hands import draw_hands, find_parts, hand_numbers, is_hand, reconstruct_parts
from handlib.demo.request import FILM_OVERLAY, Request, was_asked
from handlib.demo.tracks import HandTracks
from handlib.errors import BadInputError, MissingFileError
from handlib.files import disk_full_names

LONGEST_SIDE_PX = 640
"""Overlays of films are smaller than those of pictures: there are many of them to draw."""
NUMBERS = "-hands.jsonl"
BLOCK = 4
"""Frames that the network looks at together."""
USUAL_RATE = 25.0

Frame = tuple[int, UInt8[np.ndarray, "height width 3"]]


def count_finished(film: Path, request: Request) -> int:
    """How many hands an earlier run has written with the same options; 0 if it did not reach the end."""
    path = request.out / f"{film.stem}{NUMBERS}"
    if not film.is_file() or not path.is_file():
        return 0
    lines = path.read_text(encoding="utf-8").splitlines()
    if len(lines) < 2 or not was_asked(lines[0], request.asked(film)):
        return 0
    # The last line of a run that was interrupted is a frame.
    return json.loads(lines[-1]).get("hands_in_all", 0)


def reconstruct_film(film: Path, request: Request) -> int:
    """Reconstruct the hands of every ``request.every``-th frame, each frame by itself; returns how many there are.

    How much the hands tremble is measured, said, and written in the last line.

    Whatever ends the run, the lines and frames that were written until then stay, and can be read.

    Raises:
        BadInputError: the film cannot be read, or no frame has a hand.
        MissingFileError: it is not there, or the network is not.
        MissingExtraError: no detector is installed.
    """
    if not film.is_file():
        raise MissingFileError(f"no film at {film}: check the path")
    # What ffmpeg would say of a damaged film, we say with the film's name.
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    capture = cv2.VideoCapture(str(film))
    rate = capture.get(cv2.CAP_PROP_FPS) or USUAL_RATE
    expected = -(-int(capture.get(cv2.CAP_PROP_FRAME_COUNT)) // request.every)
    numbers, overlay = (request.out / f"{film.stem}{end}" for end in (NUMBERS, FILM_OVERLAY))
    frames = tqdm(read_frames(capture, request.every), film.name, max(0, expected) or None, unit="frame", leave=False)
    tracks = HandTracks(rate / request.every, request.smooth)
    writer, hands = None, 0
    try:
        with disk_full_names(numbers), numbers.open("w", encoding="utf-8") as lines:
            write_line(lines, {"film": film.name, "frames_per_s": rate, "asked": request.asked(film)})
            for block in batches(frames, BLOCK):
                for (frame, _), found, drawn in reconstruct_frames(block, film.name, request, tracks):
                    writer = writer or open_writer(overlay, rate / request.every, drawn)
                    writer.write(cv2.cvtColor(drawn, cv2.COLOR_RGB2BGR))
                    write_line(lines, {"frame": frame, "time_s": round(frame / rate, 4), "hands": found})
                    hands += len(found)
            write_line(lines, {"hands_in_all": hands, **tracks.report()})
    except KeyboardInterrupt:
        frames.write(f"{film.name}: {numbers.name} and {overlay.name} have the frames until here", file=sys.stderr)
        raise
    finally:
        frames.close()
        capture.release()
        if writer is not None:
            writer.release()
    if writer is None:
        numbers.unlink()
        raise BadInputError(f"{film} is not a film that can be read: convert it to MP4 (H.264)")
    if not hands:
        raise BadInputError(f"no hand was found in any frame of {film.name}")
    frames.write(f"{film.name}: {in_words(tracks)}", file=sys.stderr)
    return hands


def in_words(tracks: HandTracks) -> str:
    """How much a film's hands tremble."""
    given, seen = tracks.as_given.mean_mm, tracks.as_seen.mean_mm
    if given is None:
        return "no hand was followed over three frames, so that nothing can be said of how much it trembles"
    said = f"joints accelerate by {given:.1f} mm/frame^2 (from the wrist)"
    return f"{said} after the filter, {seen:.1f} before it" if tracks.filtered else said


def reconstruct_frames(
    block: list[Frame], name: str, request: Request, tracks: HandTracks
) -> list[tuple[Frame, list[dict], UInt8[np.ndarray, "_height _width 3"]]]:
    """For each frame the frame, the numbers of its hands and its overlay; the network looks at all hands at once."""
    parts = []
    for _, image in block:
        try:
            parts.append(find_parts(image, name, request))
        except BadInputError:
            # A frame without a hand is an ordinary frame.
            parts.append([])
    result = reconstruct_parts(list(itertools.chain(*parts)), request) if any(parts) else None
    answers, start = [], 0
    for (number, image), here in zip(block, parts, strict=True):
        kept = [index for index in range(start, start + len(here)) if is_hand(result, index, request)]
        if kept:
            result = tracks.follow(result, kept)
        else:
            tracks.tracks.clear()
        drawn = draw_hands(image, result, kept, LONGEST_SIDE_PX)
        answers.append(((number, image), [hand_numbers(result, index) for index in kept], drawn))
        start += len(here)
    return answers


def read_frames(capture: cv2.VideoCapture, every: int) -> Iterator[Frame]:
    """Number and RGB pixels of every ``every``-th frame; those between are passed over without being made pictures."""
    for number in itertools.count():
        if not capture.grab():
            return
        if number % every == 0:
            good, image = capture.retrieve()
            if not good:
                return
            yield number, cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def batches(frames: tqdm, size: int) -> Iterator[list[Frame]]:
    """Lists of up to ``size`` frames."""
    iterator = iter(frames)
    while batch := list(itertools.islice(iterator, size)):
        yield batch


def open_writer(path: Path, frames_per_s: float, first: UInt8[np.ndarray, "height width 3"]) -> cv2.VideoWriter:
    """A writer of frames like the first one.

    Raises:
        BadInputError: OpenCV cannot write films here.
    """
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), frames_per_s, first.shape[1::-1])
    if not writer.isOpened():
        raise BadInputError(f"{path}: OpenCV cannot write this film; check that the folder may be written to")
    return writer


def write_line(lines: TextIO, record: dict) -> None:
    """One line, at once in the file: what is written stays, whatever happens to the next frame."""
    lines.write(json.dumps(record) + "\n")
    lines.flush()
