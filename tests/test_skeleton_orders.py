"""The skeleton and the joint orders of data sets, as named tables."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from handlib import skeleton
from handlib.errors import BadInputError
from handlib.skeleton import JOINT_NAMES, JOINT_ORDERS, JointOrder, joint_permutation, reorder_joints

ORDERS_OF_OUR_21 = [name for name, order in JOINT_ORDERS.items() if set(order.joints) == set(JOINT_NAMES)]


def labelled(order: str) -> np.ndarray:
    """One number a joint: its index in the 21, or -1 for a joint that is not among them."""
    names = JOINT_ORDERS[order].joints
    return np.array([[JOINT_NAMES.index(n) if n in JOINT_NAMES else -1] for n in names], dtype=float)


def test_skeleton_is_five_chains_from_the_wrist():
    assert len(JOINT_NAMES) == 21 and JOINT_NAMES[0] == "wrist"
    assert skeleton.PARENTS[0] == -1 and [p for p in skeleton.PARENTS if p == 0] == [0] * 5
    assert [child for _, child in skeleton.BONES] == list(range(1, 21))
    for finger, joints in skeleton.FINGER_JOINTS.items():
        assert [JOINT_NAMES[j].split("_")[0] for j in joints] == [finger] * 4
        assert [skeleton.PARENTS[j] for j in joints] == [0, *joints[:3]]
    assert [JOINT_NAMES[t] for t in skeleton.TIPS] == [f"{f}_tip" for f in skeleton.FINGERS]


def test_model_joints_are_in_mano_order():
    fingers = [name.split("_")[0] for name in skeleton.MODEL_JOINT_NAMES[1::3]]
    assert fingers == ["index", "middle", "little", "ring", "thumb"]
    assert [JOINT_NAMES[k] for k in skeleton.MODEL_TO_21] == list(skeleton.MODEL_JOINT_NAMES)
    for joint, parent in enumerate(skeleton.MODEL_PARENTS[1:], start=1):
        child_21, parent_21 = skeleton.MODEL_TO_21[joint], skeleton.MODEL_TO_21[parent]
        assert skeleton.PARENTS[child_21] == parent_21


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        # vis_HO3D.py and manopth publish this permutation (jointsMapManoToSimple).
        ("ho3d", [0, 13, 14, 15, 16, 1, 2, 3, 17, 4, 5, 6, 18, 10, 11, 12, 19, 7, 8, 9, 20]),
        ("smplx", [0, 13, 14, 15, 16, 1, 2, 3, 17, 4, 5, 6, 18, 10, 11, 12, 19, 7, 8, 9, 20]),
        # Loaders of BigHand2.2M publish this one: finger-major.
        ("bighand", [0, 1, 6, 7, 8, 2, 9, 10, 11, 3, 12, 13, 14, 4, 15, 16, 17, 5, 18, 19, 20]),
        # STB: palm, then little to thumb, each from the knuckle; it has no wrist.
        ("stb", [-1, 17, 18, 19, 20, 13, 14, 15, 16, 9, 10, 11, 12, 5, 6, 7, 8, 1, 2, 3, 4]),
    ],
)
def test_published_permutations(source: str, expected: list[int]):
    assert list(joint_permutation(source, "handlib")) == expected


def test_nyu_rows_mean_what_the_data_set_names_them():
    names = [f"F{k}_KNU{n}_{ab}" for k in range(1, 5) for n in (3, 2, 1) for ab in "AB"]
    names += [f"TH_KNU{n}_{ab}" for n in (3, 2, 1) for ab in "AB"] + [f"PALM_{k}" for k in range(1, 7)]
    order = JOINT_ORDERS["nyu36"].joints
    assert len(order) == 36
    rows = {name: order[row] for row, name in enumerate(names)}
    assert rows["F1_KNU3_A"] == "little_tip" and rows["F4_KNU1_B"] == "index_mcp"
    assert rows["F3_KNU2_B"] == "middle_pip" and rows["F2_KNU3_B"] == "ring_dip"
    assert rows["TH_KNU3_B"] == "thumb_ip" and rows["TH_KNU1_B"] == "thumb_cmc" and rows["PALM_6"] == "wrist"
    evaluated = [0, 3, 6, 9, 12, 15, 18, 21, 24, 25, 27, 30, 31, 32]
    x = np.arange(36.0)[:, None]
    assert reorder_joints(x, "nyu36", "nyu14")[:, 0].tolist() == evaluated


def test_mhp_rows_follow_the_data_set_row_names():
    order = JOINT_ORDERS["mhp"].joints
    assert order[:4] == ("index_pip", "index_mcp", "index_dip", "index_tip") and order[20] == "palm"
    assert "UNCERTAIN" in JOINT_ORDERS["mhp"].source


@pytest.mark.parametrize("name", sorted(JOINT_ORDERS))
def test_every_order_gives_each_joint_its_own_row(name: str):
    ours = reorder_joints(labelled(name), name, "handlib", missing="nan")[:, 0]
    present = ~np.isnan(ours)
    assert np.array_equal(ours[present], np.flatnonzero(present))
    absent = [JOINT_NAMES[k] for k in np.flatnonzero(~present)]
    assert not set(absent) & set(JOINT_ORDERS[name].joints)


@given(st.sampled_from(ORDERS_OF_OUR_21), st.sampled_from(ORDERS_OF_OUR_21), st.integers(0, 2))
def test_round_trip_between_complete_orders(first: str, second: str, axis: int):
    shape = [2, 3, 4]
    shape[axis] = 21
    x = torch.randn(shape)
    there = reorder_joints(x, first, second, axis=axis)
    assert torch.equal(reorder_joints(there, second, first, axis=axis), x)


def test_tensor_and_array_agree_and_gradients_flow():
    x = torch.randn(2, 21, 3, requires_grad=True)
    out = reorder_joints(x, "ho3d", "handlib")
    assert np.array_equal(out.detach().numpy(), reorder_joints(x.detach().numpy(), "ho3d", "handlib"))
    out.sum().backward()
    assert torch.equal(x.grad, torch.ones_like(x))


def test_missing_joints_are_named_or_marked():
    x = torch.randn(5, 16, 3)
    with pytest.raises(BadInputError, match="thumb_tip, index_tip, middle_tip, ring_tip, little_tip"):
        reorder_joints(x, "mano", "handlib")
    filled = reorder_joints(x, "mano", "handlib", missing="nan")
    assert torch.equal(filled[:, list(skeleton.MODEL_TO_21)], x)
    assert torch.isnan(filled[:, list(skeleton.TIPS)]).all()
    assert int(torch.isnan(filled).sum()) == 5 * 5 * 3


def test_bad_input_is_named():
    x = np.zeros((2, 21, 3))
    with pytest.raises(BadInputError, match="'opnpose' is not known"):
        reorder_joints(x, "opnpose", "handlib")
    with pytest.raises(BadInputError, match="has 21 joints, but order 'mano' has 16"):
        reorder_joints(x, "mano", "handlib")
    with pytest.raises(BadInputError, match=r"axis=3: .* one of the 3 axes of an array of shape \(2, 21, 3\)"):
        reorder_joints(x, "mano", "handlib", axis=3)
    with pytest.raises(BadInputError, match="int64"):
        reorder_joints(np.zeros((16, 3), dtype=np.int64), "mano", "handlib", missing="nan")
    with pytest.raises(BadInputError, match="names a joint twice"):
        JointOrder("mine", ("wrist", "wrist"), "nowhere")


def test_an_order_of_ones_own():
    mine = JointOrder("mine", ("index_tip", "wrist"), "my data")
    out = reorder_joints(np.arange(21.0)[:, None], "handlib", mine)
    assert out[:, 0].tolist() == [8, 0]
