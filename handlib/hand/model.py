"""The parametric hand: a differentiable layer from pose and shape to a mesh and 21 joints."""

from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import roma
import torch
from jaxtyping import Float
from torch import Tensor, nn

from handlib.errors import BadInputError
from handlib.hand import lbs
from handlib.hand.files import HandFile, read_hand_file
from handlib.skeleton import JOINT_NAMES, MODEL_JOINT_NAMES, MODEL_PARENTS, TIPS

PoseSpace = Literal["axis_angle", "pca"]

# Where each of the 21 keypoints sits in [16 model joints, 5 tips].
_TO_21 = tuple(
    16 + TIPS.index(k) if k in TIPS else MODEL_JOINT_NAMES.index(JOINT_NAMES[k]) for k in range(len(JOINT_NAMES))
)


class HandMesh(NamedTuple):
    """Posed hands: ``vertices`` (batch, V, 3) and ``joints`` (batch, 21, 3), both in metres."""

    vertices: Float[Tensor, "batch vertices 3"]
    joints: Float[Tensor, "batch 21 3"]


class HandModel(nn.Module):
    """A linear-blend-skinning hand with shape and pose correctives.

    Make one with :meth:`load`. Attributes: ``faces`` (F, 3), ``num_vertices``, ``num_shape``, ``parents``,
    ``tip_vertices`` (5,), ``v_template`` (V, 3), ``weights`` (V, 16), ``J_regressor`` (16, V), ``shapedirs``
    (V, 3, S), ``posedirs`` (V, 3, 135), ``side``, ``pose_space``, ``pose_width``.
    """

    def __init__(
        self,
        file: HandFile,
        *,
        pose_space: PoseSpace = "axis_angle",
        num_pca: int = 45,
        flat_hand_mean: bool = True,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        """Build the layer from the arrays of a hand file; see :meth:`load` for the arguments."""
        super().__init__()
        self.side = file.side
        self.pose_space = pose_space
        self.parents = MODEL_PARENTS
        self.num_vertices = len(file.v_template)
        self.num_shape = file.shapedirs.shape[2]
        self.pose_width = 45 if pose_space == "axis_angle" else num_pca
        if pose_space == "pca":
            if file.hands_components is None:
                raise BadInputError("this hand file has no hands_components; use pose_space='axis_angle'")
            self._buffer("components", file.hands_components[:num_pca], dtype)
        self._buffer("pose_mean", file.hands_mean * (0.0 if flat_hand_mean else 1.0), dtype)
        for name in ("v_template", "weights", "J_regressor", "shapedirs", "posedirs"):
            self._buffer(name, getattr(file, name), dtype)
        self.register_buffer("faces", torch.as_tensor(file.faces, dtype=torch.long))
        self.register_buffer("tip_vertices", torch.as_tensor(file.tip_vertices, dtype=torch.long))

        # Joints are linear in the shape, so they need no vertices: J(beta) = J(template) + J(shapedirs) beta.
        directions = np.concatenate([file.shapedirs, file.posedirs], axis=2)
        self._buffer("_template_flat", file.v_template.T.reshape(-1), dtype)
        self._buffer("_directions", directions.transpose(2, 1, 0).reshape(directions.shape[2], -1), dtype)
        self._buffer("_weights_t", file.weights.T, dtype)
        self._buffer("_rest_joints", (file.J_regressor @ file.v_template).reshape(-1), dtype)
        joint_directions = np.einsum("jv,vcs->sjc", file.J_regressor, file.shapedirs)
        self._buffer("_joint_directions", joint_directions.reshape(self.num_shape, 48), dtype)
        self.register_buffer("_to_21", torch.tensor(_TO_21), persistent=False)

    def _buffer(self, name: str, array: np.ndarray, dtype: torch.dtype) -> None:
        """Register an array as a buffer that follows ``.to()`` and stays out of checkpoints."""
        self.register_buffer(name, torch.tensor(np.ascontiguousarray(array), dtype=dtype), persistent=False)

    @classmethod
    def load(
        cls,
        source: str | Path = "open",
        side: Literal["right", "left"] = "right",
        *,
        pose_space: PoseSpace = "axis_angle",
        num_pca: int = 45,
        flat_hand_mean: bool = True,
        dtype: torch.dtype = torch.float32,
    ) -> "HandModel":
        """Load a hand."""
        file = read_hand_file(source)
        return cls(file, pose_space=pose_space, num_pca=num_pca, flat_hand_mean=flat_hand_mean, dtype=dtype)

    def pose_to_axis_angle(self, pose: Float[Tensor, "batch pose_width"]) -> Float[Tensor, "batch 45"]:
        """Axis-angle of joints 1..15 (radians, model order), with the mean pose added if the model has one."""
        return (pose @ self.components if self.pose_space == "pca" else pose) + self.pose_mean

    def forward(
        self,
        pose: Float[Tensor, "batch pose_width"],
        shape: Float[Tensor, "shape_batch num_shape"] | None = None,
        global_orient: Float[Tensor, "orient_batch 3"] | None = None,
        translation: Float[Tensor, "translation_batch 3"] | None = None,
    ) -> HandMesh:
        """Pose the hand."""
        batch = len(pose)
        shape = pose.new_zeros(batch, self.num_shape) if shape is None else shape
        global_orient = pose.new_zeros(batch, 3) if global_orient is None else global_orient
        rotvec = torch.cat([global_orient, self.pose_to_axis_angle(pose)], dim=1).unflatten(1, (16, 3))
        rotations = roma.rotvec_to_rotmat(rotvec)
        rest_joints = torch.addmm(self._rest_joints, shape, self._joint_directions).unflatten(1, (16, 3))
        coefficients = torch.cat([shape, lbs.rotation_residuals(rotations[:, 1:])], dim=1)
        rest_vertices = lbs.blend_vertices(coefficients, self._template_flat, self._directions)
        world, posed = lbs.chain_transforms(rotations, rest_joints, self.parents)
        vertices = lbs.skin_vertices(rest_vertices, world, rest_joints, posed, self._weights_t)
        joints = torch.cat([posed, lbs.tip_positions(vertices, self.tip_vertices)], dim=1)
        joints = joints.index_select(1, self._to_21)
        if translation is not None:
            vertices, joints = vertices + translation[:, None], joints + translation[:, None]
        return HandMesh(vertices, joints)
