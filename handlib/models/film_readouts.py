"""From a film's feature maps to a code a frame: without memory, with an LSTM, or with a ConvLSTM.

The rows of SeqHAND's Table 2 that share an encoder differ in this. The paper gives sizes only as totals; ours are
chosen near them, and `tests/test_seqhand_network.py` holds both side by side. Each has a ``last`` layer, whose inputs
are a vector a frame, and, where it has a memory, ``memory``: the layer that fine-tuning on real pictures leaves alone.
"""

from typing import Any, Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn

from handlib.errors import BadInputError
from handlib.models.conv_lstm import ConvLSTM, ConvLSTMState

MemoryName = Literal["none", "lstm", "conv_lstm"]
FIRST_DEVIATION = 1e-3
"""The last layer's weights begin this small, so that every picture is first shown the same mean hand."""


class FrameReadout(nn.Module):
    """The baseline (Boukhayma et al., CVPR 2019): mean over the map, two layers, the last layer."""

    memory = None

    def __init__(self, channels: int, hidden: int, numbers: int) -> None:
        super().__init__()
        wide = 4 * hidden
        self.layers = nn.Sequential(nn.Linear(channels, wide), nn.ReLU(), nn.Linear(wide, hidden), nn.ReLU())
        self.last = _last(hidden, numbers)

    def forward(
        self, features: Float[Tensor, "batch frames channels rows columns"], state: None = None
    ) -> tuple[Float[Tensor, "batch frames numbers"], None]:
        """A code a frame; there is nothing to carry on."""
        return self.last(self.layers(features.mean((3, 4)))), None


class LSTMReadout(nn.Module):
    """Mean over the map, one layer, an LSTM, the last layer: a memory that has forgotten where things are."""

    def __init__(self, channels: int, hidden: int, numbers: int) -> None:
        super().__init__()
        wide, remembered = 4 * hidden, hidden * 15 // 8
        self.layers = nn.Sequential(nn.Linear(channels, wide), nn.ReLU())
        self.memory = nn.LSTM(wide, remembered, batch_first=True)
        self.last = _last(remembered, numbers)

    def forward(
        self, features: Float[Tensor, "batch frames channels rows columns"], state: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Float[Tensor, "batch frames numbers"], tuple[Tensor, Tensor]]:
        """A code a frame, and the state for the next part of the film."""
        shown, state = self.memory(self.layers(features.mean((3, 4))), state)
        return self.last(shown), state


class ConvLSTMReadout(nn.Module):
    """SeqHAND-Net's: fewer channels, a ConvLSTM on the map, mean over the map, "a simple linear mapping layer"."""

    def __init__(self, channels: int, hidden: int, numbers: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(channels, hidden, 1), nn.ReLU())
        self.memory = ConvLSTM(hidden, hidden)
        self.last = _last(hidden, numbers)

    def forward(
        self, features: Float[Tensor, "batch frames channels rows columns"], state: ConvLSTMState | None = None
    ) -> tuple[Float[Tensor, "batch frames numbers"], ConvLSTMState]:
        """A code a frame, and the state for the next part of the film."""
        narrow = self.layers(features.flatten(0, 1)).unflatten(0, features.shape[:2])
        shown, state = self.memory(narrow, state)
        return self.last(shown.mean((3, 4))), state


def make_readout(memory: str, channels: int, hidden: int, numbers: int) -> nn.Module:
    """A readout by the name of its memory, one of :data:`MemoryName`; ``BadInputError`` for another name.

    Args:
        memory: its name.
        channels: of the encoder.
        hidden: its width; 512 for the sizes of Table 2.
        numbers: a code.
    """
    if memory not in get_args(MemoryName):
        raise BadInputError(f"memory is {memory!r}, expected one of {get_args(MemoryName)}")
    kinds: dict[str, Any] = {"none": FrameReadout, "lstm": LSTMReadout, "conv_lstm": ConvLSTMReadout}
    return kinds[memory](channels, hidden, numbers)


def _last(inputs: int, numbers: int) -> nn.Linear:
    layer = nn.Linear(inputs, numbers)
    nn.init.normal_(layer.weight, std=FIRST_DEVIATION)
    with torch.no_grad():
        layer.bias.zero_()
    return layer
