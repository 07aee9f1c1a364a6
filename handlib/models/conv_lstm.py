"""ConvLSTM: an LSTM whose state is a map, and whose matrices are convolutions (Shi et al., NeurIPS 2015).

An LSTM (Hochreiter & Schmidhuber 1997) carries a *cell* c from frame to frame. Three gates, numbers between 0 and 1,
say at each frame what is forgotten of it (f), what is written to it (i), and what is shown of it (o)::

    i, f, o = sigmoid(W x + U h + b)      g = tanh(W x + U h + b)
    c'      = f * c + i * g               h' = o * tanh(c')

Here ``W x`` and ``U h`` are convolutions, so that each place of the map has a memory of its own, which hears of its
neighbours: a finger that moves on takes its memory along. https://arxiv.org/abs/1506.04214, Eq. 3; the peephole terms
of that equation are left out, as in most implementations since.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from handlib.errors import BadInputError

FIRST_FORGET_BIAS = 1.0
"""The forget gate begins open, so that gradients pass through time (Jozefowicz et al., ICML 2015)."""


class ConvLSTMState(NamedTuple):
    """What is carried from frame to frame: ``hidden`` h and ``cell`` c, (B, hidden, rows, columns)."""

    hidden: Float[Tensor, "batch hidden rows columns"]
    cell: Float[Tensor, "batch hidden rows columns"]


def update_cell(
    gates: Float[Tensor, "batch gates rows columns"], cell: Float[Tensor, "batch hidden rows columns"]
) -> ConvLSTMState:
    """The gates' work, without any weight: from their scores and the old cell to the new state.

    Args:
        gates: scores of the input gate, the forget gate, the output gate and the candidate, in this order, 4 * hidden
            channels.
        cell: the old one.
    """
    write, forget, show, candidate = gates.chunk(4, dim=1)
    cell = forget.sigmoid() * cell + write.sigmoid() * candidate.tanh()
    return ConvLSTMState(show.sigmoid() * cell.tanh(), cell)


class ConvLSTM(nn.Module):
    """One ConvLSTM layer over the feature maps of a film."""

    def __init__(self, inputs: int, hidden: int, kernel: int = 3) -> None:
        """Build the layer.

        Args:
            inputs: channels of the feature maps.
            hidden: channels of the state.
            kernel: side of the filters, odd; 1 leaves every place alone with its memory.

        Raises:
            BadInputError: an even kernel, which would shift the map.
        """
        super().__init__()
        if kernel % 2 == 0:
            raise BadInputError(f"kernel is {kernel}, expected an odd number: an even one shifts the memory's map")
        self.hidden = hidden
        # The bias of the input serves the sum: a second one would be redundant.
        self.from_input = nn.Conv2d(inputs, 4 * hidden, kernel, padding=kernel // 2)
        self.from_hidden = nn.Conv2d(hidden, 4 * hidden, kernel, padding=kernel // 2, bias=False)
        with torch.no_grad():
            self.from_input.bias.zero_()
            self.from_input.bias[hidden : 2 * hidden] = FIRST_FORGET_BIAS

    def forward(
        self, features: Float[Tensor, "batch frames inputs rows columns"], state: ConvLSTMState | None = None
    ) -> tuple[Float[Tensor, "batch frames hidden rows columns"], ConvLSTMState]:
        """Read a film from its first frame to its last.

        Args:
            features: at least one frame.
            state: what an earlier part of the same film left; None begins with zeros. A film in two parts gives the
                numbers of the whole.

        Returns:
            the hidden map of every frame, and the last state.
        """
        batch, frames = features.shape[:2]
        # All frames at once: only the part that needs the frame before waits for it.
        from_input = self.from_input(features.flatten(0, 1)).unflatten(0, (batch, frames))
        if state is None:
            zeros = features.new_zeros(batch, self.hidden, *features.shape[3:])
            state = ConvLSTMState(zeros, zeros)
        shown = []
        for frame in from_input.unbind(1):
            state = update_cell(frame + self.from_hidden(state.hidden), state.cell)
            shown.append(state.hidden)
        return torch.stack(shown, dim=1), state
