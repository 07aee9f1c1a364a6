"""Read the arrays out of a pickle without running any of it.

A pickle is a program: its GLOBAL opcodes may name any function on the machine, and its REDUCE opcodes call it. MANO's
own files are such pickles, written under Python 2 with chumpy arrays that no current Python can import. This reader
needs neither chumpy nor trust. No global is ever imported: each one on a short list of array types becomes an inert
*record* of what the file asked for (name, arguments, state), every other one is refused, and the arrays are then
rebuilt from the records by :mod:`handlib.hand.pickled_arrays`. A file of a few bytes can also ask for all memory or all
time there is; it gets an error, because nothing may grow beyond what the file holds.
"""

import io
import pickle
import re
from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path
from typing import Any

from handlib.errors import BadInputError, UnsafeFileError

# Array types of numpy and scipy, and the helpers that pickle rebuilds them with, under today's names.
_RECORDED = {
    "builtins.object",
    "builtins.bytes",
    "builtins.dict",
    "builtins.list",
    "builtins.tuple",
    "copyreg._reconstructor",
    "_codecs.encode",
    "numpy.ndarray",
    "numpy.dtype",
    "numpy.matrix",
    "numpy._core.multiarray._reconstruct",
    "numpy._core.multiarray.scalar",
    "numpy._core.numeric._frombuffer",
}
SPARSE = re.compile(r"scipy\.sparse(\._?(csc|csr|coo|base|matrix|data|compressed))?\.(csc|csr|coo)_(matrix|array)")
CHUMPY = re.compile(r"chumpy(\.\w+)*\.\w+")
_RENAMED = (
    (re.compile(r"^__builtin__\."), "builtins."),
    (re.compile(r"^copy_reg\."), "copyreg."),
    (re.compile(r"^numpy\.core\."), "numpy._core."),
    (re.compile(r"^numpy\.matrixlib\.defmatrix\."), "numpy."),
)
# A hand model file has a few megabytes; a larger one is a mistake or hostile.
MAX_BYTES = 2**30
_MAX_ARGUMENTS = 16


class Record:
    """What a pickle asked to build: the global's name, its arguments and its state. Nothing is called."""

    __slots__ = ("args", "state")
    name = ""

    def __new__(cls, *args: Any) -> "Record":
        if len(args) > _MAX_ARGUMENTS:
            raise BadInputError(f"{cls.name} is given {len(args)} arguments, which no array needs")
        record = object.__new__(cls)
        record.args, record.state = args, None
        return record

    def __init__(self, *args: Any) -> None:
        """Accept any arguments; `__new__` has kept them."""


class _ArrayUnpickler(pickle._Unpickler):
    """An unpickler whose every global is a container, a record, or refused.

    It is the standard library's own one in Python: the one in C takes functions out of a cache without asking
    (extension codes), reserves memory for whatever the file claims, and crashes on deeply nested keys.
    """

    dispatch = dict(pickle._Unpickler.dispatch)

    def __init__(self, content: bytes, path: Path) -> None:
        # latin1 keeps the bytes of Python 2 strings, which is where old pickles hold their arrays.
        super().__init__(io.BytesIO(content), encoding="latin1")
        self._path, self._copies_left = path, len(content)

    def find_class(self, module: str, name: str) -> Callable:
        """The inert stand-in for one global (called by pickle before anything could be run)."""
        full = f"{module}.{name}"
        for pattern, today in _RENAMED:
            full = pattern.sub(today, full)
        if full == "collections.OrderedDict":
            return self._dictionary
        if full == "builtins.set":
            return self._set
        # Dots inside the name would reach through an admitted module to something else.
        if "." not in name and (full in _RECORDED or SPARSE.fullmatch(full) or CHUMPY.fullmatch(full)):
            return type(name, (Record,), {"__slots__": (), "name": full})
        raise self._refusal(f"asks for {printable(f'{module}.{name}')}, which is no array type")

    def persistent_load(self, pid: Any) -> Any:
        """Refuse references to objects outside the file."""
        if pid == "":
            raise pickle.UnpicklingError("pickle data was truncated")
        raise self._refusal("refers to an object outside the file")

    def get_extension(self, code: int) -> Any:
        """Refuse the numbers that stand for functions in a registry of the running process."""
        raise self._refusal(f"asks for the registered extension {code}, which is no array type")

    def _dictionary(self, pairs: Iterable = ()) -> dict:
        return dict(self._copied(pairs))

    def _set(self, items: Iterable = ()) -> set:
        return set(self._copied(items))

    def _copied(self, items: Iterable) -> list:
        """The items, as long as all copies together are not longer than the file that holds the originals."""
        copied = list(islice(items, self._copies_left + 1))
        self._copies_left -= len(copied)
        if self._copies_left < 0:
            raise BadInputError("copies more than it holds")
        return copied

    def _refusal(self, what: str) -> UnsafeFileError:
        return UnsafeFileError(
            f"{self._path}: this pickle {what}; it was refused and nothing in the file was run. A hand model holds "
            "arrays only: do not trust this file, and get it from its authors"
        )


