"""FlowNetS, trained on the renderer's exact flow of the source's films, beside OpenCV's DIS and standing still."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from handlib.camera import PerspectiveCamera
from handlib.data.hand_scenes import hand_stage
from handlib.data.target_domain import TARGET_HAND
from handlib.experiments.tassn.clips import Clips, SourceDrawer
from handlib.experiments.tassn.data import labels, pictures, runs, source_films
from handlib.experiments.tassn.effort import Effort, effort_of
from handlib.experiments.tassn.recipes import FlowRecipe
from handlib.experiments.training_report import log_curves, speed_of
from handlib.hand.model import HandModel
from handlib.losses.flow import end_point_error, pyramid_flow_loss
from handlib.models.flow_net import FlowNetS, estimate_flow
from handlib.render import render_flow
from handlib.reproduce.recipe import RunContext
from handlib.reproduce.results import Metric, Outcome
from handlib.reproduce.state import read_state, write_state
from handlib.training.augmentation import warp_batch
from handlib.training.loop import StepOutput, TrainSettings, fit_network

FLOW_NETWORK = "flow.safetensors"
FARTHEST_PUSH_PX = 4.0
"""Largest shift, along either axis, that training adds between two pictures."""

_MOST_JUDGED = 300


@dataclass(frozen=True, eq=False)
class FlowPairs:
    """Pairs of pictures (floats 0..1) with their true flow (px) and where it is known.

    ``counted`` is the hand where both pictures show it; ``everywhere`` that, and the background where it is known to
    stand still.
    """

    before: Float[Tensor, "pairs height width 3"]
    after: Float[Tensor, "pairs height width 3"]
    true_flow: Float[Tensor, "pairs height width 2"]
    counted: Bool[Tensor, "pairs height width"]
    everywhere: Bool[Tensor, "pairs height width"]

    def __len__(self) -> int:
        return len(self.before)

    def to(self, device: torch.device | str) -> "FlowPairs":
        """The pairs on another device."""
        return FlowPairs(**{name: value.to(device) for name, value in vars(self).items()})


def train_flow(context: RunContext) -> Outcome:
    """The work of a :class:`~handlib.experiments.tassn.recipes.FlowRecipe`: train, and compare ways to get flow."""
    recipe: FlowRecipe = context.recipe
    effort = effort_of(context.profile, recipe.effort)
    torch.manual_seed(context.seed)
    network = FlowNetS()
    drawer = source_pairs(effort, "train", effort.flow_pairs, context.seed)

    def draw(step: int, rank: int, ranks: int) -> FlowPairs:
        stream = np.random.SeedSequence(context.seed, spawn_key=(step, rank))
        return pushed_apart(exact_pairs(drawer.draw(step, rank, ranks, flow=None)), np.random.default_rng(stream))

    settings = TrainSettings(effort.flow_steps, learning_rate=effort.learning_rate, schedule="cosine")
    log = fit_network(context, PyramidReader(network), flow_objective, draw, settings)
    write_state(context.artifact_path(FLOW_NETWORK), network.state_dict())
    judged = min(_MOST_JUDGED, len(source_films(effort, "test").runs))
    held_out = exact_pairs(source_pairs(effort, "test", judged, 0).draw(0, flow=None))
    metrics = {}
    for where, pairs in (("source", held_out), ("target", target_pairs(effort))):
        for name, error in compare_methods(pairs, network.to(context.device)).items():
            metrics[f"{name}_error_on_{where}"] = Metric(error, "px")
    return Outcome({**metrics, **speed_of(log)}, log_curves(log))


class PyramidReader(nn.Module):
    """A flow network whose ``forward`` gives its flow at all sizes, each of which is trained."""

    def __init__(self, network: FlowNetS) -> None:
        super().__init__()
        self.network = network

    def forward(self, pairs: FlowPairs) -> list[Tensor]:
        """Coarse to fine, as :meth:`handlib.models.flow_net.FlowNetS.pyramid`."""
        return self.network.pyramid(pairs.before, pairs.after)


def flow_objective(network: nn.Module, pairs: FlowPairs, step: int) -> StepOutput:
    """The error at all sizes, on the hand and on what stands still behind it."""
    loss = pyramid_flow_loss(network(pairs), pairs.true_flow, pairs.everywhere).mean()
    return StepOutput(loss, {})


def source_pairs(effort: Effort, split: str, pairs: int, seed: int) -> SourceDrawer:
    """Draws successive frames of the source's films."""
    return SourceDrawer(source_films(effort, split), clips=pairs, frames=2, image_px=effort.image_px, seed=seed)


