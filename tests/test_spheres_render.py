"""The sphere renderer: against ray marching, its gradients, its window, and what it refuses."""

import importlib.util
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from handlib.camera import OrthographicCamera, PerspectiveCamera
from handlib.errors import BadInputError
from handlib.render import render_spheres
from handlib.render.spheres import (
    BACKGROUND_M,
    CUBE_M,
    OUTLINE_M,
    crop_camera,
    nearest_sphere,
    pixel_rays_m,
    sees_something,
    sphere_depth_m,
    squared_ray_distance_m2,
)

Balls = tuple[torch.Tensor, torch.Tensor]


def random_balls(batch: int, count: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Balls:
    """Overlapping spheres of a hand's sizes, all over the cube."""
    generator = torch.Generator().manual_seed(seed)
    centres = 0.16 * (torch.rand(batch, count, 3, generator=generator, dtype=dtype) - 0.5)
    return centres, 0.005 + 0.019 * torch.rand(batch, count, generator=generator, dtype=dtype)


def march_rays(centres: torch.Tensor, radii: torch.Tensor, camera: OrthographicCamera, size: int) -> torch.Tensor:
    """Depth by sphere tracing: step along z by the distance to the nearest surface until there is none left."""
    rays = pixel_rays_m(camera, size).flatten(1, 2).expand(len(centres), -1, -1)
    z = torch.full_like(rays[..., 0], -CUBE_M)
    for _ in range(2000):
        points = torch.cat([rays, z[..., None]], dim=-1)
        gap = ((points[:, :, None] - centres[:, None]).norm(dim=-1) - radii[:, None]).amin(-1)
        z = torch.where((gap > 1e-7) & (z < BACKGROUND_M), z + gap, z)
        if not bool(((gap > 1e-7) & (z < BACKGROUND_M)).any()):
            break
    return z.clamp(max=BACKGROUND_M).unflatten(1, (size, size))


def naive_render(centres: torch.Tensor, radii: torch.Tensor, camera: OrthographicCamera, size: int) -> torch.Tensor:
    """Eq. 8 as it is written: a depth map of every sphere, then the minimum."""
    rays = pixel_rays_m(camera, size)[:, None]  # (1, 1, H, W, 2)
    maps = sphere_depth_m(centres[:, :, None, None], radii[:, :, None, None], rays)
    return maps.amin(1).clamp(max=BACKGROUND_M)


def test_worst_pixel_is_within_a_tenth_of_a_millimetre_of_marched_rays() -> None:
    centres, radii = random_balls(2, 41)
    camera = crop_camera(32, centres)
    rendered, marched = render_spheres(centres, radii, camera, 32), march_rays(centres, radii, camera, 32)
    assert torch.equal(sees_something(rendered), sees_something(marched))
    assert 0.2 < sees_something(rendered).double().mean() < 0.8
    assert (rendered - marched).abs().max() < 1e-4


def test_depth_of_one_sphere_is_equation_6() -> None:
    radius, centre = (torch.tensor(x, dtype=torch.float64) for x in ([0.02], [[0.01, -0.02, 0.03]]))
    # Rays through the centre, at 3/5 of the radius (a 3-4-5 triangle), on the outline, and past it.
    steps = torch.tensor([[0.0, 0.0], [0.012, 0.0], [0.0, 0.02], [0.015, 0.015]], dtype=torch.float64)
    depth = sphere_depth_m(centre, radius, centre[:, :2] + steps)
    assert depth.tolist() == pytest.approx([0.01, 0.03 - 0.016, 0.03 - OUTLINE_M / 2, BACKGROUND_M], abs=1e-12)


def test_distance_of_a_ray_is_equation_7() -> None:
    camera = crop_camera(64)
    # The ray of pixel (u, v) = (0, 0) is half a pixel inside the corner of the cube.
    corner = pixel_rays_m(camera, 64)[0, 0, 0]
    assert corner.tolist() == pytest.approx([-0.15 + 0.3 / 128] * 2, rel=1e-6)
    centre = torch.tensor([corner[0] + 0.003, corner[1] - 0.004, 0.7])
    assert squared_ray_distance_m2(centre, corner).sqrt().item() == pytest.approx(0.005, rel=1e-5)


@pytest.mark.parametrize("size", [64, 17])
def test_all_spheres_are_equation_8(size: int) -> None:
    centres, radii = random_balls(3, 41, seed=1)
    camera = crop_camera(size, centres)
    torch.testing.assert_close(
        render_spheres(centres, radii, camera, size), naive_render(centres, radii, camera, size), rtol=0, atol=1e-12
    )


def test_gradients_are_those_of_the_minimum_over_all_maps() -> None:
    centres, radii = (x.requires_grad_() for x in random_balls(2, 12, seed=2))
    camera = crop_camera(24, centres)
    pull = torch.rand(2, 24, 24, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    ours, theirs = (
        torch.autograd.grad((draw(centres, radii, camera, 24) * pull).sum(), (centres, radii))
        for draw in (render_spheres, naive_render)
    )
    for a, b in zip(ours, theirs, strict=True):
        assert a.abs().max() > 0
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-12)


def test_gradcheck_with_overlapping_spheres() -> None:
    centres = torch.tensor([[[0.0, 0.0, 0.0], [0.011, 0.004, 0.002], [-0.06, 0.05, 0.01]]], dtype=torch.float64)
    radii = torch.tensor([[0.021, 0.018, 0.015]], dtype=torch.float64)
    camera = crop_camera(13, centres)
    seen = nearest_sphere(centres, radii, camera, (13, 13))
    assert set(seen.unique().tolist()) == {-1, 0, 1, 2}
    inputs = (centres.requires_grad_(), radii.requires_grad_())

    # Millimetres keep the numbers near one; no pixel's centre lies so near an outline that a step crosses it.
    def in_millimetres(centres_mm: torch.Tensor, radii_mm: torch.Tensor) -> torch.Tensor:
        return 1e3 * render_spheres(centres_mm / 1e3, radii_mm / 1e3, camera, 13)

    scaled = tuple((1e3 * x).detach().requires_grad_() for x in inputs)
    assert torch.autograd.gradcheck(in_millimetres, scaled, eps=1e-6)
    assert torch.autograd.gradgradcheck(in_millimetres, scaled, eps=1e-6, atol=1e-4)


def test_the_derivative_inside_is_the_papers() -> None:
    centre = torch.tensor([[[0.0, 0.0, 0.0]]], dtype=torch.float64, requires_grad=True)
    radius = torch.tensor([[0.03]], dtype=torch.float64, requires_grad=True)
    camera = crop_camera(5, centre)  # pixels are 60 mm apart; only the middle one hits
    moved = centre + torch.tensor([0.012, 0.016, 0.0])
    depth = render_spheres(moved, radius, camera, 5)
    assert int(sees_something(depth).sum()) == 1
    by_centre, by_radius = torch.autograd.grad(depth[0, 2, 2], (centre, radius))
    root = (0.03**2 - 0.02**2) ** 0.5
    assert by_centre.flatten().tolist() == pytest.approx([0.012 / root, 0.016 / root, 1.0])
    assert by_radius.item() == pytest.approx(-0.03 / root)


def test_gradients_stay_finite_on_the_outline() -> None:
    radius = torch.tensor([0.02], dtype=torch.float64, requires_grad=True)
    centre = torch.zeros(1, 3, dtype=torch.float64, requires_grad=True)
    rays = torch.tensor([[0.02, 0.0], [0.02 - 1e-12, 0.0], [0.02 + 1e-12, 0.0]], dtype=torch.float64)
    gradients = torch.autograd.grad(sphere_depth_m(centre, radius, rays).sum(), (centre, radius))
    assert all(bool(torch.isfinite(g).all()) for g in gradients)
    assert 0 < gradients[0].abs().max() <= 2 * 0.02 / OUTLINE_M * (1 + 1e-6)


def test_the_background_pulls_at_nothing() -> None:
    centres = torch.zeros(1, 1, 3, requires_grad=True)
    depth = render_spheres(centres, torch.tensor([[0.02]]), crop_camera(32), 32)
    depth[~sees_something(depth)].sum().backward()
    assert float(centres.grad.abs().max()) == 0.0


@settings(max_examples=20, deadline=None)
@given(
    shift=st.tuples(*[st.integers(-6, 6)] * 2),
    depth_mm=st.floats(-40, 40),
    turn=st.integers(0, 3),
    seed=st.integers(0, 9),
)
def test_moving_the_spheres_by_whole_pixels_moves_the_picture(shift, depth_mm, turn, seed) -> None:
    centres, radii = random_balls(1, 8, seed=seed)
    camera = crop_camera(64, centres)
    step = torch.tensor([*(CUBE_M / 64 * s for s in shift), depth_mm / 1e3], dtype=torch.float64)
    far = 10.0
    still = render_spheres(centres, radii, camera, 64, background_m=far)
    moved = render_spheres(centres + step, radii, camera, 64, background_m=far)
    expected = still.roll((shift[1], shift[0]), dims=(1, 2)) + torch.where(still < far, depth_mm / 1e3, 0).roll(
        (shift[1], shift[0]), dims=(1, 2)
    )
    torch.testing.assert_close(moved, expected, rtol=0, atol=1e-6)
    quarter = torch.tensor([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]], dtype=torch.float64)
    turned = centres @ torch.linalg.matrix_power(quarter, turn).T
    picture = render_spheres(turned, radii, camera, 64, background_m=far)
    torch.testing.assert_close(picture, still.rot90(-turn, dims=(1, 2)), rtol=0, atol=1e-6)


