"""Model-based tracking from depth: every frame is optimised by itself, under the energy that the network is trained on.

What "training by fitting" argues against (Wan et al., CVPR 2019, Sections 3.4 and 4.2). The unknowns are the sphere
centres of one frame instead of a network's weights; the terms are those of Eq. 4, without the consistency of views, as
there is one hand for all of them. Frames of a batch share no unknown: one Adam on the sum optimises each alone.
"""

from dataclasses import dataclass, field

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from tqdm import trange

from handlib.data.depth_views import CubeFrames
from handlib.errors import BadInputError
from handlib.hand.sphere_hand import SphereHand
from handlib.losses.depth_fitting import data_terms
from handlib.losses.sphere_priors import (
    BALANCED_WEIGHTS,
    FittingTerms,
    FittingWeights,
    bone_length_loss,
    collision_loss,
    fitting_objective,
)
from handlib.models.pose_vae import PoseVAE, pose_energy


@dataclass(frozen=True)
class TrackingSettings:
    """Effort and weights of the optimisation.

    Attributes:
        steps: gradient steps a frame.
        learning_rate_m: Adam's: how far (m) a coordinate may go in the first steps; falls to zero along a cosine.
        weights: of the terms; that of the consistency of views has nothing to weigh.
    """

    steps: int = 100
    learning_rate_m: float = 2e-3
    weights: FittingWeights = field(default=BALANCED_WEIGHTS)


@dataclass(frozen=True, eq=False)
class TrackingResult:
    """The fitted spheres: ``centres_m`` (B, 41, 3) in the world; ``energy`` (steps + 1, B), the start's first."""

    centres_m: Float[Tensor, "batch 41 3"]
    energy: Float[Tensor, "energies batch"]


def track_frames(
    start_m: Float[Tensor, "starts 41 3"],
    depth_m: Float[Tensor, "batch views size size"],
    frames: CubeFrames,
    spheres: SphereHand,
    vae: PoseVAE | None = None,
    *,
    usable: Bool[Tensor, "batch views"] | None = None,
    settings: TrackingSettings | None = None,
    progress: bool = False,
) -> TrackingResult:
    """Fit the spheres of every frame to its crops, from a start: the frame before, a network's estimate, a mean hand.

    Args:
        start_m: centres in the world.
        depth_m: crops in the cubes of one view or several, metres.
        frames: where the cubes lie.
        spheres: the hand whose radii and bone lengths are meant.
        vae: the pose prior, which sees the hand in the first view's cube; None goes without.
        usable: views to count; None takes all. A frame without any stays where it starts, but for its priors.
        settings: effort and weights.
        progress: show a progress bar.

    Raises:
        BadInputError: crops that are no metres, NaN, views without cubes, or no steps.
    """
    settings = TrackingSettings() if settings is None else settings
    if settings.steps < 1:
        raise BadInputError(f"steps is {settings.steps}, expected at least one")
    if depth_m.shape[:2] != frames.origin_m.shape[:2] or len(start_m) != len(depth_m):
        raise BadInputError(
            f"{len(start_m)} starts and crops of shape {tuple(depth_m.shape)} for frames and views "
            f"{tuple(frames.origin_m.shape[:2])}: expected one start a frame and one cube a crop"
        )
    centres = start_m.detach().clone().requires_grad_()
    optimizer = torch.optim.Adam([centres], lr=settings.learning_rate_m)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, settings.steps)
    history = []
    for _ in trange(settings.steps, disable=not progress):
        energy = tracking_energy(centres, depth_m, frames, spheres, vae, usable, settings.weights)
        history.append(energy.detach())
        optimizer.zero_grad()
        energy.sum().backward()
        optimizer.step()
        schedule.step()
    fitted = centres.detach()
    with torch.no_grad():
        history.append(tracking_energy(fitted, depth_m, frames, spheres, vae, usable, settings.weights))
    return TrackingResult(fitted, torch.stack(history))


def tracking_energy(
    centres_m: Float[Tensor, "batch 41 3"],
    depth_m: Float[Tensor, "batch views size size"],
    frames: CubeFrames,
    spheres: SphereHand,
    vae: PoseVAE | None = None,
    usable: Bool[Tensor, "batch views"] | None = None,
    weights: FittingWeights = BALANCED_WEIGHTS,
) -> Float[Tensor, " batch"]:
    """Eq. 4 of one hand a frame, held against all of its views; arguments as for :func:`track_frames`."""
    in_views = frames.from_world(centres_m[:, None])
    radii = spheres.radii_m.to(centres_m)
    model_to_data, data_to_model = data_terms(in_views, radii, depth_m, usable=usable, form=weights.form)
    nothing = torch.zeros_like(model_to_data)
    terms = FittingTerms(
        model_to_data=model_to_data,
        data_to_model=data_to_model,
        multi_view=nothing,
        vae=nothing if vae is None else pose_energy(vae, in_views[:, 0]),
        bone_length=bone_length_loss(centres_m, spheres.bone_lengths_m.to(centres_m), form=weights.form),
        collision=collision_loss(centres_m, radii, form=weights.form),
    )
    return fitting_objective(terms, weights)
