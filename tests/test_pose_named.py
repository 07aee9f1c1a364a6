"""The named poses read as what they are named: which fingers are straight, what touches, what stays apart."""

from pathlib import Path

import pytest
import torch
from pose_hands import anatomy, model, penetration

from handlib.errors import BadInputError
from handlib.hand.anatomy import palm_frame
from handlib.hand.pose_limits import dof_mask, limit_violation
from handlib.hand.poses import (
    NAMED_POSES,
    all_named_poses,
    close_contacts,
    named_pose,
    read_named_poses,
    table_row,
    touch_errors_m,
)
from handlib.skeleton import FINGER_JOINTS, FINGERS, JOINT_NAMES

STRAIGHT = {
    "flat": FINGERS,
    "spread": FINGERS,
    "fist": (),
    "thumbs_up": ("thumb",),
    "point": ("index",),
    "digit_1": ("index",),
    "digit_2": ("index", "middle"),
    "digit_3": ("thumb", "index", "middle"),
    "digit_4": ("index", "middle", "ring", "little"),
    "digit_5": FINGERS,
    "digit_6": ("index", "middle", "ring"),
    "digit_7": ("index", "middle", "little"),
    "digit_8": ("index", "ring", "little"),
    "digit_9": ("middle", "ring", "little"),
    "peace": ("index", "middle"),
    "horns": ("index", "little"),
    "i_love_you": ("thumb", "index", "little"),
    "call_me": ("thumb", "little"),
    "finger_gun": ("thumb", "index", "middle"),
    "letter_b": ("index", "middle", "ring", "little"),
    "letter_i": ("little",),
    "letter_l": ("thumb", "index"),
    "letter_u": ("index", "middle"),
    "letter_w": ("index", "middle", "ring"),
    "vulcan": FINGERS,
    "ok": ("middle", "ring", "little"),
}
"""Poses and their straight digits; the other digits are clearly bent."""


def mesh_joints(name: str) -> torch.Tensor:
    return model()(anatomy().to_axis_angle(named_pose(name)[None].double())).joints[0]


def bend_deg(joints: torch.Tensor, finger: str) -> float:
    """Angle between the first and the last bone of a digit."""
    bones = torch.nn.functional.normalize(joints[list(FINGER_JOINTS[finger])].diff(dim=0), dim=1)
    return float(torch.rad2deg((bones[0] @ bones[-1]).clamp(-1, 1).acos()))


def tip_gap_mm(name: str, first: str, second: str) -> float:
    joints = mesh_joints(name)
    return 1000 * float((joints[JOINT_NAMES.index(first)] - joints[JOINT_NAMES.index(second)]).norm())


def test_there_are_at_least_thirty_different_ones() -> None:
    poses = all_named_poses()
    assert len(poses) == len(NAMED_POSES) >= 30
    gaps = torch.pdist(poses.flatten(1))
    assert len({pose.about for pose in NAMED_POSES.values()}) == len(poses)
    assert (gaps > 0.05).sum() >= len(gaps) - 2, "digit_1 and point, digit_5 and spread may be one pose"


def test_all_are_within_the_limits_and_use_natural_movements_only() -> None:
    poses = all_named_poses().double()
    assert limit_violation(poses, anatomy().limits).max() < 1e-6
    assert (poses[:, ~dof_mask()] == 0).all()


@pytest.mark.parametrize("name", STRAIGHT)
def test_straight_digits_are_straight_and_the_others_bent(name: str) -> None:
    joints = mesh_joints(name)
    for finger in FINGERS:
        bend = bend_deg(joints, finger)
        if finger in STRAIGHT[name]:
            assert bend < 25, f"{finger} bends {bend:.0f} degrees"
        elif finger != "thumb":
            assert bend > 75, f"{finger} bends only {bend:.0f} degrees"


@pytest.mark.parametrize("name", list(NAMED_POSES))
def test_nothing_sinks_in_deeper_than_the_samplers_limit(name: str) -> None:
    assert penetration()(mesh_joints(name)[None]).item() < 0.004


