"""Self-penetration on capsules: right distances, and a measure that tells a hand from a tangle."""

import numpy as np
import pytest
import torch
from pose_hands import HANDS, MIRROR, anatomy, model, penetration

from handlib import HandModel
from handlib.errors import BadInputError
from handlib.hand import penetration as penetration_module
from handlib.hand.anatomy import rest_joints_m
from handlib.hand.penetration import CAPSULES, PALM_CAPSULES, HandPenetration, segment_distance
from handlib.hand.poses import named_pose
from handlib.hand.synthetic import random_hand_file
from handlib.skeleton import MODEL_JOINT_NAMES

DEG = np.pi / 180


def brute_force_distance(a0, a1, b0, b1) -> torch.Tensor:
    t = torch.linspace(0, 1, 401, dtype=torch.float64)[:, None]
    return torch.cdist(a0 + t * (a1 - a0), b0 + t * (b1 - b0)).min()


def test_segment_distance_agrees_with_brute_force() -> None:
    points = torch.randn(60, 4, 3, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    fast = segment_distance(*points.unbind(1))
    slow = torch.stack([brute_force_distance(*p) for p in points])
    assert ((slow - fast) > -1e-9).all(), "no point found by brute force is nearer"
    torch.testing.assert_close(fast, slow, rtol=0, atol=5e-3)


@pytest.mark.parametrize(
    ("segments", "expected"),
    [
        ([[0, 0, 0], [1, 0, 0], [0.2, 0.5, 0], [0.8, 0.5, 0]], 0.5),  # parallel, side by side
        ([[0, 0, 0], [1, 0, 0], [2, 0, 0], [3, 0, 0]], 1.0),  # in one line
        ([[0, 0, 0], [1, 0, 0], [0.5, -1, 0.25], [0.5, 1, 0.25]], 0.25),  # crossing
        ([[0, 0, 0], [0, 0, 0], [0, 3, 0], [0, 4, 0]], 3.0),  # a point and a segment
        ([[0, 0, 0], [1, 0, 0], [1, 0, 0], [1, 1, 0]], 0.0),  # touching at an end
    ],
)
def test_segment_distance_of_known_cases(segments, expected: float) -> None:
    a0, a1, b0, b1 = torch.tensor(segments, dtype=torch.float64)
    assert segment_distance(a0, a1, b0, b1).item() == pytest.approx(expected, abs=1e-9)


def test_segment_distance_is_the_same_in_any_batch() -> None:
    # A long pair beside them must not decide which short segments pass for parallel.
    small = 1e-3 * torch.randn(20, 4, 3, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    together = torch.cat([small, torch.tensor([[[0, 0, 0], [1e6, 0, 0], [0, 1, 0], [0, 1e6, 1.0]]]).double()])
    assert torch.equal(segment_distance(*together.unbind(1))[:-1], segment_distance(*small.unbind(1)))


@pytest.mark.parametrize(("source", "side"), HANDS)
def test_open_hands_touch_nothing(source: str, side: str) -> None:
    poses = torch.stack([named_pose(name) for name in ("spread", "relaxed", "digit_5")]).double()
    assert penetration(source, side)(anatomy(source, side).to_joints(poses)).max() == 0


@pytest.mark.parametrize(("source", "side"), HANDS)
def test_fingers_through_each_other_and_through_the_palm_are_found(source: str, side: str) -> None:
    angles = torch.zeros(2, 15, 3, dtype=torch.float64)
    rows = {name: row for row, name in enumerate(MODEL_JOINT_NAMES[1:])}
    angles[0, rows["index_mcp"], 1], angles[0, rows["middle_mcp"], 1] = -20 * DEG, 20 * DEG
    for joint, flexion in (("mcp", 90), ("pip", 100), ("dip", 80)):
        angles[1, rows[f"middle_{joint}"], 0] = 1.2 * flexion * DEG
    depths = penetration(source, side)(anatomy(source, side).to_joints(angles))
    assert depths[0] > 0.004 and depths[1] > 0.008


def test_left_hands_are_measured_like_right_ones() -> None:
    poses = torch.stack([named_pose(name) for name in ("fist", "ok", "letter_e")]).double() * 1.1
    right = anatomy().to_joints(poses)
    torch.testing.assert_close(penetration("open", "left")(right * MIRROR), penetration()(right))


def test_the_measure_does_not_depend_on_where_the_hand_is() -> None:
    joints = anatomy().to_joints(named_pose("fist")[None].double())
    turn = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(5), dtype=torch.float64)).Q
    turn = turn * torch.linalg.det(turn)
    torch.testing.assert_close(penetration()(joints @ turn.T + 0.3), penetration()(joints))


def test_depth_has_a_gradient_that_separates() -> None:
    angles = (named_pose("fist")[None].double() * 1.25).requires_grad_()
    before = penetration().pair_depths(anatomy().to_joints(angles)).clamp(min=0).square().sum()
    before.backward()
    assert torch.isfinite(angles.grad).all()
    moved = angles.detach() - 1e-3 * angles.grad / angles.grad.norm()
    assert penetration().pair_depths(anatomy().to_joints(moved)).clamp(min=0).square().sum() < before


@pytest.mark.parametrize("source", ["open", "generic"])
def test_radii_are_those_of_a_human_hand(source: str) -> None:
    radii_mm = 1000 * penetration(source).radii
    assert len(radii_mm) == len(CAPSULES)
    assert ((radii_mm[:PALM_CAPSULES] > 8) & (radii_mm[:PALM_CAPSULES] < 24)).all()
    assert ((radii_mm[PALM_CAPSULES:] > 3) & (radii_mm[PALM_CAPSULES:] < 20)).all()


def test_what_overlaps_at_rest_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    measured = penetration_module.capsule_radii_m

    def swollen(*hand: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        radii, shift = measured(*hand)
        return 1.6 * radii, shift

    monkeypatch.setattr(penetration_module, "capsule_radii_m", swollen)
    measure = HandPenetration(model("open"))
    assert measure.rest_depths.max() > 0.001
    assert float(measure(rest_joints_m(model("open"))[None])) == pytest.approx(0.0, abs=1e-12)


def test_a_mesh_that_is_no_hand_is_named() -> None:
    cloud = HandModel(random_hand_file(num_vertices=50, num_faces=9))
    with pytest.raises(BadInputError, match="none lies beside the bone from wrist to"):
        HandPenetration(cloud)
