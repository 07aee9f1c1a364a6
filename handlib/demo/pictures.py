"""One picture: a mesh and the numbers of each of its hands, and an overlay of all of them."""

import io
import json
from pathlib import Path

from PIL import Image

from handlib.data.images import read_image
from handlib.demo.hands import draw_hands, find_parts, hand_numbers, is_hand, reconstruct_parts
from handlib.demo.request import OVERLAY, Request, was_asked
from handlib.errors import BadInputError
from handlib.files import atomic_write
from handlib.hand.export import write_obj

# Overlays are for looking: at most this size.
LONGEST_SIDE_PX = 1024


def count_finished(picture: Path, request: Request) -> int:
    """How many hands of a picture an earlier run has written with the same options; 0 if it did not finish."""
    # The overlay is written last: where it is, the rest is.
    if not picture.is_file() or not (request.out / f"{picture.stem}{OVERLAY}").is_file():
        return 0
    count, asked = 0, request.asked(picture)
    while (path := _json_path(request.out, picture, count + 1)).is_file():
        if not was_asked(path, asked):
            return 0
        count += 1
    return count


def reconstruct_picture(picture: Path, request: Request) -> int:
    """Reconstruct every hand of one picture and write its files; returns how many hands there are.

    Raises:
        BadInputError: the picture cannot be read, has no hand, or its detections are not among the stored ones.
        MissingFileError: it is not there, or the network is not.
        MissingExtraError: no detector is installed.
        DiskFullError: no room; files written before are whole.
    """
    image = read_image(picture)
    if min(image.shape[:2]) < 16:
        raise BadInputError(f"a picture of {image.shape[1]} x {image.shape[0]} px is too small to find a hand in")
    parts = find_parts(image, picture.name, request)
    result = reconstruct_parts(parts, request)
    kept = [index for index in range(len(parts)) if is_hand(result, index, request)]
    if not kept:
        raise BadInputError(
            f"no hand was found in {picture.name}: the network is {100 * result.confidence.mean():.0f} % sure of what "
            "it sees there; crop nearer to the hand"
        )
    overlay = request.out / f"{picture.stem}{OVERLAY}"
    overlay.unlink(missing_ok=True)
    for number, index in enumerate(kept, start=1):
        numbers = _json_path(request.out, picture, number)
        write_obj(numbers.with_suffix(".obj"), result.vertices[index], result.faces_of(index), result.texture[index])
        record = {"picture": picture.name, **hand_numbers(result, index), "asked": request.asked(picture)}
        atomic_write(numbers, (json.dumps(record, indent=1) + "\n").encode())
    number = len(kept) + 1
    while (surplus := _json_path(request.out, picture, number)).is_file():
        # Of an earlier run with other options, which found more.
        surplus.unlink()
        surplus.with_suffix(".obj").unlink(missing_ok=True)
        number += 1
    buffer = io.BytesIO()
    Image.fromarray(draw_hands(image, result, kept, LONGEST_SIDE_PX)).save(buffer, format="png")
    atomic_write(overlay, buffer.getvalue())
    return len(kept)


def _json_path(out: Path, picture: Path, number: int) -> Path:
    return out / f"{picture.stem}-hand{number}.json"
