"""Anatomical angles: exact both ways, differentiable everywhere, and of one meaning on every hand."""

import numpy as np
import pytest
import roma
import torch
from pose_hands import HANDS, MIRROR, anatomy, model, random_angles
from scipy.spatial.transform import Rotation
from torch.autograd import gradcheck

from handlib.errors import BadInputError
from handlib.hand import HandModel
from handlib.hand.anatomy import (
    AnatomicalPose,
    anatomical_to_matrix,
    as_right_hand,
    bone_frame,
    chain_angles,
    matrix_to_anatomical,
    palm_frame,
    rest_joints_m,
)
from handlib.skeleton import FINGER_JOINTS, FINGERS, MODEL_JOINT_NAMES, TIPS

ROW = {name: row for row, name in enumerate(MODEL_JOINT_NAMES[1:])}
FLEXION, ABDUCTION, TWIST = 0, 1, 2


def palm_coordinates(source: str, side: str, angles: torch.Tensor) -> torch.Tensor:
    """The joints of the posed mesh as (radial, dorsal, distal), of left hands as of their mirror image."""
    joints = as_right_hand(model(source, side)(anatomy(source, side).to_axis_angle(angles)).joints, side)
    return (joints - joints[:, :1]) @ palm_frame(joints)


@pytest.mark.parametrize(("source", "side"), HANDS)
def test_angles_survive_the_round_trip(source: str, side: str) -> None:
    angles = random_angles(64)
    back = anatomy(source, side).from_axis_angle(anatomy(source, side).to_axis_angle(angles))
    torch.testing.assert_close(back, angles, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("source", "side"), HANDS)
