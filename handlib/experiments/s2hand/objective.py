"""From a batch to S2HAND's objective: both branches, the rendering, and every term of Eq. 1."""

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from handlib.crops import resize_affine
from handlib.hand.anatomy import AnatomicalPose
from handlib.losses.regularisation import laplacian_matrix, template_scale_m
from handlib.losses.s2hand import PAPER_IMAGE_PX, S2HandWeights, effective_weights, s2hand_terms, total_loss
from handlib.losses.supervised import joints_3d_loss
from handlib.models.hourglass import KeypointBranch
from handlib.models.images import normalise_images
from handlib.models.s2hand import HandPrediction, S2HandNetwork
from handlib.training.collapse import CollapseDetector, joint_spread, share_inside
from handlib.training.loop import StepOutput


class S2HandTask(nn.Module):
    """What is trained: the 3D branch, the 2D branch or both, with the objective around them.

    The rendering and the losses are part of ``forward``, so that mixed precision and several devices are arranged
    around one call.
    """

    def __init__(
        self,
        network: S2HandNetwork | None,
        branch: KeypointBranch | None,
        weights: S2HandWeights,
        *,
        render_px: int,
        joints_weight: float = 1.0,
    ) -> None:
        """Put the parts together.

        Args:
            network: the 3D branch, or None.
            branch: the 2D branch, or None.
            weights: of the terms; the photometric ones are computed if one of them counts.
            render_px: side of the renderings that are compared with the picture, made as small.
            joints_weight: of the 3D loss (per metre) of those who have 3D labels.
        """
        super().__init__()
        self.network, self.branch = network, branch
        self.weights, self.render_px, self.joints_weight = weights, render_px, joints_weight
        effective = effective_weights(weights)
        self.photometric = any(effective[name] for name in ("pixel", "ssim", "mean_colour"))
        if network is not None:
            self.anatomy = AnatomicalPose(network.hand)
            self.scale_target_m = template_scale_m(network.hand)
            laplacian = laplacian_matrix(network.hand.faces, network.hand.num_vertices)
            self.register_buffer("laplacian", laplacian if effective["laplacian"] else None, persistent=False)

    def forward(self, inputs: dict[str, Tensor]) -> dict[str, Any]:
        """The loss of a batch, its parts, and what a collapse detector looks at.

        Args:
            inputs: the fields of a :class:`~handlib.training.batches.TrainingBatch`.
        """
        pictures = normalise_images(inputs["images"])
        estimated = None if self.branch is None else self.branch(pictures)
        prediction = None if self.network is None else self.network(pictures, inputs["K"])
        # The losses sum many small numbers: they are computed in full precision whatever the networks run in.
        with torch.autocast(pictures.device.type, enabled=False):
            return self.objective(inputs, prediction, estimated)

    def objective(
        self, inputs: dict[str, Tensor], prediction: HandPrediction | None, estimated: Tensor | None
    ) -> dict[str, Any]:
        """The loss and its parts, given what the branches say."""
        image_px = inputs["images"].shape[1]
        shared = {
            "confidence": inputs["confidence"],
            "keypoints_px": inputs["keypoints_px"],
            "estimated_px": estimated,
            "pixel_scale": PAPER_IMAGE_PX / image_px,
        }
        if prediction is None:
            terms = s2hand_terms(self.weights, **shared)
            return {"loss": total_loss(terms, self.weights).mean(), "terms": _means(terms)}
        picture = self.rendered(inputs["images"], prediction) if self.photometric else {}
        terms = s2hand_terms(
            self.weights,
            **shared,
            **picture,
            joints_2d_px=prediction.joints_2d_px,
            colours=prediction.colours,
            shape=prediction.shape,
            joints=prediction.joints,
            scale_target_m=self.scale_target_m,
            pose_axis_angle=self.network.hand.pose_to_axis_angle(prediction.pose),
            anatomy=self.anatomy,
            vertices=prediction.vertices,
            laplacian=self.laplacian,
        )
        loss, parts = total_loss(terms, self.weights).mean(), _means(terms)
        labelled = inputs["has_joints"].to(loss)
        if bool(labelled.any()):
            apart = joints_3d_loss(prediction.joints, inputs["joints_m"]) * labelled
            loss = loss + self.joints_weight * apart.mean()
            parts["joints_3d"] = apart.sum() / labelled.sum()
        parts["spread_mm"] = loss.new_tensor(1000 * joint_spread(prediction.joints.detach()))
        parts["inside"] = loss.new_tensor(share_inside(prediction.joints_2d_px.detach(), image_px))
        if picture:
            parts["covered"] = picture["silhouette"].mean()
        return {
            "loss": loss,
            "terms": parts,
            "joints_m": prediction.joints,
            "joints_2d_px": prediction.joints_2d_px,
            "silhouette": picture.get("silhouette"),
        }

    def rendered(self, images: Tensor, prediction: HandPrediction) -> dict[str, Tensor]:
        """The pictures and the hands drawn over them, both at ``render_px``."""
        image_px, side = images.shape[1], self.render_px
        shrink = resize_affine((image_px, image_px), (side, side)).to(images)
        drawn = self.network.render(replace(prediction, camera=prediction.camera.transform(shrink)), side)
        small = nn.functional.interpolate(images.movedim(-1, 1), size=(side, side), mode="area").movedim(1, -1)
        return {"image": small, "rendered": drawn.rgb, "silhouette": drawn.silhouette}


def s2hand_objective(task: nn.Module, batch: Any, step: int) -> StepOutput:
    """The objective of a batch, as :func:`handlib.training.loop.fit_network` asks for it."""
    found = task(vars(batch))
    return StepOutput(found["loss"], found["terms"], found)


@dataclass(frozen=True)
class CollapseWatch:
    """Hands each step of the 3D branch to a collapse detector."""

    detector: CollapseDetector
    image_px: int

    def __call__(self, step: int, output: StepOutput) -> None:
        """Raise ``CollapseError`` if the training has collapsed."""
        found = output.prediction
        self.detector.watch(
            step,
            float(output.loss.detach()),
            found["joints_m"].detach(),
            found["joints_2d_px"].detach(),
            self.image_px,
            None if found["silhouette"] is None else found["silhouette"].detach(),
        )


def _means(terms: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: term.mean() for name, term in terms.items()}
