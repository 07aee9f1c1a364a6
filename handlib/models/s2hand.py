"""S2HAND's 3D branch: from a picture to a textured hand in front of a camera.

Chen et al., "Model-based 3D Hand Reconstruction via Self-Supervised Learning", CVPR 2021, sections 3.1 to 3.3:
encoder, geometry and texture codes, hand model, projection. :meth:`S2HandConfig.paper` has the paper's choices; the
defaults are ours, which need no focal length to be learnt and have no jump in the rotation.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

import roma
import torch
from jaxtyping import Float
from torch import Tensor, nn

from handlib.camera import Camera, PerspectiveCamera
from handlib.errors import BadInputError
from handlib.hand import HandModel
from handlib.models.efficientnet_lite import EfficientNetLite0
from handlib.models.heads import GeometryCode, GeometryHead, PlacementCode, RotationCode, TextureHead
from handlib.models.keypoint_readout import KeypointReadout, ReadKeypoints, lifting_features
from handlib.models.lifting_head import LiftingHead
from handlib.models.placement import ANCHOR, anchor_from_apparent, assumed_intrinsics, weak_perspective_at
from handlib.render import Light, RenderOutput, render_mesh

CameraKind = Literal["perspective", "weak_perspective"]
SMALLEST_IMAGE_PX = 32


@dataclass(frozen=True)
class S2HandConfig:
    """What a network is made of; stored with its weights.

    Attributes:
        num_pose: principal components of the pose.
        num_shape: shape coefficients, as many as the hand model has.
        rotation: "six_d", or the paper's "axis_angle".
        placement: "apparent" (centre and size in the picture), or the released code's "metric" (metres).
        camera: "perspective", or "weak_perspective" for pictures whose focal length nobody knows.
        texture: whether skin colours and light are predicted.
        image_keypoints: whether keypoints are read off the picture for the geometry head to lift; not in the paper.
        image_px: width of the pictures that the network is trained on; it takes others.
        hand: "open", "generic", or the path of a hand model file.
    """

    num_pose: int = 30
    num_shape: int = 10
    rotation: str = "six_d"
    placement: str = "apparent"
    camera: str = "perspective"
    texture: bool = True
    image_keypoints: bool = False
    image_px: int = 224
    hand: str = "open"

    def __post_init__(self) -> None:
        """Refuse unknown words, which a file of another version may hold."""
        for name, choices in (("rotation", RotationCode), ("placement", PlacementCode), ("camera", CameraKind)):
            if getattr(self, name) not in get_args(choices):
                raise BadInputError(f"{name} is {getattr(self, name)!r}, expected one of {get_args(choices)}")

    @classmethod
    def paper(cls) -> "S2HandConfig":
        """The paper's network, but for the encoder (see :mod:`~handlib.models.efficientnet_lite`) and the hand."""
        return cls(rotation="axis_angle", placement="metric")


@dataclass(frozen=True, eq=False)
class HandPrediction:
    """Hands in the camera's frame (OpenCV axes, metres), with the code that they were decoded from.

    Attributes:
        pose, shape, scale, rotation: see :class:`~handlib.models.heads.GeometryCode`.
        translation: (B, 3) where the wrist is.
        vertices, joints: (B, V, 3) and (B, 21, 3).
        joints_2d_px: (B, 21, 2) the joints through ``camera``; NaN for a joint behind a perspective camera.
        camera: the given one, an assumed one, or the weak-perspective one that agrees with it at the hand.
        rotations: (B, 16, 3, 3) of the hand model's joints relative to their parents, the wrist's (``rotation``) first.
        colours: (B, V, 3) of the skin without light, 0..1; None without texture. Likewise ``light`` (B, 11).
        keypoints: what was read off the picture; None without ``image_keypoints``.
    """

    pose: Float[Tensor, "batch num_pose"]
    shape: Float[Tensor, "batch num_shape"]
    scale: Float[Tensor, "batch"]
    rotation: Float[Tensor, "batch 3 3"]
    translation: Float[Tensor, "batch 3"]
    vertices: Float[Tensor, "batch vertices 3"]
    joints: Float[Tensor, "batch 21 3"]
    joints_2d_px: Float[Tensor, "batch 21 2"]
    camera: Camera
    rotations: Float[Tensor, "batch 16 3 3"]
    colours: Float[Tensor, "batch vertices 3"] | None = None
    light: Float[Tensor, "batch 11"] | None = None
    keypoints: ReadKeypoints | None = None


