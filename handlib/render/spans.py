"""Scan conversion: which stretch of a pixel row (or column) each projected face covers.

A face is cut by lines parallel to an image axis, ``lines_per_pixel`` of them to a pixel, and each cut is one span with
exact, fractional ends. Lines obey a half-open rule (a face owns its first end, not its last), and a side shared by two
faces is computed from its end points in one fixed order, so that neighbouring spans meet without gap or overlap.
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from handlib.render.ragged import expand_counts


class Projection(NamedTuple):
    """Vertices as the camera sees them.

    ``points_px`` (B, V, 2) pixels; ``depth_m`` (B, V) metres along the optical axis; ``usable`` (B, F) which faces can
    be drawn (in front of the near plane, not seen edge-on); ``perspective`` whether depth is divided by.
    """

    points_px: Float[Tensor, "batch vertices 2"]
    depth_m: Float[Tensor, "batch vertices"]
    usable: Bool[Tensor, "batch faces"]
    perspective: bool


class Spans(NamedTuple):
    """``face`` (R,) index into the flattened (B, F); ``line`` (R,) its line; the span is [``low``, ``high``) px."""

    face: Int[Tensor, "spans"]
    line: Float[Tensor, "spans"]
    low: Float[Tensor, "spans"]
    high: Float[Tensor, "spans"]


def line_coordinate(position_px: Float[Tensor, "*shape"], lines_per_pixel: int) -> Float[Tensor, "*shape"]:
    """Pixels to lines: line k lies at (k + 1/2) / n - 1/2 px, so pixel p holds the lines n p to n (p + 1) - 1."""
    return (position_px + 0.5) * lines_per_pixel - 0.5


def lines_between(
    ends: Float[Tensor, "items ends"], num_lines: int
) -> tuple[Float[Tensor, "items"], Int[Tensor, "items"]]:
    """First line and number of lines in the half-open interval that the line coordinates span, inside the picture."""
    first = ends.amin(-1).ceil().clamp(0, num_lines)
    return first, (ends.amax(-1).ceil().clamp(0, num_lines) - first).nan_to_num(0).long()


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
def face_spans(
    projection: Projection,
    faces: Int[Tensor, "faces 3"],
    size: tuple[int, int],
    axis: int,
    lines_per_pixel: int = 1,
) -> Spans:
    """Cut all faces with the lines of a picture of ``size`` (width, height).

    ``axis`` is the coordinate in which lines are counted: 1 for rows (spans run along x), 0 for columns.
    """
    corners = projection.points_px[:, faces].flatten(0, 1)
    counted, crossed = line_coordinate(corners[..., axis], lines_per_pixel), corners[..., 1 - axis]
    first, count = lines_between(counted, lines_per_pixel * size[axis])
    # Faces beside the picture would only cost time: their spans could not meet a pixel.
    outside = (crossed.amax(-1) < -1) | (crossed.amin(-1) > size[1 - axis])
    face, number = expand_counts(count.where(projection.usable.flatten() & ~outside, 0))
    line = first[face] + number

    # The three sides, each from its lower-numbered to its higher-numbered vertex: rounding is then the same for both
    # faces of a side, and their spans meet exactly.
    reverse = (faces > faces.roll(-1, dims=1)).repeat(len(projection.points_px), 1)
    ends = torch.stack([counted, crossed], dim=-1)
    next_ends = ends.roll(-1, dims=1)
    start = torch.where(reverse[..., None], next_ends, ends)
    end = torch.where(reverse[..., None], ends, next_ends)
    rise = end[..., 0] - start[..., 0]
    slope = (end[..., 1] - start[..., 1]) / torch.where(rise == 0, 1, rise)
    sides = torch.stack([start[..., 0], start[..., 1], end[..., 0], slope], dim=-1)
    s_start, x_start, s_end, slope = sides.index_select(0, face).unbind(-1)

    # A line meets two sides of a triangle; the half-open test decides at a corner, where it would meet three.
    s = line[:, None]
    meets = (torch.minimum(s_start, s_end) <= s) & (s < torch.maximum(s_start, s_end))
    x = (x_start + (s - s_start) * slope).nan_to_num(torch.inf)
    low = torch.where(meets, x, torch.inf).amin(-1)
    high = torch.where(meets, x, -torch.inf).amax(-1)
    return Spans(face, line, low, high)


class Nearness(NamedTuple):
    """A depth that is linear over the image of each face: 1 / z under perspective, -z under a parallel projection.

    ``plane`` (B F, 5): constant, gradient along x and y, least and greatest value. Larger is nearer.
    """

    plane: Float[Tensor, "faces 5"]
    perspective: bool

    def at(
        self, face: Int[Tensor, "points"], x: Float[Tensor, "points"], y: Float[Tensor, "points"]
    ) -> Float[Tensor, "points"]:
        """Nearness of the faces at image points; kept between its corners, as slivers have steep planes."""
        constant, along_x, along_y, least, greatest = self.plane.index_select(0, face).unbind(-1)
        return torch.minimum(torch.maximum(constant + along_x * x + along_y * y, least), greatest)

    def to_depth(self, nearness: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """Back to z (m)."""
        return 1 / nearness if self.perspective else -nearness


@torch.no_grad()
def face_nearness(projection: Projection, faces: Int[Tensor, "faces 3"]) -> Nearness:
    """The nearness of every face of the batch as a function of the image point."""
    corners = projection.points_px[:, faces].flatten(0, 1)
    depths = projection.depth_m[:, faces].flatten(0, 1)
    value = 1 / depths if projection.perspective else -depths
    u, v = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    du, dv = value[:, 1] - value[:, 0], value[:, 2] - value[:, 0]
    area = cross_2d(u, v)
    area = torch.where(area == 0, 1, area)
    # Solve (u, v) . gradient = (du, dv) by Cramer's rule.
    along_x, along_y = (du * v[:, 1] - dv * u[:, 1]) / area, (dv * u[:, 0] - du * v[:, 0]) / area
    constant = value[:, 0] - along_x * corners[:, 0, 0] - along_y * corners[:, 0, 1]
    plane = torch.stack([constant, along_x, along_y, value.amin(-1), value.amax(-1)], dim=-1)
    return Nearness(plane, projection.perspective)
