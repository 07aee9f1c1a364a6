"""Views: what is cut out of a picture, and the camera that goes with it."""

import math
import time

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from handlib.camera import PerspectiveCamera
from handlib.crops import mirror_image, transform_pixels
from handlib.reconstruction.views import aim_at, cut_view, make_views

K = torch.tensor([[[500.0, 0.0, 310.0], [0.0, 500.0, 250.0], [0.0, 0.0, 1.0]]])
HAND = torch.tensor([[[0.0, 0.0, 0.0], [0.03, -0.07, 0.02], [0.0, -0.09, 0.0], [-0.03, -0.06, -0.03]]])


@settings(max_examples=20, deadline=None)
@given(
    left=st.booleans(),
    turn=st.floats(-math.pi, math.pi),
    zoom=st.floats(0.7, 1.4),
    u=st.floats(-50, 700),
    side=st.floats(20, 900),
)
def test_what_the_view_sees_is_where_the_picture_has_it(left, turn, zoom, u, side):
    views = make_views(torch.tensor([[u, 200.0]]), torch.tensor([side]), torch.tensor([left]), 64, None, turn, zoom)
    points = HAND + torch.tensor([0.02, 0.05, 0.6])
    in_view = points @ views.to_frame.mT
    seen = PerspectiveCamera(views.K).project(in_view)
    expected = transform_pixels(PerspectiveCamera(views.picture_K).project(points), views.affine)
    assert torch.allclose(seen, expected, atol=2e-2)
    assert torch.allclose(views.points_to_picture(in_view), points, atol=1e-6)
    assert torch.allclose(views.pixels_to_picture(views.affine[:, None, :, 2]), torch.zeros(1, 1, 2), atol=side * 1e-4)
    assert float(torch.linalg.det(views.to_frame)) == pytest.approx(-1 if left else 1, abs=1e-5)
    assert (views.K[:, [0, 1], [0, 1]] > 0).all() and views.K[:, 1, 0].abs().max() < 1e-4 * views.K[:, 0, 0]


def test_an_assumed_camera_is_that_of_the_square_whatever_the_view_of_it():
    places = torch.tensor([[120.0, 80.0]]), torch.tensor([90.0])
    cameras = [
        make_views(*places, torch.tensor([left]), 64, None, turn, zoom).picture_K
        for left, turn, zoom in ((False, 0.0, 1.0), (True, 0.0, 1.0), (False, 0.4, 1.0), (True, -0.2, 1.3))
    ]
    for other in cameras:
        assert torch.allclose(other, cameras[0], rtol=1e-4)
        assert torch.allclose(other[:, :2, 2], places[0], atol=1e-3), "it looks at the middle of the square"


def test_a_hand_at_the_edge_of_the_picture_is_seen_from_straight_ahead():
    pixel = torch.tensor([[560.0, 60.0]])
    aimed, rotation = aim_at(K, pixel)
    ray = PerspectiveCamera(K).unproject(pixel[:, None], torch.ones(1, 1)) * 0.6
    assert torch.allclose(rotation @ rotation.mT, torch.eye(3), atol=1e-6)
    ahead = (ray @ rotation.mT)[0, 0]
    assert torch.allclose(ahead[:2], torch.zeros(2), atol=1e-6) and ahead[2] > 0.6
    assert torch.allclose(PerspectiveCamera(aimed).project(ray @ rotation.mT), pixel[:, None], atol=1e-3)
    # Around the middle the two cameras agree but for the stretch of wide angles, here 1 / cos(32 degrees).
    true = PerspectiveCamera(K).project(ray + 0.5 * HAND) - pixel
    seen = PerspectiveCamera(aimed).project((ray + 0.5 * HAND) @ rotation.mT) - pixel
    assert ((seen - true).norm(dim=-1) < 0.25 * true.norm(dim=-1) + 1e-3).all()


def test_aiming_at_the_principal_point_changes_nothing():
    aimed, rotation = aim_at(K, K[:, :2, 2])
    assert torch.equal(aimed, K) and torch.equal(rotation[0], torch.eye(3))


def smooth_picture(height: int, width: int) -> np.ndarray:
    v, u = np.mgrid[:height, :width].astype(np.float32)
    waves = [np.sin(u / 40 + phase) + np.cos(v / 30 - phase) for phase in (0.0, 1.0, 2.0)]
    return (127 + 60 * np.stack(waves, -1)).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize(("side", "turn"), [(40.0, 0.0), (150.0, 0.3), (700.0, -0.2)])
def test_a_view_shows_the_pixels_that_its_affine_names(side, turn):
    picture = smooth_picture(400, 500)
    views = make_views(torch.tensor([[250.0, 190.0]]), torch.tensor([side]), torch.tensor([False]), 48, None, turn)
    view = cut_view(picture, views.affine[0], 48)
    inside = torch.cartesian_prod(torch.arange(16.0, 32), torch.arange(16.0, 32))
    places = views.pixels_to_picture(inside[None])[0].round().long().numpy()
    shown = view[inside[:, 1].long(), inside[:, 0].long()].astype(int)
    assert np.abs(shown - picture[places[:, 1], places[:, 0]]).max() < 12


def test_the_view_of_a_left_hand_is_that_of_the_mirrored_picture():
    picture = smooth_picture(90, 120)
    square = torch.tensor([50.0]), 32
    left = make_views(torch.tensor([[40.0, 45.0]]), square[0], torch.tensor([True]), square[1])
    right = make_views(torch.tensor([[119 - 40.0, 45.0]]), square[0], torch.tensor([False]), square[1])
    one, other = cut_view(picture, left.affine[0], 32), cut_view(mirror_image(picture), right.affine[0], 32)
    assert np.abs(one.astype(int) - other).max() <= 2


def test_outside_the_picture_it_is_black():
    picture = np.full((40, 60, 3), 255, np.uint8)
    away = make_views(torch.tensor([[500.0, 20.0]]), torch.tensor([30.0]), torch.tensor([False]), 32)
    assert cut_view(picture, away.affine[0], 32).max() == 0
    around = make_views(torch.tensor([[29.5, 19.5]]), torch.tensor([60.0]), torch.tensor([False]), 32)
    view = cut_view(picture, around.affine[0], 32)
    assert view[:4].max() == 0 and view[-4:].max() == 0 and view[16].min() == 255


def test_large_pictures_cost_little():
    panorama = np.zeros((500, 10_000, 3), np.uint8)
    whole = make_views(torch.tensor([[4999.5, 249.5]]), torch.tensor([10_000.0]), torch.tensor([False]), 64)
    before = time.process_time()
    assert cut_view(panorama, whole.affine[0], 64).shape == (64, 64, 3)
    assert time.process_time() - before < 1.0
