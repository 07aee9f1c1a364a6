"""The colour of each vertex, from the part of its picture that shows the hand."""

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from handlib.camera import PerspectiveCamera
from handlib.crops import crop_affine, square_box
from handlib.fitting.vertex_colours import sample_vertex_colours
from handlib.reconstruction.looking import BLOCK
from handlib.reconstruction.views import cut_views

TEXTURE_PX = 192
"""Side of the crops that colours are read from: a pixel is about a millimetre, and vertices are several apart."""
MARGIN = 1.1


def read_texture(
    pictures: list[np.ndarray],
    vertices: Float[Tensor, "batch vertices 3"],
    K: Float[Tensor, "batch 3 3"],
    faces: Int[Tensor, "faces 3"],
) -> Float[Tensor, "batch vertices 3"]:
    """Colours in 0..1, see :func:`handlib.fitting.vertex_colours.sample_vertex_colours`; grey for hands out of sight.

    The hand is cut out of the picture before, so that neither the picture's size nor its shape matters.
    """
    blocks = [
        _read_block(pictures[start : start + BLOCK], vertices[start : start + BLOCK], K[start : start + BLOCK], faces)
        for start in range(0, len(pictures), BLOCK)
    ]
    return torch.cat(blocks)


def _read_block(pictures: list[np.ndarray], vertices: Tensor, K: Tensor, faces: Tensor) -> Tensor:
    pixels = PerspectiveCamera(K).project(vertices)
    in_sight = torch.isfinite(pixels).all((1, 2)) & ((pixels.amax(1) - pixels.amin(1)).amax(1) > 1)
    colours = torch.full_like(vertices, 0.5)
    if not bool(in_sight.any()):
        return colours
    rows = in_sight.nonzero().flatten().tolist()
    centre, side = square_box(pixels[in_sight], MARGIN)
    affine = crop_affine(centre, side, TEXTURE_PX)
    crops = cut_views([pictures[row] for row in rows], affine, TEXTURE_PX)
    camera = PerspectiveCamera(K[in_sight]).transform(affine)
    colours[in_sight] = sample_vertex_colours(torch.from_numpy(crops).float() / 255, vertices[in_sight], faces, camera)[
        0
    ]
    return colours
