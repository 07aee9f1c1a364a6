"""ManoLayer answers as manopth documents: millimetres, its joint order, its options, none of them ignored."""

from pathlib import Path

import numpy as np
import pytest
import roma
import torch

from handlib import HandModel
from handlib.errors import BadInputError, MissingFileError
from handlib.hand import ManoLayer
from handlib.hand.files import write_mano_npz
from handlib.hand.mano_layer import rot6d_to_matrix

smplx = pytest.importorskip("smplx")


@pytest.fixture
def mano_root(write_mano_pickle) -> Path:
    """A folder with a random MANO_RIGHT.pkl, without fingertips of its own, as the real one."""
    return write_mano_pickle().parent


def test_same_numbers_as_smplx_in_millimetres(mano_root: Path):
    pose, betas, trans = torch.randn(4, 3 + 12), torch.randn(4, 10), torch.randn(4, 3)
    layer = ManoLayer(mano_root=mano_root, ncomps=12, flat_hand_mean=False)
    vertices, joints = layer(pose, betas, trans)
    theirs = smplx.MANO(str(mano_root / "MANO_RIGHT.pkl"), num_pca_comps=12, flat_hand_mean=False, batch_size=4)
    out = theirs(betas=betas, global_orient=pose[:, :3], hand_pose=pose[:, 3:], transl=trans)
    torch.testing.assert_close(vertices, out.vertices * 1000, atol=2e-3, rtol=0)
    # manopth appends five vertices to the 16 joints and reorders: both tables are in its documentation.
    with_tips = torch.cat([out.joints, out.vertices[:, [745, 317, 444, 556, 673]]], dim=1) * 1000
    order = [0, 13, 14, 15, 16, 1, 2, 3, 17, 4, 5, 6, 18, 10, 11, 12, 19, 7, 8, 9, 20]
    torch.testing.assert_close(joints, with_tips[:, order], atol=2e-3, rtol=0)
    assert layer.th_faces.shape == (1538, 3) and layer.th_selected_comps.shape == (12, 45)
    assert layer.th_v_template.shape == (1, 778, 3) and layer.th_hands_mean.abs().sum() > 0


def test_positional_call_of_published_code(mano_root: Path):
    layer = ManoLayer(0, True, 45, "right", str(mano_root), False, "axisang", "axisang", False)
    vertices, joints = layer(torch.zeros(2, 48), torch.zeros(1), torch.zeros(1), torch.Tensor([0]), torch.Tensor([0]))
    torch.testing.assert_close(joints[:, 0], torch.zeros(2, 3))
    assert vertices.shape == (2, 778, 3)


def test_centre_and_translation(mano_root: Path):
    pose, trans = torch.randn(3, 9), torch.randn(3, 3)
    plain = ManoLayer(mano_root=mano_root)(pose)
    centred = ManoLayer(mano_root=mano_root, center_idx=9)
    vertices, joints = centred(pose)
    torch.testing.assert_close(joints[:, 9], torch.zeros(3, 3), atol=1e-4, rtol=0)
    torch.testing.assert_close(vertices - joints[:, :1], plain[0] - plain[1][:, :1], atol=1e-3, rtol=0)
    moved = centred(pose, th_trans=trans)
    torch.testing.assert_close(moved[1], plain[1] + 1000 * trans[:, None], atol=1e-3, rtol=0)


def test_share_betas_and_root_palm(mano_root: Path):
    layer = ManoLayer(mano_root=mano_root)
    pose, betas = torch.randn(3, 9), torch.randn(3, 10)
    shared = layer(pose, betas, share_betas=torch.Tensor([1]))[0]
    torch.testing.assert_close(shared, layer(pose, betas.mean(0, keepdim=True).expand(3, -1))[0])
    vertices, joints = layer(pose, betas, root_palm=True)
    torch.testing.assert_close(joints[:, 0], vertices[:, [22, 95]].mean(1))
    with pytest.raises(BadInputError, match="this hand has another mesh"):
        ManoLayer(use_pca=False)(torch.zeros(1, 48), root_palm=True)


def test_rotation_modes_agree(mano_root: Path):
    rotvec = torch.randn(4, 16, 3)
    matrices = roma.rotvec_to_rotmat(rotvec)
    axisang = ManoLayer(mano_root=mano_root, use_pca=False)(rotvec.flatten(1))[0]
    # What a network gives is no rotation to the last digit: a multiple of one has that one as its nearest.
    rotmat = ManoLayer(mano_root=mano_root, use_pca=False, joint_rot_mode="rotmat")(1.5 * matrices)[0]
    columns = matrices[:, 0, :, :2].mT.flatten(1)
    sixd = torch.cat([columns, rotvec[:, 1:].flatten(1)], dim=1)
    torch.testing.assert_close(rotmat, axisang, atol=1e-2, rtol=0)
    for robust in (False, True):
        layer = ManoLayer(mano_root=mano_root, use_pca=False, root_rot_mode="rot6d", robust_rot=robust)
        torch.testing.assert_close(layer(sixd)[0], axisang, atol=1e-2, rtol=0)


