"""The guided network: a picture that is read with a detector's keypoints in mind."""

import copy
import math

import numpy as np
import pytest
import torch

from handlib.camera import PerspectiveCamera
from handlib.models.guided import SPOT_CELLS, GuidedNetwork, draw_spots, drop_rows
from handlib.models.keypoint_readout import ReadKeypoints, lifting_features
from handlib.models.s2hand import S2HandConfig, S2HandNetwork
from handlib.reconstruction.guided import MIDDLE_KNUCKLE, WRIST, look_guided, upright_views

VIEW_PX = 64


@pytest.fixture(scope="module")
def guided() -> GuidedNetwork:
    torch.manual_seed(0)
    config = S2HandConfig(image_keypoints=True, texture=False, image_px=VIEW_PX)
    return GuidedNetwork(S2HandNetwork(config, imagenet=False)).eval()


def made_up_hands(count: int = 3) -> tuple[torch.Tensor, ReadKeypoints]:
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(count, 3, VIEW_PX, VIEW_PX, generator=generator)
    points = 8 + 48 * torch.rand(count, 21, 2, generator=generator)
    return images, ReadKeypoints(points, torch.rand(count, 21, generator=generator))


def test_before_training_it_lifts_the_detectors_keypoints_with_a_glance(guided):
    images, detected = made_up_hands()
    network = guided.network
    with torch.no_grad():
        features = network.encoder(images)
        code = network.geometry(lifting_features(detected, VIEW_PX), features.stride32)
        expected, answer = network.decode(code, VIEW_PX), guided(images, detected)
        read = network.readout(features, VIEW_PX)
    torch.testing.assert_close(answer.joints, expected.joints)
    torch.testing.assert_close(answer.keypoints.points_px, read.points_px)


def test_after_training_what_is_read_depends_on_what_was_detected(guided):
    images, detected = made_up_hands()
    trained = copy.deepcopy(guided)
    torch.nn.init.normal_(trained.spots.weight)
    moved = ReadKeypoints(detected.points_px.flip(1), detected.confidence)
    with torch.no_grad():
        same, other = (trained(images, given).keypoints.points_px for given in (detected, moved))
        blind = [guided(images, given).keypoints.points_px for given in (detected, moved)]
    assert (same - other).norm(dim=-1).mean() > 0.1
    torch.testing.assert_close(*blind)


def test_every_new_layer_learns_from_the_first_step_on(guided):
    images, detected = made_up_hands()
    trained = copy.deepcopy(guided).train()
    answer = trained(images, detected)
    (answer.joints.square().sum() + answer.keypoints.points_px.square().sum()).backward()
    for layer in (trained.spots, trained.read):
        assert layer.weight.grad.isfinite().all() and layer.weight.grad.abs().max() > 0


def test_a_spot_lies_where_its_joint_is_and_falls_off_as_a_bell():
    # Pixel 4 c + 1.5 is the centre of cell c.
    points = torch.full((1, 21, 2), -500.0)
    points[0, 5] = torch.tensor([4 * 3 + 1.5, 4 * 6 + 1.5])
    points[0, 7] = torch.tensor([4 * 3 + 3.5, 4 * 6 + 1.5])
    maps = draw_spots(points, (16, 12))
    assert maps.shape == (1, 21, 16, 12)
    assert maps[0, 5].argmax() == 6 * 12 + 3 and maps[0, 5].max() == 1
    assert maps[0, 5, 6, 4].item() == pytest.approx(math.exp(-0.5 / SPOT_CELLS**2))
    assert maps[0, 5, 8, 4].item() == pytest.approx(math.exp(-0.5 * 5 / SPOT_CELLS**2))
    assert maps[0, 7, 6, 3].item() == pytest.approx(maps[0, 7, 6, 4].item())  # half way between two cells
    others = [joint for joint in range(21) if joint not in (5, 7)]
    assert maps[0, others].max() == 0


def test_dropped_rows_are_whole_and_the_mean_stays():
    torch.manual_seed(0)
    values = torch.ones(4000, 3)
    kept = drop_rows(values, 0.2)
    assert set(kept.unique().tolist()) == {0.0, 1.25}
    assert (kept == kept[:, :1]).all() and kept.mean().item() == pytest.approx(1, abs=0.03)
    assert torch.equal(drop_rows(values, 0.0), values)


