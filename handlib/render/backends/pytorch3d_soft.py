"""pytorch3d's rasteriser with SoftRas blending, behind the same door; used where pytorch3d is installed.

pytorch3d (Ravi et al. 2020, arXiv 2007.08501, https://pytorch3d.org) keeps the K nearest faces of every pixel and
blends them by their squared distance to the pixel (Liu et al., "Soft Rasterizer", ICCV 2019). Here its
``rasterize_meshes`` gets vertices that this library's own cameras have projected, so every camera works, and its
blending functions get colours that this library has shaded.

Its coordinates: x left, y up, the shorter side of the picture from -1 to 1, pixel centres half a pixel inside. The
pixel (u, v) of this library is ``((W - 1 - 2 u) / m, (H - 1 - 2 v) / m)`` there, with ``m = min(W, H)``.
"""

import math
from types import SimpleNamespace
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from handlib.errors import MissingExtraError
from handlib.render.backends.pure_torch import fragment_colours
from handlib.render.rasterize import Fragments, fragments_of, to_image
from handlib.render.scene import RenderOutput, Scene, Surface
from handlib.render.shading import Light
from handlib.render.spans import signed_areas

OUTLINE_FACES = 16  # faces kept a pixel where they fade within one pixel
SOFT_FACES = 100  # and within several: too few leave holes inside the mesh, where small faces crowd
OUTLINE_SIGMA_PX = 0.4  # sharpness that stands for "antialiased": most of the change within one pixel
FADED = 1e-4  # coverage at which a face is left out of a pixel
GAMMA = 1e-4  # how sharply nearer faces win, pytorch3d's default


class Layers(NamedTuple):
    """pytorch3d's fragments, on the device and in the dtype of the scene: the K nearest faces of every pixel.

    ``face`` (B, H, W, K) index into the scene's faces, -1 for none; ``barycentric`` (B, H, W, K, 3); ``depth_m`` and
    the squared distance to the face ``dists`` (its units), both (B, H, W, K).
    """

    face: Int[Tensor, "batch height width layers"]
    barycentric: Float[Tensor, "batch height width layers 3"]
    depth_m: Float[Tensor, "batch height width layers"]
    dists: Float[Tensor, "batch height width layers"]


def render_silhouette(
    scene: Scene, *, soft: bool, sigma_px: float, antialiased: bool
) -> Float[Tensor, "batch height width"]:
    """SoftRas coverage, ``1 - prod_f (1 - sigmoid(-d_f^2 / sigma^2))``, sharp unless ``soft``.

    ``sigma_px`` is the distance at which one edge alone gives sigmoid(-1), as in the other backends, but the profile
    differs: pytorch3d squares the distance.
    """
    if not (soft or antialiased):
        return (_rasterize(scene, 0.0, 1).face[..., 0] >= 0).to(scene.vertices)
    return _coverage(scene, sigma_px, SOFT_FACES) if soft else _coverage(scene, OUTLINE_SIGMA_PX, OUTLINE_FACES)


def render_depth(scene: Scene, *, antialiased: bool, background_m: float) -> Float[Tensor, "batch height width"]:
    """Depth (m) at the pixel centres; antialiased, mixed with the background by the coverage of the outline."""
    fragments, shape = _hard_fragments(scene)
    depth = to_image((fragments.depth_m - background_m)[:, None], fragments, shape)[..., 0]
    if antialiased:
        depth = depth * _coverage(scene, OUTLINE_SIGMA_PX, OUTLINE_FACES)
    return depth + background_m


def render_rgb(
    scene: Scene,
    surface: Surface,
    light: Light | None,
    background: Float[Tensor, "batch height width 3"],
    *,
    flat: bool,
    antialiased: bool,
) -> RenderOutput:
    """Shade the layers, blend them by distance and depth (``softmax_rgb_blend``), lay over the background."""
    hard, shape = _hard_fragments(scene)
    depth = to_image(hard.depth_m[:, None], hard, shape)[..., 0]
    if not antialiased:
        rgb = to_image(fragment_colours(scene, surface, light, hard, flat), hard, shape)
        silhouette = to_image(torch.ones_like(hard.depth_m[:, None]), hard, shape)[..., 0]
        return RenderOutput(rgb + (1 - silhouette)[..., None] * background, silhouette, depth)

    layers = _rasterize(scene, OUTLINE_SIGMA_PX, OUTLINE_FACES)
    fragments = _layer_fragments(scene, layers)
    colours = to_image(fragment_colours(scene, surface, light, fragments, flat), fragments, (1, 1, layers.face.numel()))
    # The z range only has to hold all depths: blending compares them relative to it.
    seen = layers.depth_m.detach()[layers.face >= 0]
    near, far = (float(seen.min()) - 1e-3, float(seen.max()) + 1e-3) if len(seen) else (0.0, 1.0)
    blending = _pytorch3d().blending
    rgba = blending.softmax_rgb_blend(
        colours.view(*layers.face.shape, 3),
        SimpleNamespace(pix_to_face=layers.face, dists=layers.dists, zbuf=layers.depth_m),
        blending.BlendParams(
            sigma=_squared_sigma(scene, OUTLINE_SIGMA_PX), gamma=GAMMA, background_color=(0.0, 0.0, 0.0)
        ),
        znear=near,
        zfar=far,
    )
    silhouette = rgba[..., 3]
    rgb = rgba[..., :3] * silhouette[..., None] + (1 - silhouette)[..., None] * background
    return RenderOutput(rgb, silhouette, depth)