def test_a_sheared_camera_and_one_camera_a_row() -> None:
    centres, radii = random_balls(2, 20, seed=4)
    linear = torch.tensor([[[210.0, 60.0], [-30.0, 190.0]], [[150.0, 0.0], [0.0, 260.0]]], dtype=torch.float64)
    camera = OrthographicCamera(linear, torch.tensor([[20.0, 14.0], [10.0, 25.0]], dtype=torch.float64))
    rendered = render_spheres(centres, radii, camera, (40, 48))
    rays = pixel_rays_m(camera, (40, 48))[:, None]
    maps = sphere_depth_m(centres[:, :, None, None], radii[:, :, None, None], rays)
    torch.testing.assert_close(rendered, maps.amin(1), rtol=0, atol=1e-12)


def test_spheres_partly_or_wholly_outside_the_picture_and_larger_than_it() -> None:
    centres = torch.tensor([[[0.15, 0.0, 0.0], [3.0, -2.0, 0.0], [0.0, 1e9, 0.0]], [[0.0, 0.0, 0.5]] * 3]).double()
    radii = torch.tensor([[0.03, 0.02, 0.02], [0.45, 0.1, 0.1]]).double()
    camera = crop_camera(64, centres)
    depth = render_spheres(centres, radii, camera, 64)
    torch.testing.assert_close(depth, naive_render(centres, radii, camera, 64), rtol=0, atol=1e-12)
    assert bool(sees_something(depth[0, 30:34, 60:]).all()) and not bool(sees_something(depth[0, :, :50]).any())
    assert bool(sees_something(depth[1]).any())


