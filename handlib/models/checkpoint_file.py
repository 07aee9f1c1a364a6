"""A trained network in one file: weights in half precision, and beside them what it is and how it was made.

safetensors holds numbers and text only, so that reading a stranger's file can run no code. Half precision halves the
file; the weights of a layer matter to three digits, not to seven.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from handlib.errors import BadInputError, MissingFileError
from handlib.files import atomic_write
from handlib.models.s2hand import S2HandConfig, S2HandNetwork

FORMAT = "handlib-s2hand-1"


def save_network(path: str | Path, network: S2HandNetwork, metadata: Mapping[str, Any]) -> None:
    """Write a network atomically.

    Args:
        path: the file, by custom ``*.safetensors``.
        network: its matrices are stored in half precision; vectors (biases, statistics of normalisation), which are few
            and may be large, in single.
        metadata: its card, anything that JSON can hold: data, recipe, licence, scores, what it is bad at.

    Raises:
        BadInputError: a weight is NaN, infinite or too large for half precision, or JSON cannot hold the metadata.
        DiskFullError: no room; an older file of that name is untouched.
    """
    weights = {name: _stored(name, value) for name, value in network.state_dict().items()}
    try:
        card = json.dumps(dict(metadata), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise BadInputError(
            f"metadata of {path}: {error}; give text, finite numbers, lists and dictionaries"
        ) from error
    header = {"format": FORMAT, "config": json.dumps(asdict(network.config)), "metadata": card}
    atomic_write(Path(path), save(weights, metadata=header))


def load_network(path: str | Path, hand: str | Path | None = None) -> tuple[S2HandNetwork, dict[str, Any]]:
    """Read a network, in evaluation mode, on the CPU, in single precision.

    Args:
        path: a file of :func:`save_network`.
        hand: the hand model file, where it is not where it was when the network was saved.

    Returns:
        the network and its metadata.

    Raises:
        MissingFileError: there is no such file, or no such hand model file.
        BadInputError: the file is damaged, is no network of ``handlib``, or does not fit its own configuration.
    """
    path = Path(path)
    if not path.is_file():
        raise MissingFileError(f"{path}: no such file; give a network that handlib.models.save_network has written")
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            header = file.metadata() or {}
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dictionary)
    except SafetensorError as error:
        raise BadInputError(f"{path}: damaged, or not safetensors ({error}); copy or download it again") from error
    if header.get("format") != FORMAT:
        raise BadInputError(
            f"{path}: its format is {header.get('format')!r}, expected {FORMAT!r}; it holds something else than a "
            "network, or was written by another version of handlib"
        )
    try:
        config = S2HandConfig(**json.loads(header["config"]))
        metadata = json.loads(header["metadata"])
        network = S2HandNetwork(config, imagenet=False, hand=hand)
    except BadInputError as error:
        raise BadInputError(f"{path}: {error}") from error
    except (KeyError, TypeError, ValueError) as error:
        raise BadInputError(f"{path}: its header is damaged ({error}); copy or download it again") from error
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise BadInputError(
            f"{path}: its weights do not fit its configuration and the hand {str(hand or config.hand)!r} ({error}); it "
            "was trained with another hand model, or changed by another program"
        ) from error
    return network.eval(), metadata


def _stored(name: str, value: Tensor) -> Tensor:
    value = value.detach().cpu()
    stored = value.half() if value.is_floating_point() and value.ndim > 1 else value
    if not torch.isfinite(stored).all():
        raise BadInputError(
            f"weight {name}: holds NaN, infinity or a number beyond half precision (65504); the training diverged: "
            "save the last checkpoint before"
        )
    return stored.contiguous()
