"""The parametric hand: a differentiable layer from pose and shape to a mesh and 21 joints."""

from pathlib import Path
from typing import Literal, NamedTuple, get_args

import numpy as np
import roma
import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from handlib.errors import BadInputError
from handlib.hand import lbs
from handlib.hand.files import HandFile, Side, TipConvention, read_hand_file
from handlib.hand.mirror import mirror_hand_file
from handlib.hand.skinning import skin_points
from handlib.skeleton import MODEL_PARENTS, joint_permutation

PoseSpace = Literal["axis_angle", "pca"]


class HandMesh(NamedTuple):
    """Posed hands: ``vertices`` (batch, V, 3) and ``joints`` (batch, 21, 3), both in metres."""

    vertices: Float[Tensor, "batch vertices 3"]
    joints: Float[Tensor, "batch 21 3"]


class HandModel(nn.Module):
    """A linear-blend-skinning hand with shape and pose correctives; make one with :meth:`load`.

    Attributes:
        faces: (F, 3) triangles, counter-clockwise seen from outside.
        v_template: (V, 3) rest vertices, metres. Also ``num_vertices``.
        weights: (V, 16) skinning weights.
        J_regressor: (16, V) joints from vertices.
        shapedirs: (V, 3, S) metres a unit of shape coefficient. Also ``num_shape``, which may be 0.
        posedirs: (V, 3, 135) metres a unit of ``R - I``.
        tip_vertices: (5,) fingertip vertices, thumb to little.
        parents: parent of each of the 16 model joints, the wrist first with -1.
        side: "right" or "left".
        pose_space: "axis_angle" or "pca"; ``pose_width`` numbers a pose.
        validate: whether NaN and infinity are looked for; set it to False inside ``torch.func`` and ``torch.compile``,
            which cannot branch on numbers. Shapes are always checked.
        pose_mean: (45,) what is added to every pose: the file's mean pose, or zeros with ``flat_hand_mean``.
        file: the :class:`~handlib.hand.files.HandFile` that it was made from, on the asked side.
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
        """Build the layer from the arrays of a hand file; the arguments are those of :meth:`load`."""
        super().__init__()
        if pose_space not in get_args(PoseSpace):
            raise BadInputError(f"pose_space is {pose_space!r}, expected one of {get_args(PoseSpace)}")
        self.file, self.side, self.parents, self.pose_space = file, file.side, MODEL_PARENTS, pose_space
        self.validate = True
        self.num_vertices, self.num_shape = len(file.v_template), file.shapedirs.shape[2]
        self.pose_width = 45 if pose_space == "axis_angle" else num_pca
        if pose_space == "pca":
            self._buffer("components", _first_components(file, num_pca), dtype)
        self._buffer("pose_mean", np.zeros(45) if flat_hand_mean else file.hands_mean, dtype)
        for name in ("v_template", "weights", "J_regressor", "shapedirs", "posedirs"):
            self._buffer(name, getattr(file, name), dtype)
        self.register_buffer("faces", torch.as_tensor(file.faces, dtype=torch.long), persistent=False)
        self.register_buffer("tip_vertices", torch.as_tensor(file.tip_vertices, dtype=torch.long), persistent=False)
        # Where each of the 21 keypoints sits in [16 model joints, 5 fingertips], which is smplx's order.
        self.register_buffer("_to_21", torch.tensor(joint_permutation("smplx", "handlib")), persistent=False)

        # The same arrays as the fast path wants them: component first, and all blend shapes below one another.
        directions = np.concatenate([file.shapedirs, file.posedirs], axis=2)
        self._buffer("_template_flat", file.v_template.T.reshape(-1), dtype)
        self._buffer("_directions", directions.transpose(2, 1, 0).reshape(directions.shape[2], -1), dtype)
        self._buffer("_joint_weights", file.weights.T, dtype)
        # Joints are linear in the shape, J(beta) = J(template) + J(shapedirs) beta, so they need no vertices.
        self._buffer("_rest_joints", (file.J_regressor @ file.v_template).reshape(-1), dtype)
        joint_directions = np.einsum("jv,vcs->sjc", file.J_regressor, file.shapedirs)
        self._buffer("_joint_directions", joint_directions.reshape(self.num_shape, 48), dtype)

    def _buffer(self, name: str, array: np.ndarray, dtype: torch.dtype) -> None:
        """An array that follows ``.to()`` but stays out of checkpoints: MANO's licence forbids passing it on."""
        self.register_buffer(name, torch.tensor(np.ascontiguousarray(array), dtype=dtype), persistent=False)

    @classmethod
    def load(
        cls,
        source: str | Path = "open",
        side: Side = "right",
        *,
        pose_space: PoseSpace = "axis_angle",
        num_pca: int = 45,
        flat_hand_mean: bool = True,
        dtype: torch.dtype = torch.float32,
        file_side: Side | None = None,
        tips: TipConvention = "freihand",
    ) -> "HandModel":
        """Load a hand, mirrored if the file holds the other side.

        Args:
            source: "open", "generic", or the path of a MANO ``.pkl`` or a ``.npz``.
            side: the hand wanted. ``MANO_RIGHT.pkl`` with "left" is mirrored; ``MANO_LEFT.pkl`` with "left" is taken as
                it is, with the shape directions that it has (https://github.com/vchoutas/smplx/issues/48: those of
                the released left hand are not mirrored in x).
            pose_space: poses are 45 axis-angle numbers (15 joints, model order, radians), or coefficients of the file's
                principal components.
            num_pca: how many components, with "pca". Unlike smplx, 45 of them are still PCA coefficients.
            flat_hand_mean: True: pose zero is the template. False: the file's mean pose is added to every pose, in both
                pose spaces (as in manopth and smplx).
            dtype: of all arrays.
            file_side: which hand the file holds, if neither its ``side`` entry nor its name says it.
            tips: which vertices are the fingertips of a MANO file, see
                :data:`~handlib.hand.files.FINGERTIP_VERTICES`.

        Raises:
            MissingFileError, UnsafeFileError, BadInputError: see :func:`~handlib.hand.files.read_hand_file`.
            BadInputError: ``side``, ``pose_space`` or ``num_pca`` is none of the possible values.
        """
        if side not in get_args(Side):
            raise BadInputError(f"side is {side!r}, expected one of {get_args(Side)}")
        file = read_hand_file(source, file_side=file_side, tips=tips)
        file = file if file.side == side else mirror_hand_file(file)
        return cls(file, pose_space=pose_space, num_pca=num_pca, flat_hand_mean=flat_hand_mean, dtype=dtype)

    def pose_to_axis_angle(self, pose: Float[Tensor, "batch pose_width"]) -> Float[Tensor, "batch 45"]:
        """Axis-angle of joints 1..15 (radians, model order), with the mean pose added if the model has one.

        Raises:
            BadInputError: a pose of the wrong width, an empty batch, or NaN.
        """
        pose = self.check_input("pose", pose, self.pose_width)
        with _full_precision(pose):
            return (pose @ self.components if self.pose_space == "pca" else pose) + self.pose_mean

    def forward(
        self,
        pose: Float[Tensor, "batch pose_width"],
        shape: Float[Tensor, "shape_batch num_shape"] | None = None,
        global_orient: Float[Tensor, "orient_batch 3"] | None = None,
        translation: Float[Tensor, "translation_batch 3"] | None = None,
    ) -> HandMesh:
        """Pose the hand.

        Args:
            pose: as chosen at :meth:`load`: 45 axis-angle numbers in radians, or PCA coefficients.
            shape: shape coefficients; None is the mean shape.
            global_orient: axis-angle in radians, a rotation about the wrist joint; None is none.
            translation: metres, added last; None is none.

        Returns:
            Vertices, and 21 joints in the order of :data:`~handlib.skeleton.JOINT_NAMES`, in metres.

        Raises:
            BadInputError: an argument of the wrong width or batch size, an empty batch, NaN or infinity.
        """
        return self._mesh(self._rotations(pose, global_orient), shape, translation)

    def joints(
        self,
        pose: Float[Tensor, "batch pose_width"],
        shape: Float[Tensor, "shape_batch num_shape"] | None = None,
        global_orient: Float[Tensor, "orient_batch 3"] | None = None,
    ) -> Float[Tensor, "batch 21 3"]:
        """The 21 joints without the mesh, metres: those of :meth:`forward` at a fraction of its cost, for fits to
        keypoints. Of the vertices only the five fingertips are skinned. Arguments and errors as there.
        """
        posed, tips = self._skin(self._rotations(pose, global_orient), shape, self.tip_vertices)
        return torch.cat([posed, tips], dim=1).index_select(1, self._to_21)

    def from_rotations(
        self,
        rotations: Float[Tensor, "batch 16 3 3"],
        shape: Float[Tensor, "shape_batch num_shape"] | None = None,
        translation: Float[Tensor, "translation_batch 3"] | None = None,
    ) -> HandMesh:
        """Pose the hand by rotation matrices, relative to each joint's parent, the wrist's first.

        The mean pose is not added: a rotation matrix is a pose of its own. Otherwise like :meth:`forward`; that the
        matrices are rotations is not checked.
        """
        if rotations.ndim != 4 or rotations.shape[1:] != (16, 3, 3):
            raise BadInputError(
                f"rotations has shape {tuple(rotations.shape)}, expected (batch, 16, 3, 3): the wrist's, then those of "
                "the 15 joints"
            )
        rotations = self.check_input("rotations", rotations.flatten(1), 144).unflatten(1, (16, 3, 3))
        return self._mesh(rotations, shape, translation)

    def _mesh(self, rotations: Tensor, shape: Tensor | None, translation: Tensor | None) -> HandMesh:
        """Vertices and joints for rotations that are known to be good."""
        posed, vertices = self._skin(rotations, shape)
        # Fingertips are marked by no joint: they are vertices of the posed mesh.
        joints = torch.cat([posed, vertices.index_select(1, self.tip_vertices)], dim=1)
        joints = joints.index_select(1, self._to_21)
        if translation is not None:
            translation = self.check_input("translation", translation, 3, len(rotations))
            vertices, joints = vertices + translation[:, None], joints + translation[:, None]
        return HandMesh(vertices, joints)

    def _rotations(self, pose: Tensor, global_orient: Tensor | None) -> Float[Tensor, "batch 16 3 3"]:
        axis_angle = self.pose_to_axis_angle(pose)
        if global_orient is None:
            global_orient = axis_angle.new_zeros(len(pose), 3)
        global_orient = self.check_input("global_orient", global_orient, 3, len(pose))
        return roma.rotvec_to_rotmat(torch.cat([global_orient, axis_angle], dim=1).unflatten(1, (16, 3)))

    def _skin(self, rotations: Tensor, shape: Tensor | None, chosen: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The 16 posed joints, and all vertices or the chosen ones."""
        if shape is None:
            shape = rotations.new_zeros(len(rotations), self.num_shape)
        shape = self.check_input("shape", shape, self.num_shape, len(rotations))
        template, directions, weights = self._template_flat, self._directions, self._joint_weights
        if chosen is not None:
            template = template.view(3, -1)[:, chosen].flatten()
            directions = directions.unflatten(1, (3, -1))[..., chosen].flatten(1)
            weights = weights[:, chosen]
        with _full_precision(shape):
            rest_joints = torch.addmm(self._rest_joints, shape, self._joint_directions).unflatten(1, (16, 3))
            coefficients = torch.cat([shape, lbs.rotation_residuals(rotations[:, 1:])], dim=1)
            rest_vertices = lbs.blend_vertices(coefficients, template, directions)
            world, posed = lbs.chain_transforms(rotations, rest_joints)
            motions = lbs.joint_motions(world, rest_joints, posed)
            return posed, skin_points(rest_vertices, motions, weights)

    def extra_repr(self) -> str:
        """What ``print(model)`` adds."""
        return f"{self.side}, {self.num_vertices} vertices, {self.num_shape} shape, {self.pose_space} {self.pose_width}"

    def check_input(self, name: str, value: Shaped[Tensor, "*any"], width: int, batch: int | None = None) -> Tensor:
        """The argument ``name`` in the model's dtype, if it is a finite, non-empty ``(batch, width)``.

        Half precision, which networks give under autocast, is widened; any other difference is a mistake.

        Raises:
            BadInputError: naming the argument and what is wrong with it.
        """
        if not isinstance(value, Tensor):
            raise BadInputError(f"{name} is a {type(value).__name__}, expected a tensor; use torch.as_tensor({name})")
        if value.ndim != 2 or value.shape[1] != width:
            raise BadInputError(
                f"{name} has shape {tuple(value.shape)}, expected (batch, {width}); this {self.side} model has "
                f"{self.num_shape} shape coefficients and takes poses as {self.pose_width} {self.pose_space} numbers"
            )
        if len(value) == 0:
            raise BadInputError(f"{name} is an empty batch (0, {width}); pass at least one hand")
        if batch is not None and len(value) != batch:
            raise BadInputError(
                f"{name} has batch size {len(value)}, but pose has {batch}; use {name}.expand({batch}, -1) to share one"
            )
        # One sum finds any NaN or infinity at a fraction of the cost of looking at each number.
        if self.validate and not torch.isfinite(value.detach().sum()):
            bad = (~torch.isfinite(value)).any(1).nonzero().flatten().tolist()
            if bad:
                raise BadInputError(
                    f"{name} holds NaN or infinity in {len(bad)} of {len(value)} rows (first: {bad[0]}); a diverged "
                    "optimisation or a missing detection is the usual cause: mask those rows out"
                )
        dtype = self.v_template.dtype
        if value.dtype not in (dtype, torch.float16, torch.bfloat16):
            raise BadInputError(f"{name} is {value.dtype}, but the model is {dtype}; convert one of them with .to()")
        return value.to(dtype)


def _full_precision(like: Tensor) -> torch.autocast:
    """Autocast off: in half precision a fingertip would be known to a tenth of a millimetre only."""
    return torch.autocast(like.device.type, enabled=False)


def _first_components(file: HandFile, num_pca: int) -> np.ndarray:
    """The first principal components of a file's pose space, one a row."""
    if file.hands_components is None:
        raise BadInputError("this hand file has no pose space (hands_components); load it with pose_space='axis_angle'")
    if not 1 <= num_pca <= len(file.hands_components):
        raise BadInputError(f"num_pca is {num_pca}, expected 1 to {len(file.hands_components)}, which the file has")
    return file.hands_components[:num_pca]
