"""The loss on unlabelled frames (Eq. 4), beside that on synthetic crops, as an objective of the training loop."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from handlib.data.depth_cache import ViewCrops
from handlib.data.depth_cube import denormalise_depth
from handlib.errors import BadInputError
from handlib.experiments.training_by_fitting.batches import DepthTrainingBatch
from handlib.experiments.training_by_fitting.supervision import SyntheticObjective
from handlib.hand.sphere_hand import SphereHand
from handlib.losses.depth_fitting import multi_view_loss
from handlib.losses.sphere_priors import FittingTerms, FittingWeights, fitting_objective, fitting_terms
from handlib.models.depth_hourglass import SphereEstimate
from handlib.models.depth_readout import heatmap_variance
from handlib.models.pose_vae import PoseVAE, pose_energy
from handlib.training.loop import StepOutput

AVERAGES = ("median", "mean", "narrowest")


@dataclass(frozen=True, eq=False)
class FittingObjective:
    """The loss of a step: Eq. 4 of the frames, and supervision of the synthetic crops, summed over the stacks.

    Attributes:
        spheres: the hand that is fitted.
        prior: the frozen pose prior; None leaves it out.
        weights: of Eq. 4.
        average: what the views of a frame are drawn to, one of :data:`AVERAGES`.
        synthetic: the loss of the synthetic crops.
    """

    spheres: SphereHand
    prior: PoseVAE | None = None
    weights: FittingWeights = field(default_factory=FittingWeights)
    average: str = "median"
    synthetic: SyntheticObjective = field(default_factory=SyntheticObjective)

    def __post_init__(self) -> None:
        """Refuse a name that means nothing."""
        if self.average not in AVERAGES:
            raise BadInputError(f"average {self.average!r}: expected one of {AVERAGES}")

    def __call__(self, network: nn.Module, batch: DepthTrainingBatch, step: int) -> StepOutput:
        """One step's loss; all crops pass the network together, which GroupNorm allows."""
        labelled = len(batch.synthetic)
        estimates = network(torch.cat([batch.synthetic.depth, batch.views.depth.flatten(0, 1)]))
        known, unknown = (
            [SphereEstimate(*(x[rows] for x in said)) for said in estimates]
            for rows in (slice(labelled), slice(labelled, None))
        )
        synthetic = self.synthetic.loss(known, batch.synthetic)
        fits = [self._fitted(said, batch) for said in unknown]
        fitting = sum(fitting_objective(terms, self.weights).mean() for terms in fits)
        parts = {name: term.mean() for name, term in fits[-1]._asdict().items()}
        return StepOutput(synthetic + fitting, {"synthetic": synthetic, "fitting": fitting, **parts})

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
