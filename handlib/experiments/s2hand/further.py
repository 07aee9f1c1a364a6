"""Table 4 and 5 once more, from a network that sees 3D already: what does each of S2HAND's losses add to it?

The rows of :mod:`~handlib.experiments.s2hand.recipes` begin with an encoder that has seen no 3D, and a training that
fits a CPU teaches them none: such rows cannot tell one loss from another. These begin with the released network, and
learn further from the target's training pictures with an off-the-shelf detector's keypoints. The keypoints that the
network reads off the picture play the part of the paper's 2D branch.
"""

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from handlib.errors import BadInputError, MissingFileError
from handlib.experiments.s2hand.effort import Effort, effort_of
from handlib.experiments.s2hand.found import found_pictures
from handlib.experiments.s2hand.lifted import score_on_target
from handlib.experiments.s2hand.lifted_task import LiftedTask
from handlib.experiments.s2hand.lifting import AUGMENTATION
from handlib.experiments.s2hand.objective import S2HandTask
from handlib.experiments.s2hand.recipes import TargetRecipe
from handlib.experiments.s2hand.supervision import NETWORK
from handlib.experiments.training_report import log_curves, speed_of
from handlib.losses.s2hand import S2HAND_WEIGHTS, S2HandWeights
from handlib.models.checkpoint_file import load_network
from handlib.models.images import normalise_images
from handlib.models.s2hand import S2HandNetwork
from handlib.pretrained import RELEASED
from handlib.reproduce.digest import digest_files
from handlib.reproduce.profiles import by_profile
from handlib.reproduce.recipe import RunContext
from handlib.reproduce.results import Outcome
from handlib.reproduce.state import write_state
from handlib.training.batches import BatchDrawer
from handlib.training.loop import StepOutput, TrainSettings, fit_network

HANDS_WEIGHT = 0.5
"""Weight (per metre) of hands without a picture, to the projected joints' 0.001 a pixel; as in S2HAND(V)'s rows."""


@dataclass(frozen=True, kw_only=True)
class FurtherRecipe(TargetRecipe):
    """The released network, taught further by some of S2HAND's losses.

    Attributes:
        effort: ``first_steps`` and ``learning_rate`` are this training's.
        keypoints: "found" by the off-the-shelf detector, with its confidences, or "true" (the paper's WSL).
        orientation, branch, photometric: whether E_ori; E_2d with E_con; E_photo count.
        hands: without a picture, in a step; 0 leaves depth to the losses.
        stored_px: side of the pictures that those of the network are cut from.
        trained: whether anything is learnt; the row that does not is where all others begin.
    """

    effort: Effort = Effort(image_px=112, first_steps=500, learning_rate=3e-4)
    keypoints: str = "found"
    orientation: bool = True
    branch: bool = True
    photometric: bool = True
    hands: int = 64
    stored_px: int = 144
    trained: bool = True

    def data_digest(self) -> str:
        """Digest of the released network, with which every row begins; the pictures are generated."""
        return digest_files(RELEASED.parent, [RELEASED])


