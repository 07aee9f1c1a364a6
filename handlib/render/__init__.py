"""Rendering, differentiably: triangle meshes as silhouette, colour, depth, normals and flow; spheres as depth.

Vertices are in the camera's frame (OpenCV axes, metres); pictures are channels-last, and the centre of the
top-left pixel is (0, 0). All meshes of a batch share their faces. Both sides of a face are drawn. Faces that
reach behind the near plane of a perspective camera are left out whole. See ``handlib.render.backends`` for
the renderers to choose from.

Gradients flow to vertices, camera, colours, texture, light and background. At outlines and at occlusion
boundaries they come from the blending of the pixels on both sides (``antialias``); where two surfaces cut
through each other there is no edge, and none.
"""

from jaxtyping import Float, Int
from torch import Tensor

from handlib.camera import Camera
from handlib.errors import BadInputError
from handlib.render.backends import BACKENDS, load_backend, pure_torch
from handlib.render.flow import render_flow
from handlib.render.scene import RenderOutput, check_light, make_background, make_scene, make_surface
from handlib.render.shading import Light, face_normals, vertex_normals
from handlib.render.spheres import render_spheres

__all__ = [
    "BACKENDS",
    "Light",
    "RenderOutput",
    "face_normals",
    "render_depth",
    "render_flow",
    "render_mesh",
    "render_normals",
    "render_silhouette",
    "render_spheres",
    "vertex_normals",
]

NEAR_M = 1e-3


def render_silhouette(
    vertices: Float[Tensor, "batch vertices 3"],
    faces: Int[Tensor, "faces 3"],
    camera: Camera,
    image_size: int | tuple[int, int],
    *,
    soft: bool = False,
    sigma_px: float = 1.0,
    antialias: bool = True,
    near_m: float = NEAR_M,
    backend: str = "torch",
) -> Float[Tensor, "batch height width"]:
    """Render how much of each pixel the mesh covers, in [0, 1].

    vertices (B, V, 3) m in the camera's frame, faces (F, 3), image_size an int or (height, width).

    * default: antialiased; right to a fraction of a pixel, with gradients at the outline's own pixels;
    * ``soft=True``: ``sigmoid(d / sigma_px)`` of the signed distance to the outline; gradients reach 6 sigma,
      which finds a target that does not overlap yet (``soft.py``);
    * ``antialias=False``: 0 or 1 at the pixel's centre; no gradient.

    Raises ``BadInputError`` on NaN vertices, wrong shapes, face indices out of range, a camera for another batch,
    an unknown backend, sigma <= 0, and ``MissingExtraError`` where the backend's package is not installed.
    """
    if not 0 < sigma_px < float("inf"):
        raise BadInputError(f"sigma_px: {sigma_px}, expected a positive number of pixels.")
    scene = make_scene(vertices, faces, camera, image_size, near_m)
    return load_backend(backend).render_silhouette(scene, soft=soft, sigma_px=sigma_px, antialiased=antialias)


def render_mesh(
    vertices: Float[Tensor, "batch vertices 3"],
    faces: Int[Tensor, "faces 3"],
    camera: Camera,
    image_size: int | tuple[int, int],
    *,
    colours: Float[Tensor, "#batch vertices 3"] | None = None,
    face_colours: Float[Tensor, "#batch faces 3"] | None = None,
    texture: Float[Tensor, "#batch texture_height texture_width 3"] | None = None,
    uv: Float[Tensor, "..."] | None = None,
    light: Light | None = None,
    flat: bool = False,
    background: Float[Tensor, "..."] | None = None,
    antialias: bool = True,
    near_m: float = NEAR_M,
    backend: str = "torch",
) -> RenderOutput:
    """Render a picture with its silhouette and depth.

    Colour, one of: ``colours`` (B, V, 3) per vertex; ``face_colours`` (B, F, 3); ``texture`` (B, Ht, Wt, 3)
    with ``uv`` (V, 2) per vertex or (F, 3, 2) per face corner, (0, 0) the texture's top-left and (1, 1) its
    bottom-right corner (turn v of an .obj file round: 1 - v). A batch of 1 serves all. None: grey.

    ``light`` None shows the bare colours; ``flat`` lights with face normals instead of smooth ones.
    ``background`` (3,), (H, W, 3) with a batch axis, or None for black. Colours are not clamped. Errors as in
    :func:`render_silhouette`.
    """
    scene = make_scene(vertices, faces, camera, image_size, near_m)
    surface = make_surface(scene, colours, face_colours, texture, uv)
    lit = None if light is None else check_light(light, scene)
    picture = make_background(background, scene)
    return load_backend(backend).render_rgb(scene, surface, lit, picture, flat=flat, antialiased=antialias)


def render_depth(
    vertices: Float[Tensor, "batch vertices 3"],
    faces: Int[Tensor, "faces 3"],
    camera: Camera,
    image_size: int | tuple[int, int],
    *,
    antialias: bool = False,
    background_m: float = 0.0,
    near_m: float = NEAR_M,
    backend: str = "torch",
) -> Float[Tensor, "batch height width"]:
    """Render z (m) at the pixel centres, ``background_m`` where nothing is.

    With ``antialias`` the outline's pixels become means of the depths on both sides, as no camera measures
    them, but the loss of a depth picture then has its gradient there; choose ``background_m`` near the mesh.
    Errors as in :func:`render_silhouette`.
    """
    scene = make_scene(vertices, faces, camera, image_size, near_m)
    return load_backend(backend).render_depth(scene, antialiased=antialias, background_m=background_m)


def render_normals(
    vertices: Float[Tensor, "batch vertices 3"],
    faces: Int[Tensor, "faces 3"],
    camera: Camera,
    image_size: int | tuple[int, int],
    *,
    flat: bool = False,
    near_m: float = NEAR_M,
) -> Float[Tensor, "batch height width 3"]:
    """Render unit normals in the camera's frame, of the side that is seen, so z is mostly negative; background zero."""
    scene = make_scene(vertices, faces, camera, image_size, near_m)
    return pure_torch.render_normals(scene, flat=flat)
