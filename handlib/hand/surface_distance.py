"""Distance of points from the surface of a triangle mesh, exactly, for as many pairs as fit into memory."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from handlib.hand.penetration import point_segment_distance


def point_mesh_distance(
    points: Float[Tensor, "points 3"], vertices: Float[Tensor, "vertices 3"], faces: Int[Tensor, "faces 3"]
) -> Float[Tensor, "points"]:
    """Unsigned distance of each point from the nearest triangle, in the points' unit.

    A triangle's nearest point lies inside it, straight below the point, or on an edge (Ericson, Real-Time Collision
    Detection, 2005, Sec. 5.1.5). All pairs of points and triangles are computed at once.
    """
    corners = vertices[faces]  # (F, 3, 3)
    following = corners.roll(-1, dims=1)
    to_all = points[:, None, None].expand(-1, *corners.shape[:2], -1)  # (P, F, 3, 3)
    edges = point_segment_distance(to_all, corners, following).amin(-1)
    normal = torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    offset = to_all - corners
    # Above the triangle: on the inner side of all three edges.
    inward = torch.linalg.cross(normal[:, None].expand_as(corners), following - corners)
    above = ((offset * inward).sum(-1) > 0).all(-1)
    height = (offset[:, :, 0] * torch.nn.functional.normalize(normal, dim=-1)).sum(-1).abs()
    return torch.where(above, height, edges).amin(1)
