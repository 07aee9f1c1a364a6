"""deodr, a C++ renderer with exact gradients at occlusion boundaries, behind the same door.

de La Gorce, Fleet and Paragios, "Model-Based 3D Hand Pose Estimation from Monocular Video", IEEE PAMI 2011, section 4:
the outline is drawn over the picture as a ribbon one pixel wide that fades outwards from the edge. An antialiased
silhouette is therefore half a pixel wider than the true coverage; without antialiasing it is exact.
(https://github.com/martinResearch/DEODR, BSD.)

One mesh at a time, on the CPU, in float64. Colours are lit at the corners of each face and interpolated in the image
(Gouraud, not perspective-correct). Pixel centres are at integers, as here. deodr draws the outer side of faces only, so
a face that is seen from inside is turned round before.
"""

from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import normalize

from handlib.errors import BadInputError, MissingExtraError
from handlib.render.backends.pure_torch import GREY
from handlib.render.scene import RenderOutput, Scene, Surface
from handlib.render.shading import Light, face_normals, irradiance, vertex_normals
from handlib.render.spans import Projection, signed_areas

RIBBON_PX = 1.0  # width of the drawn outline, deodr's sigma


def render_silhouette(
    scene: Scene, *, soft: bool, sigma_px: float, antialiased: bool
) -> Float[Tensor, "batch height width"]:
    """Coverage; antialiased, the outline fades from 1 on the edge to 0 one pixel outside."""
    if soft:
        raise BadInputError(
            "soft=True: deodr has no sigmoid silhouette; use soft=False (its antialiased outline has gradients), "
            "or backend='torch'."
        )
    ones = scene.vertices.new_ones(*scene.vertices.shape[:2], 1)
    return _draw(scene, ones, scene.faces, antialiased)[..., 0]


def render_depth(scene: Scene, *, antialiased: bool, background_m: float) -> Float[Tensor, "batch height width"]:
    """Depth (m), interpolated linearly in the image."""
    above = scene.project().depth_m[..., None] - background_m
    return _draw(scene, above, scene.faces, antialiased)[..., 0] + background_m


def render_rgb(
    scene: Scene,
    surface: Surface,
    light: Light | None,
    background: Float[Tensor, "batch height width 3"],
    *,
    flat: bool,
    antialiased: bool,
) -> RenderOutput:
    """Light the face corners, draw, lay over the background. Raises ``BadInputError`` for a texture."""
    colours = _corner_colours(scene, surface, light, flat)
    picture = _draw(scene, torch.cat([colours, torch.ones_like(colours[..., :1])], dim=-1), None, antialiased)
    rgb, silhouette = picture[..., :3], picture[..., 3]
    depth = render_depth(scene, antialiased=False, background_m=0.0)
    # deodr blends on black: its own background is laid under by the silhouette that it blended alike.
    return RenderOutput(rgb + (1 - silhouette)[..., None] * background, silhouette, depth)


def _corner_colours(scene: Scene, surface: Surface, light: Light | None, flat: bool) -> Tensor:
    """Lit colour of every face corner, (B, 3 F, 3)."""
    batch, num_faces = len(scene.vertices), len(scene.faces)
    shape = (batch, num_faces, 3, 3)
    if surface.texture is not None:
        raise BadInputError("texture: the deodr backend draws colours only; use backend='torch', or pass colours.")
    if surface.colours is not None:
        albedo = surface.colours[:, scene.faces]
    elif surface.face_colours is not None:
        albedo = surface.face_colours[:, :, None].expand(shape)
    else:
        albedo = scene.vertices.new_full(shape, GREY)
    if light is not None:
        if flat:
            normals = normalize(face_normals(scene.vertices, scene.faces), dim=-1)[:, :, None].expand(shape)
        else:
            normals = vertex_normals(scene.vertices, scene.faces)[:, scene.faces]
        # Both sides are lit, each by the normal of the side that is seen.
        front = signed_areas(scene.project().points_px.detach(), scene.faces) < 0
        normals = normals * torch.where(front, 1, -1)[:, :, None, None]
        image = torch.arange(batch, device=albedo.device).repeat_interleave(3 * num_faces)
        albedo = albedo * irradiance(normals.reshape(-1, 3), light, image).view(shape)
    return albedo.reshape(batch, 3 * num_faces, 3)