def test_surfaces_behind_the_background_are_not_seen() -> None:
    depth = render_spheres(torch.tensor([[[0.0, 0.0, 0.2]]]), torch.tensor([[0.02]]), crop_camera(16), 16)
    assert torch.equal(depth, torch.full((1, 16, 16), BACKGROUND_M))


def test_an_empty_batch_gives_an_empty_picture() -> None:
    assert render_spheres(torch.zeros(0, 41, 3), torch.ones(1, 41) / 100, crop_camera(8), 8).shape == (0, 8, 8)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"radii_m": torch.full((1, 2), 14.0)}, "metres"),
        ({"radii_m": torch.tensor([[0.01, 0.0]])}, "positive"),
        ({"centres_m": torch.tensor([[[0.0, 0.0, 0.0], [float("nan"), 0.0, 0.0]]])}, "NaN"),
        ({"radii_m": torch.ones(1, 3) / 100}, "radii_m: shape"),
        ({"camera": PerspectiveCamera(torch.eye(3)[None])}, "parallel"),
        ({"camera": crop_camera(8)[torch.tensor([0, 0])]}, "2 cameras for 1"),
        ({"camera": crop_camera(8, torch.zeros(1).double())}, "float64"),
    ],
)
def test_bad_input_is_refused(change: dict, message: str) -> None:
    good = {"centres_m": torch.zeros(1, 2, 3), "radii_m": torch.ones(1, 2) / 100, "camera": crop_camera(8)}
    with pytest.raises(BadInputError, match=message):
        render_spheres(**(good | change), image_size=8)


def test_the_benchmark_draws_the_same_hands_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "benchmarks")
    path = Path(__file__).parents[1] / "benchmarks" / "render_spheres.py"
    spec = importlib.util.spec_from_file_location("render_spheres_benchmark", path)
    benchmark = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(benchmark)
    ours, dense = (task() for task in benchmark.make_tasks(batch=2, image_px=24).values())
    torch.testing.assert_close(ours, dense, rtol=0, atol=1e-6)
    rows = benchmark.compare(batch=1, image_px=16, repeats=2)
    assert [row["task"] for row in rows] == ["render_spheres", "dense maps"]
    assert all(0 < row["forward_ms"] < row["forward_backward_ms"] for row in rows)