class FurtherTask(S2HandTask):
    """S2HAND's task, for a network that reads keypoints and lifts them."""

    def __init__(
        self,
        network: S2HandNetwork,
        weights: S2HandWeights,
        *,
        branch: bool,
        hands: int,
        stock: int,
        render_px: int,
        seed: int,
    ) -> None:
        """Put the parts together.

        Args:
            network: with ``image_keypoints``, and with texture where the photometric terms count.
            weights: of the terms.
            branch: whether the keypoints that are read are compared with the detected ones (E_2d) and with the
                projected joints (E_con).
            hands, stock: without a picture, in a step and in all.
            render_px: side of the renderings.
            seed: of the hands without a picture.
        """
        super().__init__(network, None, weights, render_px=render_px)
        self.reads = branch
        self.without_picture = LiftedTask(network, hands=stock, hands_per_step=hands, seed=seed) if hands else None

    def forward(self, inputs: dict[str, Tensor], step: int) -> dict[str, Any]:
        """The loss of a batch and its parts; ``step`` gives the hands without a picture."""
        prediction = self.network(normalise_images(inputs["images"]), inputs["K"])
        # A joint that perspective sends behind the camera has no place in the picture; the other terms bring it back.
        shown = prediction.joints_2d_px.isfinite().all(-1, keepdim=True)
        projected = torch.where(shown, prediction.joints_2d_px, inputs["keypoints_px"])
        read = prediction.keypoints.points_px[:, None] if self.reads else None
        found = self.objective(inputs, replace(prediction, joints_2d_px=projected), read)
        if self.without_picture is not None:
            lifted = self.without_picture.lifting_terms(step, inputs["images"].shape[1])["lifted"]
            found["terms"]["lifted"] = lifted
            found["loss"] = found["loss"] + HANDS_WEIGHT * lifted
        return found


def further_objective(task: nn.Module, batch: Any, step: int) -> StepOutput:
    """The objective of a batch, as :func:`handlib.training.loop.fit_network` asks for it."""
    found = task(vars(batch), step)
    return StepOutput(found["loss"], found["terms"])


def train_further(context: RunContext) -> Outcome:
    """The work of a :class:`FurtherRecipe`: train, leave the weights, and score the network on all test stills.

    Raises:
        BadInputError: keypoints of an unknown name.
    """
    recipe: FurtherRecipe = context.recipe
    if recipe.keypoints not in ("found", "true"):
        raise BadInputError(f"keypoints {recipe.keypoints!r}: expected 'found' or 'true'")
    effort = effort_of(context.profile, recipe.effort)
    network = starting_network(recipe.photometric, effort, context.seed)
    if not recipe.trained:
        return Outcome(*score_on_target(network.eval(), effort))
    stored_px = by_profile(context.profile, smoke=effort.image_px, laptop=effort.image_px, full=recipe.stored_px)
    try:
        pictures = found_pictures(context, stored_px, true_keypoints=recipe.keypoints == "true")
    except MissingFileError as error:
        return Outcome(not_obtained=str(error))
    drawer = BatchDrawer([pictures], [effort.batch], effort.image_px, AUGMENTATION, context.seed)
    task = FurtherTask(
        network,
        weights_of(recipe),
        branch=recipe.branch,
        hands=min(recipe.hands, 4 * effort.batch),
        stock=by_profile(context.profile, smoke=64, laptop=10_000, full=100_000),
        render_px=effort.render_px,
        seed=context.seed,
    )
    settings = TrainSettings(effort.first_steps, effort.learning_rate, schedule="halves")
    log = fit_network(context, task, further_objective, drawer.draw, settings)
    write_state(context.artifact_path(NETWORK), network.state_dict())
    metrics, curves = score_on_target(network.eval(), effort)
    return Outcome({**metrics, **speed_of(log)}, {**curves, **log_curves(log)})


def starting_network(texture: bool, effort: Effort, seed: int) -> S2HandNetwork:
    """The released network; with ``texture``, a head that nobody has trained yet is drawn from the seed."""
    released, _ = load_network(RELEASED)
    torch.manual_seed(seed)
    network = S2HandNetwork(replace(released.config, texture=texture), imagenet=False)
    network.load_state_dict({**network.state_dict(), **released.state_dict()})
    network.encoder.freeze(effort.frozen_stages)
    return network.to(memory_format=torch.channels_last)


def weights_of(recipe: FurtherRecipe) -> S2HandWeights:
    """The paper's weights, without the terms that the row leaves out."""
    weights = S2HAND_WEIGHTS["paper"]
    return replace(
        weights,
        orientation=weights.orientation * recipe.orientation,
        photometric=weights.photometric * recipe.photometric,
        keypoints_2d=weights.keypoints_2d * recipe.branch,
        consistency=weights.consistency * recipe.branch,
    )