@pytest.mark.parametrize("name", [name for name, pose in NAMED_POSES.items() if pose.touches])
def test_what_should_touch_touches(name: str) -> None:
    assert touch_errors_m(mesh_joints(name)[None], NAMED_POSES[name].touches).abs().max() < 0.005


@pytest.mark.parametrize("finger", FINGERS[1:])
def test_pinching_tips_meet(finger: str) -> None:
    assert tip_gap_mm(f"pinch_{finger}", "thumb_tip", f"{finger}_tip") < 10
    others = [other for other in FINGERS[1:] if other != finger]
    assert min(tip_gap_mm(f"pinch_{finger}", "thumb_tip", f"{other}_tip") for other in others) > 12


@pytest.mark.parametrize(
    ("name", "finger"),
    [
        ("ok", "index"),
        ("digit_6", "little"),
        ("digit_7", "ring"),
        ("digit_8", "middle"),
        ("digit_9", "index"),
    ],
)
def test_the_thumb_meets_the_right_finger_in_signs(name: str, finger: str) -> None:
    gaps = {other: tip_gap_mm(name, "thumb_tip", f"{other}_tip") for other in FINGERS[1:]}
    assert min(gaps, key=gaps.get) == finger
    assert gaps[finger] < 12


def test_a_fist_is_closed() -> None:
    joints = mesh_joints("fist")
    local = (joints - joints[0]) @ palm_frame(joints)
    for finger in FINGERS[1:]:
        knuckle, _, _, tip = (local[j] for j in FINGER_JOINTS[finger])
        assert tip[2] < knuckle[2], f"the {finger} tip lies nearer to the wrist than its knuckle"
        assert -0.05 < tip[1] < 0, "and in front of the palm"
    assert local[JOINT_NAMES.index("thumb_tip"), 0] < local[JOINT_NAMES.index("index_mcp"), 0]


def test_fingers_gap_in_the_vulcan_sign_and_in_the_v() -> None:
    gaps = [
        tip_gap_mm("vulcan", f"{a}_tip", f"{b}_tip")
        for a, b in (("index", "middle"), ("middle", "ring"), ("ring", "little"))
    ]
    assert gaps[1] > 1.5 * max(gaps[0], 18.0)
    assert tip_gap_mm("peace", "index_tip", "middle_tip") > 1.5 * tip_gap_mm("letter_u", "index_tip", "middle_tip")


def test_thumbs_up_points_to_the_radial_side() -> None:
    joints = mesh_joints("thumbs_up")
    thumb = (joints[4] - joints[2]) @ palm_frame(joints)
    assert thumb[0] > 0.7 * thumb.norm()


def test_contacts_close_on_another_hand() -> None:
    pose, hand = NAMED_POSES["pinch_middle"], anatomy("generic")
    before = touch_errors_m(hand.to_joints(pose.angles[None].double()), pose.touches)
    angles = close_contacts(pose, hand, penetration("generic"), steps=120)
    after = touch_errors_m(hand.to_joints(angles[None]), pose.touches)
    assert after.abs().max() < 0.003 < before.abs().max()
    assert (angles - pose.angles.double()).abs().max() < 0.6


def test_a_table_row_reads_back() -> None:
    row = table_row(named_pose("tripod_grip"))
    assert row["index"][0] == round(float(torch.rad2deg(named_pose("tripod_grip")[0, 0])))
    assert sum(len(values) for values in row.values()) == 22


def test_named_pose_hands_out_a_copy() -> None:
    named_pose("fist").zero_()
    assert named_pose("fist").abs().sum() > 5


def test_an_unknown_name_is_answered_with_the_names() -> None:
    with pytest.raises(BadInputError, match=r"'fits'.*fist"):
        named_pose("fits")


def test_a_short_row_is_named(tmp_path: Path) -> None:
    table = tmp_path / "poses.yml"
    table.write_text("salute:\n  about: a salute\n  thumb: [0, 0, 0, 0, 0]\n")
    with pytest.raises(BadInputError, match="salute: thumb has 5 angles; 6 are wanted"):
        read_named_poses(table)
