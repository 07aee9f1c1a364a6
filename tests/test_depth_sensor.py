"""The depth camera's faults, held to the numbers of the papers that measured them."""

import math

import numpy as np
import pytest
import torch

from handlib.camera import PerspectiveCamera
from handlib.data.depth_cube import pixel_grid
from handlib.data.depth_sensor import (
    DepthSensor,
    axial_sigma_m,
    depth_step_m,
    lateral_sigma_px,
    measure_depth,
    outline_pixels,
    quantise_depth,
    view_angles,
)

PX = 96
K = PerspectiveCamera.from_focal(torch.full((1, 2), 294.0), torch.full((1, 2), (PX - 1) / 2)).K
FAULTLESS = DepthSensor(edge_drop=0.0, flying=0.0, patch_drop=0.0)


def streams(count: int, seed: int = 0) -> list[np.random.Generator]:
    return [np.random.default_rng([seed, k]) for k in range(count)]


def wall(depth_m: float, tilt_deg: float = 0.0) -> torch.Tensor:
    """A plane through (0, 0, depth), turned about the vertical axis."""
    u = (pixel_grid(PX, PX)[:, 0] - K[0, 0, 2]) / K[0, 0, 0]
    depth = depth_m / (1 - u * math.tan(math.radians(tilt_deg)))
    return depth.view(1, PX, PX)


def test_axial_noise_of_nguyen_et_al_in_numbers():
    depths = torch.tensor([0.4, 1.4, 2.4])
    assert torch.allclose(axial_sigma_m(depths), torch.tensor([0.0012, 0.0031, 0.0088]))
    # Equal second differences: the deviation grows with the square of the distance.
    grown = axial_sigma_m(torch.linspace(0.4, 4.0, 10).double())
    assert torch.allclose(grown.diff().diff(), grown.diff().diff()[:1].expand(8))
    grazing = axial_sigma_m(torch.tensor([1.0, 1.0]), torch.tensor([0.5, math.radians(80)]))
    assert float(grazing[0]) == pytest.approx(0.0012 + 0.0019 * 0.36)
    assert float(grazing[1] - grazing[0]) == pytest.approx(1e-4 * (80 / 10) ** 2, rel=1e-4)


@pytest.mark.parametrize("depth_m", [0.5, 1.0, 2.0, 3.0])
def test_a_measured_wall_scatters_as_the_formula_says(depth_m):
    true = wall(depth_m).expand(6, -1, -1)
    seen = measure_depth(true, K.expand(6, 3, 3), streams(6), FAULTLESS)
    assert (seen > 0).all()
    # Rounding to steps of size s adds s^2 / 12 to the variance.
    step = depth_step_m(torch.tensor(depth_m))
    expected = (axial_sigma_m(torch.tensor(depth_m)).square() + step.square() / 12).sqrt()
    assert float((seen - depth_m).std() / expected) == pytest.approx(1.0, abs=0.03)
    assert abs(float((seen - depth_m).mean())) < 0.05 * float(expected)


def test_depths_come_in_the_steps_of_khoshelham_and_elberink():
    depths = torch.linspace(0.5, 4, 20_001, dtype=torch.float64)
    levels = quantise_depth(depths).unique()
    steps, middles = levels.diff(), (levels[1:] + levels[:-1]) / 2
    assert torch.allclose(steps, depth_step_m(middles), rtol=0.02)
    assert float(depth_step_m(torch.tensor(5.0))) == pytest.approx(0.071, abs=1e-3)
    assert torch.equal(quantise_depth(torch.zeros(3)), torch.zeros(3))
    assert torch.allclose(quantise_depth(quantise_depth(depths)), quantise_depth(depths))


@pytest.mark.parametrize("tilt_deg", [0.0, 30.0, 60.0])
def test_angles_of_tilted_walls(tilt_deg):
    angles = view_angles(wall(0.8, tilt_deg), K)[0]
    middle = angles[PX // 2, PX // 2 - 1 : PX // 2 + 1].mean()
    assert float(middle) == pytest.approx(math.radians(tilt_deg), abs=4e-3)
    u = (torch.arange(PX) - K[0, 0, 2]) / K[0, 0, 0]
    expected = (math.radians(tilt_deg) + torch.atan(u)).abs()
    assert (angles[PX // 2] - expected)[2:-2].abs().max() < 0.01


def test_grazing_surfaces_are_lost():
    def lost(tilt_deg: float) -> float:
        return float((measure_depth(wall(0.8, tilt_deg), K, streams(1), FAULTLESS) == 0).float().mean())

    assert lost(30) == 0 and lost(74) > 0.15
    assert float(lateral_sigma_px(torch.tensor(0.0))) == pytest.approx(0.8)


def block(front_m: float = 0.6, behind_m: float = 0.0) -> torch.Tensor:
    depth = torch.full((1, PX, PX), behind_m)
    depth[:, 30:60, 30:60] = front_m
    return depth


def test_outlines_are_the_rim_of_what_is_in_front():
    outline, farthest = outline_pixels(block(behind_m=0.7), 0.02)
    rim = torch.zeros(1, PX, PX, dtype=torch.bool)
    rim[:, 30:60, 30:60] = True
    rim[:, 31:59, 31:59] = False
    assert torch.equal(outline, rim)
    assert torch.allclose(farthest[outline], torch.tensor(0.7))
    assert not outline_pixels(block(behind_m=0.61), 0.02)[0].any()


def test_outlines_lose_pixels_and_let_some_fly():
    true = block().expand(20, -1, -1)
    rim = outline_pixels(true, 0.02)[0]
    still = DepthSensor(noise=0.0, edge_drop=0.25, flying=0.1, patch_drop=0.0, drop_angle_deg=(89.0, 90.0))
    seen = measure_depth(true, K.expand(20, 3, 3), streams(20), still)
    assert float((seen[rim] == 0).float().mean()) == pytest.approx(0.25, abs=0.03)
    flying = seen > 0.605
    assert (flying <= rim).all()
    assert 0.05 < float(flying[rim].float().mean()) < 0.1
    assert seen.max() < 0.6 + 0.15 + 0.01
    inner = (true > 0) & ~rim
    assert (seen[inner] - 0.6).abs().max() < 2e-3


def test_patches_are_lost_at_their_share():
    patchy = DepthSensor(edge_drop=0.0, flying=0.0, patch_drop=0.2)
    seen = measure_depth(wall(0.6).expand(40, -1, -1), K.expand(40, 3, 3), streams(40), patchy)
    assert float((seen == 0).float().mean()) == pytest.approx(0.2, abs=0.03)


def test_a_picture_is_the_same_in_any_batch():
    true = torch.cat([block(), wall(0.7), block(0.65, 0.8)])
    together = measure_depth(true, K.expand(3, 3, 3), streams(3, seed=4))
    alone = measure_depth(true[1:2], K, streams(3, seed=4)[1:2])
    assert torch.equal(together[1:2], alone)
    assert (measure_depth(torch.zeros(1, PX, PX), K, streams(1)) == 0).all()
