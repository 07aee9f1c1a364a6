"""Lifting from all sides and refinement: equivariant to turns, onto the keypoints, never worse."""

import math
from dataclasses import replace

import pytest
import torch

from handlib.camera import PerspectiveCamera
from handlib.hand import HandModel
from handlib.metrics.errors import mpjpe
from handlib.models import S2HandConfig, S2HandNetwork
from handlib.pretrained import RELEASED, released_network
from handlib.reconstruction.refining import TURNS, lift_all_round, refine, refinement_energy
from handlib.training.lifting import draw_hands, see_from_anywhere

COUNT, VIEW_PX = 24, 112
CENTRE = torch.full((COUNT, 2), (VIEW_PX - 1) / 2)
SIDE = torch.full((COUNT,), float(VIEW_PX))
RIGHT = torch.zeros(COUNT, dtype=torch.bool)
SURE = torch.ones(COUNT, 21)

needs_released = pytest.mark.skipif(not RELEASED.is_file(), reason="the package came without its network")


@pytest.fixture(scope="module")
def untrained() -> S2HandNetwork:
    torch.manual_seed(0)
    return S2HandNetwork(S2HandConfig(texture=False, image_keypoints=True, image_px=VIEW_PX), False).eval()


@pytest.fixture(scope="module")
def seen():
    hands = draw_hands(HandModel.load("open"), COUNT, seed=5)
    return see_from_anywhere(hands, VIEW_PX, torch.Generator().manual_seed(0))


def turned(points: torch.Tensor, angle: float) -> torch.Tensor:
    """Pixels turned about the middle of the view, clockwise on the screen."""
    c, s = math.cos(angle), math.sin(angle)
    return (points - CENTRE[:, None]) @ torch.tensor([[c, s], [-s, c]]) + CENTRE[:, None]


def test_a_picture_that_is_turned_by_one_of_the_turns_turns_the_lifted_hand_and_changes_nothing_else(untrained, seen):
    angle = 2 * math.pi / TURNS
    upright = lift_all_round(untrained, seen.keypoints_px, SURE, CENTRE, SIDE, RIGHT)
    aside = lift_all_round(untrained, turned(seen.keypoints_px, angle), SURE, CENTRE, SIDE, RIGHT)
    c, s = math.cos(angle), math.sin(angle)
    about_z = torch.tensor([[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]])
    torch.testing.assert_close(upright.joints_m @ about_z, aside.joints_m, atol=1e-5, rtol=0)


def test_a_mirrored_left_hand_is_lifted_like_the_right_one(untrained, seen):
    mirrored = seen.keypoints_px * torch.tensor([-1.0, 1.0]) + torch.tensor([VIEW_PX - 1.0, 0.0])
    right = lift_all_round(untrained, seen.keypoints_px, SURE, CENTRE, SIDE, RIGHT)
    left = lift_all_round(untrained, mirrored, SURE, CENTRE, SIDE, ~RIGHT)
    torch.testing.assert_close(left.joints_m, right.joints_m, atol=1e-5, rtol=0)


@needs_released
def test_refinement_brings_the_hand_onto_its_keypoints_and_nearer_to_the_truth(seen):
    network = released_network()
    lifted = lift_all_round(network, seen.keypoints_px, SURE, CENTRE, SIDE, RIGHT)
    before, after = network.decode(lifted.code, VIEW_PX, lifted.view.K), refine(network, lifted)
    assert (refinement_energy(after, lifted) <= refinement_energy(before, lifted)).all()
    off_before, off_after = (
        (hand.joints_2d_px - lifted.keypoints_px).norm(dim=-1).mean(1) / seen.side_px for hand in (before, after)
    )
    assert off_after.mean() < 0.6 * off_before.mean()
    true = seen.joints_m.double().numpy()
    error_before, error_after = (
        mpjpe(hand.joints.double().numpy(), true, alignment="procrustes_rigid") for hand in (before, after)
    )
    assert error_after < error_before


@needs_released
def test_a_hand_without_confidence_stays_at_what_was_lifted(seen):
    network = released_network()
    lifted = lift_all_round(network, seen.keypoints_px, SURE, CENTRE, SIDE, RIGHT)
    hands = refine(network, replace(lifted, confidence=torch.zeros(COUNT, 21)))
    error = mpjpe(hands.joints.double().numpy(), lifted.joints_m.double().numpy(), alignment="procrustes_rigid")
    assert error < 3.0, "mm from the mean over turns, which is no hand quite"


def test_joints_behind_the_camera_pull_at_nothing_and_leave_no_nan(untrained, seen):
    lifted = lift_all_round(untrained, seen.keypoints_px, SURE, CENTRE, SIDE, RIGHT)
    hands = untrained.decode(lifted.code, VIEW_PX, lifted.view.K)
    behind = hands.joints - torch.tensor([0.0, 0.0, 10.0])
    lost = replace(hands, joints=behind, joints_2d_px=PerspectiveCamera(lifted.view.K).project(behind))
    assert not lost.joints_2d_px.isfinite().all(), "the test needs joints without a place in the picture"
    assert refinement_energy(lost, lifted).isfinite().all()
