"""The colour of every vertex, read off the picture it was fitted to."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from handlib.camera import Camera
from handlib.render import render_depth

# A vertex is hidden if the rendered depth in front of it is this much nearer: about half a finger's thickness.
HIDDEN_BEHIND_M = 0.006


def sample_vertex_colours(
    images: Float[Tensor, "batch height width 3"],
    vertices: Float[Tensor, "batch vertices 3"],
    faces: Int[Tensor, "faces 3"],
    camera: Camera,
) -> tuple[Float[Tensor, "batch vertices 3"], Bool[Tensor, "batch vertices"]]:
    """Read each visible vertex's colour where it projects; hidden vertices get the mean of their visible neighbours.

    Colours that lie behind a wrong fit come from the background: this is a look at the picture, not an estimate of
    skin.

    Args:
        images: (batch, H, W, 3) RGB in 0..1.
        vertices: (batch, V, 3) camera frame, metres.
        faces: (F, 3).
        camera: the pictures' camera.

    Returns:
        colours (batch, V, 3) in 0..1, and which vertices were seen (batch, V).
    """
    height, width = images.shape[1:3]
    pixels = camera.project(vertices)
    depth = render_depth(vertices, faces, camera, (height, width))
    grid = 2 * (pixels + 0.5) / torch.tensor([width, height]).to(pixels) - 1
    planes = torch.cat([images, depth[..., None]], dim=-1).permute(0, 3, 1, 2)
    colours = _sample(planes[:, :3], grid, "bilinear")
    # Depth is taken from the nearest pixel: a mean over an outline is a depth where nothing is.
    surface = _sample(planes[:, 3:], grid, "nearest")[..., 0]
    inside = (grid.abs() < 1).all(-1)
    seen = inside & (surface > 0) & (camera.depth_of(vertices) < surface + HIDDEN_BEHIND_M)
    return _spread(colours, seen, faces), seen


def _sample(planes: Tensor, grid: Tensor, mode: str) -> Tensor:
    sampled = torch.nn.functional.grid_sample(
        planes, grid[:, None], mode=mode, padding_mode="border", align_corners=False
    )
    return sampled[:, :, 0].mT


def _spread(colours: Tensor, known: Tensor, faces: Tensor, rounds: int = 60) -> Tensor:
    """Let known colours flow over the edges of the mesh into the unknown vertices, one ring a round."""
    one, two = torch.cat([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]).unbind(-1)
    start, end = torch.cat([one, two]), torch.cat([two, one])
    weight = known.to(colours)[..., None]
    filled = colours * weight
    total = filled.sum(1, keepdim=True) / weight.sum(1, keepdim=True).clamp(min=1)
    for _ in range(rounds):
        if bool((weight > 0).all()):
            break
        near = torch.zeros_like(filled).index_add(1, end, (filled * weight)[:, start])
        count = torch.zeros_like(weight).index_add(1, end, weight[:, start])
        arrived = (weight == 0) & (count > 0)
        filled = torch.where(arrived, near / count.clamp(min=1), filled)
        weight = torch.where(arrived, 1.0, weight)
    return torch.where(weight > 0, filled, total)
