"""What a training step is fed: clips of the target without labels, labelled clips of the source; functions of the step.

All frames of a clip are turned, zoomed and tinted alike, and its flow is that of the changed frames, both ways.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from handlib.camera import PerspectiveCamera
from handlib.experiments.tassn.source_films import SourceFilms
from handlib.experiments.tassn.supervision import Supervision
from handlib.models.flow_net import FlowMethod, estimate_flow
from handlib.training.augmentation import Augmentation, random_pattern
from handlib.training.batches import HandPictures
from handlib.training.clips import ClipBatch, ClipDrawer, FilmPictures

TARGET_CHANGES = Augmentation(turn_deg=30.0, zoom=0.1, shift=0.03)
# Views of the source are drawn from all directions: turning the pictures would add nothing.
SOURCE_CHANGES = Augmentation(turn_deg=0.0, zoom=0.15, shift=0.05, gain=0.5, noise=0.03, contrast=0.15)
CLUTTERED = 0.8
"""Share of the source's clips that get a random background, so that the hand has to be told from one."""
START_NOISE = 0.03
"""Deviation of the source's first keypoints from the truth, in sides of the picture: the size of a detector's errors,
which a network that had begun with the truth would not look for."""


@dataclass(frozen=True, eq=False)
class Clips:
    """Some clips, floats 0..1, and what is known of them; ``flow`` and ``reversed_flow`` may be None.

    Attributes:
        frames: pictures.
        flow, reversed_flow: px, as :meth:`handlib.models.tassn.TassnEstimator.read_both_ways` takes them.
        K: px.
        keypoints_px, confidence: seen or true.
        start_px: keypoints whose heatmaps a reading begins with, at whichever frame that is; None for empty maps.
        silhouettes: 0..1; ``usable`` says which of them count.
        joints_m, vertices_m: camera frame, of labelled clips; else None.
    """

    frames: Float[Tensor, "clips time size size 3"]
    K: Float[Tensor, "clips time 3 3"]
    keypoints_px: Float[Tensor, "clips time 21 2"]
    confidence: Float[Tensor, "clips time 21"]
    silhouettes: Float[Tensor, "clips time size size"]
    usable: Bool[Tensor, "clips time"]
    flow: Float[Tensor, "clips steps size size 2"] | None = None
    reversed_flow: Float[Tensor, "clips steps size size 2"] | None = None
    start_px: Float[Tensor, "clips time 21 2"] | None = None
    joints_m: Float[Tensor, "clips time 21 3"] | None = None
    vertices_m: Float[Tensor, "clips time vertices 3"] | None = None

    def __len__(self) -> int:
        return self.frames.shape[0] * self.frames.shape[1]

    def to(self, device: torch.device | str) -> "Clips":
        """The clips on another device."""
        moved = {field.name: getattr(self, field.name) for field in fields(self)}
        return Clips(**{name: None if value is None else value.to(device) for name, value in moved.items()})

    @property
    def camera(self) -> PerspectiveCamera:
        """The cameras of all frames, one after the other."""
        return PerspectiveCamera(self.K.flatten(0, 1))


@dataclass(frozen=True, eq=False)
class TwoDomains:
    """A step's clips of the target and of the source."""

    target: Clips
    source: Clips

    def __len__(self) -> int:
        return len(self.target) + len(self.source)

    def to(self, device: torch.device | str) -> "TwoDomains":
        """Both on another device."""
        return TwoDomains(self.target.to(device), self.source.to(device))


def with_flow(clips: Clips, method: FlowMethod = "dis") -> Clips:
    """The clips with their flow from each frame to the next, and back."""
    before, after = clips.frames[:, :-1], clips.frames[:, 1:]
    shape = before.shape[:2]
    if not shape.numel():
        return clips
    a, b = before.flatten(0, 1), after.flatten(0, 1)
    with torch.no_grad():
        there, back = estimate_flow(torch.cat([a, b]), torch.cat([b, a]), method).unflatten(0, (2, *shape))
    return replace(clips, flow=there, reversed_flow=back)


