"""Meshes whose pictures are known in closed form, to hold a renderer to."""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import normalize

_OCTAHEDRON_FACES = [[0, 2, 4], [2, 1, 4], [1, 3, 4], [3, 0, 4], [2, 0, 5], [1, 2, 5], [3, 1, 5], [0, 3, 5]]


def sphere_mesh(
    radius_m: float | int, centre_m: Float[Tensor, "3"], subdivisions: int = 4
) -> tuple[Float[Tensor, "vertices 3"], Int[Tensor, "faces 3"]]:
    """A sphere as a subdivided octahedron of 8 * 4^subdivisions faces, whose corners lie on the sphere.

    Returns:
        vertices (V, 3), in the frame and unit of ``centre_m``, and faces (F, 3), anticlockwise seen from outside.
    """
    vertices = torch.cat([torch.eye(3), -torch.eye(3)])[[0, 3, 1, 4, 2, 5]].to(centre_m)
    faces = torch.tensor(_OCTAHEDRON_FACES, device=centre_m.device)
    for _ in range(subdivisions):
        sides = torch.stack([faces, faces.roll(-1, dims=1)], dim=-1).sort(-1).values.flatten(0, 1)
        edges, edge_of_side = torch.unique(sides, dim=0, return_inverse=True)
        a, b, c = faces.unbind(1)
        ab, bc, ca = (edge_of_side.view(-1, 3) + len(vertices)).unbind(1)
        vertices = torch.cat([vertices, normalize(vertices[edges].mean(1), dim=-1)])
        corners = [(a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca)]
        faces = torch.cat([torch.stack(corner, dim=1) for corner in corners])
    return radius_m * vertices + centre_m, faces


def sphere_depth_m(
    radius_m: float | int, centre_m: Float[Tensor, "3"], K: Float[Tensor, "3 3"], height: int, width: int
) -> Float[Tensor, "height width"]:
    """z (m) of a sphere in front of a camera ``K`` (px) at every pixel's centre, by ray casting; 0 where it is missed.

    The ray ``t d`` through a pixel, ``d = K^-1 (u, v, 1)``, meets the sphere where ``|t d - c|^2 = r^2``; as ``d`` has
    z = 1, the nearer root t is the depth.
    """
    v, u = torch.meshgrid(torch.arange(height).to(K), torch.arange(width).to(K), indexing="ij")
    d = torch.stack([u, v, torch.ones_like(u)], dim=-1) @ torch.linalg.inv(K).T
    dd, dc, cc = (d * d).sum(-1), d @ centre_m, centre_m @ centre_m - radius_m**2
    discriminant = dc.square() - dd * cc
    return torch.where(discriminant > 0, (dc - discriminant.clamp_min(0).sqrt()) / dd, 0)
