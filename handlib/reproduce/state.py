"""The state of a run in a file: tensors in safetensors, all else as JSON in its header. Never pickle.

A checkpoint is read back by whoever finds it, and a pickle can run any code; a safetensors file can only hold numbers.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from handlib.errors import BadInputError, MissingFileError
from handlib.files import atomic_write


def write_state(path: Path, state: Mapping[str, Any]) -> None:
    """Write a nested state atomically.

    Args:
        path: the file.
        state: tensors, NumPy arrays, numbers, text, booleans and None, in dictionaries (of any plain keys, as an
            optimiser's), lists and tuples.

    Raises:
        BadInputError: it holds something else; the message says where.
        DiskFullError: no room; an older file of that name is untouched.
    """
    tensors: dict[str, Tensor] = {}
    skeleton = _pack(state, tensors, "state")
    atomic_write(path, save(tensors, metadata={"state": json.dumps(skeleton)}))


def read_state(path: Path) -> dict[str, Any]:
    """Read a state back, on the CPU, bit for bit.

    Raises:
        MissingFileError: there is no such file.
        BadInputError: the file is damaged, or no state of ours.
    """
    if not path.is_file():
        raise MissingFileError(f"{path}: no such checkpoint: start the run again")
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            skeleton = json.loads((file.metadata() or {})["state"])
            return _unpack(skeleton, file)
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise BadInputError(f"{path}: damaged, or no checkpoint of handlib ({error}): remove it") from error


def _pack(value: Any, tensors: dict[str, Tensor], where: str) -> Any:
    """Replace every tensor by its name in ``tensors``; mark what JSON would change (tuples, keys that are no text)."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Tensor | np.ndarray):
        kind = "$tensor" if isinstance(value, Tensor) else "$array"
        tensor = value if isinstance(value, Tensor) else torch.from_numpy(np.array(value))
        name = str(len(tensors))
        # A copy: safetensors refuses two tensors that share memory, as tied weights do.
        tensors[name] = tensor.detach().to("cpu", copy=True).contiguous()
        return {kind: name}
    if isinstance(value, list):
        return [_pack(item, tensors, f"{where}[{index}]") for index, item in enumerate(value)]
    if isinstance(value, tuple):
        return {"$tuple": _pack(list(value), tensors, where)}
    if isinstance(value, Mapping):
        if all(isinstance(key, str) and not key.startswith("$") for key in value):
            return {key: _pack(item, tensors, f"{where}.{key}") for key, item in value.items()}
        return {"$items": [_pack([key, item], tensors, f"{where}.{key}") for key, item in value.items()]}
    raise BadInputError(
        f"{where} is a {type(value).__name__}, which a checkpoint cannot hold: give its state_dict(), a tensor, "
        "an array, a number or text"
    )


def _unpack(value: Any, file: Any) -> Any:
    if isinstance(value, list):
        return [_unpack(item, file) for item in value]
    if not isinstance(value, dict):
        return value
    if value.keys() == {"$tensor"}:
        return file.get_tensor(value["$tensor"])
    if value.keys() == {"$array"}:
        return file.get_tensor(value["$array"]).numpy()
    if value.keys() == {"$tuple"}:
        return tuple(_unpack(value["$tuple"], file))
    if value.keys() == {"$items"}:
        return {key: item for key, item in _unpack(value["$items"], file)}
    return {key: _unpack(item, file) for key, item in value.items()}
