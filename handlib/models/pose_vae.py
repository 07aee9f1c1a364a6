"""What a hand pose looks like: a variational auto-encoder over sphere centres, the prior of Wan et al. (CVPR 2019).

It is trained on poses of the sampler, without any picture, and frozen. Its evidence lower bound (Eq. 13) then tells how
likely an estimate is; :func:`pose_energy` is that bound with the opposite sign, a loss in nats. Kingma & Welling,
"Auto-encoding variational Bayes", https://arxiv.org/abs/1312.6114. Sizes are the released ones: 123-256-256-32-256-256-
123, GroupNorm in 16 groups, coordinates in units of 100 mm.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from handlib.data.depth_cube import DEPTH_UNIT_M
from handlib.errors import BadInputError
from handlib.hand.sphere_hand import NUM_SPHERES

NUM_COORDINATES = 3 * NUM_SPHERES
HIDDEN, LATENT, GROUPS = 256, 32, 16
NOISE_SCALE = 0.1
"""How much of the encoder's own deviation the released code samples with, where it uses the prior."""

PRECISION_M = 0.02
"""Standard deviation of a coordinate around its reconstruction: what the likelihood calls a small error."""


class PoseCode(NamedTuple):
    """The Gaussian Q(z) of each pose: ``mean`` and ``log_variance`` (B, 32)."""

    mean: Float[Tensor, "batch latent"]
    log_variance: Float[Tensor, "batch latent"]


class PoseVAE(nn.Module):
    """Encoder and decoder of sphere centres in the cube frame (metres)."""

    def __init__(self, num_coordinates: int = NUM_COORDINATES, hidden: int = HIDDEN, latent: int = LATENT) -> None:
        super().__init__()
        self.encoder = nn.Sequential(*_layer(num_coordinates, hidden), *_layer(hidden, hidden))
        self.mean, self.log_variance = nn.Linear(hidden, latent), nn.Linear(hidden, latent)
        self.decoder = nn.Sequential(
            *_layer(latent, hidden), *_layer(hidden, hidden), nn.Linear(hidden, num_coordinates)
        )

    def encode(self, centres_m: Float[Tensor, "batch points 3"]) -> PoseCode:
        """Q(z) of poses; ``BadInputError`` where the number of points is not the trained one."""
        if 3 * centres_m.shape[1] != self.encoder[0].in_features:
            raise BadInputError(
                f"centres_m has {centres_m.shape[1]} points, expected {self.encoder[0].in_features // 3}: the spheres "
                "of the hand that the prior was trained with"
            )
        hidden = self.encoder(centres_m.flatten(1) / DEPTH_UNIT_M)
        return PoseCode(self.mean(hidden), self.log_variance(hidden))

    def decode(self, z: Float[Tensor, "batch latent"]) -> Float[Tensor, "batch points 3"]:
        """The pose that a code stands for; cube frame, metres."""
        return self.decoder(z).unflatten(1, (-1, 3)) * DEPTH_UNIT_M

    def forward(
        self, centres_m: Float[Tensor, "batch points 3"], noise: Float[Tensor, "batch latent"] | None = None
    ) -> tuple[Float[Tensor, "batch points 3"], PoseCode]:
        """Reconstruction and code; ``noise`` (standard normal numbers) draws z from Q, None takes its mean."""
        code = self.encode(centres_m)
        z = code.mean if noise is None else code.mean + noise * (code.log_variance / 2).exp()
        return self.decode(z), code


def kl_from_standard_normal(code: PoseCode) -> Float[Tensor, " batch"]:
    """``D_KL[Q(z) || N(0, I)]`` in nats, in closed form (Kingma & Welling, Appendix B)."""
    mean, log_variance = code
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(-1)


def pose_energy(
    vae: nn.Module,
    centres_m: Float[Tensor, "batch points 3"],
    noise: Float[Tensor, "batch latent"] | None = None,
    precision_m: float = PRECISION_M,
) -> Float[Tensor, " batch"]:
    """Eq. 13 with the opposite sign: ``-E[log P(pose | z)] + D_KL[Q || P]`` of each pose, nats, low for real hands.

    P(pose | z) is a Gaussian around the reconstruction; its constant is left out, so that a perfect reconstruction
    costs nothing. The expectation is taken at one z: the mean of Q, or ``noise`` away from it. The printed term is the
    bound itself, which is to be made large; a loss is to be made small. ``vae`` is a :class:`PoseVAE`, or one that a
    training loop has wrapped.
    """
    reconstruction, code = vae(centres_m, noise)
    misfit = ((reconstruction - centres_m) / precision_m).square().flatten(1).sum(-1) / 2
    return misfit + kl_from_standard_normal(code)


def fit_pose_vae(
    vae: PoseVAE,
    draw_poses: Callable[[int, int], Float[Tensor, "count points 3"]],
    *,
    steps: int,
    batch: int = 256,
    learning_rate: float = 1e-3,
    generator: torch.Generator | None = None,
    on_step: Callable[[int, float], None] | None = None,
) -> list[float]:
    """Train the prior in place on poses that are drawn as they are needed; it is then frozen.

    Args:
        vae: the network to train.
        draw_poses: ``draw_poses(start, count)`` gives the centres (cube frame, m) of poses ``start``, ...
        steps: gradient steps of Adam, the learning rate falling to 0 along a cosine.
        batch: poses a step.
        learning_rate: at the start.
        generator: of the noise, on the network's device; None is torch's own.
        on_step: called with the number of each step and its energy, for a progress bar.

    Returns:
        The mean energy of every step.

    Raises:
        BadInputError: the energy is no number any more.
    """
    parameters = list(vae.parameters())
    optimizer = torch.optim.Adam(parameters, lr=learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max(steps, 1))
    history = []
    for step in range(steps):
        centres = draw_poses(step * batch, batch).to(parameters[0])
        noise = torch.randn(len(centres), vae.mean.out_features, generator=generator, device=centres.device)
        energy = pose_energy(vae, centres, noise).mean()
        optimizer.zero_grad()
        energy.backward()
        optimizer.step()
        schedule.step()
        history.append(float(energy.detach()))
        if not history[-1] < float("inf"):
            raise BadInputError(f"the pose prior diverged at step {step}: lower learning_rate, now {learning_rate:g}")
        if on_step is not None:
            on_step(step, history[-1])
    vae.requires_grad_(False).eval()
    return history


def _layer(inputs: int, outputs: int) -> tuple[nn.Module, ...]:
    return nn.Linear(inputs, outputs), nn.GroupNorm(GROUPS, outputs), nn.ReLU(inplace=True)
