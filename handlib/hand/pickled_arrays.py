"""Arrays from what a pickle says about them: from the records of :mod:`handlib.hand.safe_pickle`, by our own code.

A record of an array holds a shape, a dtype and bytes; one of a sparse matrix holds such arrays. Nothing of it is
believed: every size and type is checked against what is really there before any memory is asked for.
"""

import re
from collections.abc import Iterable
from itertools import chain, islice
from typing import Any

import numpy as np

from handlib.errors import BadInputError
from handlib.hand.safe_pickle import CHUMPY, SPARSE, Record, printable

# A hand model has under a million numbers along three axes; a larger claim is a broken or hostile file.
_MAX_ELEMENTS = 10_000_000
_MAX_AXES = 4


def to_array(value: Any) -> np.ndarray:
    """The array that a record stands for: numpy of any version, dense from scipy.sparse, or chumpy's value.

    Args:
        value: a value of the dictionary from ``read_pickle``, an array, or a (nested) list of numbers.

    Raises:
        BadInputError: the value is no numeric array, or contradicts itself.
    """
    try:
        return _to_array(value)
    except BadInputError:
        raise
    # Records hold whatever the file says: wrong types, impossible sizes, an array that contains itself.
    except Exception as error:
        raise BadInputError(f"holds no readable numeric array ({type(error).__name__}: {error})") from error


def _to_array(value: Any) -> np.ndarray:
    """Dispatch on what the record was asked to be."""
    name, args, state = _unwrap(value)
    if name is None:
        _check_numbers(value)
        array = np.asarray(value)
        if array.dtype.kind not in "biuf":
            raise BadInputError(f"expected numbers, met {array.dtype}")
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
    if SPARSE.fullmatch(name):
        return _densify(name, state)
    if CHUMPY.fullmatch(name):
        return _chumpy_value(name, state)
    raise BadInputError(f"expected an array, met {name}")


def _check_numbers(value: Any) -> None:
    """Refuse what is no array, number or list of numbers, looking at no more parts than an array may have."""
    level = [value]
    for _ in range(_MAX_AXES + 1):
        lists = [part for part in level if isinstance(part, list)]
        for part in level:
            if not isinstance(part, list | int | float | np.ndarray | np.generic):
                raise BadInputError(f"expected numbers, met {type(part).__name__}")
        level = list(islice(chain.from_iterable(lists), _MAX_ELEMENTS + 1))
        if len(level) > _MAX_ELEMENTS:
            break
    if level:
        raise BadInputError(f"expected at most {_MAX_ELEMENTS} numbers along {_MAX_AXES} axes, met a list of more")


def _unwrap(value: Any) -> tuple[str | None, tuple, Any]:
    """Name, arguments and state of a record; protocols 0 and 1 wrap the class in ``copyreg._reconstructor``."""
    if not isinstance(value, Record):
        return None, (), None
    if value.name == "copyreg._reconstructor":
        return value.args[0].name, (), value.state
    return value.name, value.args, value.state


def _array_from_bytes(data: Any, dtype: Any, shape: Iterable[int], order: str) -> np.ndarray:
    """An array of our own making from the bytes in the file."""
    shape = tuple(shape)
    # In protocols that know no bytes, Python 3 writes them as latin1 text, and empty ones as bytes().
    if isinstance(data, Record) and data.name in ("_codecs.encode", "builtins.bytes"):
        data = data.args[0] if data.args else b""
    if isinstance(data, str):
        data = data.encode("latin1")
    if not isinstance(data, bytes | bytearray):
        raise BadInputError(f"expected an array of numbers, met one of {type(data).__name__}")
    kind = _dtype(dtype)
    flat = np.frombuffer(bytes(data), dtype=kind)
    if int(np.prod(shape, dtype=object)) != flat.size:
        raise BadInputError(f"claims shape {shape} but holds {flat.size} numbers")
    return flat.reshape(shape, order=order).astype(kind.newbyteorder("="))


def _dtype(record: Any) -> np.dtype:
    """A plain numeric dtype from numpy's pickled description of it."""
    name, args, state = _unwrap(record)
    if name != "numpy.dtype" or not isinstance(args[0], str) or not re.fullmatch(r"[biuf](1|2|4|8)", args[0]):
        met = args[0] if args and isinstance(args[0], str) else name
        raise BadInputError(f"expected an array of plain numbers, met dtype {printable(str(met))}")
    byte_order = state[1] if state and state[1] in ("<", ">") else "="
    return np.dtype(args[0]).newbyteorder(byte_order)


def _densify(name: str, state: dict[str, Any]) -> np.ndarray:
    """A dense array from the state of a scipy.sparse matrix; numpy checks that no index is too large."""
    shape = tuple(int(n) for n in state.get("_shape", state.get("shape")))
    if len(shape) != 2 or min(shape) < 0 or max(*shape, shape[0] * shape[1]) > _MAX_ELEMENTS:
        raise BadInputError(f"claims a sparse matrix of shape {shape}, which no hand model has")
    data = _to_array(state["data"])
    if "indptr" in state:
        major = 1 if ".csc_" in name else 0
        pointers, minor = _to_array(state["indptr"]), _to_array(state["indices"])
        counts = np.diff(pointers)
        if len(counts) != shape[major] or counts.min(initial=0) < 0 or counts.sum() != len(minor):
            raise BadInputError("holds a sparse matrix whose pointers do not fit its indices")
        run = np.repeat(np.arange(shape[major]), counts)
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