def _draw(
    scene: Scene,
    values: Float[Tensor, "batch points channels"],
    value_faces: Int[Tensor, "faces 3"] | None,
    antialiased: bool,
) -> Float[Tensor, "batch height width channels"]:
    """Draw each mesh with ``values`` at its vertices (``value_faces`` = faces) or at its face corners (None)."""
    projection = scene.project()
    points, depths = projection.points_px, projection.depth_m.detach()
    # deodr leaves out what has a negative depth, which under a parallel camera says nothing.
    depths = depths if projection.perspective else depths - depths.min() + 1
    # Values at face corners need the corners apart: a soup of triangles that share no vertices.
    if value_faces is None:
        points, depths = points[:, scene.faces].flatten(1, 2), depths[:, scene.faces].flatten(1)
        value_faces = torch.arange(points.shape[1]).view(-1, 3)
    front = signed_areas(projection.points_px.detach(), scene.faces) < 0
    edges = _outline_edges(front, projection, scene.faces) & antialiased
    pictures = []
    for image in range(len(points)):
        usable, turned = projection.usable[image].cpu(), ~front[image].cpu()
        # Turning (0, 1, 2) to (2, 1, 0) turns its sides (01, 12, 20) to (21, 10, 02).
        faces = torch.where(turned[:, None], value_faces.flip(1), value_faces)[usable]
        flags = torch.where(turned[:, None], edges[image].cpu()[:, [1, 0, 2]], edges[image].cpu())[usable]
        columns = (points[image], values[image], depths[image])
        size = (scene.height, scene.width)
        pictures.append(_DeodrImage.apply(*(x.cpu().double() for x in columns), faces, flags, size))
    if not pictures:
        return values.new_zeros(0, scene.height, scene.width, values.shape[-1])
    return torch.stack(pictures).to(values)


def _outline_edges(
    front: Bool[Tensor, "batch faces"], projection: Projection, faces: Int[Tensor, "faces 3"]
) -> Bool[Tensor, "batch faces 3"]:
    """The sides (k: corner k to k + 1) to draw a ribbon along, each once: of a fold that of its front face."""
    ends = torch.stack([faces, faces.roll(-1, dims=1)], dim=-1).sort(dim=-1).values.flatten(0, 1)
    _, edge = torch.unique(ends, dim=0, return_inverse=True)

    def faces_at_side(chosen: Tensor) -> Tensor:
        count = chosen.new_zeros(len(chosen), 3 * len(faces), dtype=torch.long)
        count.index_add_(1, edge, chosen.long().repeat_interleave(3, dim=1))
        return count[:, edge].view(len(chosen), len(faces), 3)

    front, back = front & projection.usable, ~front & projection.usable
    of_front, of_back = faces_at_side(front), faces_at_side(back)
    return (front[..., None] & (of_front == 1)) | (back[..., None] & (of_front == 0) & (of_back == 1))


class _DeodrImage(torch.autograd.Function):
    """One picture of (V, C) ``values`` on a mesh with image ``points`` (V, 2); zero in the background."""

    @staticmethod
    def forward(
        ctx: Any,
        points: Tensor,
        values: Tensor,
        depths: Tensor,
        faces: Tensor,
        edges: Tensor,
        size: tuple[int, int],
    ) -> Tensor:
        """Draw."""
        try:
            from deodr import differentiable_renderer as deodr
        except ImportError as error:
            raise MissingExtraError(
                "backend='deodr': the package deodr is not installed; pip install deodr, or use backend='torch'."
            ) from error
        num_points, channels = values.shape
        num_faces = len(faces)
        ctx.deodr = deodr
        ctx.scene = deodr.Scene2DBase(
            faces=faces.numpy().astype(np.uint32),
            faces_uv=faces.numpy().astype(np.uint32),
            ij=points.detach().numpy(),
            depths=depths.numpy(),
            textured=np.zeros(num_faces, bool),
            uv=np.zeros((num_points, 2)),
            shade=np.zeros(num_points),
            colors=values.detach().numpy(),
            shaded=np.zeros(num_faces, bool),
            edgeflags=edges.numpy(),
            height=size[0],
            width=size[1],
            nb_colors=channels,
            texture=np.zeros((0, 0)),
            background_color=np.zeros(channels),
        )
        ctx.picture, ctx.zbuffer = np.empty((*size, channels)), np.empty(size)
        deodr.renderScene(ctx.scene, RIBBON_PX, ctx.picture, ctx.zbuffer)
        return torch.from_numpy(ctx.picture.copy())

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """deodr's own adjoint; it undraws the ribbons one by one, so it works on a copy of the picture."""
        scene = ctx.scene
        scene.uv_b, scene.ij_b = np.zeros_like(scene.uv), np.zeros_like(scene.ij)
        scene.shade_b, scene.colors_b = np.zeros_like(scene.shade), np.zeros_like(scene.colors)
        scene.texture_b = np.zeros_like(scene.texture)
        upstream = np.ascontiguousarray(gradient.numpy())
        ctx.deodr.renderSceneB(scene, RIBBON_PX, ctx.picture.copy(), ctx.zbuffer, upstream)
        return torch.from_numpy(scene.ij_b), torch.from_numpy(scene.colors_b), None, None, None, None
