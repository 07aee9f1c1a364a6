"""Gradients of the renderer, checked against closed forms, finite differences and supersampled pictures."""

import math

import pytest
import torch
import trimesh

from handlib.camera import OrthographicCamera, PerspectiveCamera
from handlib.hand import HandModel
from handlib.render import Light, render_depth, render_flow, render_mesh, render_normals, render_silhouette

SIZE, FOCAL, DISTANCE = 64, 140.0, 0.5


def pinhole(focal: torch.Tensor | float, size: int = SIZE, zoom: int = 1) -> PerspectiveCamera:
    """A camera in the middle of a square picture; ``zoom`` cuts every pixel into zoom x zoom."""
    focal = torch.as_tensor(focal, dtype=torch.float64).expand(1, 2) * zoom
    return PerspectiveCamera.from_focal(focal, torch.full((1, 2), (size * zoom - 1) / 2, dtype=torch.float64))


def ellipsoid() -> tuple[torch.Tensor, torch.Tensor]:
    mesh = trimesh.creation.icosphere(3, radius=0.08)
    turn = trimesh.transformations.euler_matrix(0.3, 0.5, 0.7)[:3, :3]
    vertices = mesh.vertices * [1, 0.6, 0.8] @ turn.T + [0.004, 0.003, DISTANCE]
    return torch.tensor(vertices)[None], torch.tensor(mesh.faces)


def hand() -> tuple[torch.Tensor, torch.Tensor]:
    model = HandModel.load("open", dtype=torch.float64)
    turned = torch.tensor([[1.2, 0.3, 0.2]], dtype=torch.float64)
    vertices = model(torch.zeros(1, 45).double(), torch.zeros(1, 10).double(), turned).vertices
    centre = (vertices.amin(1) + vertices.amax(1)) / 2
    return vertices - centre[:, None] + torch.tensor([0.0, 0.0, DISTANCE]), model.faces


def smooth_weights(size: int) -> torch.Tensor:
    y, x = torch.meshgrid(torch.arange(size).double(), torch.arange(size).double(), indexing="ij")
    return 1 + torch.sin(x / 9 + 1) * torch.cos(y / 7)


def supersampled(vertices: torch.Tensor, faces: torch.Tensor, focal: float, size: int, zoom: int = 8) -> torch.Tensor:
    """Box-filtered coverage from a binary picture of zoom x zoom samples a pixel."""
    fine = render_silhouette(vertices, faces, pinhole(focal, size, zoom), size * zoom, antialias=False)[0]
    return fine.view(size, zoom, size, zoom).mean((1, 3))


def test_antialiased_picture_is_the_box_filtered_one() -> None:
    for vertices, faces in (ellipsoid(), hand()):
        fine = supersampled(vertices, faces, FOCAL, SIZE, zoom=16)
        difference = (render_silhouette(vertices, faces, pinhole(FOCAL), SIZE)[0] - fine).abs()
        outline = (fine > 0) & (fine < 1)
        assert difference[outline].mean() < 0.03
        assert difference[~outline].mean() < 1e-3


def test_area_of_a_sphere_against_its_closed_form() -> None:
    mesh = trimesh.creation.icosphere(4, radius=0.08)
    vertices, faces = torch.tensor(mesh.vertices)[None], torch.tensor(mesh.faces)
    focal = torch.tensor(FOCAL, dtype=torch.float64, requires_grad=True)
    shift = torch.tensor([0.0, 0.0, DISTANCE], dtype=torch.float64, requires_grad=True)
    for options in ({}, {"soft": True, "sigma_px": 1.0}):
        area = render_silhouette(vertices + shift, faces, pinhole(focal), SIZE, **options).sum()
        by_focal, by_shift = torch.autograd.grad(area, (focal, shift))
        squared = DISTANCE**2 - 0.08**2
        assert float(by_focal) == pytest.approx(2 * math.pi * FOCAL * 0.08**2 / squared, rel=0.03)
        expected_z = -2 * DISTANCE * math.pi * (FOCAL * 0.08) ** 2 / squared**2
        assert float(by_shift[2]) == pytest.approx(expected_z, rel=0.03)
        assert by_shift[:2].abs().max() < 0.03 * abs(expected_z)


