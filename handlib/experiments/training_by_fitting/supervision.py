"""The loss on labelled synthetic crops (Section 3.3) as an objective of the training loop, in both of its ways."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

from handlib.data.depth_source import DepthBatch
from handlib.errors import BadInputError
from handlib.experiments.training_by_fitting.batches import DepthTrainingBatch
from handlib.losses.depth_supervision import map_loss, position_loss
from handlib.models.depth_hourglass import DepthEstimator, SphereEstimate
from handlib.training.loop import StepOutput

SUPERVISIONS = {
    "maps": lambda said, true_m: map_loss(said.heatmaps, said.latent_depth, true_m),
    "positions": lambda said, true_m: position_loss(said.centres_m, true_m),
}


class AllStacks(nn.Module):
    """A depth network whose ``forward`` gives the estimates of all its stacks, each of which is trained."""

    def __init__(self, network: DepthEstimator) -> None:
        super().__init__()
        self.network = network

    def forward(self, depth: Float[Tensor, "batch size size"]) -> list[SphereEstimate]:
        """Estimates of normalised crops, the last stack's last."""
        return self.network.estimates(depth)


@dataclass(frozen=True)
class SyntheticObjective:
    """The loss of a step on synthetic crops alone; ``supervision`` is a key of :data:`SUPERVISIONS`."""

    supervision: str = "maps"

    def __post_init__(self) -> None:
        """Refuse a name that means nothing."""
        if self.supervision not in SUPERVISIONS:
            raise BadInputError(f"supervision {self.supervision!r}: expected one of {sorted(SUPERVISIONS)}")

    def __call__(self, network: nn.Module, batch: DepthTrainingBatch, step: int) -> StepOutput:
        """One step's loss."""
        loss = self.loss(network(batch.synthetic.depth), batch.synthetic)
        return StepOutput(loss, {})

    def loss(self, estimates: list[SphereEstimate], labels: DepthBatch) -> Float[Tensor, ""]:
        """Of what all stacks say of labelled crops, summed over the stacks."""
        return sum(SUPERVISIONS[self.supervision](said, labels.centres_m) for said in estimates)
