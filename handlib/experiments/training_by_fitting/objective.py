"""The two losses of the chapter as objectives of the training loop: on synthetic crops, and on unlabelled frames."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from handlib.data.depth_cache import ViewCrops
from handlib.data.depth_cube import denormalise_depth
from handlib.data.depth_source import DepthBatch
from handlib.errors import BadInputError
from handlib.experiments.training_by_fitting.batches import DepthTrainingBatch
from handlib.hand.sphere_hand import SphereHand
from handlib.losses.depth_fitting import multi_view_loss
from handlib.losses.depth_supervision import map_loss, position_loss
from handlib.losses.sphere_priors import FittingTerms, FittingWeights, fitting_objective, fitting_terms
from handlib.models.depth_hourglass import DepthEstimator, SphereEstimate
from handlib.models.depth_readout import heatmap_variance
from handlib.models.pose_vae import PoseVAE, pose_energy
from handlib.training.loop import StepOutput

SUPERVISIONS = ("maps", "positions")
AVERAGES = ("median", "mean", "narrowest")


class AllStacks(nn.Module):
    """A depth network whose ``forward`` gives the estimates of all its stacks, each of which is trained."""

    def __init__(self, network: DepthEstimator) -> None:
        super().__init__()
        self.network = network

    def forward(self, depth: Float[Tensor, "batch size size"]) -> list[SphereEstimate]:
        """Estimates of normalised crops, the last stack's last."""
        return self.network.estimates(depth)


@dataclass(frozen=True, eq=False)
class DepthObjective:
    """The loss of a step: supervision of synthetic crops, and Eq. 4 where there are frames, summed over the stacks.

    Attributes:
        supervision: one of :data:`SUPERVISIONS`.
        spheres: the hand that is fitted; None where no frames are seen.
        prior: the frozen pose prior; None leaves it out.
        weights: of Eq. 4.
        average: one of :data:`AVERAGES`.
    """

    supervision: str = "maps"
    spheres: SphereHand | None = None
    prior: PoseVAE | None = None
    weights: FittingWeights = field(default_factory=FittingWeights)
    average: str = "median"

    def __post_init__(self) -> None:
        """Refuse names that mean nothing."""
        if self.supervision not in SUPERVISIONS or self.average not in AVERAGES:
            raise BadInputError(
                f"supervision {self.supervision!r}, average {self.average!r}: expected one of {SUPERVISIONS} and one "
                f"of {AVERAGES}"
            )

    def __call__(self, network: nn.Module, batch: DepthTrainingBatch, step: int) -> StepOutput:
        """One step's loss; all crops pass the network together, which GroupNorm allows."""
        labelled = len(batch.synthetic)
        crops = batch.synthetic.depth
        if batch.views is not None:
            crops = torch.cat([crops, batch.views.depth.flatten(0, 1)])
        estimates = network(crops)
        synthetic = sum(
            self._supervised(SphereEstimate(*(x[:labelled] for x in said)), batch.synthetic) for said in estimates
        )
        if batch.views is None:
            return StepOutput(synthetic, {"synthetic": synthetic})
        fits = [self._fitted(SphereEstimate(*(x[labelled:] for x in said)), batch) for said in estimates]
        fitting = sum(fitting_objective(terms, self.weights).mean() for terms in fits)
        parts = {name: term.mean() for name, term in fits[-1]._asdict().items()}
        return StepOutput(synthetic + fitting, {"synthetic": synthetic, "fitting": fitting, **parts})

    def _supervised(self, said: SphereEstimate, labels: DepthBatch) -> Float[Tensor, ""]:
        if self.supervision == "positions":
            return position_loss(said.centres_m, labels.centres_m)
        return map_loss(said.heatmaps, said.latent_depth, labels.centres_m)

    def _fitted(self, said: SphereEstimate, batch: DepthTrainingBatch) -> FittingTerms:
        """The terms of Eq. 4 of every frame: those whose views belong together first."""
        shape = batch.views.usable.shape
        centres = said.centres_m.unflatten(0, shape)
        variance = heatmap_variance(said.heatmaps.detach()).unflatten(0, shape)
        parts = [
            self.terms(centres[rows], batch.views, rows, linked, variance[rows])
            for linked, rows in ((True, batch.together), (False, ~batch.together))
            if bool(rows.any())
        ]
        return FittingTerms(*(torch.cat(terms) for terms in zip(*parts, strict=True)))

    def terms(
        self,
        centres_m: Float[Tensor, "chosen views 41 3"],
        views: ViewCrops,
        rows: Bool[Tensor, "frames"],
        linked: bool,
        variance: Float[Tensor, "chosen views 41"],
    ) -> FittingTerms:
        """The terms of chosen frames.

        Args:
            centres_m: what the network says of them.
            views: the step's frames.
            rows: which of them are chosen.
            linked: whether their views are known to belong together; else every crop is by itself.
            variance: of the heatmaps, m^2.
        """
        frames, usable = views.frames[rows] if linked else None, views.usable[rows]
        energy: Callable[[Tensor], Tensor] | None = None if self.prior is None else partial(pose_energy, self.prior)
        depth_m = denormalise_depth(views.depth[rows])
        terms = fitting_terms(
            centres_m, depth_m, self.spheres, frames, pose_energy=energy, usable=usable, form=self.weights.form
        )
        if not linked or self.average == "median":
            return terms
        other = {"average": "mean"} if self.average == "mean" else {"variance": variance}
        return terms._replace(multi_view=multi_view_loss(centres_m, frames, usable, **other))
