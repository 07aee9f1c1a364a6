"""The pose prior of Eq. 13, trained once on sampled poses: no picture, and no hand of the target."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from handlib.data.depth_source import SyntheticDepth
from handlib.experiments.training_by_fitting.effort import effort_of
from handlib.experiments.training_by_fitting.recipes import DepthRecipe, PriorRecipe, prior_of
from handlib.experiments.training_report import log_curves, speed_of
from handlib.models.pose_vae import LATENT, PoseVAE, pose_energy
from handlib.reproduce.recipe import RunContext
from handlib.reproduce.results import Metric, Outcome
from handlib.reproduce.state import read_state, write_state
from handlib.training.loop import StepOutput, TrainSettings, fit_network

PRIOR_FILE = "prior.safetensors"
SCATTER_M = 0.01
_MOST_JUDGED = 500


def train_prior(context: RunContext) -> Outcome:
    """The work of a :class:`PriorRecipe`: train the auto-encoder, and see whether it tells hands from what is none."""
    recipe: PriorRecipe = context.recipe
    effort = effort_of(context.profile, recipe.effort)
    torch.manual_seed(context.seed)
    vae = PoseVAE()
    source = SyntheticDepth(seed=context.seed)

    def draw(step: int, rank: int, ranks: int) -> Float[Tensor, "poses 41 3"]:
        share = max(1, effort.prior_batch // ranks)
        return source.sphere_centres((step * ranks + rank) * share, share)

    settings = TrainSettings(effort.prior_steps, learning_rate=effort.learning_rate, schedule="cosine", clip_norm=0.0)
    log = fit_network(context, vae, prior_objective, draw, settings)
    write_state(context.artifact_path(PRIOR_FILE), vae.state_dict())
    held_out = SyntheticDepth(seed=context.seed, split="test")
    real = held_out.sphere_centres(0, min(effort.synthetic_test, _MOST_JUDGED)).to(context.device)
    return Outcome({**judge_prior(vae, real), **speed_of(log)}, log_curves(log))


def prior_objective(network: nn.Module, centres_m: Float[Tensor, "poses 41 3"], step: int) -> StepOutput:
    """The energy of sampled poses, at codes that are drawn."""
    energy = pose_energy(network, centres_m, torch.randn(len(centres_m), LATENT, device=centres_m.device)).mean()
    return StepOutput(energy, {})


@torch.no_grad()
def judge_prior(vae: PoseVAE, real_m: Float[Tensor, "poses 41 3"]) -> dict[str, Metric]:
    """Energy (nats) of held-out poses and of the same with every sphere displaced by some 10 mm, and how often the
    second is higher; how far (mm) reconstructed spheres are from their places."""
    generator = torch.Generator().manual_seed(0)
    displaced = real_m + SCATTER_M / 3**0.5 * torch.randn(real_m.shape, generator=generator).to(real_m)
    energies = {"real": pose_energy(vae, real_m), "displaced": pose_energy(vae, displaced)}
    astray_mm = 1000 * (vae(real_m)[0] - real_m).norm(dim=-1)
    return {
        **{f"energy_{name}": Metric(float(energy.mean()), "nat") for name, energy in energies.items()},
        "told_apart": Metric(100 * float((energies["displaced"] > energies["real"]).float().mean()), "%"),
        "reconstruction_error": Metric(float(astray_mm.mean()), "mm", "none"),
    }


def frozen_prior(context: RunContext, recipe: DepthRecipe) -> PoseVAE:
    """The trained prior on the run's device: the same for every seed, trained first if need be."""
    vae = PoseVAE()
    vae.load_state_dict(read_state(context.left_by(prior_of(recipe), train_prior, PRIOR_FILE, seed=0)))
    return vae.requires_grad_(False).eval().to(context.device)