def test_views_are_upright_however_the_hand_lies():
    generator = torch.Generator().manual_seed(2)
    points = 30 + 90 * torch.rand(16, 21, 2, generator=generator)
    view = upright_views(points, VIEW_PX)
    seen = view.pixels_to_view(points)
    up = seen[:, MIDDLE_KNUCKLE] - seen[:, WRIST]
    torch.testing.assert_close(up[:, 0], torch.zeros(16), atol=1e-3, rtol=0)
    assert (up[:, 1] < 0).all()
    torch.testing.assert_close(view.pixels_to_picture(seen), points, atol=1e-3, rtol=0)
    assert (seen.mean(1) > 0).all() and (seen.mean(1) < VIEW_PX).all()


def test_a_turn_a_zoom_and_a_shift_move_the_view_of_each_hand_by_itself():
    points = 30 + 90 * torch.rand(2, 21, 2, generator=torch.Generator().manual_seed(3))
    straight = upright_views(points, VIEW_PX).pixels_to_view(points)
    turned = upright_views(points, VIEW_PX, turn_rad=torch.tensor([0.0, math.pi / 2])).pixels_to_view(points)
    torch.testing.assert_close(turned[0], straight[0])
    up = turned[1, MIDDLE_KNUCKLE] - turned[1, WRIST]
    assert up[0] > 0 and abs(up[1]) < 1e-3  # clockwise: up becomes right
    zoomed = upright_views(points, VIEW_PX, zoom=torch.tensor([1.0, 2.0])).pixels_to_view(points)
    middle = (VIEW_PX - 1) / 2
    torch.testing.assert_close(zoomed[1] - middle, 2 * (straight[1] - middle))
    shifted = upright_views(points, VIEW_PX, shift=torch.tensor([[0.0, 0.0], [0.25, 0.0]])).pixels_to_view(points)
    moved = (shifted - straight).norm(dim=-1)
    torch.testing.assert_close(moved[0], torch.zeros(21), atol=1e-4, rtol=0)
    torch.testing.assert_close(moved[1], torch.full((21,), VIEW_PX / 4), atol=1e-3, rtol=0)


def test_the_views_camera_sees_the_joints_where_the_picture_shows_them():
    generator = torch.Generator().manual_seed(4)
    joints = torch.tensor([0.1, -0.05, 0.6]) + 0.08 * torch.randn(4, 21, 3, generator=generator)
    K = torch.tensor([[300.0, 0, 80], [0, 300, 70], [0, 0, 1]]).expand(4, 3, 3)
    pixels = PerspectiveCamera(K).project(joints)
    view = upright_views(pixels, VIEW_PX, K)
    projected = PerspectiveCamera(view.K).project(joints @ view.to_frame.mT)
    # Equal at the middle of the square; at its edges the camera that looks there sees a little other angles.
    assert (projected - view.pixels_to_view(pixels)).norm(dim=-1).mean() < 0.05 * VIEW_PX


def test_a_turned_picture_has_the_turned_hand(guided):
    """A quarter turn of picture and keypoints about the middle: the upright views are the same, the answer turns."""
    side, random = 100, np.random.default_rng(5)
    picture = random.integers(0, 255, (side, side, 3), dtype=np.uint8)
    points = 25 + 50 * torch.rand(1, 21, 2, generator=torch.Generator().manual_seed(6))
    sure = torch.full((1, 21), 0.8)
    # np.rot90 with k=-1 turns clockwise: (u, v) goes to (side - 1 - v, u).
    turned_points = torch.stack([side - 1 - points[..., 1], points[..., 0]], dim=-1)
    joints, read = look_guided(guided, [picture], points, sure, VIEW_PX)
    turned_joints, turned_read = look_guided(guided, [np.rot90(picture, -1).copy()], turned_points, sure, VIEW_PX)
    quarter = torch.tensor([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    torch.testing.assert_close(turned_joints, joints @ quarter.mT, atol=2e-4, rtol=0)
    torch.testing.assert_close(
        turned_read, torch.stack([side - 1 - read[..., 1], read[..., 0]], dim=-1), atol=0.5, rtol=0
    )
    assert joints[:, 0].abs().max() < 1e-6
