"""Crops, turns and flips: picture, camera, 2D and 3D must go on agreeing with one another."""

import math

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from handlib import crops
from handlib.camera import OrthographicCamera, PerspectiveCamera, WeakPerspectiveCamera
from handlib.errors import BadInputError

ANGLES = [0.0, 0.3, math.pi / 2, math.pi, -2.5]


def camera(fy: float = 500.0) -> PerspectiveCamera:
    return PerspectiveCamera.from_focal(torch.tensor([[500.0, fy]]).double(), torch.tensor([[130.0, 95.0]]).double())


def points() -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    box = torch.rand(1, 21, 3, generator=generator, dtype=torch.float64) * 0.2 - 0.1
    return box + torch.tensor([0.03, -0.02, 0.6])


def affine(angle: float = 0.0, centre: tuple[float, float] = (100.0, 80.0), size: float = 90.0) -> torch.Tensor:
    turn = torch.tensor([angle], dtype=torch.float64)
    return crops.crop_affine(torch.tensor([centre]).double(), torch.tensor([size]).double(), 224, turn)


def test_full_image_crop_is_the_identity() -> None:
    same = crops.crop_affine(torch.tensor([[111.5, 111.5]]), torch.tensor([224.0]), 224)
    assert torch.allclose(same, torch.tensor([[[1.0, 0, 0], [0, 1, 0]]]), atol=1e-5)
    assert torch.allclose(crops.resize_affine((224, 224), (224, 224)), same, atol=1e-5)


def test_crop_golden_values() -> None:
    """A 10 px square around (20, 30), doubled: its edges 15 and 25 land on the edges -0.5 and 19.5."""
    A = crops.crop_affine(torch.tensor([[20.0, 30.0]]), torch.tensor([10.0]), 20)
    corners = crops.transform_pixels(torch.tensor([[[15.0, 25.0], [25.0, 35.0], [20.0, 30.0]]]), A)
    assert torch.allclose(corners, torch.tensor([[[-0.5, -0.5], [19.5, 19.5], [9.5, 9.5]]]))


def test_positive_rotation_is_clockwise_on_the_screen() -> None:
    A = crops.crop_affine(torch.tensor([[0.0, 0.0]]), torch.tensor([100.0]), 100, torch.tensor([math.pi / 2]))
    right = crops.transform_pixels(torch.tensor([[[10.0, 0.0]]]), A)
    assert torch.allclose(right, torch.tensor([[[49.5, 59.5]]]), atol=1e-4)


@given(st.floats(-4, 4), st.floats(5, 900), st.floats(-300, 300), st.floats(-300, 300))
def test_affine_inverse_and_composition(angle: float, size: float, u: float, v: float) -> None:
    A = affine(angle, (u, v), size)
    identity = crops.compose_affines(crops.invert_affine(A), A)
    assert torch.allclose(identity, torch.eye(3)[None, :2].double(), atol=1e-8)
    twice = crops.transform_pixels(crops.transform_pixels(points()[..., :2], A), A)
    assert torch.allclose(crops.transform_pixels(points()[..., :2], crops.compose_affines(A, A)), twice, rtol=1e-9)


@pytest.mark.parametrize("angle", ANGLES)
@pytest.mark.parametrize("fy", [500.0, 530.0])
def test_camera_follows_the_crop(angle: float, fy: float) -> None:
    before, X, A = camera(fy), points(), affine(angle)
    assert torch.allclose(before.transform(A).project(X), crops.transform_pixels(before.project(X), A), atol=1e-9)


def test_crop_without_a_turn_keeps_K_upper_triangular() -> None:
    K = camera().transform(affine()).K
    assert K[0, 1, 0] == 0 and K[0, 0, 1] == 0


