"""Triangle rendering against closed forms: a sphere, a plane, and plain bookkeeping."""

import math

import numpy as np
import pytest
import torch
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st

from handlib.camera import OrthographicCamera, PerspectiveCamera
from handlib.errors import BadInputError
from handlib.render import Light, render_depth, render_flow, render_mesh, render_normals, render_silhouette
from handlib.render.scene import make_scene, picture_size
from handlib.render.spans import Projection, face_spans, usable_faces

RADIUS, DISTANCE, FOCAL = 0.05, 0.5, 600.0


def sphere(subdivisions: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    mesh = trimesh.creation.icosphere(subdivisions, radius=RADIUS)
    vertices = torch.tensor(mesh.vertices, dtype=torch.float32)[None] + torch.tensor([0.0, 0.0, DISTANCE])
    return vertices, torch.tensor(mesh.faces, dtype=torch.long)


def pinhole(height: int, width: int, focal: float = FOCAL) -> PerspectiveCamera:
    return PerspectiveCamera.from_focal(
        torch.tensor([[focal, focal]]), torch.tensor([[(width - 1) / 2, (height - 1) / 2]])
    )


def rays(height: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Depth of the analytic sphere at each pixel centre, and whether the ray meets it."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    u, v = (x - (width - 1) / 2) / FOCAL, (y - (height - 1) / 2) / FOCAL
    a = u.square() + v.square() + 1
    root = DISTANCE**2 - a * (DISTANCE**2 - RADIUS**2)
    return (DISTANCE - root.clamp_min(0).sqrt()) / a, root > 0


@pytest.mark.parametrize("size", [(224, 224), (120, 160)])
def test_sphere_silhouette_depth_and_normals_match_ray_casting(size: tuple[int, int]) -> None:
    vertices, faces = sphere(5)
    depth, hit = rays(*size)
    picture = render_mesh(vertices, faces, pinhole(*size), size)
    covered = picture.silhouette[0] > 0.5
    assert (covered & hit).sum() / (covered | hit).sum() >= 0.995
    inside = render_silhouette(vertices, faces, pinhole(*size), size, antialias=False)[0] > 0
    assert (picture.depth[0] - depth)[inside & hit].abs().max() < 1e-3
    normals = render_normals(vertices, faces, pinhole(*size), size)[0]
    y, x = torch.meshgrid(torch.arange(size[0]), torch.arange(size[1]), indexing="ij")
    point = torch.stack([(x - (size[1] - 1) / 2) / FOCAL, (y - (size[0] - 1) / 2) / FOCAL, torch.ones_like(depth)], -1)
    expected = (point * depth[..., None] - torch.tensor([0, 0, DISTANCE])) / RADIUS
    well_inside = hit & inside & (expected[..., 2] < -0.3)
    assert (normals * expected).sum(-1)[well_inside].min() > 0.995


def test_area_of_the_antialiased_sphere() -> None:
    vertices, faces = sphere()
    area = math.pi * (FOCAL * RADIUS) ** 2 / (DISTANCE**2 - RADIUS**2)
    for soft in (False, True):
        assert render_silhouette(vertices, faces, pinhole(224, 224), 224, soft=soft).sum() == pytest.approx(
            area, rel=3e-3
        )
    assert render_silhouette(vertices, faces, pinhole(224, 224), 224).max() <= 1


def test_nearer_triangle_wins_whatever_the_order() -> None:
    corners = torch.tensor([[-1.0, -1, 2], [3, -1, 2], [-1, 3, 2], [-1, -1, 1], [3, -1, 1], [-1, 3, 1]])[None]
    colours = torch.tensor([[1.0, 0, 0]] * 3 + [[0, 1.0, 0]] * 3)[None]
    for order in ([[0, 1, 2], [3, 4, 5]], [[3, 4, 5], [0, 1, 2]]):
        picture = render_mesh(corners, torch.tensor(order), pinhole(8, 8, focal=4.0), 8, colours=colours)
        torch.testing.assert_close(picture.rgb[0, 4, 4], torch.tensor([0.0, 1.0, 0.0]))
        assert picture.depth[0, 4, 4] == pytest.approx(1.0)


def test_batch_order_does_not_matter() -> None:
    vertices, faces = sphere(2)
    batch = torch.cat([vertices, vertices + 0.02, vertices * 1.3])
    camera = PerspectiveCamera(pinhole(64, 64, 200.0).K.repeat(3, 1, 1))
    order = torch.tensor([2, 0, 1])
    whole = render_mesh(batch, faces, camera, 64, light=Light.headlight())
    turned = render_mesh(batch[order], faces, camera, 64, light=Light.headlight())
    for a, b in zip(whole, turned, strict=True):
        torch.testing.assert_close(a[order], b)


def test_parallel_camera_and_behind_the_camera() -> None:
    vertices, faces = sphere(4)
    camera = OrthographicCamera(torch.eye(2)[None] * 400, torch.tensor([[31.5, 31.5]]))
    mask = render_silhouette(vertices - torch.tensor([0, 0, DISTANCE]), faces, camera, 64)
    assert mask.sum() == pytest.approx(math.pi * (400 * RADIUS) ** 2, rel=5e-3)
    assert render_silhouette(-vertices, faces, pinhole(64, 64), 64).sum() == 0
    assert render_depth(vertices + 10, faces, pinhole(64, 64), 64).sum() == 0


def test_bad_input_is_named() -> None:
    vertices, faces = sphere(1)
    broken = vertices.clone()
    broken[0, 3, 1] = torch.nan
    with pytest.raises(BadInputError, match=r"vertices\[0, 3\].*not finite"):
        render_silhouette(broken, faces, pinhole(8, 8), 8)
    with pytest.raises(BadInputError, match="faces: indices from"):
        render_silhouette(vertices, faces + 1, pinhole(8, 8), 8)
    with pytest.raises(BadInputError, match="backend: met 'gl', expected one of 'torch', 'deodr', 'pytorch3d'"):
        render_silhouette(vertices, faces, pinhole(8, 8), 8, backend="gl")


def test_wrong_shapes_and_sizes_are_named() -> None:
    """The checks behind the type annotations, which only the tests enforce."""
    vertices, faces = sphere(1)
    cases = [
        ((vertices[0], faces, 8), r"vertices: shape \(42, 3\)"),
        ((vertices.long(), faces, 8), "vertices: dtype"),
        ((vertices, faces[:, :2], 8), r"faces: shape \(80, 2\)"),
        ((vertices, faces.float(), 8), "faces: .*float32"),
        ((vertices.numpy(), faces, 8), "vertices: ndarray.*torch.from_numpy"),
    ]
    for (points, corners, size), message in cases:
        with pytest.raises(BadInputError, match=message):
            make_scene(points, corners, pinhole(8, 8), size, near_m=1e-3)


@pytest.mark.parametrize("size", [0, (0, 8), (8, -1), 8.0, (8, 8, 3), "8", (8.0, 8), None])
def test_what_is_no_picture_size_is_named(size) -> None:
    with pytest.raises(BadInputError, match="image_size"):
        picture_size(size)


def test_picture_sizes_of_every_whole_kind_are_taken() -> None:
    for size in ((6, 8), [6, 8], torch.zeros(6, 8).shape, tuple(np.array([6, 8]))):
        assert picture_size(size) == (6, 8)
    assert picture_size(np.int64(7)) == (7, 7)
    with pytest.raises(BadInputError, match="200000 x 200000 pixels.*crop"):
        picture_size(200_000)


@pytest.mark.parametrize("near_m", [-1.0, math.nan, math.inf])
def test_a_near_plane_is_before_the_camera(near_m: float) -> None:
    vertices, faces = sphere(1)
    with pytest.raises(BadInputError, match="near_m"):
        render_depth(vertices, faces, pinhole(8, 8), 8, near_m=near_m)


def test_one_camera_serves_all_and_another_batch_is_named() -> None:
    vertices, faces = sphere(2)
    three = vertices.repeat(3, 1, 1)
    assert torch.equal(
        render_depth(three, faces, pinhole(8, 8), 8)[2], render_depth(vertices, faces, pinhole(8, 8), 8)[0]
    )
    two = PerspectiveCamera(pinhole(8, 8).K.repeat(2, 1, 1))
    with pytest.raises(BadInputError, match="camera: 2 cameras for 3 meshes"):
        render_depth(three, faces, two, 8)


def test_the_camera_takes_the_meshs_number_type() -> None:
    vertices, faces = sphere(2)
    double = render_silhouette(vertices.double(), faces, pinhole(32, 32), 32)
    assert double.dtype == torch.float64
    assert torch.allclose(double.float(), render_silhouette(vertices, faces, pinhole(32, 32), 32), atol=1e-4)
    still = (vertices.double(), vertices.double(), faces, pinhole(32, 32), pinhole(32, 32), 32)
    assert render_flow(*still)[0].abs().max() < 1e-9


@pytest.mark.parametrize("sigma_px", [0.0, -1.0, math.nan, math.inf])
def test_a_width_of_an_outline_is_a_positive_number(sigma_px: float) -> None:
    vertices, faces = sphere(1)
    with pytest.raises(BadInputError, match="sigma_px"):
        render_silhouette(vertices, faces, pinhole(8, 8), 8, soft=True, sigma_px=sigma_px)


@pytest.mark.parametrize("focal", [1e-6, 1e5, 1e9, 1e30])
def test_extreme_cameras_give_finite_pictures_and_gradients(focal: float) -> None:
    vertices, faces = sphere(2)
    vertices.requires_grad_()
    for options in ({}, {"soft": True}):
        picture = render_silhouette(vertices, faces, pinhole(9, 9, focal), 9, **options)
        assert ((picture >= 0) & (picture <= 1)).all()
        (gradient,) = torch.autograd.grad(picture.sum(), vertices)
        assert torch.isfinite(gradient).all()


def test_nothing_to_draw() -> None:
    vertices, faces = sphere(1)
    assert render_silhouette(vertices[:0], faces, pinhole(8, 8), (6, 8)).shape == (0, 6, 8)
    for options in ({}, {"soft": True}):
        assert render_silhouette(vertices, faces[:0], pinhole(8, 8), 8, **options).sum() == 0
    assert render_mesh(vertices, faces[:0], pinhole(8, 8), 8, light=Light.headlight()).rgb.sum() == 0


def test_degenerate_faces_and_slivers_do_no_harm() -> None:
    vertices, faces = sphere(2)
    thin = vertices[:, :1] + torch.tensor([[0.0, 0, 0], [0.02, 0.0, 0], [0.01, 1e-9, 0]])
    extra = torch.tensor([[0, 0, 1], [2, 2, 2]])
    sliver = torch.arange(3)[None] + vertices.shape[1]
    whole = torch.cat([vertices, thin], dim=1).requires_grad_()
    picture = render_mesh(whole, torch.cat([faces, extra, sliver]), pinhole(64, 64), 64)
    plain = render_mesh(vertices, faces, pinhole(64, 64), 64)
    assert (picture.silhouette - plain.silhouette).abs().sum() < 0.1
    (gradient,) = torch.autograd.grad(picture.rgb.sum() + picture.depth.sum(), whole)
    assert torch.isfinite(gradient).all()


def test_faces_that_reach_behind_the_camera_are_left_out_whole() -> None:
    corners = torch.tensor([[-1.0, -1, 1], [1, -1, 1], [0, 1, 1], [-1, -1, 2], [1, -1, 2], [0, 1, -0.5]])[None]
    camera = pinhole(16, 16, focal=8.0)
    both = render_silhouette(corners, torch.tensor([[0, 1, 2], [3, 4, 5]]), camera, 16)
    one = render_silhouette(corners, torch.tensor([[0, 1, 2]]), camera, 16)
    torch.testing.assert_close(both, one)
    assert one.sum() > 0


@given(st.integers(0, 10_000))
@settings(max_examples=20, deadline=None)
def test_neighbouring_triangles_leave_no_gap_and_no_overlap(seed: int) -> None:
    """A triangulated square covers each pixel of its inside exactly once: the spans of its faces tile it."""
    generator = torch.Generator().manual_seed(seed)
    grid = torch.stack(torch.meshgrid(torch.arange(5.0), torch.arange(5.0), indexing="xy"), dim=-1) * 8
    grid[1:-1, 1:-1] += 3 * torch.rand(3, 3, 2, generator=generator)
    index = torch.arange(25).view(5, 5)
    a, b, c, d = index[:-1, :-1].flatten(), index[:-1, 1:].flatten(), index[1:, 1:].flatten(), index[1:, :-1].flatten()
    faces = torch.cat([torch.stack([a, b, c], 1), torch.stack([a, c, d], 1)])
    points = grid.view(1, 25, 2)
    projection = Projection(points, torch.ones(1, 25), usable_faces(points, faces, torch.ones(1, 25).bool()), True)
    for axis in (0, 1):
        spans = face_spans(projection, faces, (40, 40), axis)
        count = torch.zeros(40, 40)
        for line, low, high in zip(spans.line.long(), spans.low.ceil().long(), spans.high.ceil().long(), strict=True):
            count[line, low:high] += 1
        assert (count[:32, :32] == 1).all() and count.sum() == 32 * 32
