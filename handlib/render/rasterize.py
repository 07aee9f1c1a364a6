"""Which face is seen at each pixel: a batched z-buffer, and the differentiable surface point behind each pixel.

Every (face, pixel centre inside it) pair is one candidate, taken from the spans of ``spans.py``, and the nearest
candidate of a pixel wins. Visibility is piecewise constant and has no gradient here; ``antialias.py`` adds the one of
its jumps.
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from handlib.render.ragged import argmin_per_cell, expand_counts
from handlib.render.spans import Projection, cross_2d, face_nearness, face_spans

SLIVER_PX2 = 0.02  # twice the area below which a face's own shading passes no gradient to its vertices


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


@torch.no_grad()
def rasterize(projection: Projection, faces: Int[Tensor, "faces 3"], height: int, width: int) -> ZBuffer:
    """Find the nearest face at every pixel centre (integer coordinates); see the module's text for the method."""
    batch, num_faces = projection.usable.shape
    nearness_of = face_nearness(projection, faces)
    spans = face_spans(projection, faces, (width, height), axis=1)
    # Half-open spans: a centre on a shared side belongs to the right-hand face only.
    left = spans.low.ceil().clamp(0, width)
    right = spans.high.ceil().clamp(0, width)
    span, column = expand_counts((right - left).clamp_min(0).long())
    nearness = nearness_of.at(spans.face[span], left[span] + column, spans.line[span])
    first_pixel = (spans.face // max(num_faces, 1) * height + spans.line.long()) * width + left.long()
    winner = argmin_per_cell(first_pixel[span] + column, -nearness, batch * height * width)

    covered = winner >= 0
    item = winner[covered]
    face_index = torch.full_like(winner, -1)
    face_index[covered] = spans.face[span[item]] % max(num_faces, 1)
    depth = torch.full(winner.shape, torch.inf, dtype=nearness.dtype, device=nearness.device)
    depth[covered] = nearness_of.to_depth(nearness[item])
    return ZBuffer(face_index.view(batch, height, width), depth.view(batch, height, width))


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

    # index_select on flat rows: its backward, index_add, is several times as fast as that of fancy indexing.
    corner_rows = (faces[face] + image[:, None] * projection.points_px.shape[1]).flatten()
    corners = projection.points_px.flatten(0, 1).index_select(0, corner_rows).view(-1, 3, 2)
    depths = projection.depth_m.flatten().index_select(0, corner_rows).view(-1, 3)
    # Each weight is the area that the centre spans with the opposite side.
    to_corner = corners - centre[:, None]
    areas = cross_2d(to_corner.roll(-1, dims=1), to_corner.roll(-2, dims=1))
    area = cross_2d(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    # Rounding can push a centre out of a thin face; no weight may vanish, so that their sum does not.
    weights = (areas / area[:, None]).clamp(1e-9, 1)
    # The gradient inside a face grows as it gets thinner. In a sliver that won a pixel by chance it is noise.
    weights = torch.where(area[:, None].abs() < SLIVER_PX2, weights.detach(), weights)
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
