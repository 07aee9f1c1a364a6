"""Light, colour, texture and background of rendered meshes."""

import pytest
import torch
import trimesh

from handlib.camera import OrthographicCamera, PerspectiveCamera
from handlib.errors import BadInputError
from handlib.render import Light, face_normals, render_mesh, render_normals, vertex_normals
from handlib.render.shading import sample_texture

CAMERA = OrthographicCamera(torch.eye(2)[None] * 30, torch.tensor([[31.5, 31.5]]))


def ball(subdivisions: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    mesh = trimesh.creation.icosphere(subdivisions)
    return torch.tensor(mesh.vertices, dtype=torch.float32)[None], torch.tensor(mesh.faces)


def square(depth: float = 1.0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The square [-1, 1]^2 at ``depth``, facing the camera, with uv running with x and y."""
    corners = torch.tensor([[-1.0, -1], [1, -1], [1, 1], [-1, 1]])
    vertices = torch.cat([corners, torch.full((4, 1), depth)], dim=1)[None]
    return vertices, torch.tensor([[0, 2, 1], [0, 3, 2]]), (corners + 1) / 2


def test_lambert_ball_under_a_slanted_light() -> None:
    """``I = I_a c_a + I_d c_d max(0, n . d)`` with the ball's own normals, and nothing but ambient in the shade."""
    vertices, faces = ball()
    direction = torch.tensor([0.6, 0.0, -0.8])
    vector = torch.cat([torch.tensor([0.2, 1.0, 0.5, 0.25, 0.8, 0.5, 1.0, 0.75]), direction])[None]
    light = Light.from_vector(vector)
    rgb = render_mesh(vertices, faces, CAMERA, 64, colours=torch.ones_like(vertices), light=light).rgb[0]
    y, x = torch.meshgrid(torch.arange(64), torch.arange(64), indexing="ij")
    x, y = (x - 31.5) / 30, (y - 31.5) / 30
    inside = x.square() + y.square() < 0.9
    normal = torch.stack([x, y, -(1 - x.square() - y.square()).clamp_min(0).sqrt()], dim=-1)
    cosine = (normal @ direction).clamp_min(0)[..., None]
    expected = 0.2 * torch.tensor([1.0, 0.5, 0.25]) + 0.8 * torch.tensor([0.5, 1.0, 0.75]) * cosine
    assert (rgb - expected)[inside].abs().max() < 0.02
    assert (cosine == 0)[..., 0][inside].any()


def test_the_two_layouts_of_the_light_vector() -> None:
    numbers = torch.arange(1.0, 12.0)[None]
    paper, released = Light.from_vector(numbers), Light.from_vector(numbers, layout="released")
    torch.testing.assert_close(paper.ambient, torch.tensor([[2.0, 3, 4]]))
    torch.testing.assert_close(paper.directional, 5 * torch.tensor([[6.0, 7, 8]]))
    torch.testing.assert_close(released.ambient, torch.tensor([[3.0, 4, 5]]))
    torch.testing.assert_close(released.directional, 2 * torch.tensor([[6.0, 7, 8]]))
    torch.testing.assert_close(released.direction, torch.tensor([[9.0, 10, 11]]))
    with pytest.raises(BadInputError, match="layout"):
        Light.from_vector(numbers, layout="other")


def test_one_light_an_image() -> None:
    vertices, faces = ball(2)
    dark_and_bright = Light(torch.tensor([[0.1] * 3, [0.9] * 3]), torch.zeros(2, 3), torch.zeros(2, 3))
    white = torch.ones_like(vertices)
    rgb = render_mesh(vertices.repeat(2, 1, 1), faces, CAMERA, 64, colours=white, light=dark_and_bright).rgb
    torch.testing.assert_close(rgb[:, 32, 32, 0], torch.tensor([0.1, 0.9]))
    with pytest.raises(BadInputError, match="2 lights for 1 meshes"):
        render_mesh(vertices, faces, CAMERA, 64, light=dark_and_bright)


def test_normals_point_outwards_and_to_the_side_that_is_seen() -> None:
    vertices, faces = ball(3)
    assert (face_normals(vertices, faces) * vertices[:, faces].mean(2)).sum(-1).min() > 0
    torch.testing.assert_close(vertex_normals(vertices, faces), vertices, atol=0.02, rtol=0)
    outside = render_normals(vertices, faces, CAMERA, 64)
    inside = render_normals(vertices, faces.flip(1), CAMERA, 64)
    torch.testing.assert_close(outside, inside, atol=1e-6, rtol=0)
    assert outside[0, 32, 32, 2] < -0.99


def test_texture_lies_the_right_way_up_and_face_colours_are_flat() -> None:
    vertices, faces, uv = square()
    texture = torch.zeros(1, 2, 2, 3)
    texture[0, 0, 1, 0] = 1.0  # red in the top right corner
    by_vertex = render_mesh(vertices, faces, CAMERA, 64, texture=texture, uv=uv).rgb[0]
    by_corner = render_mesh(vertices, faces, CAMERA, 64, texture=texture, uv=uv[faces]).rgb[0]
    torch.testing.assert_close(by_vertex, by_corner)
    assert by_vertex[10, 53, 0] > 0.9
    assert by_vertex[10, 10, 0] < 0.1 and by_vertex[53, 53, 0] < 0.1
    colours = torch.tensor([[[0.2, 0.4, 0.6], [0.6, 0.4, 0.2]]])
    flat = render_mesh(vertices, faces, CAMERA, 64, face_colours=colours).rgb[0]
    torch.testing.assert_close(flat[10, 40], colours[0, 0])
    torch.testing.assert_close(flat[40, 10], colours[0, 1])


def test_texture_follows_perspective() -> None:
    """Half-way along a slanted edge in the image is not half-way along it in space."""
    corners = torch.tensor([[-1.0, -1, 1], [3, -1, 3], [3, 1, 3], [-1, 1, 1]])[None]
    camera = PerspectiveCamera.from_focal(torch.tensor([[20.0, 20.0]]), torch.tensor([[31.5, 31.5]]))
    ramp = torch.linspace(0, 1, 256)[None, None, :, None].expand(1, 4, 256, 3)
    uv = torch.tensor([[0.0, 0], [1, 0], [1, 1], [0, 1]])
    rgb = render_mesh(corners, torch.tensor([[0, 2, 1], [0, 3, 2]]), camera, 64, texture=ramp, uv=uv).rgb[0]
    u = (32 - 31.5) / 20  # the ray x = u z meets the square at -1 + 4 s = u (1 + 2 s)
    assert rgb[31, 32, 0] == pytest.approx((1 + u) / (4 - 2 * u), abs=5e-3)


def test_textures_of_a_batch_do_not_bleed_into_each_other() -> None:
    textures = torch.stack([torch.full((3, 3, 3), float(i)) for i in range(4)])
    uv = torch.tensor([[0.5, 0.0], [0.5, 1.0], [-3.0, 0.2], [1.0, 1.0]]).repeat(4, 1)
    image = torch.arange(4).repeat_interleave(4)
    torch.testing.assert_close(sample_texture(textures, uv, image), image[:, None].expand(16, 3).float())


def test_background_colour_and_picture() -> None:
    vertices, faces = ball(2)
    plain = render_mesh(vertices, faces, CAMERA, 64, background=torch.tensor([0.1, 0.2, 0.3]))
    torch.testing.assert_close(plain.rgb[0, 0, 0], torch.tensor([0.1, 0.2, 0.3]))
    photo = torch.rand(1, 64, 64, 3)
    over = render_mesh(vertices, faces, CAMERA, 64, background=photo)
    outside = over.silhouette == 0
    torch.testing.assert_close(over.rgb[outside], photo[outside])
    full = over.silhouette == 1
    torch.testing.assert_close(over.rgb[full], plain.rgb[full])


def test_wrong_colours_are_named() -> None:
    vertices, faces, uv = square()
    with pytest.raises(BadInputError, match="colours and face_colours were given"):
        render_mesh(vertices, faces, CAMERA, 8, colours=vertices, face_colours=torch.ones(1, 2, 3))
    with pytest.raises(BadInputError, match="texture and uv come together"):
        render_mesh(vertices, faces, CAMERA, 8, texture=torch.ones(1, 4, 4, 3))
    with pytest.raises(BadInputError, match=r"uv: shape \(3, 2\)"):
        render_mesh(vertices, faces, CAMERA, 8, texture=torch.ones(1, 4, 4, 3), uv=uv[:3])
    with pytest.raises(BadInputError, match="background: shape"):
        render_mesh(vertices, faces, CAMERA, 8, background=torch.ones(1, 4, 4, 3))