class TargetDrawer:
    """Draws clips of the target's training films, of which nothing is known but :class:`Supervision`."""

    def __init__(
        self,
        rgb: np.ndarray,
        K: Float[np.ndarray, "stills 3 3"],
        known: Supervision,
        runs: Sequence[Int[np.ndarray, "_frames"]],
        *,
        clips: int,
        frames: int,
        interval: int,
        image_px: int,
        seed: int,
        guided: bool = True,
        flow: FlowMethod = "dis",
    ) -> None:
        """Put the films together: ``rgb`` (N, px, px, 3) and its cameras, ``runs`` rows of films, the rest as said.

        Raises:
            BadInputError: no film is long enough, or sizes below 1.
        """
        seen = HandPictures(rgb, K, known.keypoints_px, known.confidence, masks=known.silhouettes)
        films = FilmPictures(seen, list(runs))
        self.drawer = ClipDrawer(films, clips, frames, interval, image_px, TARGET_CHANGES, seed)
        self.usable, self.guided, self.flow = torch.from_numpy(known.usable), guided, flow

    def draw(self, step: int, rank: int = 0, ranks: int = 1) -> Clips:
        """The clips of a step, as :func:`handlib.training.loop.fit_network` asks for them."""
        batch = self.drawer.draw(step, rank, ranks)
        clips = _clips(batch, self.usable[batch.pictures.index])
        return with_flow(replace(clips, start_px=clips.keypoints_px) if self.guided else clips, self.flow)


class SourceDrawer:
    """Draws clips of the source's films with all labels."""

    def __init__(
        self,
        films: SourceFilms,
        *,
        clips: int,
        image_px: int,
        seed: int,
        frames: int | None = None,
        guided: bool = True,
    ) -> None:
        """Put the films together; ``frames`` of each clip, all of a film's by default.

        Raises:
            BadInputError: films that are shorter than the clips.
        """
        count = len(films.rgb)
        sure = np.ones((count, 21), np.float32)
        seen = HandPictures(films.rgb, films.K, films.joints_2d_px, sure, films.joints_m, films.mask)
        self.drawer = ClipDrawer(
            FilmPictures(seen, list(films.runs)),
            clips,
            films.frames if frames is None else frames,
            1,
            image_px,
            SOURCE_CHANGES,
            seed,
        )
        self.vertices, self.seed, self.guided = films.vertices_m, seed, guided

    def draw(self, step: int, rank: int = 0, ranks: int = 1, flow: FlowMethod | None = "dis") -> Clips:
        """The clips of a step; ``flow`` None leaves it out."""
        batch = self.drawer.draw(step, rank, ranks)
        clips = _clips(batch, torch.ones(len(batch), dtype=torch.bool))
        vertices = torch.from_numpy(self.vertices[batch.pictures.index.numpy()])
        state = np.random.SeedSequence((self.seed, step, rank, 7)).generate_state(1)
        generator = torch.Generator().manual_seed(int(state[0]))
        noise = START_NOISE * clips.frames.shape[2] * torch.randn(clips.keypoints_px.shape, generator=generator)
        clips = replace(
            clips,
            frames=put_before_patterns(clips, generator),
            start_px=clips.keypoints_px + noise if self.guided else None,
            joints_m=batch.by_clip(batch.pictures.joints_m),
            vertices_m=batch.by_clip(vertices),
        )
        return clips if flow is None else with_flow(clips, flow)


def put_before_patterns(clips: Clips, generator: torch.Generator) -> Float[Tensor, "clips time size size 3"]:
    """The frames with random backgrounds that stand still, for :data:`CLUTTERED` of the clips."""
    count, size = clips.frames.shape[0], clips.frames.shape[2]
    pattern = random_pattern(count, size, generator).movedim(1, -1)[:, None]
    chosen = torch.rand(count, 1, 1, 1, generator=generator) < CLUTTERED
    share = torch.where(chosen, clips.silhouettes, 1.0)[..., None]
    return share * clips.frames + (1 - share) * pattern


def _clips(batch: ClipBatch, usable: Bool[Tensor, "pictures"]) -> Clips:
    """A :class:`~handlib.training.clips.ClipBatch` in the form of this chapter."""
    seen = batch.pictures
    parts = (seen.images, seen.K, seen.keypoints_px, seen.confidence, seen.masks, usable)
    return Clips(*(part.unflatten(0, (batch.clips, batch.frames)) for part in parts))
