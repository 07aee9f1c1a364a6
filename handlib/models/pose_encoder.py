"""From joints to the numbers of a pose, learnt: SeqHAND's encoder of the poses that it renders.

Yang et al., ECCV 2020, section 3.2: "an encoder with four MLP layers which takes inputs of 3D coordinates for 21 joints
... is trained to output corresponding pose parameters for MANO hand model based on the reconstruction loss between the
inputs and the outputs of the hand model. During this training, MANO hand model is detached". No pose is labelled: an
auto-encoder whose decoder is the hand.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from handlib.errors import BadInputError
from handlib.hand.hand_code import posed_joints, turn_points
from handlib.hand.model import HandModel

PAPER_WIDTHS = (256, 512, 256)
"""Four layers, the last one included; the paper says nothing of their widths."""

RELEASED_WIDTHS = (256, 512, 1024, 512, 256, 128)
"""Seven layers in the released code."""

FIRST_DEVIATION = 1e-3
"""Of the last layer's weights before training."""

LENGTH_UNIT_M = 0.1
GREATEST_ROTATION, GREATEST_POSE, GREATEST_SHAPE = math.pi, 3.5, 2.0
"""What the last tanh is multiplied with, as released."""


class PoseParameters(NamedTuple):
    """Of each hand: ``rotation`` (B, 3) axis-angle of its joints from the model's frame, ``pose`` and ``shape``."""

    rotation: Float[Tensor, "batch 3"]
    pose: Float[Tensor, "batch num_pose"]
    shape: Float[Tensor, "batch num_shape"]


class PoseEncoder(nn.Module):
    """Linear layers with batch normalisation and tanh; 63 coordinates in, rotation, pose and shape out."""

    def __init__(self, widths: tuple[int, ...] = PAPER_WIDTHS, num_pose: int = 10, num_shape: int = 10) -> None:
        """Build the layers; ``widths`` is :data:`PAPER_WIDTHS`, :data:`RELEASED_WIDTHS` or your own."""
        super().__init__()
        outputs = 3 + num_pose + num_shape
        layers: list[nn.Module] = []
        for inputs, width in zip((63, *widths), widths, strict=False):
            layers += [nn.Linear(inputs, width), nn.BatchNorm1d(width), nn.Tanh()]
        last = nn.Linear(widths[-1], outputs)
        # Every hand begins as nearly the same one: from turns drawn at random, few find back to the right one.
        nn.init.normal_(last.weight, std=FIRST_DEVIATION)
        nn.init.zeros_(last.bias)
        self.layers = nn.Sequential(*layers, last, nn.Tanh())
        self.sizes = [3, num_pose, num_shape]

    def forward(self, joints_m: Float[Tensor, "batch 21 3"]) -> PoseParameters:
        """Parameters of joints with the wrist at the origin, metres, in the frame that it was trained on."""
        rotation, pose, shape = self.layers(joints_m.flatten(1) / LENGTH_UNIT_M).split(self.sizes, dim=1)
        return PoseParameters(GREATEST_ROTATION * rotation, GREATEST_POSE * pose, GREATEST_SHAPE * shape)

    @torch.no_grad()
    def pose(self, joints_m: Float[Tensor, "batch 21 3"]) -> Float[Tensor, "batch num_pose"]:
        """The pose alone, for films, whose turn and shape are drawn on their own; in the joints' dtype."""
        return self(joints_m.to(self.layers[0].weight)).pose.to(joints_m)


def reconstruction_loss(
    hand: HandModel, parameters: PoseParameters, joints_m: Float[Tensor, "batch 21 3"]
) -> Float[Tensor, "batch"]:
    """Mean squared distance of the hand's joints from those that the encoder was given, in decimetres squared.

    Gradients pass through the hand to the encoder, and none of the hand's numbers is learnt.
    """
    joints = turn_points(posed_joints(hand, parameters.pose, parameters.shape), parameters.rotation)
    return ((joints - joints_m) / LENGTH_UNIT_M).square().sum(-1).mean(1)


def fit_pose_encoder(
    encoder: PoseEncoder,
    hand: HandModel,
    joints_m: Float[np.ndarray, "poses 21 3"],
    *,
    steps: int,
    batch: int = 256,
    learning_rate: float = 1e-3,
    seed: int = 0,
    on_step: Callable[[int, float], None] | None = None,
) -> list[float]:
    """Train an encoder in place on the poses of a database; it is then frozen, in evaluation mode.

    Args:
        encoder: to train.
        hand: loaded with ``pose_space="pca"`` and as many components as the encoder gives.
        joints_m: of :class:`~handlib.data.pose_database.PoseDatabase`.
        steps: of Adam, the learning rate falling to 0 along a cosine.
        batch: poses a step.
        learning_rate: at the start.
        seed: of the order of the poses.
        on_step: called with the number of each step and its loss, for a progress bar.

    Returns:
        The mean loss of every step.

    Raises:
        BadInputError: the loss is no number any more.
    """
    stream = np.random.default_rng(seed)
    parameters = list(encoder.parameters())
    optimizer = torch.optim.Adam(parameters, lr=learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max(steps, 1))
    encoder.train()
    history = []
    for step in range(steps):
        joints = torch.from_numpy(joints_m[stream.integers(len(joints_m), size=batch)]).to(parameters[0])
        loss = reconstruction_loss(hand, encoder(joints), joints).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        history.append(float(loss.detach()))
        if not math.isfinite(history[-1]):
            raise BadInputError(f"the pose encoder diverged at step {step}: lower learning_rate, now {learning_rate:g}")
        if on_step is not None:
            on_step(step, history[-1])
    encoder.requires_grad_(False).eval()
    return history