@pytest.mark.parametrize("angle", ANGLES)
@pytest.mark.parametrize("fy", [500.0, 530.0])
def test_in_plane_turn_moves_from_the_camera_to_the_points(angle: float, fy: float) -> None:
    turned, X = camera(fy).transform(affine(angle)), points()
    K_upper, R = crops.split_in_plane_rotation(turned.K)
    assert torch.allclose(K_upper[:, 1, 0], torch.zeros(1).double(), atol=1e-9) and (K_upper[:, 0, 0] > 0).all()
    assert torch.allclose(R @ R.mT, torch.eye(3).double(), atol=1e-12) and torch.allclose(
        torch.linalg.det(R), R.new_ones(1)
    )
    assert torch.allclose(PerspectiveCamera(K_upper).project(X @ R.mT), turned.project(X), atol=1e-9)
    if fy == 500.0:
        cos, sin = math.cos(angle), math.sin(angle)
        expected = torch.tensor([[cos, -sin], [sin, cos]], dtype=torch.float64)
        assert torch.allclose(R[0, :2, :2], expected, atol=1e-9) and abs(K_upper[0, 0, 1]) < 1e-9


def test_parallel_cameras_follow_crops() -> None:
    weak = WeakPerspectiveCamera(torch.tensor([800.0]).double(), torch.tensor([[100.0, 90.0]]).double())
    X = points()
    for A, model in [(affine(), weak), (affine(0.7), weak.to_orthographic())]:
        expected = crops.transform_pixels(model.project(X), A)
        assert torch.allclose(model.transform(A).project(X), expected, atol=1e-9)
    with pytest.raises(BadInputError, match="to_orthographic"):
        weak.transform(affine(0.7))
    assert isinstance(weak.to_orthographic(), OrthographicCamera)


def test_mirroring_affines_are_refused_by_cameras() -> None:
    flip = torch.tensor([[[-1.0, 0.0, 223.0], [0.0, 1.0, 0.0]]]).double()
    with pytest.raises(BadInputError, match="mirror"):
        camera().transform(flip)


def test_resize_agrees_with_cv2_and_the_half_pixel() -> None:
    """cv2.resize is an outside implementation of the same edge-to-edge convention."""
    ramp = np.add.outer(np.arange(8.0), 10 * np.arange(12.0)).astype(np.float32)
    A = crops.resize_affine((8, 12), (16, 24))
    ours = crops.warp_image(ramp, A[0], (16, 24))
    theirs = cv2.resize(ramp, (24, 16), interpolation=cv2.INTER_LINEAR)
    assert np.allclose(ours[2:-2, 2:-2], theirs[2:-2, 2:-2], atol=0.35)
    corner = crops.transform_pixels(torch.tensor([[[-0.5, -0.5], [11.5, 7.5]]]), A)
    assert torch.allclose(corner, torch.tensor([[[-0.5, -0.5], [23.5, 15.5]]]))


@pytest.mark.parametrize("angle", [0.0, 0.8])
def test_a_painted_dot_is_where_the_joint_says(angle: float) -> None:
    """Paint a blob, warp the picture, find the blob's centre of mass: it must lie on the transformed point."""
    v, u = np.mgrid[:160, :200].astype(np.float64)
    centre = (93.0, 71.0)
    picture = np.exp(-((u - centre[0]) ** 2 + (v - centre[1]) ** 2) / (2 * 3.0**2))
    A = affine(angle)
    warped = crops.warp_image(picture, A[0], 224)
    rows, columns = np.mgrid[:224, :224]
    found = torch.tensor([(warped * columns).sum(), (warped * rows).sum()]) / warped.sum()
    expected = crops.transform_pixels(torch.tensor([[list(centre)]]).double(), A)[0, 0]
    assert torch.allclose(found.double(), expected, atol=0.05)


def test_border_dtypes_and_channels() -> None:
    picture = np.full((20, 20, 3), 200, np.uint8)
    outside = crops.crop_affine(torch.tensor([[-100.0, -100.0]]), torch.tensor([10.0]), 8)[0]
    warped = crops.warp_image(picture, outside, 8, border=255)
    assert warped.dtype == np.uint8 and warped.shape == (8, 8, 3) and (warped == 255).all()
    assert crops.warp_image(picture.astype(np.float32) / 255, outside, (4, 6)).shape == (4, 6, 3)
    assert crops.warp_image(picture[..., 0], outside, 8).shape == (8, 8)