@pytest.mark.parametrize("shape", [ellipsoid, hand])
def test_silhouette_gradient_agrees_with_finite_differences_of_the_supersampled_picture(shape) -> None:
    """Along moves of half a pixel: translation, focal length, and a bending of the surface."""
    vertices, faces = shape()
    weights = smooth_weights(SIZE)
    pixel = DISTANCE / FOCAL
    moves = {
        "x": torch.tensor([pixel, 0, 0]).double().expand_as(vertices),
        "y": torch.tensor([0, pixel, 0]).double().expand_as(vertices),
        "z": (vertices - vertices * 0.98) * torch.tensor([0.0, 0.0, 1.0]),
        "swell": (vertices - vertices.mean(1, keepdim=True)) * 0.03,
        "bend": pixel * torch.sin(40 * vertices[..., [1, 0, 2]]) * torch.tensor([1.0, 1.0, 0.0]),
    }
    variable = vertices.clone().requires_grad_()
    focal = torch.tensor(FOCAL, dtype=torch.float64, requires_grad=True)
    loss = (render_silhouette(variable, faces, pinhole(focal), SIZE)[0] * weights).sum()
    by_vertices, by_focal = torch.autograd.grad(loss, (variable, focal))
    # No move can change the loss by more than the outline's length times its size: the scale of "5 per cent".
    scale = 0.05 * float(by_vertices[..., :2].norm(dim=-1).sum()) * pixel

    def along(move: torch.Tensor, focal_step: float = 0.0) -> float:
        ahead, behind = (
            (supersampled(vertices + sign * move / 2, faces, FOCAL + sign * focal_step / 2, SIZE) * weights).sum()
            for sign in (1, -1)
        )
        return float(ahead - behind)

    for name, move in moves.items():
        assert float((by_vertices * move).sum()) == pytest.approx(along(move), abs=scale), name
    assert float(by_focal * 4.0) == pytest.approx(along(torch.zeros_like(vertices), 4.0), abs=scale)


