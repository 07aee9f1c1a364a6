"""The translation that brings a hand's joints onto their keypoints."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from handlib.camera import PerspectiveCamera
from handlib.hand import HandModel, named_pose
from handlib.hand.anatomy import AnatomicalPose
from handlib.reconstruction.placing import place_on_keypoints

K = torch.tensor([[[500.0, 0.0, 310.0], [0.0, 510.0, 250.0], [0.0, 0.0, 1.0]]])


def gripping_hand() -> torch.Tensor:
    model = HandModel.load("open")
    pose = AnatomicalPose(model).to_axis_angle(named_pose("tripod_grip")[None])
    return model.joints(pose, torch.zeros(1, 10)) + torch.tensor([0.0, 0.0, 0.5])


@settings(max_examples=20, deadline=None)
@given(x=st.floats(-0.3, 0.3), y=st.floats(-0.3, 0.3), z=st.floats(-0.15, 1.0))
def test_a_moved_hand_is_brought_back(x, y, z):
    joints, move = gripping_hand(), torch.tensor([[[x, y, z]]])
    seen = PerspectiveCamera(K).project(joints + move)
    found = place_on_keypoints(joints, seen, torch.ones(1, 21), K)
    assert torch.allclose(found, move, atol=2e-3)


def test_noise_moves_it_to_the_place_of_least_distance():
    joints = gripping_hand()
    seen = PerspectiveCamera(K).project(joints) + 4 * torch.randn(1, 21, 2, generator=torch.manual_seed(0))
    seen += torch.tensor([30.0, -20.0])
    placed = joints + place_on_keypoints(joints, seen, torch.ones(1, 21), K)

    def distance(points: torch.Tensor) -> float:
        return float((PerspectiveCamera(K).project(points) - seen).square().sum())

    assert distance(placed) < 0.2 * distance(joints)
    for step in 0.01 * torch.cat([torch.eye(3), -torch.eye(3)]):
        assert distance(placed) < distance(placed + step)


def test_keypoints_without_confidence_do_not_count():
    joints = gripping_hand()
    seen, weight = PerspectiveCamera(K).project(joints), torch.ones(1, 21)
    seen[0, 8] += 300
    weight[0, 8] = 0
    assert torch.allclose(place_on_keypoints(joints, seen, weight, K), torch.zeros(1, 1, 3), atol=1e-3)


def test_keypoints_that_no_hand_has_do_no_harm():
    joints = gripping_hand()
    for seen in (torch.full((1, 21, 2), 100.0), torch.zeros(1, 21, 2), 1e4 * torch.randn(1, 21, 2)):
        placed = joints + place_on_keypoints(joints, seen, torch.ones(1, 21), K)
        assert torch.isfinite(placed).all() and placed[..., 2].min() > 0.1 - 1e-6
    nothing = place_on_keypoints(joints, torch.zeros(1, 21, 2), torch.zeros(1, 21), K)
    assert np.isfinite(nothing.numpy()).all()
