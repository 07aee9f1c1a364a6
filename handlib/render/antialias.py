"""Gradients of visibility: where a silhouette edge passes between two pixel centres, blend the two pixels.

Which face a pixel shows jumps when an outline sweeps over its centre, and a jump has no gradient. Laine et
al. ("Modular Primitives for High-Performance Differentiable Rendering", ACM TOG 2020, section 3.6, arXiv
2011.03277) blend two neighbouring pixels in proportion to where the outline crosses the line between their
centres: the picture becomes antialiased, and the crossing's place carries the gradient to the two vertices of
the edge. Here the outline is not looked for in the triangles that won a pixel, as there, but walked along:
every silhouette edge is cut with the pixel rows (if it is steep) or columns (if it is flat). Triangles too
thin to win a pixel, of which a silhouette is full, so keep their say.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from handlib.render.ragged import argmin_per_cell, expand_counts
from handlib.render.rasterize import ZBuffer
from handlib.render.spans import (
    Projection,
    face_nearness,
    face_spans,
    line_coordinate,
    lines_between,
    signed_areas,
)

LINES = 2


class SilhouetteEdges(NamedTuple):
    """Edges behind which the surface folds away or ends.

    ``image`` (S,); ``ends`` (S, 2) vertex indices, smaller first; ``side`` (S,) +1 or -1: the sign of
    ``cross_2d(end - start, p - start)`` for points p of the surface.
    """

    image: Int[Tensor, "edges"]
    ends: Int[Tensor, "edges 2"]
    side: Float[Tensor, "edges"]


class Crossings(NamedTuple):
    """Where visible outlines run through pixels, on sampling lines along rows or columns.

    ``pixel`` (N,) the pixel that the outline enters, ``other`` (N,) its neighbour across the outline, both indices into
    the flattened (B, H, W); ``share`` (N,) the part of the pixel, in [0, 1], that belongs to the neighbour's surface on
    this line, divided by the number of lines a pixel; differentiable in the vertices.
    """

    pixel: Int[Tensor, "crossings"]
    other: Int[Tensor, "crossings"]
    share: Float[Tensor, "crossings"]


@torch.no_grad()
def silhouette_edges(projection: Projection, faces: Int[Tensor, "faces 3"]) -> SilhouetteEdges:
    """Edges all of whose (drawable) faces lie, in the image, on one side: folds and open borders."""
    batch, num_vertices, _ = projection.points_px.shape
    start, end = faces, faces.roll(-1, dims=1)
    lower, upper = torch.minimum(start, end).flatten(), torch.maximum(start, end).flatten()
    edge_key, edge_of_corner = torch.unique(lower * num_vertices + upper, return_inverse=True)

    # +1 where the face lies left of its edge when that runs from the lower to the higher vertex, -1 right, 0 not drawn.
    facing = signed_areas(projection.points_px, faces).sign().masked_fill(~projection.usable, 0)
    side = (facing[..., None] * torch.where(start < end, 1, -1)).flatten(1)
    total = side.new_zeros(batch, len(edge_key)).index_add_(1, edge_of_corner, side)
    count = side.new_zeros(batch, len(edge_key)).index_add_(1, edge_of_corner, side.abs())

    image, edge = ((count > 0) & (total.abs() == count)).nonzero().unbind(-1)
    ends = torch.stack([edge_key[edge] // num_vertices, edge_key[edge] % num_vertices], dim=-1)
    return SilhouetteEdges(image, ends, total[image, edge].sign())


def find_crossings(
    projection: Projection, faces: Int[Tensor, "faces 3"], edges: SilhouetteEdges, zbuffer: ZBuffer
) -> Crossings:
    """Cut steep silhouette edges with lines along rows, flat ones with lines along columns; keep what is seen."""
    rows = (edges.ends + edges.image[:, None] * projection.points_px.shape[1]).flatten()
    ends_px = projection.points_px.flatten(0, 1).index_select(0, rows).view(-1, 2, 2)
    extent = (ends_px[:, 1] - ends_px[:, 0]).detach().abs()
    steep = extent[:, 1] >= extent[:, 0]
    parts = []
    for axis, chosen in ((1, steep), (0, ~steep)):
        index = chosen.nonzero()[:, 0]
        some = SilhouetteEdges(edges.image[index], edges.ends[index], edges.side[index])
        parts.append(_crossings_of_axis(projection, faces, some, ends_px.index_select(0, index), zbuffer, axis))
    return Crossings(*(torch.cat(column) for column in zip(*parts, strict=True)))


def _crossings_of_axis(
    projection: Projection, faces: Tensor, edges: SilhouetteEdges, ends_px: Tensor, zbuffer: ZBuffer, axis: int
) -> Crossings:
    """Crossings with the lines counted along ``axis``: `line` says which one, `place` (px) where on it."""
    batch, height, width = zbuffer.face_index.shape
    size = (width, height)
    counted, crossed = line_coordinate(ends_px[..., axis], LINES), ends_px[..., 1 - axis]
    first, count = lines_between(counted.detach(), LINES * size[axis])
    edge, number = expand_counts(count)
    line = first[edge] + number
    start, end = counted[edge].unbind(-1)
    along = (line - start) / (end - start)
    place = crossed[edge, 0] + along * (crossed[edge, 1] - crossed[edge, 0])

    # One step across the edge changes cross_2d by -dy along x and by dx along y: its sign tells where the surface is.
    rise = (counted[:, 1] - counted[:, 0]).detach().sign() * (1 if axis else -1)
    outwards = (rise * edges.side)[edge]
    image = edges.image[edge]
    depths = projection.depth_m.detach()[edges.image[:, None], edges.ends][edge]
    weights = torch.stack([1 - along, along], dim=-1).detach()
    depth = 1 / (weights / depths).sum(-1) if projection.perspective else (weights * depths).sum(-1)

    seen = ~_hidden(projection, faces, size, axis, image, line, place.detach() + 1e-3 * outwards, depth)
    middle = place.detach().round()

    def look_up(position: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Flat index of the pixel at `position` on the line, whether it is in the picture, and the depth it shows."""
        valid = (position >= 0) & (position < size[1 - axis])
        position = torch.where(valid, position, 0).long()
        column, row = (position, (line // LINES).long()) if axis else ((line // LINES).long(), position)
        index = (image * height + row) * width + column
        return index, valid, torch.where(valid, zbuffer.depth_m.flatten()[index], torch.inf)

    pixel, pixel_valid, pixel_depth = look_up(middle)
    inner, inner_valid, _ = look_up(middle - outwards)
    outer, outer_valid, outer_depth = look_up(middle + outwards)
    # Does the pixel's centre show the edge's surface, or what is behind? Its depth is nearer to one or to the other.
    in_front_of_outer = outer_depth > depth
    nearer_to_edge = pixel_depth - depth <= outer_depth - pixel_depth
    shows_edge = torch.where(in_front_of_outer, nearer_to_edge, pixel_depth <= depth)
    valid = pixel_valid & torch.where(shows_edge, outer_valid & in_front_of_outer, inner_valid)
    keep = (seen & valid).nonzero()[:, 0]
    beyond = outwards * (place - middle)
    share = torch.where(shows_edge, 0.5 - beyond, 0.5 + beyond)
    other = torch.where(shows_edge, outer, inner)

    # Several outlines may be seen in one gap between two pixels: the one nearest to the outer pixel counts.
    gap = (torch.where(shows_edge, outer, pixel) * 2 + (outwards > 0)) * LINES + (line % LINES).long()
    gaps, gap_of_crossing = torch.unique(gap[keep], return_inverse=True)
    outermost = keep[argmin_per_cell(gap_of_crossing, -(outwards * place.detach())[keep], len(gaps))]
    return Crossings(pixel[outermost], other[outermost], share[outermost] / LINES)


@torch.no_grad()
def _hidden(
    projection: Projection,
    faces: Tensor,
    size: tuple[int, int],
    axis: int,
    image: Tensor,
    line: Tensor,
    place: Tensor,
    depth: Tensor,
) -> Tensor:
    """Whether some face passes in front of each point (``line``, ``place``, ``depth``): exact, without a z-buffer.

    Points sorted along their lines are looked up by both ends of every span: what lies between is covered by it.
    """
    spans = face_spans(projection, faces, size, axis, LINES)
    stride = 4.0 * size[1 - axis]
    lines = LINES * size[axis]

    def key(image: Tensor, line: Tensor, place: Tensor) -> Tensor:
        return (image * lines + line).double() * stride + place.clamp(-size[1 - axis], 2 * size[1 - axis])

    sorted_keys, order = key(image, line, place).sort()
    span_image = spans.face // max(len(faces), 1)
    low = torch.searchsorted(sorted_keys, key(span_image, spans.line, spans.low))
    high = torch.searchsorted(sorted_keys, key(span_image, spans.line, spans.high))
    span, number = expand_counts((high - low).clamp_min(0))
    point = order[low[span] + number]
    along = (line[point] + 0.5) / LINES - 0.5
    x, y = (place[point], along) if axis else (along, place[point])
    nearness_of = face_nearness(projection, faces)
    in_front = nearness_of.to_depth(nearness_of.at(spans.face[span], x, y)) < depth[point]
    hidden = torch.zeros_like(image, dtype=torch.bool)
    hidden[point[in_front]] = True
    return hidden


def antialias(
    image: Float[Tensor, "batch height width channels"], crossings: Crossings
) -> Float[Tensor, "batch height width channels"]:
    """Mix into every pixel on an outline the share that its neighbour's surface has in it.

    Shares that meet in one pixel are scaled to a sum of at most 1, so that every result is a mean of pixels.
    """
    flat = image.flatten(0, 2)
    total = crossings.share.new_zeros(len(flat)).index_add(0, crossings.pixel, crossings.share)
    share = crossings.share / total[crossings.pixel].clamp_min(1)
    change = flat.index_select(0, crossings.other) - flat.index_select(0, crossings.pixel)
    return flat.index_add(0, crossings.pixel, share[:, None] * change).view(image.shape)
