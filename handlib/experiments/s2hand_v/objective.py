"""From a batch of clips to S2HAND(V)'s objective, Eq. 22: each frame by itself, and all frames of a clip together."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from handlib.camera import Camera, PerspectiveCamera, WeakPerspectiveCamera
from handlib.experiments.s2hand.objective import S2HandTask
from handlib.hand.model import HandModel
from handlib.losses.motion import (
    SMOOTH_THRESHOLD_RAD,
    VideoWeights,
    quaternion_loss,
    rotations_to_quaternions,
    smooth_loss,
    temporal_loss,
    texture_shape_loss,
    video_loss,
)
from handlib.losses.s2hand import PAPER_IMAGE_PX, S2HandWeights, s2hand_terms, total_loss
from handlib.losses.supervised import joints_3d_loss
from handlib.models.efficientnet_lite import PyramidFeatures
from handlib.models.images import normalise_images
from handlib.models.s2hand import HandPrediction, S2HandNetwork
from handlib.training.clips import ClipBatch
from handlib.training.lifting import as_detected, draw_hands, see_from_anywhere, step_generator
from handlib.training.loop import StepOutput

LIFTED_WEIGHT = 0.5
"""Weight (per metre) of hands without a picture. To the projected joints' weight, 0.001 a pixel, it is as it was when
the released network was trained."""


@dataclass(frozen=True, eq=False)
class EncodedClips:
    """One step's clips with the encodings of their frames; None for a network that encodes them itself."""

    clips: ClipBatch
    features: PyramidFeatures | None = None

    def __len__(self) -> int:
        return len(self.clips)

    def to(self, device: torch.device | str) -> "EncodedClips":
        """The batch on another device."""
        if self.features is None:
            return EncodedClips(self.clips.to(device))
        names = [field.name for field in fields(PyramidFeatures)]
        moved = PyramidFeatures(**{name: getattr(self.features, name).to(device) for name in names})
        return EncodedClips(self.clips.to(device), moved)


