"""Read the arrays out of a pickle without running any of it.

A pickle is a program: its GLOBAL opcodes may name any function on the machine, and its REDUCE opcodes call it. MANO's
own files are such pickles, written under Python 2 with chumpy arrays that no current Python can import. This reader
needs neither chumpy nor trust. No global is ever imported: each one on a short list of array types becomes an inert
*record* of what the file asked for (name, arguments, state), every other one is refused, and the arrays are then
rebuilt from the records by our own code, from plain bytes, with every size and type checked.
"""

import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np

from handlib.errors import BadInputError, UnsafeFileError

# Containers that a pickle may really build: filling them runs no code of the file's.
_CONTAINERS = {
    "builtins.dict": dict,
    "builtins.list": list,
    "builtins.tuple": tuple,
    "builtins.set": set,
    "builtins.frozenset": frozenset,
    "collections.OrderedDict": dict,
}

# Array types of numpy and scipy, and the helpers that pickle rebuilds them with, under today's names.
_RECORDED = {
    "builtins.object",
    "builtins.bytes",
    "copyreg._reconstructor",
    "_codecs.encode",
    "numpy.ndarray",
    "numpy.dtype",
    "numpy.matrix",
    "numpy._core.multiarray._reconstruct",
    "numpy._core.multiarray.scalar",
    "numpy._core.numeric._frombuffer",
}
_SPARSE = re.compile(r"scipy\.sparse(\._?(csc|csr|coo|base|matrix|data|compressed))?\.(csc|csr|coo)_(matrix|array)")
_CHUMPY = re.compile(r"chumpy(\.\w+)*\.\w+")
_RENAMED = (
    (re.compile(r"^__builtin__\."), "builtins."),
    (re.compile(r"^copy_reg\."), "copyreg."),
    (re.compile(r"^numpy\.core\."), "numpy._core."),
    (re.compile(r"^numpy\.matrixlib\.defmatrix\."), "numpy."),
)
_MAX_ELEMENTS = 50_000_000  # a hand model has under a million; a larger claim is a broken or hostile file


class _Record:
    """What a pickle asked to build: the global's name, its arguments and its state. Nothing is called."""

    __slots__ = ("args", "state")
    name = ""

    def __new__(cls, *args: Any) -> "_Record":
        record = object.__new__(cls)
        record.args, record.state = args, None
        return record

    def __init__(self, *args: Any) -> None:
        """Accept any arguments; `__new__` has kept them."""

    def __setstate__(self, state: Any) -> None:
        self.state = state


class _ArrayUnpickler(pickle.Unpickler):
    """An unpickler whose every global is a container, a record, or refused."""

    def __init__(self, stream: Any, path: Path) -> None:
        # latin1 keeps the bytes of Python 2 strings, which is where old pickles hold their arrays.
        super().__init__(stream, encoding="latin1")
        self._path = path

    def find_class(self, module: str, name: str) -> type:
        """The inert stand-in for one global (called by pickle before anything could be run)."""
        full = f"{module}.{name}"
        for pattern, today in _RENAMED:
            full = pattern.sub(today, full)
        if full in _CONTAINERS:
            return _CONTAINERS[full]
        # Dots inside the name would reach through an admitted module to something else.
        if "." not in name and (full in _RECORDED or _SPARSE.fullmatch(full) or _CHUMPY.fullmatch(full)):
            return type(name, (_Record,), {"__slots__": (), "name": full})
        raise UnsafeFileError(
            f"{self._path}: this pickle asks for {module}.{name}, which is no array type; it was refused and nothing "
            "in the file was run. A hand model holds arrays only: do not trust this file, and get it from its authors"
        )

    def persistent_load(self, pid: Any) -> Any:
        """Refuse references to objects outside the file."""
        raise UnsafeFileError(f"{self._path}: this pickle refers to an object outside the file, which is refused")


def read_pickle(path: Path) -> dict[str, Any]:
    """The dictionary in a pickle, with inert records where it holds arrays; see :func:`to_array`.

    Args:
        path: a pickle of any protocol, written by Python 2 or 3.

    Raises:
        UnsafeFileError: the pickle asks for anything but arrays and containers. Nothing of it has run.
        BadInputError: the file is truncated, is no pickle, or does not hold a dictionary.
    """
    with path.open("rb") as stream:
        try:
            content = _ArrayUnpickler(stream, path).load()
        except UnsafeFileError:
            raise
        # A damaged pickle can fail in any way at all: every one of them means the same to the caller.
        except Exception as error:
            raise BadInputError(
                f"{path}: cannot be read as a pickle ({type(error).__name__}: {error}); it is truncated or of another "
                "format: compare its size with the original and copy it again"
            ) from error
    if not isinstance(content, dict):
        raise BadInputError(f"{path}: expected a pickled dictionary of arrays, met {type(content).__name__}")
    return content


