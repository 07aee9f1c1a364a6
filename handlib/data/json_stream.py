"""Reading an array of hundreds of megabytes out of a JSON file piece by piece.

``json.load`` turns FreiHAND's mesh labels into 76 million Python floats, some three gigabytes. Here the file is read in
chunks, cut where an element of the array ends, and only the cut-off piece is parsed.
"""

import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from jaxtyping import Float32

from handlib.data.official import numbers
from handlib.errors import BadInputError, MissingFileError

CHUNK_BYTES = 1 << 23
_BLANKS = bytes.maketrans(b"[],", b"   ")
_NOT_NESTING = bytes(set(range(256)) - set(b"[],"))
# What each character does to the depth of nesting.
_STEP = np.zeros(256, np.int8)
_STEP[[ord("["), ord("{")]], _STEP[[ord("]"), ord("}")]] = 1, -1


def stream_json_array(
    path: Path, key: str | None = None, *, remedy: str, chunk_bytes: int = CHUNK_BYTES
) -> Iterator[list[Any]]:
    """Yield the elements of one array of a JSON file, a list of some of them at a time.

    Strings inside may hold no escaped quotes or backslashes (those of the hand data sets hold none): every piece is
    parsed by the standard library, so a file that does may be an error, but never another number.

    Args:
        path: the file.
        key: the name of the array in the file's top-level object; None where the file is the array itself.
        remedy: how a reader gets a good file; ends every message.
        chunk_bytes: how much is read at once.

    Raises:
        MissingFileError: there is no such file.
        BadInputError: it is cut off, no JSON, or has no such array.
    """
    for piece in _cut(path, key, remedy, chunk_bytes):
        if elements := _parse(piece, path, remedy):
            yield elements


def stream_json_numbers(
    path: Path, shape: tuple[int, ...], *, remedy: str, chunk_bytes: int = CHUNK_BYTES
) -> Iterator[Float32[np.ndarray, "elements *shape"]]:
    """Yield the elements of a JSON file that is one array of numbers, as float32, some at a time.

    Several times faster than :func:`stream_json_array`, because no Python number is made. A piece whose brackets do not
    count up to the shape is left to the slow way, which says what is wrong with it.

    Args:
        path: the file.
        shape: of each element; a list of one element around it, as FreiHAND has around MANO's numbers, is opened.
        remedy, chunk_bytes: as there.

    Raises:
        MissingFileError, BadInputError: as there; or an element that is not of that shape, or no numbers.
    """
    first = 0
    for piece in _cut(path, None, remedy, chunk_bytes):
        if not piece.strip():
            continue
        values = _fast_numbers(piece, shape)
        if values is None:
            elements = _parse(piece, path, remedy)
            opened = [e[0] if isinstance(e, list) and len(e) == 1 and len(shape) == 1 else e for e in elements]
            values = numbers(opened, (-1, *shape), f"{path}, entries from {first} on,", remedy)
        first += len(values)
        yield values


def _fast_numbers(piece: bytes, shape: tuple[int, ...]) -> np.ndarray | None:
    """The numbers of a piece, or None where it is not certain that its nesting is that of the shape."""
    text = piece.translate(_BLANKS)
    with warnings.catch_warnings(action="error"):
        try:
            flat = np.fromstring(text, np.float64, sep=" ")
        # What is no number ends the reading with a warning.
        except (DeprecationWarning, ValueError):
            return None
    count, rest = divmod(len(flat), int(np.prod(shape, dtype=np.int64)))
    # What is left without the numbers must be the brackets and commas of so many elements of that shape.
    nesting = b""
    for length in reversed(shape):
        nesting = b"[" + b",".join([nesting] * length) + b"]"
    if rest or piece.translate(None, _NOT_NESTING) != b",".join([nesting] * count):
        return None
    return flat.astype(np.float32).reshape(count, *shape)


def _cut(path: Path, key: str | None, remedy: str, chunk_bytes: int) -> Iterator[bytes]:
    """The text between the brackets of the array, in pieces of whole elements."""
    if not path.is_file():
        raise MissingFileError(f"no {path}: {remedy}")
    with path.open("rb") as stream:
        buffer, scanned, depth, quotes = _find_start(stream, key, path, remedy, chunk_bytes), 0, 1, 0
        while True:
            marks = np.frombuffer(buffer, np.uint8)[scanned:]
            # An odd number of quotes so far: inside a string, where brackets and commas mean nothing.
            counts = quotes + np.cumsum(marks == ord('"'), dtype=np.int32)
            marks = np.where(counts % 2, 0, marks)
            # How deep each character lies: 1 between two elements of the array, 0 at its end.
            depths = depth + np.cumsum(_STEP[marks], dtype=np.int32)
            ends = np.flatnonzero(depths == 0)
            if len(ends):
                yield buffer[: scanned + int(ends[0])]
                return
            commas = np.flatnonzero((depths == 1) & (marks == ord(",")))
            if len(marks):
                depth, quotes = int(depths[-1]), int(counts[-1]) % 2
            if len(commas):
                cut = scanned + int(commas[-1])
                yield buffer[:cut]
                buffer = buffer[cut + 1 :]
            scanned = len(buffer)
            more = stream.read(chunk_bytes)
            if not more:
                raise BadInputError(f"{path} ends in the middle of its array, it is cut off: {remedy}")
            buffer += more


def _find_start(stream: BinaryIO, key: str | None, path: Path, remedy: str, chunk_bytes: int) -> bytes:
    """What follows the opening bracket of the array, as far as it has been read."""
    sought, buffer = (b"[" if key is None else f'"{key}"'.encode()), b""
    while True:
        more = stream.read(chunk_bytes)
        buffer += more
        place = buffer.find(sought)
        bracket = buffer.find(b"[", place) if place >= 0 else -1
        if bracket >= 0 and (key is not None or not buffer[:bracket].strip()):
            return buffer[bracket + 1 :]
        if not more or (key is None and bracket >= 0):
            raise BadInputError(f"{path} is no JSON {'array' if key is None else f'object with {key!r}'}: {remedy}")
        if place < 0:
            # The key may lie across two chunks; what came before can go.
            buffer = buffer[-len(sought) :] if key is not None else buffer


def _parse(piece: bytes, path: Path, remedy: str) -> list[Any]:
    try:
        return json.loads(b"[" + piece + b"]") if piece.strip() else []
    except ValueError as error:
        raise BadInputError(f"{path} is damaged, or no JSON ({error}): {remedy}") from error
