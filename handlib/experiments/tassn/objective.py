"""From clips to losses: the supervised beginning, and Eq. 1 to 6, as objectives of the training loop."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from handlib.experiments.tassn.clips import Clips, TwoDomains
from handlib.losses.tassn import (
    TassnWeights,
    gaussian_heatmaps,
    heatmap_loss,
    mesh_consistency_loss,
    mesh_silhouette_loss,
    pose_consistency_loss,
    tassn_objective,
    temporal_consistency_loss,
)
from handlib.models.keypoint_placement import translation_from_keypoints
from handlib.models.mesh_gcn import LENGTH_UNIT_M
from handlib.models.tassn import STRIDE, TassnEstimate, TassnEstimator
from handlib.training.loop import StepOutput

SUPERVISED = 10.0
"""Weight of the 3D labels of the source, mean distances in units of 0.1 m, beside heatmaps that cost about 1."""


class ClipReader(nn.Module):
    """An estimator whose ``forward`` reads a clip, one way or both."""

    def __init__(self, network: TassnEstimator) -> None:
        super().__init__()
        self.network = network

    def forward(
        self,
        frames: Float[Tensor, "clips time size size 3"],
        ends: Float[Tensor, "clips 2 21 cells cells"] | None,
        flow: Tensor | None,
        reversed_flow: Tensor | None,
    ) -> list[TassnEstimate]:
        """One estimate, or two (forwards, backwards) where the flow is given both ways."""
        if reversed_flow is None:
            return [self.network.read_clip(frames, flow, None if ends is None else ends[:, 0])]
        return list(self.network.read_both_ways(frames, flow, reversed_flow, ends))


def end_heatmaps(
    start_px: Float[Tensor, "clips time 21 2"] | None, image_px: int
) -> Float[Tensor, "clips 2 21 cells cells"] | None:
    """Heatmaps of the first and of the last frame's keypoints, which the two readings begin with; None for none."""
    if start_px is None:
        return None
    ends = start_px[:, [0, -1]]
    return gaussian_heatmaps(ends.flatten(0, 1), image_px // STRIDE, image_px).unflatten(0, ends.shape[:2])


def pretraining_objective(network: nn.Module, batch: TwoDomains, step: int) -> StepOutput:
    """Stage 1: heatmaps on clips of both domains, mesh and joints on the source's; clips are read one way, in turn.

    Both domains pass the network together, so that the normalisation over the batch is the same for both.
    """
    parts = [batch.target, batch.source]
    if step % 2:
        parts = [reversed_clips(clips) for clips in parts]
    target, source = parts
    frames = torch.cat([x.frames for x in parts])
    start_px = None if target.start_px is None else torch.cat([x.start_px for x in parts])
    flow = None if target.flow is None else torch.cat([x.flow for x in parts])
    (said,) = network(frames, end_heatmaps(start_px, frames.shape[2]), flow, None)
    known = len(target.frames)
    on_target, on_source = (TassnEstimate(*(x[which] for x in said)) for which in (slice(known), slice(known, None)))
    heatmaps = heatmap_term(on_target, target).mean() + heatmap_term(on_source, source).mean()
    wrist = source.joints_m[:, :, :1]
    apart = [
        (said_m - true_m + wrist).norm(dim=-1).mean() / LENGTH_UNIT_M
        for said_m, true_m in ((on_source.joints, source.joints_m), (on_source.vertices, source.vertices_m))
    ]
    loss = heatmaps + SUPERVISED * sum(apart)
    return StepOutput(loss, {"heatmaps": heatmaps, "joints": apart[0], "vertices": apart[1]})


def reversed_clips(clips: Clips) -> Clips:
    """The same clips from their last frame to their first; a clip of one frame is its own reverse."""
    turned = {name: None if value is None else value.flip(1) for name, value in vars(clips).items()}
    turned["flow"], turned["reversed_flow"] = turned["reversed_flow"], turned["flow"]
    return Clips(**turned)


@dataclass(frozen=True, eq=False)
class TassnObjective:
    """Eq. 6, of clips read both ways, or Eq. 1 and 2 alone of single frames.

    Attributes:
        faces: of the mesh that the network says.
        weights: lambda of Eq. 5 and 6.
        unit_m: unit of length of Eq. 3 and 4.
    """

    faces: Int[Tensor, "faces 3"]
    weights: TassnWeights
    unit_m: float

    def __call__(self, network: nn.Module, clips: Clips, step: int) -> StepOutput:
        """One step's loss."""
        ends = end_heatmaps(clips.start_px, clips.frames.shape[2])
        readings = network(clips.frames, ends, clips.flow, clips.reversed_flow)
        heatmaps, silhouettes = (
            sum(term(said) for said in readings) / len(readings)
            for term in (lambda said: heatmap_term(said, clips), lambda said: self.silhouette_term(said, clips))
        )
        nothing = torch.zeros_like(heatmaps)
        pose, mesh = self.consistency(*readings) if len(readings) == 2 else (nothing, nothing)
        consistency = temporal_consistency_loss(pose, mesh, self.weights)
        loss = tassn_objective(silhouettes, heatmaps, consistency, self.weights).mean()
        parts = {"heatmaps": heatmaps, "silhouettes": silhouettes, "pose": pose, "mesh": mesh}
        return StepOutput(loss, {name: value.mean() for name, value in parts.items()}, readings)

    def consistency(self, forwards: TassnEstimate, backwards: TassnEstimate) -> tuple[Tensor, Tensor]:
        """Eq. 3 and Eq. 4 in this objective's unit of length; one number a clip each."""
        scale = 1 / self.unit_m
        return (
            pose_consistency_loss(scale * forwards.joints, scale * backwards.joints),
            mesh_consistency_loss(scale * forwards.vertices, scale * backwards.vertices),
        )

    def silhouette_term(self, said: TassnEstimate, clips: Clips) -> Float[Tensor, "clips"]:
        """Eq. 2, the mean over the frames of a clip; zeros where it has no weight.

        The mesh is drawn where the said joints meet the seen keypoints, a place that has a gradient. Without it the
        mesh runs away: it is told from the wrist, and what moves the wrist would seem to move the mesh alone.
        """
        if not self.weights.silhouette:
            return said.joints.new_zeros(len(said.joints))
        vertices = said.vertices.flatten(0, 1)
        place = translation_from_keypoints(
            said.joints.flatten(0, 1),
            clips.keypoints_px.flatten(0, 1),
            clips.K.flatten(0, 1),
            clips.confidence.flatten(0, 1),
        )
        loss = mesh_silhouette_loss(
            vertices + place[:, None],
            self.faces.to(vertices.device),
            clips.camera,
            clips.silhouettes.flatten(0, 1),
            clips.usable.flatten(0, 1),
        )
        return loss.unflatten(0, clips.usable.shape).mean(1)


def heatmap_term(said: TassnEstimate, clips: Clips) -> Float[Tensor, "clips"]:
    """Eq. 1, the mean over the frames of a clip, summed over the stacks; detections count by their confidence."""
    stacks, cells = said.heatmaps.shape[2], said.heatmaps.shape[-1]
    targets = gaussian_heatmaps(clips.keypoints_px.flatten(0, 1), cells, clips.frames.shape[2])
    targets = targets.unflatten(0, clips.usable.shape)[:, :, None].expand_as(said.heatmaps)
    confidence = clips.confidence[:, :, None].expand(-1, -1, stacks, -1)
    return heatmap_loss(said.heatmaps, targets, confidence).sum(2).mean(1)
