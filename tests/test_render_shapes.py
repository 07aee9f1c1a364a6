"""The sphere is a closed sphere seen from outside, and ray casting agrees with the renderer."""

import math

import pytest
import torch

from handlib.camera import PerspectiveCamera
from handlib.render import face_normals, render_depth, render_silhouette
from handlib.render.shapes import sphere_depth_m, sphere_mesh

CENTRE = torch.tensor([0.02, -0.01, 0.5], dtype=torch.float64)
CAMERA = PerspectiveCamera.from_focal(torch.tensor([[300.0, 310.0]]).double(), torch.tensor([[60.0, 50.0]]).double())


@pytest.mark.parametrize("subdivisions", [0, 1, 4])
def test_closed_outward_and_on_the_sphere(subdivisions: int) -> None:
    vertices, faces = sphere_mesh(0.07, CENTRE, subdivisions)
    assert len(faces) == 8 * 4**subdivisions and len(vertices) == len(faces) // 2 + 2  # Euler: V - E + F = 2
    torch.testing.assert_close((vertices - CENTRE).norm(dim=-1), torch.full((len(vertices),), 0.07).double())
    outward = (face_normals(vertices[None], faces)[0] * (vertices[faces].mean(1) - CENTRE)).sum(-1)
    assert (outward > 0).all()


def test_ray_casting_agrees_with_the_rendered_mesh() -> None:
    vertices, faces = sphere_mesh(0.07, CENTRE, 5)
    exact = sphere_depth_m(0.07, CENTRE, CAMERA.K[0], 100, 120)
    rendered = render_depth(vertices[None], faces, CAMERA, (100, 120))[0]
    both = (exact > 0) & (rendered > 0)
    assert both.sum() / ((exact > 0) | (rendered > 0)).sum() > 0.99
    error = (exact - rendered)[both].abs()
    # At the rim the surface runs away from the viewer, and a hair's breadth in the picture is millimetres in depth.
    assert error.median() < 1e-4 and error.quantile(0.98) < 1e-3 and error.max() < 5e-3
    assert float(exact[exact > 0].min()) == pytest.approx(float(CENTRE.norm()) - 0.07, abs=2e-3)


def test_a_sphere_on_the_axis_covers_a_disc_of_known_area() -> None:
    on_axis = torch.tensor([0.0, 0.0, 0.5], dtype=torch.float64)
    vertices, faces = sphere_mesh(0.07, on_axis, 5)
    area = float(render_silhouette(vertices[None], faces, CAMERA, (100, 120)).sum())
    tangent = 0.07 / math.sqrt(0.5**2 - 0.07**2)  # of half the angle under which the sphere is seen
    assert area == pytest.approx(math.pi * tangent**2 * 300 * 310, rel=2e-3)