@pytest.mark.parametrize("symmetric", [False, True])
def test_rot6d_gives_rotations_from_any_columns(symmetric: bool):
    columns = torch.randn(50, 6, dtype=torch.float64)
    rotation = rot6d_to_matrix(columns, symmetric)
    torch.testing.assert_close(rotation @ rotation.mT, torch.eye(3, dtype=torch.float64).expand(50, 3, 3))
    torch.testing.assert_close(torch.linalg.det(rotation), torch.ones(50, dtype=torch.float64))
    first, second = torch.nn.functional.normalize(columns.view(50, 2, 3), dim=2).unbind(1)
    along = [(rotation[:, :, k] * c).sum(1) for k, c in enumerate((first, second))]
    if symmetric:
        torch.testing.assert_close(along[0], along[1])  # both columns turned by the same angle
    else:
        torch.testing.assert_close(along[0], torch.ones(50, dtype=torch.float64))


def test_side_and_file_are_found(mano_root: Path, random_hand, tmp_path: Path):
    right = ManoLayer(mano_root=mano_root, side="right")
    mirrored = ManoLayer(mano_root=mano_root, side="left")  # only MANO_RIGHT.pkl is there
    torch.testing.assert_close(mirrored.th_v_template * torch.tensor([-1.0, 1, 1]), right.th_v_template)
    assert right.model.tip_vertices.tolist() == mirrored.model.tip_vertices.tolist() == [745, 317, 444, 556, 673]
    (mano_root / "MANO_LEFT.pkl").write_bytes((mano_root / "MANO_RIGHT.pkl").read_bytes())
    left = ManoLayer(mano_root=mano_root, side="left")
    assert left.model.tip_vertices.tolist() == [745, 317, 445, 556, 673]
    torch.testing.assert_close(left.th_v_template, right.th_v_template)
    alone = write_mano_npz(random_hand, tmp_path / "alone.npz")
    assert ManoLayer(mano_root=alone).th_faces.shape == (1538, 3)


def test_the_open_hand_is_the_default():
    layer = ManoLayer(use_pca=False, center_idx=0)
    vertices, joints = layer(torch.zeros(1, 48))
    mesh = HandModel.load("open")(torch.zeros(1, 45))
    expected = 1000 * (mesh.joints - mesh.joints[:, :1])
    np.testing.assert_allclose(joints, expected, atol=1e-3)
    assert vertices.shape == (1, 778, 3)


def test_gradients_reach_every_argument(mano_root: Path):
    inputs = [torch.randn(2, n, requires_grad=True) for n in (9, 10, 3)]
    vertices, joints = ManoLayer(mano_root=mano_root)(*inputs)
    (vertices.square().sum() + joints.sum()).backward()
    assert all(x.grad.abs().sum() > 0 for x in inputs)


def test_a_shape_of_zeros_can_be_optimised(mano_root: Path):
    betas = torch.zeros(2, 10, requires_grad=True)
    ManoLayer(mano_root=mano_root)(torch.zeros(2, 9), betas)[0].square().sum().backward()
    assert betas.grad.abs().sum() > 0


def test_bad_options_and_input_are_named(mano_root: Path, tmp_path: Path):
    with pytest.raises(BadInputError, match="joint_rot_mode='rotmat' takes whole rotations"):
        ManoLayer(mano_root=mano_root, joint_rot_mode="rotmat")
    with pytest.raises(BadInputError, match="center_idx is 21"):
        ManoLayer(mano_root=mano_root, center_idx=21)
    with pytest.raises(BadInputError, match=r"th_pose_coeffs has shape \(2, 8\), expected \(batch, 9\)"):
        ManoLayer(mano_root=mano_root)(torch.zeros(2, 8))
    with pytest.raises(BadInputError, match="th_pose_coeffs holds NaN"):
        ManoLayer(mano_root=mano_root)(torch.full((2, 9), float("nan")))
    with pytest.raises(BadInputError, match=r"\(2, 15, 3, 3\), expected \(batch, 16, 3, 3\)"):
        ManoLayer(mano_root=mano_root, use_pca=False, joint_rot_mode="rotmat")(torch.zeros(2, 15, 3, 3))
    with pytest.raises(MissingFileError, match="holds none of MANO_RIGHT.pkl"):
        ManoLayer(mano_root=tmp_path / "nowhere")