def to_array(value: Any) -> np.ndarray:
    """The array that a record stands for: numpy of any version, dense from scipy.sparse, or chumpy's value.

    Args:
        value: a value of the dictionary from :func:`read_pickle`, or a (nested) list of numbers.

    Raises:
        BadInputError: the value is no numeric array, or contradicts itself.
    """
    try:
        return _to_array(value)
    except BadInputError:
        raise
    except (TypeError, ValueError, IndexError, KeyError, AttributeError) as error:
        raise BadInputError(f"holds no readable numeric array ({type(error).__name__}: {error})") from error


def _to_array(value: Any) -> np.ndarray:
    """Dispatch on what the record was asked to be."""
    name, args, state = _unwrap(value)
    if name is None:
        array = np.asarray(value)
        if array.dtype.kind not in "biuf":
            raise BadInputError(f"expected numbers, met {type(value).__name__}")
        return array
    if name in ("numpy._core.multiarray._reconstruct", "numpy.ndarray", "numpy.matrix"):
        # Before version 1 the state had no version in front; the last four entries are the same.
        shape, dtype, fortran, data = state[-4:]
        return _array_from_bytes(data, dtype, shape, "F" if fortran else "C")
    if name == "numpy._core.numeric._frombuffer":
        data, dtype, shape, order = args
        return _array_from_bytes(data, dtype, shape, order)
    if name == "numpy._core.multiarray.scalar":
        return _array_from_bytes(args[1], args[0], (), "C")
    if _SPARSE.fullmatch(name):
        return _densify(name, state)
    if _CHUMPY.fullmatch(name):
        return _chumpy_value(name, state)
    raise BadInputError(f"expected an array, met {name}")


def _unwrap(value: Any) -> tuple[str | None, tuple, Any]:
    """Name, arguments and state of a record; protocols 0 and 1 wrap the class in ``copyreg._reconstructor``."""
    if not isinstance(value, _Record):
        return None, (), None
    if value.name == "copyreg._reconstructor":
        return value.args[0].name, (), value.state
    return value.name, value.args, value.state


def _array_from_bytes(data: Any, dtype: Any, shape: tuple[int, ...], order: str) -> np.ndarray:
    """An array of our own making from the bytes in the file."""
    # In protocols that know no bytes, Python 3 writes them as latin1 text, and empty ones as bytes().
    if isinstance(data, _Record) and data.name in ("_codecs.encode", "builtins.bytes"):
        data = data.args[0] if data.args else b""
    if isinstance(data, str):
        data = data.encode("latin1")
    if not isinstance(data, bytes | bytearray):
        raise BadInputError(f"expected an array of numbers, met one of {type(data).__name__}")
    kind = _dtype(dtype)
    flat = np.frombuffer(bytes(data), dtype=kind)
    if int(np.prod(shape, dtype=object)) != flat.size:
        raise BadInputError(f"claims shape {tuple(shape)} but holds {flat.size} numbers")
    return flat.reshape(tuple(shape), order=order).astype(kind.newbyteorder("="))


def _dtype(record: Any) -> np.dtype:
    """A plain numeric dtype from numpy's pickled description of it."""
    name, args, state = _unwrap(record)
    if name != "numpy.dtype" or not re.fullmatch(r"[biuf](1|2|4|8)", str(args[0])):
        raise BadInputError(f"expected an array of plain numbers, met dtype {args[0] if args else name!r}")
    byte_order = state[1] if state and state[1] in ("<", ">") else "="
    return np.dtype(args[0]).newbyteorder(byte_order)


def _densify(name: str, state: dict[str, Any]) -> np.ndarray:
    """A dense array from the state of a scipy.sparse matrix; numpy checks every index."""
    shape = tuple(int(n) for n in state.get("_shape", state.get("shape")))
    if len(shape) != 2 or min(shape) < 0 or shape[0] * shape[1] > _MAX_ELEMENTS:
        raise BadInputError(f"claims a sparse matrix of shape {shape}, which no hand model has")
    data = _to_array(state["data"])
    if "indptr" in state:
        major = 1 if ".csc_" in name else 0
        pointers, minor = _to_array(state["indptr"]), _to_array(state["indices"])
        run = np.repeat(np.arange(shape[major]), np.diff(pointers))
        rows, columns = (minor, run) if major == 1 else (run, minor)
    else:
        coords = state.get("coords") or (state["row"], state["col"])
        rows, columns = (_to_array(c) for c in coords)
    if min(rows.min(initial=0), columns.min(initial=0)) < 0:
        raise BadInputError("holds a sparse matrix with negative indices")
    dense = np.zeros(shape, dtype=data.dtype)
    np.add.at(dense, (rows, columns), data)
    return dense


def _chumpy_value(name: str, state: dict[str, Any]) -> np.ndarray:
    """The value of a pickled chumpy array: a leaf keeps it in ``x``, a selection picks from another array."""
    if "x" in state:
        return _to_array(state["x"])
    if name.endswith(".Select"):
        return _to_array(state["a"]).ravel()[_to_array(state["idxs"])].reshape(tuple(state["preferred_shape"]))
    raise BadInputError(f"holds a chumpy {name.rsplit('.', 1)[-1]}, of which only Ch and Select keep their value")
