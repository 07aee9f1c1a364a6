"""Axis conversions to OpenGL and pytorch3d."""

import pytest
import torch

from handlib import axes, crops
from handlib.camera import PerspectiveCamera
from handlib.errors import BadInputError

CORNERS = torch.tensor([[[-0.5, -0.5], [639.5, -0.5], [-0.5, 479.5], [319.5, 239.5]]]).double()


def camera() -> PerspectiveCamera:
    focal = torch.tensor([[600.0, 590.0]]).double()
    return PerspectiveCamera.from_focal(focal, torch.tensor([[310.0, 250.0]]).double())


@pytest.mark.parametrize(
    ("there", "back"),
    [
        (axes.opencv_to_opengl, axes.opengl_to_opencv),
        (axes.opencv_to_pytorch3d, axes.pytorch3d_to_opencv),
    ],
)
def test_conversions_are_rotations_and_undo_each_other(there, back) -> None:
    X = torch.randn(5, 3).double()
    matrix = there(torch.eye(3).double())
    assert torch.linalg.det(matrix) == 1
    assert torch.equal(back(there(X)), X)


def test_directions() -> None:
    up_and_near = torch.tensor([0.0, -1.0, 1.0])
    assert axes.opencv_to_opengl(up_and_near).tolist() == [0.0, 1.0, -1.0]
    assert axes.opencv_to_pytorch3d(torch.tensor([1.0, -1.0, 1.0])).tolist() == [-1.0, 1.0, 1.0]


def test_opengl_projection_puts_the_picture_corners_at_the_clip_corners() -> None:
    depth = torch.tensor([[0.01, 10.0, 1.0, 0.5]]).double()
    X = axes.opencv_to_opengl(camera().unproject(CORNERS, depth))
    clip = (
        torch.nn.functional.pad(X, (0, 1), value=1.0) @ axes.intrinsics_to_opengl_projection(camera().K, (480, 640)).mT
    )
    ndc = clip[..., :3] / clip[..., 3:]
    expected = torch.tensor([[-1.0, 1.0], [1.0, 1.0], [-1.0, -1.0], [0.0, 0.0]]).double()
    assert torch.allclose(ndc[0, :, :2], expected, atol=1e-9)
    assert ndc[0, 0, 2] == pytest.approx(-1.0) and ndc[0, 1, 2] == pytest.approx(1.0)


def test_opengl_projection_follows_a_turned_camera() -> None:
    K = crops.crop_affine(torch.tensor([[300.0, 200.0]]), torch.tensor([300.0]), 224, torch.tensor([0.6])).double()
    turned = camera().transform(K)
    X = camera().unproject(CORNERS, torch.full((1, 4), 0.7).double())
    clip = torch.nn.functional.pad(axes.opencv_to_opengl(X), (0, 1), value=1.0)
    clip = clip @ axes.intrinsics_to_opengl_projection(turned.K, (224, 224)).mT
    ndc = clip[..., :2] / clip[..., 3:]
    pixels = turned.project(X)
    expected = (2 * (pixels + 0.5) / 224 - 1) * torch.tensor([1.0, -1.0]).double()
    assert torch.allclose(ndc, expected, atol=1e-9)


def test_pytorch3d_ndc_of_the_picture_corners() -> None:
    """Its documented NDC: x is +W/H at the left edge of a landscape picture, y is +1 at the top edge."""
    X = axes.opencv_to_pytorch3d(camera().unproject(CORNERS, torch.full((1, 4), 0.7).double()))
    focal, principal = axes.intrinsics_to_pytorch3d_ndc(camera().K, (480, 640))
    ndc = focal[:, None] * X[..., :2] / X[..., 2:] + principal[:, None]
    wide = 640 / 480
    expected = torch.tensor([[wide, 1.0], [-wide, 1.0], [wide, -1.0], [0.0, 0.0]]).double()
    assert torch.allclose(ndc[0], expected, atol=1e-9)


def test_refusals() -> None:
    skewed = camera().K.clone()
    skewed[:, 0, 1] = 3.0
    with pytest.raises(BadInputError, match="skew"):
        axes.intrinsics_to_pytorch3d_ndc(skewed, (480, 640))
    with pytest.raises(BadInputError, match="near_m"):
        axes.intrinsics_to_opengl_projection(camera().K, (480, 640), near_m=2.0, far_m=1.0)