class VideoTask(S2HandTask):
    """S2HAND's task on the frames of clips, whose weights they share, with what they know of each other."""

    def __init__(
        self,
        network: S2HandNetwork,
        weights: S2HandWeights,
        *,
        video: VideoWeights,
        motion: Callable[[Tensor], Tensor] | None,
        rendered: int,
        render_px: int,
        stock: int,
        hands: int,
        seed: int,
        steady: bool = True,
    ) -> None:
        """Put the parts together.

        Args:
            network: with kept encodings, or with its encoder.
            weights: of S2HAND's terms.
            video: of the motion term and of E_T&S.
            motion: the motion term of (clips, frames, 16, 4) quaternions; None for none.
            rendered: frames that are rendered in a step; the photometric terms are theirs alone.
            render_px: side of the renderings.
            stock, hands: hands without a picture, in all and in a step; 0 for a network that lifts no keypoints.
            seed: of these hands.
            steady: keep the network in evaluation mode, if it is trained already: its normalisation has seen far more
                pictures than clips show, and a glance that is dropped in one frame of a clip and not in the next would
                look like a movement.
        """
        super().__init__(network, None, weights, render_px=render_px)
        self.video, self.motion, self.num_rendered = video, motion, rendered
        self.num_hands, self.seed, self.steady = hands, seed, steady
        stock_m = draw_hands(HandModel.load(network.config.hand), stock, seed) if hands else None
        self.register_buffer("stock_m", stock_m, persistent=False)

    def train(self, mode: bool = True) -> "VideoTask":
        """Training mode, but for a steady network."""
        super().train(mode and not self.steady)
        self.training = mode
        return self

    def forward(self, batch: EncodedClips, step: int) -> dict[str, Any]:
        """The loss of a batch and its parts."""
        inputs, clips = batch.clips.pictures, batch.clips
        if batch.features is not None:
            self.network.encoder.features = batch.features
        K = None if self.network.config.camera == "weak_perspective" else inputs.K
        found = self.network(normalise_images(inputs.images), K)
        frames = self.frame_terms(vars(inputs), found)
        photometric = self.photometric_terms(inputs.images, inputs.confidence, found)
        poses = clips.by_clip(rotations_to_quaternions(found.rotations))
        motion = poses.new_zeros(len(poses)) if self.motion is None else self.motion(poses)
        steady = texture_shape_loss(clips.by_clip(found.colours), clips.by_clip(found.shape))
        one_by_one = clips.by_clip(total_loss(frames, self.weights))
        loss = video_loss(one_by_one, motion, steady, self.video).mean()
        loss = loss + total_loss(photometric, self.weights).mean()
        terms = {name: term.mean() for name, term in {**frames, **photometric}.items()}
        terms |= {"motion": motion.mean(), "texture_shape": steady.mean()}
        if self.num_hands:
            terms["lifted"] = self.lifted_term(step, inputs.images.shape[1])
            loss = loss + LIFTED_WEIGHT * terms["lifted"]
        return {"loss": loss, "terms": terms}

    def frame_terms(self, inputs: dict[str, Tensor], found: HandPrediction) -> dict[str, Tensor]:
        """S2HAND's terms of every frame but the photometric ones. The keypoints that the network reads play the part of
        the paper's 2D branch."""
        # A joint that perspective sends behind the camera has no place in the picture; the other terms bring it back.
        shown = found.joints_2d_px.isfinite().all(-1, keepdim=True)
        return s2hand_terms(
            self.weights,
            confidence=inputs["confidence"],
            keypoints_px=inputs["keypoints_px"],
            joints_2d_px=torch.where(shown, found.joints_2d_px, inputs["keypoints_px"]),
            estimated_px=None if found.keypoints is None else found.keypoints.points_px[:, None],
            pixel_scale=PAPER_IMAGE_PX / inputs["images"].shape[1],
            colours=found.colours,
            shape=found.shape,
            joints=found.joints,
            scale_target_m=self.scale_target_m,
            pose_axis_angle=self.network.hand.pose_to_axis_angle(found.pose),
            anatomy=self.anatomy,
        )

    def photometric_terms(self, images: Tensor, confidence: Tensor, found: HandPrediction) -> dict[str, Tensor]:
        """E_pixel and E_SSIM of some frames, spread evenly over the clips."""
        apart = len(images) // self.num_rendered
        chosen = torch.arange(self.num_rendered, device=images.device) * apart + apart // 2
        some = take_hands(found, chosen)
        picture = self.rendered(images[chosen], some)
        # Without joints, the geometric terms are left out.
        return s2hand_terms(self.weights, confidence=confidence[chosen], keypoints_px=some.joints_2d_px, **picture)

    def lifted_term(self, step: int, image_px: int) -> Tensor:
        """Hands without a picture: how far (m) the hand that the network lifts their keypoints to is from them.

        They stand where the paper's stills do, and keep depth from being forgotten, on which 2D losses say nothing.
        """
        generator = step_generator(self.seed, step)
        rows = torch.randint(len(self.stock_m), (self.num_hands,), generator=generator).to(self.stock_m.device)
        seen = see_from_anywhere(self.stock_m[rows], image_px, generator)
        lifted = self.network.lift(as_detected(seen, generator), image_px)
        return joints_3d_loss(lifted.joints, seen.joints_m).mean()


def video_objective(task: nn.Module, batch: EncodedClips, step: int) -> StepOutput:
    """The objective of a batch, as :func:`handlib.training.loop.fit_network` asks for it."""
    found = task(batch, step)
    return StepOutput(found["loss"], found["terms"])


def motion_term(name: str, interval: int) -> Callable[[Tensor], Tensor] | None:
    """A motion term by name; the smooth loss' threshold, meant for neighbouring frames, grows with the interval."""
    smooth = partial(smooth_loss, threshold_rad=SMOOTH_THRESHOLD_RAD * interval)
    return {"none": None, "quaternion": quaternion_loss, "temporal": temporal_loss, "smooth": smooth}[name]


def take_hands(found: HandPrediction, rows: Tensor) -> HandPrediction:
    """Some hands of a prediction, without what was read off the picture."""
    values = {field.name: getattr(found, field.name) for field in fields(HandPrediction)}
    taken = {name: value[rows] for name, value in values.items() if isinstance(value, Tensor)}
    return HandPrediction(**taken, camera=_take_cameras(found.camera, rows))


def _take_cameras(camera: Camera, rows: Tensor) -> Camera:
    if isinstance(camera, PerspectiveCamera):
        return PerspectiveCamera(camera.K[rows])
    return WeakPerspectiveCamera(camera.scale[rows], camera.translation[rows])
