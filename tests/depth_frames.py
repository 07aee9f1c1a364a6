"""Small hands of spheres and their crops, for the tests of the depth chapter's losses."""

from functools import cache

import torch

from handlib.data.depth_views import CubeFrames
from handlib.hand import HandModel, SphereHand
from handlib.render import render_spheres
from handlib.render.spheres import crop_camera


@cache
def sphere_hand() -> SphereHand:
    return SphereHand(HandModel.load("open", dtype=torch.float64))


def hands(count: int, seed: int = 0) -> torch.Tensor:
    """Centres (count, 41, 3) of bent hands, turned at random, in the middle of the cube."""
    generator = torch.Generator().manual_seed(seed)
    pose = torch.zeros(count, 45, dtype=torch.float64)
    pose[:, 2::3] = 0.6 * torch.rand(count, 15, generator=generator, dtype=torch.float64)
    turn = torch.randn(count, 3, generator=generator, dtype=torch.float64)
    centres = sphere_hand()(pose, None, turn).centres_m
    return centres - centres.mean(1, keepdim=True)


def crops(centres: torch.Tensor, size: int = 32) -> torch.Tensor:
    return render_spheres(centres, sphere_hand().radii_m[None], crop_camera(size, centres), size)


def three_views(batch: int = 1) -> CubeFrames:
    """Three cameras around the hand, 60 degrees apart, with their cubes' middles a little off one another."""
    turns = torch.tensor([[0.0, 0.0, 0.0], [0.0, 1.05, 0.0], [0.3, -1.05, 0.2]], dtype=torch.float64)
    rotation = torch.linalg.matrix_exp(
        torch.stack([torch.linalg.cross(torch.eye(3).double(), t.expand(3, 3)).T for t in turns])
    )
    origin = torch.tensor([[0.0, 0.0, 0.0], [0.004, 0.0, -0.003], [0.0, -0.005, 0.002]], dtype=torch.float64)
    return CubeFrames(rotation.expand(batch, 3, 3, 3), origin.expand(batch, 3, 3))


def seen_from_all(world: torch.Tensor, frames: CubeFrames) -> torch.Tensor:
    """The same hands (batch, 41, 3) in the cube of every view."""
    return frames.from_world(world[:, None])
