"""Camera models: golden values, round trips, gradients, errors."""

import jaxtyping
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from handlib.camera import (
    OrthographicCamera,
    PerspectiveCamera,
    WeakPerspectiveCamera,
    project_perspective,
    unproject_perspective,
    weak_perspective_to_translation,
)
from handlib.errors import BadInputError


def perspective(batch: int = 2, dtype: torch.dtype = torch.float64) -> PerspectiveCamera:
    focal = torch.tensor([[500.0, 510.0]], dtype=dtype).expand(batch, 2)
    return PerspectiveCamera.from_focal(focal, torch.tensor([[112.0, 100.0]], dtype=dtype).expand(batch, 2))


def all_cameras() -> list:
    turned = torch.tensor([[[900.0, -200.0], [150.0, 1000.0]]] * 2, dtype=torch.float64)
    return [
        perspective(),
        WeakPerspectiveCamera(torch.full((2,), 900.0).double(), torch.tensor([[100.0, 90.0]] * 2).double()),
        OrthographicCamera(turned, torch.tensor([[100.0, 90.0]] * 2).double()),
    ]


def points(batch: int = 2, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    offset = torch.tensor([0.0, 0.0, 0.6]).double()
    return 0.2 * torch.rand(batch, 21, 3, generator=generator, dtype=torch.float64) - 0.1 + offset


def test_the_worked_example_of_the_module() -> None:
    camera = PerspectiveCamera.from_focal(torch.tensor([[500.0, 500.0]]), torch.tensor([[112.0, 112.0]]))
    pixel = camera.project(torch.tensor([[[0.1, 0.0, 1.0]]]))
    assert torch.allclose(pixel, torch.tensor([[[162.0, 112.0]]]))


def test_box_camera_covers_the_picture_edge_to_edge() -> None:
    camera = OrthographicCamera.from_box(torch.tensor([[0.02, -0.01]]), torch.tensor([0.3]), 64)
    corners = torch.tensor([[[0.02 - 0.15, -0.01 - 0.15, 0.4], [0.02 + 0.15, -0.01 + 0.15, 0.9]]])
    assert torch.allclose(camera.project(corners), torch.tensor([[[-0.5, -0.5], [63.5, 63.5]]]), atol=1e-4)


@pytest.mark.parametrize("camera", all_cameras(), ids=lambda c: type(c).__name__)
def test_unproject_undoes_project(camera) -> None:
    X = points()
    back = camera.unproject(camera.project(X), camera.depth_of(X))
    assert torch.allclose(back, X, atol=1e-12)


@pytest.mark.parametrize("camera", all_cameras(), ids=lambda c: type(c).__name__)
def test_gradients_of_projection(camera) -> None:
    X = points()[:, :3].requires_grad_()
    assert torch.autograd.gradcheck(camera.project, (X,))


@pytest.mark.parametrize("camera", all_cameras(), ids=lambda c: type(c).__name__)
def test_one_camera_serves_a_batch_and_indexing_keeps_the_batch_axis(camera) -> None:
    X = points(batch=2)
    assert len(camera[-1]) == 1
    assert torch.allclose(camera[0].project(X)[1], camera.project(X)[1])
    assert torch.allclose(camera[1:].project(X[1:]), camera.project(X)[1:])


@pytest.mark.parametrize("camera", all_cameras(), ids=lambda c: type(c).__name__)
def test_to_changes_dtype(camera) -> None:
    assert camera.to(torch.float32).project(points().float()).dtype == torch.float32


@pytest.mark.parametrize("camera", all_cameras(), ids=lambda c: type(c).__name__)
def test_mirror_agrees_with_flipping_the_pixels(camera) -> None:
    X = points()
    flipped = camera.project(X) * torch.tensor([-1.0, 1.0]) + torch.tensor([223.0, 0.0])
    assert torch.allclose(camera.mirror(224).project(X * torch.tensor([-1.0, 1.0, 1.0])), flipped, atol=1e-9)


def test_points_behind_the_camera_have_no_pixel_and_no_gradient() -> None:
    X = torch.tensor([[[0.1, 0.0, 0.5], [0.1, 0.0, -0.5], [0.1, 0.0, 0.0]]], requires_grad=True)
    pixels = perspective(1, torch.float32).project(X)
    assert torch.isfinite(pixels[0, 0]).all() and pixels[0, 1:].isnan().all()
    pixels.nan_to_num().sum().backward()
    assert torch.isfinite(X.grad).all() and (X.grad[0, 1:] == 0).all()


def test_gradient_through_the_intrinsics() -> None:
    K = perspective(1).K.clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda k: project_perspective(points(1)[:, :3], k), (K,))
    depth = points(1)[..., 2]
    assert torch.autograd.gradcheck(lambda k: unproject_perspective(points(1)[..., :2], depth, k), (K,))


@given(st.floats(100, 2000), st.floats(0.2, 3.0))
def test_pixels_do_not_change_when_the_scene_grows(focal: float, factor: float) -> None:
    camera = PerspectiveCamera.from_focal(torch.full((2, 2), focal).double(), torch.full((2, 2), 50.0).double())
    assert torch.allclose(camera.project(points()), camera.project(factor * points()), atol=1e-8)


def test_weak_perspective_becomes_a_translation_before_a_perspective_camera() -> None:
    """Exact for points at the root's depth; and the error elsewhere shrinks as the focal length grows."""
    weak = WeakPerspectiveCamera(torch.tensor([900.0]).double(), torch.tensor([[60.0, 140.0]]).double())
    X = points(1) - torch.tensor([0.0, 0.0, 0.6])
    gaps = []
    for focal in (500.0, 5000.0):
        K = PerspectiveCamera.from_focal(torch.full((1, 2), focal).double(), torch.full((1, 2), 112.0).double())
        root = weak_perspective_to_translation(weak.scale, weak.translation, K.K)[:, None]
        flat = X * torch.tensor([1.0, 1.0, 0.0])
        assert torch.allclose(K.project(flat + root), weak.project(flat), atol=1e-9)
        gaps.append((K.project(X + root) - weak.project(X)).norm(dim=-1).max())
    assert gaps[1] < gaps[0] / 8


def test_bad_cameras_are_refused() -> None:
    good = perspective(1).K
    with pytest.raises(BadInputError, match="last row"):
        PerspectiveCamera(2 * good)
    with pytest.raises(BadInputError, match="negative focal"):
        PerspectiveCamera(good * torch.tensor([[1.0], [-1.0], [1.0]]).double())
    with pytest.raises(BadInputError, match="positive pixels"):
        PerspectiveCamera.from_focal(torch.tensor([[0.0, 1.0]]), torch.zeros(1, 2))
    with pytest.raises(BadInputError, match="finite"):
        PerspectiveCamera(good * torch.nan)
    with pytest.raises(BadInputError, match="positive px/m"):
        WeakPerspectiveCamera(torch.zeros(1), torch.zeros(1, 2))
    with pytest.raises(BadInputError, match="linear"):
        OrthographicCamera(torch.zeros(1, 2, 2), torch.zeros(1, 2))


def test_what_is_no_tensor_of_floats_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # users have no type checker either
    for K, met in ((torch.eye(3).long()[None], "torch.int64"), (np.eye(3)[None], "ndarray")):
        with pytest.raises(BadInputError, match=f"K: {met}, expected a tensor of floats"):
            PerspectiveCamera(K)