def exact_pairs(clips: Clips) -> FlowPairs:
    """The first two frames of labelled clips, with the flow that their meshes have."""
    faces = HandModel.load("open").faces
    cameras = [PerspectiveCamera(clips.K[:, time]) for time in (0, 1)]
    flow, seen = render_flow(clips.vertices_m[:, 0], clips.vertices_m[:, 1], faces, *cameras, clips.frames.shape[2])
    still = (clips.silhouettes[:, 0] < 0.01) & ~seen
    return FlowPairs(clips.frames[:, 0], clips.frames[:, 1], flow, seen, seen | still)


def pushed_apart(pairs: FlowPairs, random: np.random.Generator) -> FlowPairs:
    """The pairs with the second picture shifted by up to :data:`FARTHEST_PUSH_PX`, and the flow with it.

    Between two frames a hand moves by a pixel or so, and the rest of the picture stands still: without larger motion
    that is everywhere, a network learns to say zero. FlowNet's training shifts its pairs against each other, too.
    """
    push = torch.from_numpy(random.uniform(-FARTHEST_PUSH_PX, FARTHEST_PUSH_PX, (len(pairs), 2))).to(pairs.true_flow)
    affine = torch.cat([torch.eye(2).to(push).expand(len(push), -1, -1), push[..., None]], dim=-1)
    after = warp_batch(pairs.after.movedim(-1, 1), affine, pairs.after.shape[1]).movedim(1, -1)
    return replace(pairs, after=after, true_flow=pairs.true_flow + push[:, None, None])


def target_pairs(effort: Effort) -> FlowPairs:
    """Pairs of test frames of the target with the flow of its own hand, where the hand itself is seen; for scoring."""
    films = runs(effort, "test")
    first = films[:, 0 : -effort.interval : max(1, films.shape[1] // 10)].ravel()[:_MOST_JUDGED]
    second = first + effort.interval
    seen, known = pictures(effort, "test"), labels(effort, "test")
    before, after = (torch.from_numpy(np.array(seen.rgb[rows])).float() / 255 for rows in (first, second))
    meshes = [torch.from_numpy(np.array(known.vertices_m[rows])).float() for rows in (first, second)]
    cameras = [PerspectiveCamera(torch.from_numpy(np.array(seen.K[rows])).float()) for rows in (first, second)]
    faces = hand_stage(TARGET_HAND).model.faces
    flow, visible = render_flow(*meshes, faces, *cameras, effort.drawn_px)
    counted = visible & torch.from_numpy(np.array(known.mask[first]))
    return FlowPairs(before, after, flow, counted, counted)


@torch.no_grad()
def compare_methods(pairs: FlowPairs, network: FlowNetS) -> dict[str, float]:
    """End-point error (px of these pictures) on the hand: by the network, by DIS, and of no flow at all."""
    device = next(network.parameters()).device
    found = {
        "network": network(pairs.before.to(device), pairs.after.to(device)).cpu(),
        "dis": estimate_flow(pairs.before, pairs.after),
        "no_flow": torch.zeros_like(pairs.true_flow),
    }
    shown = pairs.counted.flatten(1).any(1)
    errors = {name: end_point_error(flow, pairs.true_flow, pairs.counted)[shown] for name, flow in found.items()}
    return {name: float(error.mean()) for name, error in errors.items()}


def load_flow_network(context: RunContext, recipe: FlowRecipe) -> FlowNetS:
    """The trained flow network, the same for every seed, and left as it is."""
    network = FlowNetS()
    network.load_state_dict(read_state(context.left_by(recipe, train_flow, FLOW_NETWORK, seed=0)))
    return network.requires_grad_(False).eval().to(context.device)
