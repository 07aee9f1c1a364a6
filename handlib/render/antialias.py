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
from handlib.render.rasterize import Projection, ZBuffer, signed_areas


class SilhouetteEdges(NamedTuple):
    """Edges behind which the surface folds away or ends.

    ``image`` (S,); ``ends`` (S, 2) vertex indices, smaller first; ``side`` (S,) +1 or -1: the sign of
    ``cross_2d(end - start, p - start)`` for points p of the surface.
    """

    image: Int[Tensor, "edges"]
    ends: Int[Tensor, "edges 2"]
    side: Float[Tensor, "edges"]


class Crossings(NamedTuple):
    """Where a visible outline cuts the line from pixel ``inner`` (on its surface) to the neighbouring pixel
    ``outer``.

    ``inner``, ``outer`` (N,) indices into the flattened (B, H, W); ``position`` (N,) 0 at the centre of
    inner, 1 at that of outer, differentiable in the vertices.
    """

    inner: Int[Tensor, "crossings"]
    outer: Int[Tensor, "crossings"]
    position: Float[Tensor, "crossings"]


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


def find_crossings(projection: Projection, edges: SilhouetteEdges, zbuffer: ZBuffer) -> Crossings:
    """Cut the silhouette edges with the pixel rows and columns, and keep the visible crossing of each pixel pair."""
    batch, height, width = zbuffer.face_index.shape
    size = torch.tensor([width, height], device=edges.image.device)
    rows = (edges.ends + edges.image[:, None] * projection.points_px.shape[1]).flatten()
    ends_px = projection.points_px.flatten(0, 1).index_select(0, rows).view(-1, 2, 2)
    depths = projection.depth_m.detach().flatten()[rows].view(-1, 2)

    # Steep edges meet pixel rows, flat ones pixel columns: `along` is the axis that counts rows or columns.
    extent = (ends_px[:, 1] - ends_px[:, 0]).detach()
    along = (extent[:, 1].abs() >= extent[:, 0].abs()).long()
    across = 1 - along
    span = ends_px.detach().gather(2, along[:, None, None].expand(-1, 2, 1))[..., 0]
    first = torch.minimum(span.amin(-1).ceil().clamp_min(0), size[along])
    last = torch.minimum(span.amax(-1).ceil().clamp_min(0), size[along])
    edge, number = expand_counts((last - first).clamp_min(0).long())
    line = first[edge] + number

    along, across, image = along[edge], across[edge], edges.image[edge]
    a_along, b_along = ends_px[edge].gather(2, along[:, None, None].expand(-1, 2, 1))[..., 0].unbind(-1)
    a_across, b_across = ends_px[edge].gather(2, across[:, None, None].expand(-1, 2, 1))[..., 0].unbind(-1)
    share = (line - a_along) / (b_along - a_along)
    place = a_across + share * (b_across - a_across)

    # One step across the edge changes cross_2d by -dy along x and by dx along y: its sign tells where the surface is.
    surface_ahead = torch.where(along == 1, -extent[edge, 1], extent[edge, 0]).sign() == edges.side[edge]
    below = place.detach().floor()
    inner, outer = torch.where(surface_ahead, below + 1, below), torch.where(surface_ahead, below, below + 1)
    inside = (below >= 0) & (below + 1 < size[across])

    def flat_pixel(position: Tensor) -> Tensor:
        column = torch.where(along == 1, position, line)
        row = torch.where(along == 1, line, position)
        return ((image * height + row) * width + column).long()

    outer_pixel = flat_pixel(outer).where(inside, 0)
    depth_a, depth_b = depths[edge].unbind(-1)
    share = share.detach()
    if projection.perspective:
        depth = 1 / ((1 - share) / depth_a + share / depth_b)
    else:
        depth = (1 - share) * depth_a + share * depth_b
    keep = (inside & (depth < zbuffer.depth_m.flatten()[outer_pixel])).nonzero()[:, 0]
    inner_pixel, outer_pixel = flat_pixel(inner)[keep], outer_pixel[keep]
    position = (place - inner).abs()[keep]

    # Behind the outline there may be more folds in the same gap: the one nearest to `outer` is the outline.
    direction = 2 * along[keep] + surface_ahead[keep]
    last_one = argmin_per_cell(4 * inner_pixel + direction, -position.detach(), 4 * batch * height * width)
    last_one = last_one[last_one >= 0]
    return Crossings(inner_pixel[last_one], outer_pixel[last_one], position[last_one])


def antialias(
    image: Float[Tensor, "batch height width channels"], crossings: Crossings
) -> Float[Tensor, "batch height width channels"]:
    """Blend the pixels on both sides of every crossing.

    An outline at ``position`` 0.7 covers 0.2 of the outer pixel, which becomes 0.2 inner + 0.8 outer; one at
    0.4 leaves 0.1 of the inner pixel free. Weights that meet in one pixel are scaled to a sum of at most 1,
    so that every result is a mean of pixels.
    """
    flat = image.flatten(0, 2)
    inner, outer = flat.index_select(0, crossings.inner), flat.index_select(0, crossings.outer)
    into_outer = (crossings.position - 0.5).clamp_min(0)
    into_inner = (0.5 - crossings.position).clamp_min(0)
    target = torch.cat([crossings.outer, crossings.inner])
    weight = torch.cat([into_outer, into_inner])
    total = weight.new_zeros(len(flat)).index_add(0, target, weight)
    weight = weight / total[target].clamp_min(1)
    change = weight[:, None] * torch.cat([inner - outer, outer - inner])
    return flat.index_add(0, target, change).view(image.shape)