def _pytorch3d() -> Any:
    """The parts of pytorch3d that are used, imported on first use."""
    try:
        from pytorch3d.renderer import blending
        from pytorch3d.renderer.mesh.rasterize_meshes import rasterize_meshes
        from pytorch3d.structures import Meshes
    except ImportError as error:
        raise MissingExtraError(
            "backend='pytorch3d': pytorch3d is not installed, and PyPI has no build of it for Linux; "
            "conda install -c conda-forge pytorch3d (environment.yml does), or use backend='torch'."
        ) from error
    return SimpleNamespace(blending=blending, rasterize_meshes=rasterize_meshes, Meshes=Meshes)


def _squared_sigma(scene: Scene, sigma_px: float) -> float:
    """A distance in pixels as pytorch3d wants it: squared, in units of half the picture's shorter side."""
    return (2 * sigma_px / min(scene.height, scene.width)) ** 2


def _rasterize(scene: Scene, sigma_px: float, layers: int) -> Layers:
    """Run pytorch3d's rasteriser; with a positive sigma, faces count as far as they fade to ``FADED``."""
    pytorch3d = _pytorch3d()
    projection = scene.project()
    size = scene.vertices.new_tensor([scene.width, scene.height])
    flipped = (size - 1 - 2 * projection.points_px) / size.min()
    # pytorch3d drops faces with negative depth, which a parallel camera may well have.
    shift = 0.0 if projection.perspective else 1.0 - float(projection.depth_m.detach().min())
    points = torch.cat([flipped, projection.depth_m[..., None] + shift], dim=-1).float()
    kept = [usable.nonzero()[:, 0] for usable in projection.usable]
    if not projection.usable.any():
        # pytorch3d divides by the number of faces.
        shape = (len(points), scene.height, scene.width, layers)
        empty = scene.vertices.new_zeros(shape)
        return Layers(torch.full(shape, -1, device=empty.device), empty[..., None].expand(*shape, 3), empty, empty)
    blur = _squared_sigma(scene, sigma_px) * math.log(1 / FADED - 1)
    packed_face, depth, barycentric, dists = pytorch3d.rasterize_meshes(
        pytorch3d.Meshes(verts=list(points), faces=[scene.faces[index] for index in kept]),
        image_size=(scene.height, scene.width),
        blur_radius=blur,
        faces_per_pixel=layers,
        perspective_correct=projection.perspective,
        clip_barycentric_coords=blur > 0,
    )
    # Its face indices run through the kept faces of the whole batch.
    original = torch.cat([*kept, torch.tensor([-1], device=packed_face.device)])
    dtype = scene.vertices.dtype
    return Layers(original[packed_face], barycentric.to(dtype), depth.to(dtype) - shift, dists.to(dtype))


def _coverage(scene: Scene, sigma_px: float, faces_per_pixel: int) -> Tensor:
    """pytorch3d's ``sigmoid_alpha_blend``."""
    layers = _rasterize(scene, sigma_px, faces_per_pixel)
    blending = _pytorch3d().blending
    rgba = blending.sigmoid_alpha_blend(
        torch.zeros_like(layers.barycentric, dtype=torch.float32),
        SimpleNamespace(pix_to_face=layers.face, dists=layers.dists.float()),
        blending.BlendParams(sigma=_squared_sigma(scene, sigma_px)),
    )
    return rgba[..., 3].to(scene.vertices)


def _hard_fragments(scene: Scene) -> tuple[Fragments, tuple[int, int, int]]:
    """The nearest face of every pixel centre, and the differentiable points on it."""
    face_index = _rasterize(scene, 0.0, 1).face[..., 0]
    return fragments_of(scene.project(), scene.faces, face_index), tuple(face_index.shape)


def _layer_fragments(scene: Scene, layers: Layers) -> Fragments:
    """All layers of all pixels as one flat list of surface points."""
    cell = (layers.face.flatten() >= 0).nonzero()[:, 0]
    image = cell // (layers.face.numel() // len(layers.face))
    face = layers.face.flatten()[cell]
    front = signed_areas(scene.project().points_px.detach(), scene.faces)[image, face] < 0
    return Fragments(cell, image, face, layers.barycentric.view(-1, 3)[cell], layers.depth_m.flatten()[cell], front)