def occluding_triangles(shift_px: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """A red triangle, moved by ``shift_px``, in front of a larger green one that fills the picture."""
    front = torch.tensor([[9.3, 8.2], [22.7, 12.4], [12.1, 24.9]]).double() + shift_px
    back = torch.tensor([[-60.0, -40.0], [90.0, -40.0], [10.0, 120.0]]).double()
    depth = torch.tensor([0.4] * 3 + [0.7] * 3).double()[:, None]
    rays = (torch.cat([front, back]) - 15.5) / 40.0
    vertices = torch.cat([rays * depth, depth], dim=1)[None]
    colours = torch.tensor([[[1.0, 0.1, 0.0]] * 3 + [[0.0, 0.8, 0.3]] * 3]).double()
    return vertices, torch.tensor([[0, 1, 2], [3, 4, 5]]), colours


@pytest.mark.parametrize("axis", [0, 1])
def test_occlusion_boundary(axis: int) -> None:
    """The gradient of moving one triangle over another is the one of the supersampled picture."""
    weights = smooth_weights(32)[..., None] * torch.tensor([1.0, -0.5, 0.3])

    def fine_loss(shift: torch.Tensor) -> torch.Tensor:
        vertices, faces, colours = occluding_triangles(shift)
        rgb = render_mesh(vertices, faces, pinhole(40.0, 32, 16), 512, colours=colours, antialias=False).rgb[0]
        return (rgb.view(32, 16, 32, 16, 3).mean((1, 3)) * weights).sum()

    shift = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    vertices, faces, colours = occluding_triangles(shift)
    picture = render_mesh(vertices, faces, pinhole(40.0, 32), 32, colours=colours)
    assert picture.silhouette.min() > 0.999
    (gradient,) = torch.autograd.grad((picture.rgb[0] * weights).sum(), shift)
    step = torch.zeros(2, dtype=torch.float64)
    step[axis] = 0.5
    numeric = (fine_loss(step) - fine_loss(-step)) / 1.0
    assert float(gradient[axis]) == pytest.approx(float(numeric), rel=0.05)


def test_gradcheck_of_a_lit_picture_with_occlusion() -> None:
    """Everything at once in float64: vertices, camera, colours, light and background, outlines included."""
    torch.manual_seed(0)
    vertices, faces, colours = occluding_triangles(torch.zeros(2))
    vertices = vertices + 0.02 * torch.randn_like(vertices)
    light = torch.tensor([[0.5, 1.0, 0.9, 0.8, 0.7, 0.6, 0.9, 1.0, 0.2, -0.3, -0.9]]).double()
    background = torch.rand(3).double()
    inputs = [vertices, torch.tensor(40.0).double(), colours, light, background]

    def render(v, focal, c, lamp, back):
        light_of = Light.from_vector(lamp)
        return render_mesh(v, faces, pinhole(focal, 20), (20, 17), colours=c, light=light_of, background=back)

    assert torch.autograd.gradcheck(render, [x.requires_grad_() for x in inputs], eps=1e-7, atol=1e-5, fast_mode=True)


def test_gradcheck_of_texture_normals_depth_and_flow() -> None:
    torch.manual_seed(1)
    vertices, faces, _ = occluding_triangles(torch.zeros(2))
    vertices = (vertices + 0.02 * torch.randn_like(vertices)).requires_grad_()
    uv = torch.rand(6, 2).double().requires_grad_()
    texture = torch.rand(1, 5, 4, 3).double().requires_grad_()
    camera = pinhole(40.0, 20)

    def textured(v, t, where):
        return render_mesh(v, faces, camera, (13, 20), texture=t, uv=where).rgb

    def shapes(v):
        depth = render_depth(v, faces, camera, 20, antialias=True, background_m=1.0)
        flow, _ = render_flow(v, v.roll(1, 1) + 0.01, faces, camera, camera, 20)
        return depth, render_normals(v, faces, camera, 20), render_normals(v, faces, camera, 20, flat=True), flow

    assert torch.autograd.gradcheck(textured, (vertices, texture, uv), eps=1e-7, atol=1e-5, fast_mode=True)
    assert torch.autograd.gradcheck(shapes, (vertices,), eps=1e-7, atol=1e-5, fast_mode=True)


def test_gradcheck_of_the_soft_silhouette() -> None:
    vertices, faces, _ = occluding_triangles(torch.zeros(2))
    front = vertices[:, :3].clone().requires_grad_()

    def soft(v):
        return render_silhouette(v, faces[:1], pinhole(40.0, 32), 32, soft=True, sigma_px=1.5)

    assert torch.autograd.gradcheck(soft, (front,), eps=1e-7, atol=1e-5, fast_mode=True)


def test_an_outline_just_outside_the_picture_fades_the_pixels_inside() -> None:
    size, sigma = 16, 2.0
    # A rectangle whose right side runs one pixel beyond the picture's edge, which is at 15.5.
    right = size + 0.5
    corners = torch.tensor([[[-90.0, -90, 1], [right, -90, 1], [right, 90, 1], [-90, 90, 1]]], requires_grad=True)
    camera = OrthographicCamera(torch.eye(2)[None], torch.zeros(1, 2))
    faces = torch.tensor([[0, 1, 2], [0, 2, 3]])
    mask = render_silhouette(corners, faces, camera, size, soft=True, sigma_px=sigma)
    expected = torch.sigmoid((right - torch.arange(size)) / sigma).expand(size, size)
    assert torch.allclose(mask[0, :, 6:], expected[:, 6:], atol=1e-5)
    assert float(torch.autograd.grad(mask.sum(), corners)[0][0, 1:3, 0].sum()) > 1


def test_soft_silhouette_finds_a_target_that_does_not_overlap() -> None:
    vertices, faces = ellipsoid()
    vertices = (vertices - torch.tensor([0, 0, DISTANCE])) * 0.3 + torch.tensor([0, 0, DISTANCE])
    moved = vertices + torch.tensor([0.09, -0.06, 0.0])
    target = render_silhouette(moved, faces, pinhole(FOCAL), SIZE, soft=True, sigma_px=6.0)
    shift = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.Adam([shift], lr=8e-3)
    slower = torch.optim.lr_scheduler.ExponentialLR(optimiser, 0.95)
    for _ in range(60):
        optimiser.zero_grad()
        shifted = vertices + torch.nn.functional.pad(shift, (0, 1))
        mask = render_silhouette(shifted, faces, pinhole(FOCAL), SIZE, soft=True, sigma_px=6.0)
        (mask - target).square().sum().backward()
        optimiser.step()
        slower.step()
    one_pixel = DISTANCE / FOCAL
    torch.testing.assert_close(shift.detach(), torch.tensor([0.09, -0.06]).double(), atol=one_pixel, rtol=0)


def test_gradients_stay_finite_at_the_picture_border_and_behind_the_camera() -> None:
    vertices, faces = ellipsoid()
    for shift in ([0.2, 0.1, 0.0], [0.0, 0.0, -DISTANCE], [9.0, 0.0, 0.0]):
        moved = (vertices + torch.tensor(shift)).requires_grad_()
        picture = render_mesh(moved, faces, pinhole(FOCAL), SIZE, light=Light.headlight())
        soft = render_silhouette(moved, faces, pinhole(FOCAL), SIZE, soft=True)
        total = picture.rgb.sum() + picture.silhouette.sum() + picture.depth.sum() + soft.sum()
        (gradient,) = torch.autograd.grad(total, moved)
        assert torch.isfinite(gradient).all()


def test_antialiased_hands_are_nearer_to_a_finely_sampled_picture() -> None:
    """What an edge that is hidden between two pixels' centres would add shows here, and nowhere else."""
    model = HandModel.load("open")
    draw = torch.Generator().manual_seed(0)
    turns = torch.randn(8, 3, generator=draw)
    vertices = model(0.4 * torch.randn(8, 45, generator=draw), None, turns).vertices
    vertices = vertices - (vertices.amax(1) + vertices.amin(1))[:, None] / 2 + torch.tensor([0.0, 0.0, 0.5])
    colours = (5 * (vertices[..., 2:] - vertices[..., 2:].amin(1, keepdim=True))).expand(-1, -1, 3)

    def draw_hands(size: int, antialias: bool) -> torch.Tensor:
        focal, centre = torch.full((1, 2), 2.2 * size), torch.full((1, 2), (size - 1) / 2)
        camera = PerspectiveCamera.from_focal(focal, centre)
        return render_mesh(vertices, model.faces, camera, size, colours=colours, antialias=antialias).rgb

    fine = draw_hands(8 * 48, False).view(8, 48, 8, 48, 8, 3).mean((2, 4))
    smooth, rough = ((draw_hands(48, mode) - fine).square().mean().sqrt() for mode in (True, False))
    assert smooth < 0.4 * rough


def test_a_sliver_that_wins_a_pixel_by_chance_moves_nothing() -> None:
    corners = torch.tensor([[[5.0, 10.0, 1.0], [15.0, 10.0005, 2.0], [15.0, 9.9995, 3.0]]], requires_grad=True)
    camera = OrthographicCamera(torch.eye(2)[None], torch.zeros(1, 2))
    depth = render_depth(corners, torch.tensor([[0, 1, 2]]), camera, 20)
    assert (depth > 0).sum() >= 9
    (gradient,) = torch.autograd.grad(depth.sum(), corners)
    assert (gradient[..., :2] == 0).all() and gradient[..., 2].sum() == pytest.approx(
        float((depth > 0).sum()), rel=1e-4
    )
