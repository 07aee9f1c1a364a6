"""The cube around a hand and the views that share a world: a point seen by three cameras is one point."""

import math

import numpy as np
import pytest
import roma
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from handlib.data.depth_cube import (
    centre_of_mass,
    crop_cube,
    crop_points_m,
    denormalise_depth,
    normalise_depth,
    pixel_grid,
    usable_pictures,
)
from handlib.data.depth_target import kinect_rig
from handlib.data.depth_views import CubeFrames, calibrate_views
from handlib.errors import BadInputError

BALL_M, RADIUS_M = torch.tensor([0.03, -0.02, 0.78]), 0.06


def ball_pictures(K: torch.Tensor, centres_m: torch.Tensor, size: tuple[int, int] = (240, 320)) -> torch.Tensor:
    """Exact perspective depth pictures (views, H, W) of a ball, by the ray's quadratic equation."""
    grid = pixel_grid(*size)
    homogeneous = torch.cat([grid, torch.ones(len(grid), 1)], dim=1)
    rays = homogeneous @ torch.linalg.inv(K).mT  # z = 1
    a = rays.square().sum(-1)
    b = (rays * centres_m[:, None]).sum(-1)
    c = centres_m.square().sum(-1, keepdim=True) - RADIUS_M**2
    root = b.square() - a * c
    depth = torch.where(root > 0, (b - root.clamp(min=0).sqrt()) / a, 0)
    return depth.unflatten(1, size)


@pytest.fixture(scope="module")
def seen_ball():
    """The rig, its three pictures of a ball, their crops and where the cubes are."""
    rig = kinect_rig()
    depth = ball_pictures(rig.K, rig.to_cameras(BALL_M[None, None])[0, :, 0])
    centre = centre_of_mass(depth, rig.K)
    frames = CubeFrames.of_cameras(rig.rotation[None], rig.translation_m[None], centre[None])
    return rig, depth, crop_cube(depth, rig.K, centre), frames


def test_a_ball_seen_by_three_cameras_is_one_ball(seen_ball):
    _, _, crops, frames = seen_ball
    points, on_surface = crop_points_m(crops)
    world = frames.to_world(points[None])[0]
    misfit = ((world - BALL_M).norm(dim=-1) - RADIUS_M).abs()
    # A crop's pixel takes the nearest of the points that fall into it, so it may be half a pixel (2.3 mm) from its ray.
    for view in range(3):
        assert on_surface[view].sum() > 400
        assert misfit[view][on_surface[view]].median() < 1e-3
        assert misfit[view][on_surface[view]].quantile(0.95) < 6e-3


def test_crops_have_no_perspective(seen_ball):
    _, _, crops, _ = seen_ball
    sizes = (crops < 0.1).flatten(1).sum(1) * (0.3 / 64) ** 2
    # A camera sees a little less than half of a ball; at 0.8 m the difference is below 1 %.
    assert (sizes / (math.pi * RADIUS_M**2) - 1).abs().max() < 0.06


def test_the_centre_of_mass_ignores_what_is_far_behind(seen_ball):
    rig, depth, _, _ = seen_ball
    before = centre_of_mass(depth, rig.K)
    cluttered = depth.clone()
    cluttered[:, :5, :5] = 1.6
    assert (centre_of_mass(cluttered, rig.K) - before).abs().max() < 1e-4


def test_what_is_outside_the_cube_is_background(seen_ball):
    rig, depth, _, _ = seen_ball
    crop = crop_cube(depth, rig.K, centre_of_mass(depth, rig.K) + torch.tensor([0.0, 0.0, 0.4]))
    assert (crop == 0.1).all()


def test_empty_pictures_are_marked_and_refused(seen_ball):
    rig, depth, _, _ = seen_ball
    holes = depth.clone()
    holes[1] = 0
    assert usable_pictures(holes).tolist() == [True, False, True]
    with pytest.raises(BadInputError, match=r"depth_m\[1\] has 29 measured pixels or fewer.*usable_pictures"):
        centre_of_mass(holes, rig.K)


@pytest.mark.parametrize(("value", "reason"), [(780.0, "millimetres"), (float("nan"), "NaN"), (-0.5, "negative")])
def test_depth_that_is_no_metres_is_refused(seen_ball, value, reason):
    rig, depth, _, _ = seen_ball
    wrong = depth.clone()
    wrong[0, 100, 100] = value
    with pytest.raises(BadInputError, match=reason):
        crop_cube(wrong, rig.K, torch.zeros(3, 3))


def test_normalised_depth_in_numbers():
    metres = torch.tensor([-0.2, -0.15, 0.0, 0.05, 0.1, 0.3])
    assert torch.allclose(normalise_depth(metres), torch.tensor([-1.5, -1.5, 0.0, 0.5, 1.0, 1.0]))
    assert torch.allclose(denormalise_depth(normalise_depth(metres[1:5])), metres[1:5])


def random_frames(seed: int, batch: int = 2, views: int = 3) -> CubeFrames:
    generator = torch.Generator().manual_seed(seed)
    quaternions = torch.nn.functional.normalize(
        torch.randn(batch, views, 4, generator=generator, dtype=torch.float64), dim=-1
    )
    return CubeFrames(roma.unitquat_to_rotmat(quaternions), torch.randn(batch, views, 3, generator=generator).double())


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_cube_world_and_other_cubes_agree(seed):
    frames = random_frames(seed)
    points = torch.randn(2, 3, 5, 3, generator=torch.Generator().manual_seed(seed)).double()
    world = frames.to_world(points)
    assert torch.allclose(frames.from_world(world), points)
    between = frames.between(points)
    for i in range(3):
        assert torch.allclose(between[:, i, i], points[:, i])
        assert torch.allclose(between[:, i], frames.from_world(world[:, i : i + 1]))


def test_some_rows_of_the_frames():
    frames = random_frames(3, batch=4)
    assert torch.equal(frames[1:3].origin_m, frames.origin_m[1:3])
    assert torch.equal(frames.to("cpu").rotation, frames.rotation)


def test_a_view_without_calibration_is_named():
    frames = random_frames(0)
    rotation = frames.rotation.clone()
    rotation[0, 2] = torch.nan
    with pytest.raises(BadInputError, match="view 2 has no calibration.*calibrate_views"):
        CubeFrames(rotation, frames.origin_m)
    with pytest.raises(BadInputError, match="view 1: its matrix is no rotation"):
        CubeFrames(frames.rotation * torch.tensor([1.0, -1.0, 1.0])[None, :, None, None], frames.origin_m)


def test_calibration_finds_the_cameras_again():
    frames = random_frames(5, batch=1)
    world = torch.randn(1, 40, 3, generator=torch.Generator().manual_seed(1)).double()
    seen = frames.from_world(world[:, None].expand(1, 3, 40, 3))[0]
    rotation, translation = calibrate_views(seen)
    assert torch.allclose(seen @ rotation.mT + translation[:, None], seen[:1].expand_as(seen))
    for view in (1, 2):
        moved = [(seen[k] - seen[k].mean(0)).numpy() for k in (0, view)]
        scipy_rotation, _ = Rotation.align_vectors(*moved)
        assert np.allclose(scipy_rotation.as_matrix(), rotation[view])


def test_calibration_needs_three_points():
    with pytest.raises(BadInputError, match="at least 3 finite points"):
        calibrate_views(torch.zeros(3, 2, 3))
