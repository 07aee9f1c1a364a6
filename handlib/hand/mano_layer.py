"""A drop-in for manopth's ``ManoLayer``: its call signature, millimetres and joint order, on any hand file.

manopth (Hasson et al. 2019, https://github.com/hassony2/manopth) is the layer that much published code calls. Replacing

    from manopth.manolayer import ManoLayer      by      from handlib.hand import ManoLayer

lets such code run on this library, with a MANO file or with the open hand. Written from manopth's documented interface;
none of its code (GPL) is used.
"""

from pathlib import Path
from typing import Literal, get_args

import roma
import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn

from handlib.errors import BadInputError, MissingFileError
from handlib.hand.files import PACKAGED, Side
from handlib.hand.model import HandModel

RootRotation = Literal["axisang", "rot6d"]
JointRotation = Literal["axisang", "rotmat"]

_MM_PER_METRE = 1000.0
# manopth's palm centre is the middle of these two vertices of MANO's mesh.
_MANO_PALM_VERTICES = (22, 95)


class ManoLayer(nn.Module):
    """manopth's layer on a :class:`~handlib.hand.model.HandModel`.

    Args:
        center_idx: joint (of the 21) to put at the origin when no translation is given; None leaves the hand in place.
        flat_hand_mean: as in manopth: True poses relative to the flat template, False relative to the file's mean pose.
        ncomps: how many principal components a pose has, with ``use_pca``.
        side: "right" or "left".
        mano_root: folder with ``MANO_RIGHT.pkl`` or ``MANO_LEFT.pkl`` (``.npz`` too), such a file, or "open" or
            "generic". This is the one default that differs from manopth's "mano/models". If only the other side's file
            is in the folder, it is mirrored.
        use_pca: poses are principal components; else 45 axis-angle numbers or, with ``joint_rot_mode="rotmat"``,
            (batch, 16, 3, 3) matrices.
        root_rot_mode: "axisang" (3 numbers) or "rot6d" (6: the first two columns, Zhou et al. 2019,
            https://arxiv.org/abs/1812.07035).
        joint_rot_mode: "axisang", or "rotmat" with ``use_pca=False``: matrices, projected to the nearest rotations.
        robust_rot: with "rot6d": treat both columns alike instead of keeping the direction of the first.

    Raises:
        MissingFileError: no MANO file in ``mano_root``.
        BadInputError: an option that has no such value, or PCA asked of a file that has no pose space.
    """

    def __init__(
        self,
        center_idx: int | None = None,
        flat_hand_mean: bool = True,
        ncomps: int = 6,
        side: Side = "right",
        mano_root: str | Path = "open",
        use_pca: bool = True,
        root_rot_mode: RootRotation = "axisang",
        joint_rot_mode: JointRotation = "axisang",
        robust_rot: bool = False,
    ) -> None:
        super().__init__()
        if root_rot_mode not in get_args(RootRotation):
            raise BadInputError(f"root_rot_mode is {root_rot_mode!r}, expected one of {get_args(RootRotation)}")
        if joint_rot_mode not in get_args(JointRotation):
            raise BadInputError(f"joint_rot_mode is {joint_rot_mode!r}, expected one of {get_args(JointRotation)}")
        if use_pca and joint_rot_mode == "rotmat":
            raise BadInputError("joint_rot_mode='rotmat' takes whole rotations, not components; add use_pca=False")
        if center_idx is not None and not 0 <= center_idx < 21:
            raise BadInputError(f"center_idx is {center_idx}, expected one of the 21 joints, 0 to 20, or None")
        self.center_idx, self.side, self.use_pca = center_idx, side, use_pca
        self.root_rot_mode, self.joint_rot_mode, self.robust_rot = root_rot_mode, joint_rot_mode, robust_rot
        self.rot = 3 if root_rot_mode == "axisang" else 6
        self.ncomps = ncomps if use_pca else 45
        path = find_mano_file(mano_root, side)
        self.model = HandModel.load(
            path,
            side,
            pose_space="pca" if use_pca else "axis_angle",
            num_pca=self.ncomps,
            flat_hand_mean=flat_hand_mean,
            tips="manopth_left" if "left" in Path(path).name.lower() else "manopth",
        )

    @property
    def th_faces(self) -> Int[Tensor, "faces 3"]:
        """Triangles, under manopth's name."""
        return self.model.faces

    @property
    def th_v_template(self) -> Float[Tensor, "1 vertices 3"]:
        """Rest vertices in metres, under manopth's name."""
        return self.model.v_template[None]

    @property
    def th_hands_mean(self) -> Float[Tensor, "1 45"]:
        """The pose added to every pose, under manopth's name."""
        return self.model.pose_mean[None]

    @property
    def th_selected_comps(self) -> Float[Tensor, "ncomps 45"]:
        """The principal components in use, under manopth's name."""
        return self.model.components

    def forward(
        self,
        th_pose_coeffs: Float[Tensor, "batch *pose"],
        th_betas: Float[Tensor, "*shape"] | None = None,
        th_trans: Float[Tensor, "*translation"] | None = None,
        root_palm: Shaped[Tensor, "*flag"] | bool = False,
        share_betas: Shaped[Tensor, "*flag"] | bool = False,
    ) -> tuple[Float[Tensor, "batch vertices 3"], Float[Tensor, "batch 21 3"]]:
        """Pose the hand, as manopth does.

        Args:
            th_pose_coeffs: root rotation, then the pose: (batch, 3 or 6 + ncomps), or (batch, 16, 3, 3) matrices.
            th_betas: (batch, 10) shape coefficients; None or all zero is the mean shape.
            th_trans: (batch, 3) metres. None or all zero: the hand is centred on ``center_idx``, if that is set.
            root_palm: put the palm centre in the place of the wrist; for MANO's mesh only.
            share_betas: give every hand of the batch the mean of all shapes.

        Returns:
            Vertices and 21 joints (wrist, thumb to little, knuckle to tip) in MILLIMETRES.

        Raises:
            BadInputError: shapes that do not fit, NaN, or ``root_palm`` on another mesh than MANO's.
        """
        batch = len(th_pose_coeffs)
        # Zeros that are being optimised must stay in the graph, or they would never leave zero.
        shape = th_betas if th_betas is not None and (th_betas.requires_grad or th_betas.any()) else None
        if shape is not None and bool(share_betas):
            shape = shape.mean(0, keepdim=True).expand(batch, -1)
        vertices, joints = self.model.from_rotations(self._rotations(th_pose_coeffs), shape)
        if bool(root_palm):
            joints = torch.cat([self._palm(vertices), joints[:, 1:]], dim=1)
        if not _is_zero(th_trans):
            self.model.check_input("th_trans", th_trans, 3, batch)
            vertices, joints = vertices + th_trans[:, None], joints + th_trans[:, None]
        elif self.center_idx is not None:
            center = joints[:, self.center_idx, None]
            vertices, joints = vertices - center, joints - center
        return vertices * _MM_PER_METRE, joints * _MM_PER_METRE

    def _rotations(self, pose: Tensor) -> Float[Tensor, "batch 16 3 3"]:
        """All 16 rotation matrices from whatever the pose is given in."""
        if self.joint_rot_mode == "rotmat":
            if pose.shape[1:] != (16, 3, 3):
                raise BadInputError(f"th_pose_coeffs has shape {tuple(pose.shape)}, expected (batch, 16, 3, 3)")
            self.model.check_input("th_pose_coeffs", pose.flatten(1), 144)
            return roma.special_procrustes(pose)
        self.model.check_input("th_pose_coeffs", pose, self.rot + self.ncomps)
        fingers = self.model.pose_to_axis_angle(pose[:, self.rot :]).unflatten(1, (15, 3))
        root = pose[:, : self.rot]
        if self.root_rot_mode == "axisang":
            return roma.rotvec_to_rotmat(torch.cat([root[:, None], fingers], dim=1))
        wrist = rot6d_to_matrix(root, symmetric=self.robust_rot)
        return torch.cat([wrist[:, None], roma.rotvec_to_rotmat(fingers)], dim=1)

    def _palm(self, vertices: Tensor) -> Float[Tensor, "batch 1 3"]:
        """manopth's palm centre."""
        if self.model.file.topology != "mano":
            raise BadInputError("root_palm is defined by two vertices of MANO's mesh, and this hand has another mesh")
        return vertices[:, _MANO_PALM_VERTICES].mean(1, keepdim=True)


