"""The default renderer: the steps of ``rasterize``, ``antialias``, ``soft`` and ``shading``, one after the other."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from handlib.render.antialias import antialias, find_crossings, silhouette_edges
from handlib.render.rasterize import Fragments, fragments_of, interpolate, rasterize, to_image
from handlib.render.scene import RenderOutput, Scene, Surface
from handlib.render.shading import Light, face_normals, irradiance, sample_texture, vertex_normals
from handlib.render.soft import soft_silhouette

GREY = 0.7  # albedo of a mesh without colours


def render_silhouette(
    scene: Scene, *, soft: bool, sigma_px: float, antialiased: bool
) -> Float[Tensor, "batch height width"]:
    """Coverage of every pixel: hard, antialiased, or as a sigmoid of the distance to the outline."""
    projection = scene.project()
    zbuffer = rasterize(projection, scene.faces, scene.height, scene.width)
    covered = (zbuffer.face_index >= 0).to(scene.vertices)
    # Coverage needs no surface points, only outlines: this is why it is faster than a picture.
    if not (soft or antialiased):
        return covered
    edges = silhouette_edges(projection, scene.faces)
    if soft:
        return soft_silhouette(projection, edges, zbuffer, sigma_px)
    return antialias(covered[..., None], find_crossings(projection, scene.faces, edges, zbuffer))[..., 0]


def render_depth(scene: Scene, *, antialiased: bool, background_m: float) -> Float[Tensor, "batch height width"]:
    """Depth (m) at the pixel centres; antialiased, outline pixels are a mean of both sides and carry its gradient."""
    projection = scene.project()
    zbuffer = rasterize(projection, scene.faces, scene.height, scene.width)
    fragments = fragments_of(projection, scene.faces, zbuffer.face_index)
    # Height over the background, because pictures of fragments are zero where nothing is.
    above = (fragments.depth_m - background_m)[:, None]
    depth = to_image(above, fragments, zbuffer.face_index.shape) + background_m
    if antialiased:
        depth = antialias(
            depth, find_crossings(projection, scene.faces, silhouette_edges(projection, scene.faces), zbuffer)
        )
    return depth[..., 0]


def render_normals(scene: Scene, *, flat: bool) -> Float[Tensor, "batch height width 3"]:
    """Unit normals in the camera's frame, of the side that is seen; zero in the background."""
    projection = scene.project()
    zbuffer = rasterize(projection, scene.faces, scene.height, scene.width)
    fragments = fragments_of(projection, scene.faces, zbuffer.face_index)
    return to_image(fragment_normals(scene, fragments, flat), fragments, zbuffer.face_index.shape)


def render_rgb(
    scene: Scene,
    surface: Surface,
    light: Light | None,
    background: Float[Tensor, "batch height width 3"],
    *,
    flat: bool,
    antialiased: bool,
) -> RenderOutput:
    """Shade every covered pixel, blend at the outlines, lay over the background."""
    projection = scene.project()
    zbuffer = rasterize(projection, scene.faces, scene.height, scene.width)
    fragments = fragments_of(projection, scene.faces, zbuffer.face_index)
    colour = fragment_colours(scene, surface, light, fragments, flat)
    # The silhouette and the colour times the silhouette are blended alike, so each pixel keeps its own background.
    layers = torch.cat([colour, torch.ones_like(colour[:, :1])], dim=-1)
    picture = to_image(layers, fragments, zbuffer.face_index.shape)
    if antialiased:
        edges = silhouette_edges(projection, scene.faces)
        picture = antialias(picture, find_crossings(projection, scene.faces, edges, zbuffer))
    rgb, silhouette = picture[..., :3], picture[..., 3]
    # Depth stays unmixed: half-way between hand and background there is no surface.
    depth = to_image(fragments.depth_m[:, None], fragments, zbuffer.face_index.shape)[..., 0]
    return RenderOutput(rgb + (1 - silhouette)[..., None] * background, silhouette, depth)


def fragment_normals(scene: Scene, fragments: Fragments, flat: bool) -> Float[Tensor, "fragments 3"]:
    """Unit normals of the surface points, turned to the side that is seen: of the faces, or smoothed over vertices."""
    if flat:
        of_faces = face_normals(scene.vertices, scene.faces).flatten(0, 1)
        normals = of_faces.index_select(0, fragments.image * len(scene.faces) + fragments.face)
    else:
        normals = interpolate(vertex_normals(scene.vertices, scene.faces), scene.faces, fragments)
    return normalize(normals, dim=-1, eps=1e-20) * torch.where(fragments.front, 1, -1)[:, None]


def fragment_colours(
    scene: Scene, surface: Surface, light: Light | None, fragments: Fragments, flat: bool
) -> Float[Tensor, "fragments 3"]:
    """Albedo times light at the surface points; without a light, the albedo."""
    if surface.colours is not None:
        albedo = interpolate(surface.colours, scene.faces, fragments)
    elif surface.face_colours is not None:
        row = fragments.image * len(scene.faces) + fragments.face
        albedo = surface.face_colours.flatten(0, 1).index_select(0, row)
    elif surface.texture is not None and surface.uv is not None:
        uv = (surface.uv.index_select(0, fragments.face) * fragments.barycentric[..., None]).sum(1)
        albedo = sample_texture(surface.texture, uv, fragments.image)
    else:
        albedo = torch.full_like(fragments.barycentric, GREY)
    if light is None:
        return albedo
    return albedo * irradiance(fragment_normals(scene, fragments, flat), light, fragments.image)
