"""Gradients of visibility: where an outline runs through a pixel, mix the surfaces on both sides of it.

Which face a pixel shows jumps when an outline sweeps over its centre, and a jump has no gradient. Laine et al.
("Modular Primitives for High-Performance Differentiable Rendering", ACM TOG 2020, section 3.6, arXiv 2011.03277) mix
neighbouring pixels in proportion to where the outline crosses the line between their centres: the picture becomes
antialiased, and the place of the crossing carries the gradient to the two vertices of the edge.

Here the outline is not looked for in the triangles that won a pixel, as there, but walked along: every silhouette edge
is cut with sampling lines, along rows if it is steep and along columns if it is flat, and each cut is tested exactly
for being seen. Triangles too thin to win a pixel, of which a silhouette is full, so keep their say.
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
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

LINES = 2  # sampling lines a pixel: 1 is what Laine et al. do; more follow the bends of an outline better


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


class _Cuts(NamedTuple):
    """Where silhouette edges meet the sampling lines of one direction.

    ``line`` which line, ``place`` (px, differentiable) where on it, ``outwards`` +1 or -1 the way off the surface along
    it, ``depth`` (m) of the edge there; each (cuts,).
    """

    image: Int[Tensor, "cuts"]
    line: Float[Tensor, "cuts"]
    place: Float[Tensor, "cuts"]
    outwards: Float[Tensor, "cuts"]
    depth: Float[Tensor, "cuts"]


@torch.no_grad()
def silhouette_edges(projection: Projection, faces: Int[Tensor, "faces 3"]) -> SilhouetteEdges:
    """Edges all of whose (drawable) faces lie, in the image, on one side: folds and open borders."""
    batch, num_vertices, _ = projection.points_px.shape
    start, end = faces, faces.roll(-1, dims=1)
    lower, upper = torch.minimum(start, end).flatten(), torch.maximum(start, end).flatten()
    edge_key, edge_of_corner = torch.unique(lower * num_vertices + upper, return_inverse=True)

    # The orientation of the mesh is not asked for: a fold is an edge whose faces overlap in the image.
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
    _, height, width = zbuffer.face_index.shape
    rows = (edges.ends + edges.image[:, None] * projection.points_px.shape[1]).flatten()
    ends_px = projection.points_px.flatten(0, 1).index_select(0, rows).view(-1, 2, 2)
    extent = (ends_px[:, 1] - ends_px[:, 0]).detach().abs()
    # So chosen, an edge moves along its lines no faster than across them: the gradients stay bounded.
    steep = extent[:, 1] >= extent[:, 0]
    parts = []
    for axis, chosen in ((1, steep), (0, ~steep)):
        index = chosen.nonzero()[:, 0]
        some = SilhouetteEdges(edges.image[index], edges.ends[index], edges.side[index])
        cuts = _cut(projection, some, ends_px.index_select(0, index), (width, height), axis)
        hidden = _hidden(projection, faces, cuts, (width, height), axis)
        parts.append(_share_pixels(cuts, hidden, zbuffer, axis))
    return Crossings(*(torch.cat(column) for column in zip(*parts, strict=True)))


def _cut(projection: Projection, edges: SilhouetteEdges, ends_px: Tensor, size: tuple[int, int], axis: int) -> _Cuts:
    """Meet edges with end points ``ends_px`` (S, 2, 2) with the lines that are counted along ``axis``."""
    counted, crossed = line_coordinate(ends_px[..., axis], LINES), ends_px[..., 1 - axis]
    first, count = lines_between(counted.detach(), LINES * size[axis])
    edge, number = expand_counts(count)
    line = first[edge] + number
    start, end = counted[edge].unbind(-1)
    along = (line - start) / (end - start)
    place = crossed[edge, 0] + along * (crossed[edge, 1] - crossed[edge, 0])

    # One step across the edge changes cross_2d by -dy along x and by dx along y: its sign tells where the surface is.
    rise = (counted[:, 1] - counted[:, 0]).detach().sign() * (1 if axis else -1)
    depths = projection.depth_m.detach()[edges.image[:, None], edges.ends][edge]
    weights = torch.stack([1 - along, along], dim=-1).detach()
    # Depth runs along the image of an edge as over that of a face: 1 / z is linear under perspective.
    depth = 1 / (weights / depths).sum(-1) if projection.perspective else (weights * depths).sum(-1)
    return _Cuts(edges.image[edge], line, place, (rise * edges.side)[edge], depth)


@torch.no_grad()
def _hidden(
    projection: Projection, faces: Tensor, cuts: _Cuts, size: tuple[int, int], axis: int
) -> Bool[Tensor, "cuts"]:
    """Whether some face passes in front of the edge just outside each cut: exact, where a z-buffer knows only centres.

    The cuts, sorted along their lines, are looked up by both ends of every span of every face: those that lie between
    are covered by that face.
    """
    # A step outwards, off the edge's own faces, whose spans end in the cut.
    place = cuts.place + 1e-3 * cuts.outwards
    spans = face_spans(projection, faces, size, axis, LINES)
    # One number that sorts by image, then line, then place; doubles hold it to a millionth of a pixel.
    lines, reach = LINES * size[axis], size[1 - axis]

    def key(image: Tensor, line: Tensor, place: Tensor) -> Tensor:
        return (image * lines + line).double() * (4.0 * reach) + place.clamp(-reach, 2 * reach)

    sorted_keys, order = key(cuts.image, cuts.line, place).sort()
    span_image = spans.face // max(len(faces), 1)
    low = torch.searchsorted(sorted_keys, key(span_image, spans.line, spans.low))
    high = torch.searchsorted(sorted_keys, key(span_image, spans.line, spans.high))
    span, number = expand_counts((high - low).clamp_min(0))
    cut = order[low[span] + number]
    on_line = (cuts.line[cut] + 0.5) / LINES - 0.5
    x, y = (place[cut], on_line) if axis else (on_line, place[cut])
    nearness_of = face_nearness(projection, faces)
    in_front = nearness_of.to_depth(nearness_of.at(spans.face[span], x, y)) < cuts.depth[cut]
    hidden = torch.zeros_like(cuts.image, dtype=torch.bool)
    hidden[cut[in_front]] = True
    return hidden


def _share_pixels(cuts: _Cuts, hidden: Bool[Tensor, "cuts"], zbuffer: ZBuffer, axis: int) -> Crossings:
    """Find the pixel that each visible cut divides, and the neighbour whose surface has the rest of it."""
    _, height, width = zbuffer.face_index.shape
    row_of_line = (cuts.line // LINES).long()
    end = width if axis else height

    def look_up(position: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Flat index of the pixel at `position` on the line, whether it is in the picture, and the depth it shows."""
        valid = (position >= 0) & (position < end)
        position = torch.where(valid, position, 0).long()
        column, row = (position, row_of_line) if axis else (row_of_line, position)
        index = (cuts.image * height + row) * width + column
        return index, valid, torch.where(valid, zbuffer.depth_m.flatten()[index], torch.inf)

    middle = cuts.place.detach().round()
    pixel, pixel_valid, pixel_depth = look_up(middle)
    inner, inner_valid, _ = look_up(middle - cuts.outwards)
    outer, outer_valid, outer_depth = look_up(middle + cuts.outwards)
    # Does the pixel's centre show the edge's surface, or what is behind? Its depth is nearer to one or to the other.
    in_front_of_outer = outer_depth > cuts.depth
    nearer_to_edge = pixel_depth - cuts.depth <= outer_depth - pixel_depth
    shows_edge = torch.where(in_front_of_outer, nearer_to_edge, pixel_depth <= cuts.depth)
    # The surface covers the pixel up to the cut: the rest belongs to `outer`, or the covered part to `inner`.
    covered = 0.5 + cuts.outwards * (cuts.place - middle)
    share = torch.where(shows_edge, 1 - covered, covered)
    other = torch.where(shows_edge, outer, inner)
    valid = pixel_valid & torch.where(shows_edge, outer_valid & in_front_of_outer, inner_valid)
    keep = (valid & ~hidden).nonzero()[:, 0]

    # Several outlines may be seen in one gap between two pixels: the one nearest to the outer pixel counts.
    gap = (torch.where(shows_edge, outer, pixel) * 2 + (cuts.outwards > 0)) * LINES + (cuts.line % LINES).long()
    gaps, gap_of_cut = torch.unique(gap[keep], return_inverse=True)
    inwards = -(cuts.outwards * cuts.place.detach())[keep]
    outermost = keep[argmin_per_cell(gap_of_cut, inwards, len(gaps))]
    return Crossings(pixel[outermost], other[outermost], share[outermost] / LINES)


def antialias(
    image: Float[Tensor, "batch height width channels"], crossings: Crossings
) -> Float[Tensor, "batch height width channels"]:
    """Mix into every pixel on an outline the share that its neighbour's surface has in it.

    Shares that meet in one pixel are scaled to a sum of at most 1, so that every result is a mean of pixels.
    """
    flat = image.flatten(0, 2)
    # Corners are cut along rows and along columns, so their pixels may be given away more than once.
    total = crossings.share.new_zeros(len(flat)).index_add(0, crossings.pixel, crossings.share)
    share = crossings.share / total[crossings.pixel].clamp_min(1)
    change = flat.index_select(0, crossings.other) - flat.index_select(0, crossings.pixel)
    return flat.index_add(0, crossings.pixel, share[:, None] * change).view(image.shape)
