"""Which face is seen at each pixel: a batched z-buffer, and the differentiable surface point behind each
pixel.

The z-buffer is a scan conversion: every face is cut into pixel rows, every row into the pixels between the
face's two sides, and each (face, covered pixel) pair becomes one candidate; the nearest candidate of a pixel
wins. A pixel belongs to the half-open span ``[left, right)`` on the half-open rows ``[top, bottom)``, and a
side shared by two faces is computed from its end points in one fixed order, so that neighbours leave no gap
and no overlap.

Visibility is piecewise constant and has no gradient here; ``antialias.py`` adds the one of its jumps.
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from handlib.render.ragged import argmin_per_cell, expand_counts


class Projection(NamedTuple):
    """Vertices as the camera sees them.

    ``points_px`` (B, V, 2) pixels; ``depth_m`` (B, V) metres along the optical axis; ``usable`` (B, F) which
    faces can be drawn (in front of the near plane, not seen edge-on); ``perspective`` whether depth is
    divided by.
    """

    points_px: Float[Tensor, "batch vertices 2"]
    depth_m: Float[Tensor, "batch vertices"]
    usable: Bool[Tensor, "batch faces"]
    perspective: bool


class ZBuffer(NamedTuple):
    """``face_index`` (B, H, W) the face seen at each pixel centre, -1 for none; ``depth_m`` (B, H, W), inf for none."""

    face_index: Int[Tensor, "batch height width"]
    depth_m: Float[Tensor, "batch height width"]


class Fragments(NamedTuple):
    """The covered pixels as a flat list, with gradients.

    ``pixel`` (P,) index into the flattened (B, H, W); ``image`` (P,) and ``face`` (P,); ``barycentric`` (P,
    3) weights of the face's corners in 3D (perspective-correct); ``depth_m`` (P,); ``front`` (P,) whether the
    face's outer side (from which its corners run anticlockwise) is seen.
    """

    pixel: Int[Tensor, "fragments"]
    image: Int[Tensor, "fragments"]
    face: Int[Tensor, "fragments"]
    barycentric: Float[Tensor, "fragments 3"]
    depth_m: Float[Tensor, "fragments"]
    front: Bool[Tensor, "fragments"]


def cross_2d(a: Float[Tensor, "*shape 2"], b: Float[Tensor, "*shape 2"]) -> Float[Tensor, "*shape"]:
    """``ax by - ay bx``: twice the signed area between two vectors of the image plane."""
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]


def signed_areas(
    points_px: Float[Tensor, "batch vertices 2"], faces: Int[Tensor, "faces 3"]
) -> Float[Tensor, "batch faces"]:
    """Twice the signed area (px^2) of each projected face: negative where its outer side is seen (y runs down)."""
    a, b, c = points_px[:, faces].unbind(2)
    return cross_2d(b - a, c - a)


@torch.no_grad()
def usable_faces(
    points_px: Float[Tensor, "batch vertices 2"],
    faces: Int[Tensor, "faces 3"],
    in_front: Bool[Tensor, "batch vertices"],
) -> Bool[Tensor, "batch faces"]:
    """Faces with all corners in front of the near plane and an area above 1e-9 px^2; the others cannot be drawn."""
    area = signed_areas(points_px, faces)
    return in_front[:, faces].all(-1) & torch.isfinite(area) & (area.abs() > 1e-9)


@torch.no_grad()
def rasterize(projection: Projection, faces: Int[Tensor, "faces 3"], height: int, width: int) -> ZBuffer:
    """Find the nearest face at every pixel centre (integer coordinates); see the module's text for the method."""
    batch, num_faces = projection.usable.shape
    corners = projection.points_px[:, faces].flatten(0, 1)
    depths = projection.depth_m[:, faces].flatten(0, 1)
    # 1 / z is linear over the image of a plane under perspective, z itself under a parallel projection.
    order = 1 / depths if projection.perspective else -depths

    ys = corners[..., 1]
    top = ys.amin(-1).ceil().clamp(0, height)
    bottom = ys.amax(-1).ceil().clamp(0, height)
    outside = (corners[..., 0].amax(-1) < 0) | (corners[..., 0].amin(-1) > width - 1)
    drawn = projection.usable.flatten() & ~outside
    row_face, row_number = expand_counts(torch.where(drawn, bottom - top, 0).nan_to_num(0).long())
    y = top[row_face] + row_number
    left, right = _row_span(corners, faces, row_face, y, width)

    linear, gradient = _plane(corners, order)
    start = linear[row_face] + gradient[row_face, 0] * left + gradient[row_face, 1] * y
    row = torch.stack([start, gradient[row_face, 0], order.amin(-1)[row_face], order.amax(-1)[row_face]], dim=-1)

    owner, column = expand_counts((right - left).clamp_min(0).long())
    value, slope, lowest, highest = row.index_select(0, owner).unbind(-1)
    # Slivers have steep planes: the clamp keeps rounding from pushing them in front of everything.
    nearness = torch.minimum(torch.maximum(value + slope * column, lowest), highest)
    row_pixel = (row_face // max(num_faces, 1) * height + y.long()) * width + left.long()
    winner = argmin_per_cell(row_pixel[owner] + column, -nearness, batch * height * width)

    covered = winner >= 0
    item = winner[covered]
    face_index = torch.full_like(winner, -1)
    face_index[covered] = row_face[owner[item]] % max(num_faces, 1)
    depth = torch.full(winner.shape, torch.inf, dtype=order.dtype, device=order.device)
    depth[covered] = 1 / nearness[item] if projection.perspective else -nearness[item]
    return ZBuffer(face_index.view(batch, height, width), depth.view(batch, height, width))


def _row_span(corners: Tensor, faces: Tensor, row_face: Tensor, y: Tensor, width: int) -> tuple[Tensor, Tensor]:
    """First pixel of each row inside its face, and the first one past it."""
    start, end = faces, faces.roll(-1, dims=1)
    swap = (start > end).repeat(len(corners) // max(len(faces), 1), 1)[..., None]
    next_corners = corners.roll(-1, dims=1)
    a, b = torch.where(swap, next_corners, corners), torch.where(swap, corners, next_corners)
    rise = b[..., 1] - a[..., 1]
    slope = (b[..., 0] - a[..., 0]) / torch.where(rise == 0, 1, rise)
    side = torch.stack([a[..., 0], a[..., 1], b[..., 1], slope], dim=-1).index_select(0, row_face)
    x_a, y_a, y_b, slope = side.unbind(-1)
    y = y[:, None]
    crosses = (torch.minimum(y_a, y_b) <= y) & (y < torch.maximum(y_a, y_b))
    x = (x_a + (y - y_a) * slope).nan_to_num(torch.inf)
    left = torch.where(crosses, x, torch.inf).amin(-1)
    right = torch.where(crosses, x, -torch.inf).amax(-1)
    return left.ceil().clamp(0, width), right.ceil().clamp(0, width)


def _plane(corners: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
    """Constant and gradient of the function, linear over the image, that has ``value`` at the corners of each face."""
    origin, u, v = corners[:, 0], corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    du, dv = value[:, 1] - value[:, 0], value[:, 2] - value[:, 0]
    area = cross_2d(u, v)
    area = torch.where(area == 0, 1, area)
    gradient = torch.stack([du * v[:, 1] - dv * u[:, 1], dv * u[:, 0] - du * v[:, 0]], dim=-1) / area[:, None]
    return value[:, 0] - (gradient * origin).sum(-1), gradient


def fragments_of(
    projection: Projection, faces: Int[Tensor, "faces 3"], face_index: Int[Tensor, "batch height width"]
) -> Fragments:
    """The surface point behind each covered pixel, differentiable in the projected vertices and their depths.

    Barycentric weights of the image are turned into weights on the face in 3D: ``w_i = (b_i / z_i) / sum_j
    (b_j / z_j)`` (Heckbert and Moreton 1991, "Interpolation for polygon texture mapping and shading"), under
    perspective only.
    """
    batch, height, width = face_index.shape
    pixel = (face_index.flatten() >= 0).nonzero()[:, 0]
    image = pixel // (height * width)
    face = face_index.flatten()[pixel]
    centre = torch.stack([pixel % width, pixel // width % height], dim=-1).to(projection.points_px)

    corner_rows = (faces[face] + image[:, None] * projection.points_px.shape[1]).flatten()
    corners = projection.points_px.flatten(0, 1).index_select(0, corner_rows).view(-1, 3, 2)
    depths = projection.depth_m.flatten().index_select(0, corner_rows).view(-1, 3)
    to_corner = corners - centre[:, None]
    areas = cross_2d(to_corner.roll(-1, dims=1), to_corner.roll(-2, dims=1))
    area = cross_2d(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    weights = (areas / area[:, None]).clamp(0, 1)
    if projection.perspective:
        weights = weights / depths
    weights = weights / weights.sum(-1, keepdim=True)
    return Fragments(pixel, image, face, weights, (weights * depths).sum(-1), area.detach() < 0)


def interpolate(
    attributes: Float[Tensor, "batch vertices channels"], faces: Int[Tensor, "faces 3"], fragments: Fragments
) -> Float[Tensor, "fragments channels"]:
    """Values given at the vertices, at the surface point behind each covered pixel."""
    rows = (faces[fragments.face] + fragments.image[:, None] * attributes.shape[1]).flatten()
    corners = attributes.flatten(0, 1).index_select(0, rows).view(-1, 3, attributes.shape[-1])
    return (corners * fragments.barycentric[..., None]).sum(1)


def to_image(
    values: Float[Tensor, "fragments channels"], fragments: Fragments, shape: tuple[int, int, int]
) -> Float[Tensor, "batch height width channels"]:
    """Put the values of the covered pixels into an image of ``shape`` (B, H, W); zero elsewhere."""
    batch, height, width = shape
    empty = values.new_zeros(batch * height * width, values.shape[-1])
    return empty.index_copy(0, fragments.pixel, values).view(batch, height, width, values.shape[-1])