class S2HandNetwork(nn.Module):
    """Encoder, heads and hand model.

    The hand model's arrays are no part of the ``state_dict``: a checkpoint holds what was learnt, and never a copy of a
    licensed hand.
    """

    def __init__(
        self, config: S2HandConfig | None = None, imagenet: bool = True, hand: str | Path | None = None
    ) -> None:
        """Build the network.

        Args:
            config: its choices; None for the defaults.
            imagenet: begin with an encoder trained on ImageNet's photographs, as the paper does.
            hand: another hand model file than the one that ``config`` names, with the same numbers of vertices and
                shape coefficients.

        Raises:
            BadInputError: the hand has another number of shape coefficients, or too few principal components.
            MissingExtraError: the package with the ImageNet weights is not installed.
        """
        super().__init__()
        self.config = config = config or S2HandConfig()
        self.hand = HandModel.load(hand or config.hand, pose_space="pca", num_pca=config.num_pose, flat_hand_mean=False)
        if self.hand.num_shape != config.num_shape:
            raise BadInputError(
                f"num_shape is {config.num_shape}, but the hand {str(hand or config.hand)!r} has {self.hand.num_shape} "
                "shape coefficients; make both the same"
            )
        self.encoder = EfficientNetLite0.imagenet() if imagenet else EfficientNetLite0()
        self.readout = KeypointReadout() if config.image_keypoints else None
        head = LiftingHead if config.image_keypoints else GeometryHead
        self.geometry = head(config.num_pose, config.num_shape, config.rotation, config.placement)
        self.texture = TextureHead(self.hand.num_vertices) if config.texture else None

    def forward(
        self, images: Float[Tensor, "batch 3 height width"], K: Float[Tensor, "cameras 3 3"] | None = None
    ) -> HandPrediction:
        """Predict the hand in each picture.

        Args:
            images: square pictures from :func:`~handlib.models.images.normalise_images`.
            K: intrinsics (px) of these very pictures; None assumes
                :data:`~handlib.models.placement.ASSUMED_FOCAL_IN_WIDTHS`.

        Raises:
            BadInputError: pictures that are not square or are smaller than 32 px, or another number of cameras.
        """
        if images.shape[2] != images.shape[3] or images.shape[3] < SMALLEST_IMAGE_PX:
            raise BadInputError(
                f"images: shape {tuple(images.shape)}, expected square pictures (batch, 3, size, size) of at least "
                f"{SMALLEST_IMAGE_PX} px; handlib.crops cuts them out"
            )
        if K is not None and len(K) != len(images):
            raise BadInputError(f"K: {len(K)} cameras for {len(images)} pictures; use K.expand({len(images)}, 3, 3)")
        image_px = images.shape[3]
        features = self.encoder(images)
        keypoints = None
        if self.readout is None:
            code = self.geometry(features.stride32)
        else:
            keypoints = self.readout(features, image_px)
            code = self.geometry(lifting_features(keypoints, image_px), features.stride32)
        texture = None if self.texture is None else self.texture(features.stride4)
        # Millimetres at arm's length need more digits than half precision has.
        with torch.autocast(images.device.type, enabled=False):
            hands = self.decode(code, image_px, K)
        return replace(
            hands,
            colours=None if texture is None else texture.colours,
            light=None if texture is None else texture.light,
            keypoints=keypoints,
        )

    def lift(
        self, keypoints: ReadKeypoints, image_px: int, K: Float[Tensor, "batch 3 3"] | None = None
    ) -> HandPrediction:
        """The hands that look like these keypoints, without a picture; for networks with ``image_keypoints``.

        Args:
            keypoints: px of pictures of side ``image_px``.
            image_px: gives the keypoints their scale.
            K: as in :meth:`forward`.

        Raises:
            BadInputError: the network has no lifting head.
        """
        if self.readout is None:
            raise BadInputError("this network lifts no keypoints: its config has image_keypoints=False")
        code = self.geometry(lifting_features(keypoints, image_px))
        return replace(self.decode(code, image_px, K), keypoints=keypoints)

    def decode(self, code: GeometryCode, image_px: int, K: Float[Tensor, "batch 3 3"] | None = None) -> HandPrediction:
        """The hand of a geometry code: ``M = s R M0 + T``, ``J = s R J0 + T`` and ``J_2d = Pi(J)`` (section 3.2, 3.3).

        R turns about the wrist, so that T is where the wrist is. (In the released code it turns about the origin of the
        hand file, some 9 cm from the wrist: there, R also moves the hand.)
        """
        fingers = roma.rotvec_to_rotmat(self.hand.pose_to_axis_angle(code.pose).unflatten(1, (15, 3)))
        rotations = torch.cat([code.rotation[:, None], fingers], dim=1)
        mesh = self.hand.from_rotations(rotations, code.shape)
        wrist = mesh.joints[:, :1]
        vertices, joints = (code.scale[:, None, None] * (points - wrist) for points in mesh)

        camera: Camera = PerspectiveCamera(assumed_intrinsics(code.scale, image_px) if K is None else K.to(vertices))
        if self.config.placement == "metric":
            translation = code.placement
        else:
            centre, log_size = code.placement[:, :2], code.placement[:, 2]
            anchor = anchor_from_apparent(centre, log_size, code.scale, camera.K, image_px)
            translation = anchor - joints[:, ANCHOR]
        vertices, joints = vertices + translation[:, None], joints + translation[:, None]
        if self.config.camera == "weak_perspective":
            camera = weak_perspective_at(joints[:, ANCHOR], camera)
        return HandPrediction(
            pose=code.pose,
            shape=code.shape,
            scale=code.scale,
            rotation=code.rotation,
            translation=translation,
            vertices=vertices,
            joints=joints,
            joints_2d_px=camera.project(joints),
            camera=camera,
            rotations=rotations,
        )

    def render(self, prediction: HandPrediction, image_px: int) -> RenderOutput:
        """Draw the predicted hands with their skin and light on black: ``S_re, I_re`` of section 3.3."""
        light = None if prediction.light is None else Light.from_vector(prediction.light, layout="paper")
        return render_mesh(
            prediction.vertices,
            self.hand.faces,
            prediction.camera,
            image_px,
            colours=prediction.colours,
            light=light,
        )
