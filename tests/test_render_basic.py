"""Triangle rendering against closed forms: a sphere, a plane, and plain bookkeeping."""

import math

import pytest
import torch
import trimesh

from handlib.camera import OrthographicCamera, PerspectiveCamera
from handlib.errors import BadInputError
from handlib.render import Light, render_depth, render_mesh, render_normals, render_silhouette

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
    with pytest.raises(BadInputError, match="sigma_px"):
        render_silhouette(vertices, faces, pinhole(8, 8), 8, soft=True, sigma_px=0.0)
