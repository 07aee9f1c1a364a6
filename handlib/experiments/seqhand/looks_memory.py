"""A toy for the page on memory: a dot that moves over a small map, is hidden for a while, and goes on.

A network that sees single frames cannot know where a hidden dot is. One with a :class:`ConvLSTM` can. The dot has
several looks, as hands have: ``"synthetic"``, of which there are films, and others, of which a training sees stills.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from handlib.errors import BadInputError
from handlib.models.conv_lstm import ConvLSTM

CELLS, FRAMES, HIDDEN_FROM, HIDDEN_TO = 10, 12, 5, 9
"""Side of the map, length of a film, and the frames in which the dot is hidden: from the 5th to before the 9th."""

LOOKS = {"synthetic": (0.0, 1.0, 0.05), "real": (0.2, 0.8, 0.08)}
"""The ground's grey, how much brighter the dot is, and the noise: the real dot is paler, before a grey ground."""


@dataclass(frozen=True, eq=False)
class DotFilms:
    """Films of a dot: ``pictures`` (B, F, 1, rows, columns), ``places`` (B, F, 2) x and y in cells, ``hidden`` (F,)."""

    pictures: Float[Tensor, "batch frames 1 rows columns"]
    places: Float[Tensor, "batch frames 2"]
    hidden: Bool[Tensor, "frames"]


def draw_dots(count: int, seed: int, look: str = "synthetic", *, frames: int = FRAMES, empty: float = 0.0) -> DotFilms:
    """Films of a dot that goes straight on, at most a cell a frame, and is reflected by the border.

    Args:
        count: films.
        seed: of places, velocities and noise.
        look: a key of :data:`LOOKS`.
        frames: of a film; 1 gives stills.
        empty: share of the stills in which the dot is hidden, with its place as the label all the same.

    Raises:
        BadInputError: another look, or no films.
    """
    if look not in LOOKS or count < 1 or frames < 1:
        raise BadInputError(f"look {look!r}, {count} films of {frames} frames: expected a look of {[*LOOKS]}, and some")
    random = torch.Generator().manual_seed(seed)
    start = torch.rand(count, 1, 2, generator=random) * (CELLS - 1)
    angle = 2 * torch.pi * torch.rand(count, 1, generator=random)
    speed = 0.4 + 0.6 * torch.rand(count, 1, generator=random)
    velocity = speed[..., None] * torch.stack([angle.cos(), angle.sin()], -1)
    way = (start + velocity * torch.arange(frames)[:, None]) % (2 * (CELLS - 1))
    places = (CELLS - 1) - (way - (CELLS - 1)).abs()
    grid = torch.stack(torch.meshgrid(torch.arange(CELLS), torch.arange(CELLS), indexing="xy"), -1).float()
    squared = (grid - places[:, :, None, None]).square().sum(-1)
    ground, gain, grain = LOOKS[look]
    hidden = torch.zeros(frames, dtype=torch.bool)
    hidden[HIDDEN_FROM:HIDDEN_TO] = True
    away = hidden if frames > 1 else torch.rand(count, 1, generator=random) < empty
    dot = gain * torch.exp(-squared / 1.2) * ~away[..., None, None]
    noise = grain * torch.randn(dot.shape, generator=random)
    return DotFilms((ground + dot + noise)[:, :, None], places, hidden)


class DotTracker(nn.Module):
    """An encoder of frames, a memory, and a last layer that says in which cell the dot is.

    Attributes: ``encoder``, ``memory`` (None: frame by frame) and ``last``.
    """

    def __init__(self, kernel: int | None = 3, hidden: int = 12) -> None:
        """Build it; ``kernel`` of the memory's filters, or None for a network without a memory."""
        super().__init__()
        self.encoder = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1), nn.ReLU())
        self.memory = None if kernel is None else ConvLSTM(8, hidden, kernel)
        self.last = nn.Conv2d(8 if kernel is None else hidden, 1, 1)

    def forward(
        self, pictures: Float[Tensor, "batch frames 1 rows columns"]
    ) -> tuple[Float[Tensor, "batch frames cells"], Float[Tensor, "batch frames hidden rows columns"]]:
        """Scores of the cells, row by row, and the maps that the last layer reads."""
        maps = self.encoder(pictures.flatten(0, 1)).unflatten(0, pictures.shape[:2])
        if self.memory is not None:
            maps = self.memory(maps)[0]
        return self.last(maps.flatten(0, 1)).flatten(1).unflatten(0, pictures.shape[:2]), maps