def _keep_state(unpickler: _ArrayUnpickler) -> None:
    """BUILD: a state is kept in its record, and nothing else gets one (least of all a class or a function)."""
    state, record = unpickler.stack.pop(), unpickler.stack[-1]
    if not isinstance(record, Record):
        raise BadInputError(f"gives a state to {type(record).__name__}, which has none")
    record.state = state


def _tuple_as_list(count: int) -> Callable[[_ArrayUnpickler], None]:
    """TUPLE1 to TUPLE3: the last ``count`` objects, as a list."""

    def load(unpickler: _ArrayUnpickler) -> None:
        start = len(unpickler.stack) - count
        unpickler.stack[start:] = [unpickler.stack[start:]]

    return load


_ArrayUnpickler.dispatch[pickle.BUILD[0]] = _keep_state
# Tuples become lists, which cannot be keys: hashing a tuple of tuples of tuples may take for ever, or all of the stack.
for _count, _opcode in enumerate((pickle.EMPTY_TUPLE, pickle.TUPLE1, pickle.TUPLE2, pickle.TUPLE3)):
    _ArrayUnpickler.dispatch[_opcode[0]] = _tuple_as_list(_count)
for _opcode in (pickle.TUPLE, pickle.FROZENSET):
    _ArrayUnpickler.dispatch[_opcode[0]] = pickle._Unpickler.dispatch[pickle.LIST[0]]


def printable(name: str) -> str:
    """A name out of a file, fit for an error message: short, and without characters that no terminal takes."""
    return name[:100].encode("ascii", "backslashreplace").decode()


def read_pickle(path: Path) -> dict[str, Any]:
    """The dictionary in a pickle, with inert records where it holds arrays.

    :func:`handlib.hand.pickled_arrays.to_array` makes arrays of these.

    Args:
        path: a pickle of any protocol, written by Python 2 or 3.

    Raises:
        UnsafeFileError, BadInputError: see :func:`read_any_pickle`.
        BadInputError: the file does not hold a dictionary.
    """
    content = read_any_pickle(path)
    if not isinstance(content, dict):
        raise BadInputError(f"{path}: expected a pickled dictionary of arrays, met {type(content).__name__}")
    return content


def read_any_pickle(path: Path) -> Any:
    """What a pickle holds, at its top level: a container, a number, or the inert record of an array.

    Raises:
        UnsafeFileError: the pickle asks for anything but arrays and containers. Nothing of it has run.
        BadInputError: the file is truncated, is no pickle, or is far too large.
    """
    check_size(path, path.stat().st_size)
    try:
        return _ArrayUnpickler(path.read_bytes(), path).load()
    except UnsafeFileError:
        raise
    # A damaged pickle can fail in any way at all: every one of them means the same to the caller. An error of the
    # operating system does not come from the content.
    except OSError:
        raise
    except Exception as error:
        raise BadInputError(
            f"{path}: cannot be read as a pickle ({type(error).__name__}: {printable(str(error))}); it is truncated "
            "or of another format: compare its size with the original and copy it again"
        ) from error


def check_size(path: Path, num_bytes: int) -> None:
    """Refuse a file that holds (or unpacks to) more than any hand model, before it fills the memory.

    Raises:
        BadInputError: ``num_bytes`` is over :data:`MAX_BYTES`.
    """
    if num_bytes > MAX_BYTES:
        raise BadInputError(
            f"{path}: holds {num_bytes / 2**20:.0f} MB, expected at most {MAX_BYTES / 2**20:.0f}; a hand model has a "
            "few: name the model's own file"
        )