def test_rotations_survive_the_round_trip(source: str, side: str) -> None:
    pose = 1.2 * torch.randn(64, 45, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    back = anatomy(source, side).to_axis_angle(anatomy(source, side).from_axis_angle(pose))
    rotations = [roma.rotvec_to_rotmat(p.unflatten(1, (15, 3))) for p in (pose, back)]
    torch.testing.assert_close(*rotations, rtol=0, atol=1e-10)


@pytest.mark.parametrize(("source", "side"), HANDS)
def test_rest_pose_is_zero_axis_angle(source: str, side: str) -> None:
    a = anatomy(source, side)
    assert a.to_axis_angle(a.rest_angles[None]).abs().max() < 1e-12
    torch.testing.assert_close(a.from_axis_angle(torch.zeros(1, 45, dtype=torch.float64))[0], a.rest_angles)


def test_matrices_agree_with_scipy() -> None:
    angles = random_angles(8).reshape(-1, 3)
    expected = Rotation.from_euler("XYZ", angles.numpy()).as_matrix()
    np.testing.assert_allclose(anatomical_to_matrix(angles).numpy(), expected, atol=1e-14)
    np.testing.assert_allclose(matrix_to_anatomical(torch.from_numpy(expected)).numpy(), angles.numpy(), atol=1e-13)


@pytest.mark.parametrize("where", ["zero", "rest", "lowest", "highest", "random"])
def test_gradients_both_ways(where: str) -> None:
    a = anatomy()
    angles = {
        "zero": torch.zeros(1, 15, 3, dtype=torch.float64),
        "rest": a.rest_angles[None],
        "lowest": a.limits[None, ..., 0],
        "highest": a.limits[None, ..., 1],
        "random": random_angles(2),
    }[where]
    assert gradcheck(a.to_axis_angle, angles.clone().requires_grad_())
    assert gradcheck(a.from_axis_angle, a.to_axis_angle(angles).requires_grad_())


def test_gradients_of_joints_and_of_inverse_kinematics() -> None:
    angles = random_angles(2)
    assert gradcheck(anatomy().to_joints, angles.clone().requires_grad_())
    assert gradcheck(anatomy().from_joints, anatomy().to_joints(angles).requires_grad_())


def test_single_precision_gradients_are_finite_at_zero() -> None:
    a = anatomy(dtype=torch.float32)
    for function, shape in ((a.to_axis_angle, (1, 15, 3)), (a.from_axis_angle, (1, 45))):
        x = torch.zeros(shape, requires_grad=True)
        function(x).square().sum().backward()
        assert torch.isfinite(x.grad).all()


@pytest.mark.parametrize(("source", "side"), HANDS)
@pytest.mark.parametrize("finger", FINGERS[1:])
def test_fingers_flex_to_the_palm_and_abduct_to_the_thumb(source: str, side: str, finger: str) -> None:
    angles = torch.zeros(5, 15, 3, dtype=torch.float64)
    for pose, joint in enumerate(("mcp", "pip", "dip"), start=1):
        angles[pose, ROW[f"{finger}_{joint}"], FLEXION] = 0.5
    angles[4, ROW[f"{finger}_mcp"], ABDUCTION] = 0.3
    tips = palm_coordinates(source, side, angles)[:, FINGER_JOINTS[finger][3]]
    moved = tips[1:] - tips[0]
    assert (moved[:3, 1] < -0.005).all(), "flexion moves the tip toward the palm"
    assert (moved[:3, 2] < 0).all(), "and back toward the wrist"
    assert moved[3, 0] > 0.01, "abduction moves the tip to the thumb's side"
    assert moved[3, 1].abs() < 0.25 * moved[3, 0]


@pytest.mark.parametrize(("source", "side"), HANDS)
def test_the_thumb_flexes_across_the_palm_and_abducts_out_of_it(source: str, side: str) -> None:
    angles = torch.zeros(6, 15, 3, dtype=torch.float64)
    for pose, joint in enumerate(("cmc", "mcp", "ip"), start=1):
        angles[pose, ROW[f"thumb_{joint}"], FLEXION] = 0.5
    angles[4, ROW["thumb_cmc"], ABDUCTION] = 0.4
    angles[5, ROW["thumb_cmc"], TWIST] = 0.4
    points = palm_coordinates(source, side, angles)
    moved = points[1:, TIPS[0]] - points[0, TIPS[0]]
    assert (moved[:3, 0] < -0.007).all(), "flexion moves the tip to the little finger's side"
    assert moved[3, 1] < -0.01, "abduction moves the tip out of the palm's plane"
    assert moved[4].norm() < 0.35 * moved[0].norm(), "twist turns the thumb about its own bone"


@pytest.mark.parametrize(("source", "side"), HANDS)
def test_zero_is_a_straight_finger_in_line_with_its_metacarpal(source: str, side: str) -> None:
    joints = palm_coordinates(source, side, torch.zeros(1, 15, 3, dtype=torch.float64))[0]
    for finger in FINGERS:
        bones = joints[list(FINGER_JOINTS[finger])].diff(dim=0)
        bones = torch.cat((joints[FINGER_JOINTS[finger][0]][None], bones)) if finger != "thumb" else bones
        directions = torch.nn.functional.normalize(bones, dim=1)
        bends = torch.rad2deg((directions[1:] * directions[:-1]).sum(1).clamp(max=1).acos())
        assert bends.max() < 15.0, f"{finger} bends {bends.tolist()} degrees at zero"
        if finger != "thumb":
            assert bends[0] < 1e-4, "the first bone continues the metacarpal"


def test_left_hand_is_the_mirror_image() -> None:
    angles = random_angles(8)
    right, left = (model("open", s)(anatomy("open", s).to_axis_angle(angles)).joints for s in ("right", "left"))
    torch.testing.assert_close(left, right * MIRROR, rtol=0, atol=1e-9)


@pytest.mark.parametrize(("source", "side"), HANDS)
def test_forward_kinematics_agree_with_the_mesh_model(source: str, side: str) -> None:
    angles = random_angles(16)
    mesh_joints = model(source, side)(anatomy(source, side).to_axis_angle(angles)).joints
    joints = anatomy(source, side).to_joints(angles)
    inner = [j for j in range(21) if j not in TIPS]
    torch.testing.assert_close(joints[:, inner], mesh_joints[:, inner], rtol=0, atol=1e-9)
    assert (joints - mesh_joints).norm(dim=-1).max() < 0.005


@pytest.mark.parametrize(("source", "side"), HANDS)
def test_inverse_kinematics_recover_the_angles_of_a_moved_hand(source: str, side: str) -> None:
    angles = random_angles(16)
    angles[..., TWIST] = 0
    joints = anatomy(source, side).to_joints(angles)
    turn = roma.random_rotmat(1, dtype=torch.float64)[0]
    moved = 3.7 * joints @ turn.T + torch.tensor([0.3, -2.0, 5.0], dtype=torch.float64)
    torch.testing.assert_close(anatomy(source, side).from_joints(moved), angles, rtol=0, atol=1e-9)


def test_bones_do_not_show_twist_but_keep_their_directions() -> None:
    angles = random_angles(8)
    joints = anatomy().to_joints(angles)
    again = anatomy().to_joints(anatomy().from_joints(joints))
    torch.testing.assert_close(again, joints, rtol=0, atol=1e-9)


@pytest.mark.parametrize("source", ["open", "generic"])
def test_the_thumbs_nail_is_where_the_skin_has_it(source: str) -> None:
    hand, rest = model(source), rest_joints_m(model(source))
    _, frames = chain_angles(rest)
    bone = rest[TIPS[0]] - rest[FINGER_JOINTS["thumb"][2]]
    skin = hand.v_template[hand.weights[:, 15] > 0.8]
    axis = bone / bone.norm()
    across = skin - skin.mean(0)
    across = across - (across @ axis)[:, None] * axis
    nail = torch.linalg.svd(across, full_matrices=False).Vh[1]  # the thumb is flatter under its nail
    predicted = bone_frame(bone, frames[ROW["thumb_ip"]][:, 1])[:, 1]
    assert torch.rad2deg((nail @ predicted).abs().acos()) < 25.0


def test_frames_are_rotations() -> None:
    frames = anatomy("generic").zero_frames
    torch.testing.assert_close(frames @ frames.mT, torch.eye(3, dtype=torch.float64).expand(15, 3, 3))
    torch.testing.assert_close(torch.linalg.det(frames), torch.ones(15, dtype=torch.float64))


def test_bad_input_is_named() -> None:
    # Under the tests' type check a wrong shape never reaches the function itself, so it is called without.
    with pytest.raises(BadInputError, match=r"\(2, 16, 3\)"):
        AnatomicalPose.from_joints.__wrapped__(anatomy(), torch.zeros(2, 16, 3, dtype=torch.float64))
    broken = HandModel.load("open")
    broken.v_template[0] = torch.nan
    with pytest.raises(BadInputError, match="not finite"):
        AnatomicalPose(broken)


@pytest.mark.parametrize(
    ("method", "name", "shape"),
    [
        ("to_axis_angle", "angles", (2, 15, 3)),
        ("from_axis_angle", "pose", (2, 45)),
        ("to_joints", "angles", (2, 15, 3)),
        ("from_joints", "joints", (2, 21, 3)),
    ],
)
def test_another_dtype_is_named(method: str, name: str, shape: tuple[int, ...]) -> None:
    with pytest.raises(BadInputError, match=rf"{name}: .*, torch.float32; .*, torch.float64 is wanted"):
        getattr(anatomy("open", "right"), method)(torch.zeros(shape))
