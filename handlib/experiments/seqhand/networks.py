"""The networks of the rows: built, begun with the shared encoder, written and read."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from handlib.experiments.seqhand.effort import Effort
from handlib.experiments.seqhand.recipes import FilmRecipe, config_of
from handlib.models.seqhand import SeqHandNetwork
from handlib.reproduce.state import read_state, write_state

NETWORK = "network.safetensors"


def new_network(recipe: FilmRecipe, effort: Effort, seed: int, start: Path | None = None) -> SeqHandNetwork:
    """A row's network before its first step; rows of one seed and one structure begin alike.

    Args:
        recipe: the row.
        effort: its sizes.
        seed: of the weights that are drawn.
        start: weights of the shared encoder, where the effort has one.
    """
    torch.manual_seed(seed)
    network = SeqHandNetwork(config_of(recipe, effort), imagenet=start is None and effort.stand_ins)
    if start is not None:
        state = read_state(start)["encoder"]
        network.encoder.load_state_dict({**network.encoder.state_dict(), **state})
    return network


def keep_stages(network: SeqHandNetwork, stages: int) -> None:
    """Leave the stem and the first stages of a stand-in's encoder out of the training; 0 leaves out none."""
    if stages:
        for part in (network.encoder.network.stem, *network.encoder.network.stages[:stages]):
            part.requires_grad_(False)


def write_network(path: Path, network: SeqHandNetwork) -> None:
    """Write a network's weights, its encoder's apart."""
    readout: dict[str, Any] = dict(network.readout.state_dict())
    write_state(path, {"encoder": dict(network.encoder.state_dict()), "readout": readout})


def read_network(path: Path, recipe: FilmRecipe, effort: Effort) -> SeqHandNetwork:
    """The network that a row has left, in evaluation mode."""
    network = SeqHandNetwork(config_of(recipe, effort), imagenet=False)
    state = read_state(path)
    network.encoder.load_state_dict(state["encoder"])
    network.readout.load_state_dict(state["readout"])
    return network.eval()


def millions(network: torch.nn.Module) -> float:
    """How many parameters a network has, in millions."""
    return round(float(np.sum([parameter.numel() for parameter in network.parameters()])) / 1e6, 2)