def rot6d_to_matrix(columns: Float[Tensor, "batch 6"], symmetric: bool = False) -> Float[Tensor, "batch 3 3"]:
    """Rotation from its first two columns, not necessarily orthonormal (Zhou et al. 2019, Eq. 4).

    Args:
        columns: first column, then second.
        symmetric: turn both unit columns by the same angle until they are orthogonal, instead of keeping the first.
    """
    first, second = columns.view(-1, 2, 3).unbind(1)
    if symmetric:
        first, second = nn.functional.normalize(first, dim=1), nn.functional.normalize(second, dim=1)
        # Sum and difference of unit vectors are orthogonal; halfway between them lie the corrected columns.
        middle = nn.functional.normalize(first + second, dim=1)
        across = nn.functional.normalize(first - second, dim=1)
        first, second = middle + across, middle - across
    return roma.special_gramschmidt(torch.stack([first, second], dim=2))


def find_mano_file(root: str | Path, side: Side) -> str | Path:
    """The hand file of that side in a folder; a packaged name or a file's own path is returned as it is.

    Raises:
        MissingFileError: the folder is not there, or holds no MANO file.
    """
    if str(root) in PACKAGED or Path(root).is_file():
        return root
    sides = ("RIGHT", "LEFT") if side == "right" else ("LEFT", "RIGHT")
    candidates = [Path(root) / f"MANO_{s}.{suffix}" for s in sides for suffix in ("pkl", "npz")]
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    raise MissingFileError(
        f"mano_root {root} holds none of {', '.join(c.name for c in candidates)}; register at "
        "https://mano.is.tue.mpg.de for MANO's files, or use mano_root='open' for the open hand"
    )


def _is_zero(value: Tensor | None) -> bool:
    """None or all zeros, which manopth takes as "not given"."""
    return value is None or not bool(value.any())
