"""The lifting head, taught what a real detector does wrong: ``s2hand-detected-lifting``.

It begins as the released network's head and goes on with pairs of detected keypoints and rendered hands
(:mod:`~handlib.experiments.s2hand.pairs`), seen as :func:`handlib.reconstruct` shows them to it: in squares around the
keypoints, turned to all sides. Hands without a picture stay with it, so that it forgets no pose.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from handlib.crops import square_box
from handlib.errors import MissingFileError
from handlib.experiments.s2hand.lifted_task import LiftedTask
from handlib.experiments.s2hand.lifting import CHAPTER, NETWORK
from handlib.experiments.s2hand.pairs import PAIRS, PairsRecipe, find_pairs
from handlib.experiments.training_report import log_curves, speed_of
from handlib.losses.supervised import joints_3d_loss
from handlib.metrics.alignment import procrustes_rigid
from handlib.metrics.errors import point_errors
from handlib.models.checkpoint_file import load_network, save_network
from handlib.models.keypoint_readout import ReadKeypoints
from handlib.models.s2hand import S2HandNetwork
from handlib.pretrained import RELEASED
from handlib.reconstruction.views import BOX_FACTOR, make_views
from handlib.reproduce.digest import digest_files
from handlib.reproduce.profiles import by_profile
from handlib.reproduce.recipe import Recipe, RunContext
from handlib.reproduce.results import Metric, Outcome
from handlib.reproduce.state import read_state
from handlib.training.lifting import step_generator
from handlib.training.loop import StepOutput, TrainSettings, fit_network

HELD_OUT = 10
"""One hand in so many is kept for scoring, with all of its pairs: the domains show the same hands before other things.
"""
_ZOOM = 0.08


@dataclass(frozen=True, kw_only=True)
class DetectedLiftingRecipe(Recipe):
    """The second schooling of the lifting head.

    Attributes:
        pairs: what it learns from.
        steps, learning_rate: of the training.
        pairs_per_step, hands_per_step: pairs, and hands without a picture, in a step.
        hands: stock of hands without a picture.
    """

    chapter: str = CHAPTER
    name: str = "s2hand-detected-lifting"
    dataset: str = "detected keypoints of rendered hands"
    columns: Mapping[str, str] = field(default_factory=dict)
    pairs: tuple[PairsRecipe, ...] = (PairsRecipe(),)
    steps: int = 3000
    learning_rate: float = 5e-4
    pairs_per_step: int = 256
    hands_per_step: int = 256
    hands: int = 400_000

    def data_digest(self) -> str:
        """Digest of the released network, with which the training begins; the pictures are generated."""
        return digest_files(RELEASED.parent, [RELEASED])


@dataclass(frozen=True, eq=False)
class Pairs:
    """Detected keypoints (N, 21, 2) px and confidences (N, 21), cameras (N, 3, 3) px and hands (N, 21, 3) m."""

    keypoints_px: Float[Tensor, "pairs 21 2"]
    confidence: Float[Tensor, "pairs 21"]
    K: Float[Tensor, "pairs 3 3"]
    joints_m: Float[Tensor, "pairs 21 3"]

    def __len__(self) -> int:
        return len(self.K)

    def __getitem__(self, rows: Tensor | slice) -> "Pairs":
        """Some of them."""
        return Pairs(self.keypoints_px[rows], self.confidence[rows], self.K[rows], self.joints_m[rows])

    def to(self, device: torch.device | str) -> "Pairs":
        """On another device."""
        return Pairs(*(values.to(device) for values in vars(self).values()))


class PairsTask(nn.Module):
    """What is trained, with its objective: lifted pairs, and lifted hands without a picture."""

    def __init__(self, network: S2HandNetwork, *, hands: int, hands_per_step: int, seed: int) -> None:
        """Put the parts together; arguments as for :class:`LiftedTask`. Only the lifting head is trained."""
        super().__init__()
        self.without_picture = LiftedTask(network, hands=hands, hands_per_step=hands_per_step, seed=seed)
        self.network, self.seed = network, seed
        network.requires_grad_(False)
        network.geometry.requires_grad_(True)
        network.geometry.glance.requires_grad_(False)

    def forward(self, pairs: Pairs, step: int) -> dict[str, Any]:
        """The loss of a step and its parts."""
        terms = self.without_picture.lifting_terms(step, self.network.config.image_px)
        generator = step_generator(self.seed + 1, step)
        turn = 2 * math.pi * torch.rand(len(pairs), generator=generator).to(pairs.K)
        zoom = float(torch.empty(1).uniform_(1 - _ZOOM, 1 + _ZOOM, generator=generator))
        lifted, true_m = lift_pairs(self.network, pairs, turn, zoom)
        terms["paired"] = joints_3d_loss(lifted, true_m).mean()
        weights = self.without_picture.weights
        loss = sum(getattr(weights, "lifted" if name == "paired" else name) * value for name, value in terms.items())
        return {"loss": loss, "terms": terms}


def lift_pairs(
    network: S2HandNetwork, pairs: Pairs, turn_rad: Float[Tensor, "pairs"], zoom: float = 1.0
) -> tuple[Float[Tensor, "pairs 21 3"], Float[Tensor, "pairs 21 3"]]:
    """Joints (m) that the network lifts the keypoints to, seen in turned squares around them, and the true ones.

    Views are made on the CPU, as for :func:`handlib.reconstruct`; the answers are on the network's device.
    """
    device, view_px = next(network.parameters()).device, network.config.image_px
    pairs = pairs.to("cpu")
    centre, side = square_box(pairs.keypoints_px, BOX_FACTOR)
    right = torch.zeros(len(pairs), dtype=torch.bool)
    view = make_views(centre, side, right, view_px, pairs.K, turn_rad.cpu(), zoom)
    seen = ReadKeypoints(view.pixels_to_view(pairs.keypoints_px).to(device), pairs.confidence.to(device))
    true_m = pairs.joints_m @ view.to_frame.mT
    return network.lift(seen, view_px, view.K.to(device)).joints, true_m.to(device)


def train_detected_lifting(context: RunContext) -> Outcome:
    """The work of a :class:`DetectedLiftingRecipe`: leaves the network with its new head."""
    recipe: DetectedLiftingRecipe = context.recipe
    try:
        pairs = read_pairs(context, recipe.pairs)
    except MissingFileError as error:
        return Outcome(not_obtained=str(error))
    known, new = split_by_hand(pairs)
    network, _ = load_network(RELEASED)
    before = aligned_mm(network, new)
    task = PairsTask(
        network,
        hands=by_profile(context.profile, smoke=64, laptop=20_000, full=recipe.hands),
        hands_per_step=by_profile(context.profile, smoke=8, laptop=128, full=recipe.hands_per_step),
        seed=context.seed,
    )
    steps = by_profile(context.profile, smoke=2, laptop=200, full=recipe.steps)
    settings = TrainSettings(
        steps, recipe.learning_rate, optimiser="adamw", weight_decay=1e-3, schedule="cosine", clip_norm=5.0
    )

    def draw(step: int, rank: int, ranks: int) -> Pairs:
        rows = torch.randint(len(known), (recipe.pairs_per_step,), generator=step_generator(context.seed + 2, step))
        return known[rows[rank::ranks]]

    log = fit_network(context, task, pairs_objective, draw, settings)
    save_network(context.artifact_path(NETWORK), network.eval(), {"recipe": recipe.name, "seed": context.seed})
    after, on_known = aligned_mm(network, new), aligned_mm(network, known)
    metrics = {
        "paired_before": Metric(before, "mm", "procrustes"),
        "paired_after": Metric(after, "mm", "procrustes"),
        "paired_learnt_from": Metric(on_known, "mm", "procrustes"),
        "hands": Metric(len(known), "1"),
        "hands_held_out": Metric(len(new), "1"),
    }
    return Outcome({**metrics, **speed_of(log)}, log_curves(log))


def pairs_objective(task: nn.Module, pairs: Pairs, step: int) -> StepOutput:
    """The objective of a batch, as :func:`handlib.training.loop.fit_network` asks for it."""
    found = task(pairs, step)
    return StepOutput(found["loss"], found["terms"])


def read_pairs(context: RunContext, recipes: tuple[PairsRecipe, ...]) -> Pairs:
    """The pairs that these recipes' runs leave.

    Raises:
        MissingFileError: one has left none (no detector, or no photographs to stand behind hands), or too few are there
            to keep some for scoring.
    """
    states = [read_state(context.left_by(recipe, find_pairs, PAIRS, seed=0)) for recipe in recipes]
    states = [state for state in states if len(state["K"])]
    if sum(len(state["K"]) for state in states) < 2:
        names = ", ".join(recipe.name for recipe in recipes)
        raise MissingFileError(f"{names}: the detector found fewer than two hands; let it look at more pictures")
    columns = ("keypoints_px", "confidence", "K", "joints_m")
    return Pairs(*(torch.from_numpy(np.concatenate([np.array(state[name]) for state in states])) for name in columns))


def split_by_hand(pairs: Pairs) -> tuple[Pairs, Pairs]:
    """Pairs to learn from, and pairs of other hands to be scored on; each has one at least."""
    _, hand = torch.unique(pairs.joints_m.flatten(1), dim=0, return_inverse=True)
    held_out = hand % HELD_OUT == 0
    if bool(held_out.all()):  # one hand alone
        held_out = torch.arange(len(pairs)) == 0
    return pairs[~held_out], pairs[held_out]


@torch.no_grad()
def aligned_mm(network: S2HandNetwork, pairs: Pairs) -> float:
    """Mean distance (mm) of the lifted joints from the true ones after Procrustes alignment, unturned."""
    network.eval()
    lifted, true_m = (x.double().cpu().numpy() for x in lift_pairs(network, pairs, torch.zeros(len(pairs))))
    return float(1000 * point_errors(procrustes_rigid(lifted, true_m), true_m).mean())
