"""Soft silhouette: a sigmoid of the signed distance to the outline, so that gradients reach past one pixel.

SoftRas (Liu et al., "Soft Rasterizer", ICCV 2019, section 3.3) gives every pixel the probability that some
face covers it, ``1 - prod_f (1 - sigmoid(+-d_f^2 / sigma))``. The product over all faces is what makes it
slow, and inside a mesh it says no more than the nearest stretch of outline does. Here only that stretch
counts: ``sigmoid(+-d / sigma)``, evaluated in a band of ``BAND`` sigmas on both sides of the outline, with
``d`` in pixels (not squared: one sigma means the same number of pixels at every distance).
"""

import torch
from jaxtyping import Float
from torch import Tensor

from handlib.render.antialias import SilhouetteEdges
from handlib.render.ragged import argmin_per_cell, expand_counts
from handlib.render.rasterize import ZBuffer
from handlib.render.spans import Projection

BAND = 6.0  # sigmoid(-6) = 0.0025: beyond, the silhouette is 0 or 1
PIECE_PX = 4.0  # outline edges are cut into pieces of about this length, each of which is outline or is not


def soft_silhouette(
    projection: Projection, edges: SilhouetteEdges, zbuffer: ZBuffer, sigma_px: float
) -> Float[Tensor, "batch height width"]:
    """``sigmoid(d / sigma)``, with d (px) the distance to the outline, positive inside; 0.5 on the outline itself."""
    covered = zbuffer.face_index >= 0
    hard = covered.to(projection.points_px)
    start, end, image = _outline_pieces(projection, edges, covered)
    pixel, piece = _nearest_piece(start.detach(), end.detach(), image, covered.shape, BAND * sigma_px)

    batch, height, width = covered.shape
    centre = torch.stack([pixel % width, pixel // width % height], dim=-1).to(start)
    distance = _distance_to_segment(centre, start.index_select(0, piece), end.index_select(0, piece))
    inside = covered.flatten()[pixel]
    value = torch.sigmoid(torch.where(inside, distance, -distance) / sigma_px)
    in_band = (distance < BAND * sigma_px).nonzero()[:, 0]
    return hard.flatten().index_copy(0, pixel[in_band], value[in_band]).view(batch, height, width)


def _outline_pieces(projection: Projection, edges: SilhouetteEdges, covered: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """End points (px) and image of the short pieces of silhouette edges that have background on their outer side."""
    rows = (edges.ends + edges.image[:, None] * projection.points_px.shape[1]).flatten()
    ends = projection.points_px.flatten(0, 1).index_select(0, rows).view(-1, 2, 2)
    vector = ends[:, 1] - ends[:, 0]
    length = vector.detach().norm(dim=-1)
    longest = 2.0 * sum(covered.shape[1:])
    pieces = (length.clamp(max=longest) / PIECE_PX).ceil().clamp_min(1).long()
    edge, number = expand_counts(pieces)
    begin = (number / pieces[edge]).to(ends)[:, None]
    finish = ((number + 1) / pieces[edge]).to(ends)[:, None]
    start, end = ends[edge, 0] + begin * vector[edge], ends[edge, 0] + finish * vector[edge]

    # Look three quarters of a pixel outwards from the middle of the piece.
    with torch.no_grad():
        normal = torch.stack([vector[:, 1], -vector[:, 0]], dim=-1) / length[:, None].clamp_min(1e-12)
        probe = ((start + end) / 2 + 0.75 * (normal * edges.side[:, None])[edge]).round()
        _, height, width = covered.shape
        column, row = probe.unbind(-1)
        in_image = (column >= 0) & (column < width) & (row >= 0) & (row < height)
        index = (edges.image[edge] * height + row.clamp(0, height - 1)) * width + column.clamp(0, width - 1)
        outline = (~(covered.flatten()[index.long()] & in_image)).nonzero()[:, 0]
    return start[outline], end[outline], edges.image[edge][outline]


def _nearest_piece(start: Tensor, end: Tensor, image: Tensor, shape: torch.Size, reach: float) -> tuple[Tensor, Tensor]:
    """The pixels within ``reach`` of a piece of outline (square neighbourhood), and the nearest piece of each."""
    batch, height, width = shape
    size = torch.tensor([width, height], device=start.device)
    low = (torch.minimum(start, end) - reach).ceil().clamp_min(0)
    high = torch.minimum((torch.maximum(start, end) + reach).floor(), size - 1)
    columns, rows = (high - low + 1).clamp_min(0).long().unbind(-1)
    # Rows first, then the pixels of each row: what the pixels of a row share is computed once.
    row_piece, row_number = expand_counts(torch.where(columns > 0, rows, 0))
    y = low[row_piece, 1] + row_number
    vector = end - start
    offset = torch.stack([low[row_piece, 0], y], dim=-1) - start[row_piece]
    unit = (vector / vector.square().sum(-1, keepdim=True).clamp_min(1e-12))[row_piece]
    first_cell = (image[row_piece] * height + y.long()) * width + low[row_piece, 0].long()
    per_row = torch.cat([offset, vector[row_piece], unit[:, :1], (offset * unit).sum(-1, keepdim=True)], dim=-1)

    row, column = expand_counts(columns[row_piece])
    x, y, along_x, along_y, step, share = per_row.index_select(0, row).unbind(-1)
    share = (share + step * column).clamp(0, 1)
    squared = (x + column - share * along_x).square() + (y - share * along_y).square()
    item = argmin_per_cell(first_cell[row] + column, squared, batch * height * width)
    pixel = (item >= 0).nonzero()[:, 0]
    return pixel, row_piece[row[item[pixel]]]


def _distance_to_segment(point: Tensor, start: Tensor, end: Tensor) -> Tensor:
    """Distance (px) from points to segments, with a finite gradient at distance zero."""
    vector = end - start
    share = ((point - start) * vector).sum(-1) / vector.square().sum(-1).clamp_min(1e-12)
    nearest = start + share.clamp(0, 1)[:, None] * vector
    return (point - nearest).square().sum(-1).clamp_min(1e-16).sqrt()