def train_tracker(
    tracker: DotTracker,
    steps: int,
    look: str = "synthetic",
    *,
    stills: bool = False,
    empty: float = 0.0,
    learning_rate: float = 5e-3,
    seed: int = 0,
) -> list[float]:
    """Train in place what of a tracker learns (``requires_grad``), on new films each step.

    Args:
        tracker: to train.
        steps: of Adam.
        look: of the films.
        stills: one frame each, and eight times as many.
        empty: see :func:`draw_dots`.
        learning_rate: of Adam.
        seed: of the films.

    Returns:
        the loss of every step.
    """
    learning = [weight for weight in tracker.parameters() if weight.requires_grad]
    adam = torch.optim.Adam(learning, lr=learning_rate)
    losses = []
    for step in range(steps):
        frames, count = (1, 256) if stills else (FRAMES, 32)
        films = draw_dots(count, 100_000 * (seed + 1) + step, look, frames=frames, empty=empty)
        cell = films.places.round().long()
        scores, _ = tracker(films.pictures)
        loss = cross_entropy(scores.flatten(0, 1), (CELLS * cell[..., 1] + cell[..., 0]).flatten())
        adam.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(learning, 1.0)
        adam.step()
        losses.append(float(loss.detach()))
    return losses


@torch.no_grad()
def tracking_errors(tracker: DotTracker, films: DotFilms) -> Float[np.ndarray, "frames"]:
    """How far the tracker's expected place of the dot is from the true one, cells; mean over films, for each frame."""
    likely = tracker(films.pictures)[0].softmax(-1).unflatten(-1, (CELLS, CELLS))
    along = torch.arange(CELLS, dtype=likely.dtype)
    found = torch.stack([(likely.sum(2) * along).sum(-1), (likely.sum(3) * along).sum(-1)], -1)
    return (found - films.places).norm(dim=-1).mean(0).numpy()


def hidden_and_seen(errors: Float[np.ndarray, "frames"]) -> dict[str, float]:
    """The mean error of the frames in which the dot is hidden, and of those in which it is seen."""
    hidden = np.zeros(len(errors), dtype=bool)
    hidden[HIDDEN_FROM:HIDDEN_TO] = True
    return {"seen": float(errors[~hidden].mean()), "hidden": float(errors[hidden].mean())}


@torch.no_grad()
def dot_panels(
    trackers: Mapping[str, DotTracker], films: DotFilms, film: int, frames: Sequence[int]
) -> dict[str, list[Float[np.ndarray, "rows columns"]]]:
    """What there is to see in one film, picture by picture, 0..1.

    Returns:
        "picture"; "memory", the cell of the first tracker that has one, the mean of its absolute values over channels;
        and for each tracker by name, where it believes the dot to be.
    """
    one = films.pictures[film : film + 1]
    rows = {"picture": [one[0, k, 0].clamp(0, 1).numpy() for k in frames]}
    for name, tracker in trackers.items():
        scores, maps = tracker(one)
        if tracker.memory is not None and "memory" not in rows:
            strength = maps[0].abs().mean(1)
            rows["memory"] = [_between_0_and_1(strength[k]) for k in frames]
        likely = scores[0].softmax(-1).unflatten(-1, (CELLS, CELLS))
        rows[name] = [_between_0_and_1(likely[k]) for k in frames]
    return rows


def as_picture(values: Float[Tensor, "rows columns"]) -> Float[np.ndarray, "rows columns 3"]:
    """Numbers 0..1 as a grey picture, which no figure stretches to its own darkest and brightest."""
    return values.clamp(0, 1)[..., None].repeat(1, 1, 3).numpy()


def _between_0_and_1(values: Tensor) -> np.ndarray:
    low, high = values.min(), values.max()
    return ((values - low) / (high - low).clamp_min(1e-9)).numpy()
