"""Optical flow between two posed meshes."""

import pytest
import torch
import trimesh
from torch.nn.functional import grid_sample

from handlib.camera import PerspectiveCamera
from handlib.errors import BadInputError
from handlib.render import render_flow, render_mesh

CAMERA = PerspectiveCamera.from_focal(torch.tensor([[300.0, 300.0]]), torch.tensor([[63.5, 47.5]]))
SIZE = (96, 128)


def plane(depth: float) -> tuple[torch.Tensor, torch.Tensor]:
    corners = torch.tensor([[-0.1, -0.1], [0.1, -0.1], [0.1, 0.1], [-0.1, 0.1]])
    return torch.cat([corners, torch.full((4, 1), depth)], 1)[None], torch.tensor([[0, 2, 1], [0, 3, 2]])


def ball() -> tuple[torch.Tensor, torch.Tensor]:
    mesh = trimesh.creation.icosphere(4, radius=0.06)
    return torch.tensor(mesh.vertices, dtype=torch.float32)[None], torch.tensor(mesh.faces)


def test_flow_of_a_plane_that_moves_sideways() -> None:
    """A shift by t at depth z moves every pixel by f t / z."""
    vertices, faces = plane(0.5)
    moved = vertices + torch.tensor([0.01, -0.02, 0.0])
    flow, visible = render_flow(vertices, moved, faces, CAMERA, CAMERA, SIZE)
    covered = render_mesh(vertices, faces, CAMERA, SIZE, antialias=False).silhouette > 0
    torch.testing.assert_close(flow[covered], torch.tensor([6.0, -12.0]).expand(int(covered.sum()), 2))
    assert (flow[~covered] == 0).all()
    # The 12 uppermost rows and the 6 rightmost columns leave the picture.
    stays = torch.zeros(SIZE, dtype=torch.bool)
    stays[12:, :-6] = True
    assert torch.equal(visible[0], covered[0] & stays)


def test_flow_of_a_plane_that_comes_closer_is_radial() -> None:
    vertices, faces = plane(0.5)
    flow, _ = render_flow(vertices, vertices - torch.tensor([0, 0, 0.1]), faces, CAMERA, CAMERA, SIZE)
    assert flow[0, 47, 83].tolist() == pytest.approx([(83 - 63.5) * 0.25, (47 - 47.5) * 0.25], abs=1e-3)


def test_flow_warps_the_second_picture_to_the_first() -> None:
    vertices, faces = ball()
    colours = 0.5 + 0.5 * torch.sin(90 * vertices)
    angle = torch.tensor(0.15)
    turn = torch.tensor([[angle.cos(), 0, angle.sin()], [0, 1, 0], [-angle.sin(), 0, angle.cos()]])
    offset = torch.tensor([0.0, 0.0, 0.4])
    a, b = vertices + offset, vertices @ turn.T + offset + torch.tensor([0.01, 0.0, 0.02])
    flow, visible = render_flow(a, b, faces, CAMERA, CAMERA, SIZE)
    first, second = (render_mesh(v, faces, CAMERA, SIZE, colours=colours).rgb for v in (a, b))
    y, x = torch.meshgrid(torch.arange(SIZE[0]), torch.arange(SIZE[1]), indexing="ij")
    target = torch.stack([x, y], dim=-1) + flow[0]
    grid = target / (torch.tensor([SIZE[1], SIZE[0]]) - 1) * 2 - 1
    warped = grid_sample(second.permute(0, 3, 1, 2), grid[None], align_corners=True).permute(0, 2, 3, 1)
    error = (warped - first).abs().mean(-1)[visible]
    assert visible.sum() > 3000
    assert error.median() < 0.01
    assert error.quantile(0.95) < 0.05


def test_what_turns_away_is_not_visible_in_both() -> None:
    vertices, faces = ball()
    offset = torch.tensor([0.0, 0.0, 0.4])
    half_turn = vertices * torch.tensor([-1.0, 1.0, -1.0])
    _, visible = render_flow(vertices + offset, half_turn + offset, faces, CAMERA, CAMERA, SIZE)
    covered = render_mesh(vertices + offset, faces, CAMERA, SIZE, antialias=False).silhouette > 0
    assert visible.sum() < 0.06 * covered.sum()
    _, visible = render_flow(vertices + offset, vertices + offset, faces, CAMERA, CAMERA, SIZE)
    assert visible.sum() > 0.99 * covered.sum()


def test_a_part_that_moves_behind_another_is_hidden() -> None:
    near, faces = plane(0.4)
    near = near * torch.tensor([0.2, 0.2, 1.0])
    far = near * torch.tensor([1.0, 1.0, 1.5]) + torch.tensor([0.06, 0.0, 0.0])
    both = torch.cat([faces, faces + 4])
    first = torch.cat([near, far], dim=1)
    second = torch.cat([near, far - torch.tensor([0.06, 0.0, 0.0])], dim=1)
    flow, visible = render_flow(first, second, both, CAMERA, CAMERA, SIZE)
    assert visible[0, 47, 63] and flow[0, 47, 63].norm() < 1e-4
    assert not visible[0, 47, 93]
    assert flow[0, 47, 93, 0] == pytest.approx(-30.0, abs=1e-3)


def test_meshes_of_different_size_are_refused() -> None:
    vertices, faces = plane(0.5)
    with pytest.raises(BadInputError, match="vertices_b: shape"):
        render_flow(vertices, vertices[:, :3], faces, CAMERA, CAMERA, SIZE)