def test_shrinking_does_not_alias() -> None:
    """Stripes one pixel wide must shrink to grey: without the low-pass, bilinear sampling keeps stripes."""
    stripes = np.tile(np.array([0.0, 1.0], np.float32), (120, 60))
    A = crops.resize_affine((120, 120), (36, 36))[0]
    assert crops.warp_image(stripes, A, 36)[4:-4, 4:-4].std() < 0.02
    assert crops.warp_image(stripes, A, 36, antialias=False)[4:-4, 4:-4].std() > 0.1


def test_nearest_keeps_labels() -> None:
    labels = np.random.default_rng(0).integers(0, 5, (40, 40)).astype(np.uint8) * 50
    warped = crops.warp_image(labels, affine(0.4, (20, 20), 60)[0], 64, interpolation="nearest")
    assert set(np.unique(warped)) <= {0, 50, 100, 150, 200}


def test_flip_is_consistent_in_picture_pixels_and_3d() -> None:
    picture = np.random.default_rng(0).random((5, 7))
    assert np.array_equal(crops.mirror_image(picture)[2, 7 - 1 - 3], picture[2, 3])
    before, X = camera(), points()
    flipped = before.mirror(200).project(crops.mirror_points(X))
    assert torch.allclose(flipped, crops.mirror_pixels(before.project(X), 200))
    assert crops.opposite_side("left") == "right" and crops.opposite_side("right") == "left"


@settings(max_examples=25)
@given(st.integers(2, 30), st.floats(1.0, 3.0))
def test_box_holds_its_points(count: int, enlarge: float) -> None:
    pixels = 100 * torch.rand(3, count, 2, generator=torch.Generator().manual_seed(count))
    centre, side = crops.square_box(pixels, enlarge)
    assert ((pixels - centre[:, None]).abs() <= side[:, None, None] / 2 + 1e-3).all()


def test_box_ignores_missing_points() -> None:
    pixels = torch.tensor([[[0.0, 0.0], [10.0, 20.0], [500.0, 500.0], [float("nan"), 1.0]]])
    centre, side = crops.square_box(pixels, 2.2, torch.tensor([[True, True, False, True]]))
    assert centre.tolist() == [[5.0, 10.0]] and side[0] == pytest.approx(44.0)


def test_bad_input_is_refused() -> None:
    with pytest.raises(BadInputError, match="two different points"):
        crops.square_box(torch.zeros(2, 5, 2))
    with pytest.raises(BadInputError, match="positive"):
        crops.crop_affine(torch.zeros(1, 2), torch.zeros(1), 224)
    with pytest.raises(BadInputError, match="singular"):
        crops.invert_affine(torch.zeros(1, 2, 3))
    with pytest.raises(BadInputError, match="singular"):
        crops.warp_image(np.zeros((4, 4)), torch.zeros(2, 3), 4)
    for unusable in (np.zeros((0, 4, 3)), np.zeros((4, 4), dtype=np.float16)):
        with pytest.raises(BadInputError, match="image: .* expected pixels in uint8, float32 or float64"):
            crops.warp_image(unusable, affine()[0], 4)
    with pytest.raises(BadInputError, match="interpolation"):
        crops.warp_image(np.zeros((4, 4)), affine()[0], 4, interpolation="cubic")
    with pytest.raises(BadInputError, match="side"):
        crops.opposite_side("both")


@pytest.mark.parametrize("channels", [(), (1,), (3,), (5,)])
@pytest.mark.parametrize("side", [3, 24])
def test_a_warp_keeps_the_channels(channels: tuple[int, ...], side: int) -> None:
    image = np.random.default_rng(0).random((12, 12, *channels))
    shrink = crops.resize_affine((12, 12), (side, side))[0]
    warped = crops.warp_image(image, shrink, side)
    assert warped.shape == (side, side, *channels)
    if channels:
        assert np.allclose(warped[..., 0], crops.warp_image(image[..., 0], shrink, side))
