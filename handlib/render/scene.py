"""What there is to render, checked once at the door, in the form every backend takes."""

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from handlib.camera import Camera
from handlib.errors import BadInputError
from handlib.render.shading import Light
from handlib.render.spans import Projection, usable_faces

MAX_PIXELS = 2**28  # of one picture, 16,384 x 16,384: beyond, a slip of the keyboard is likelier than a wish


class RenderOutput(NamedTuple):
    """A rendered picture.

    ``rgb`` (B, H, W, 3), 0..1 unless the light is brighter; ``silhouette`` (B, H, W) in [0, 1]; ``depth`` (B,
    H, W) z in metres at the pixel's centre, 0 in the background (never mixed with it at the outline).
    """

    rgb: Float[Tensor, "batch height width 3"]
    silhouette: Float[Tensor, "batch height width"]
    depth: Float[Tensor, "batch height width"]


@dataclass(frozen=True, eq=False)
class Surface:
    """The colour of a mesh: one of ``colours``, ``face_colours``, ``texture`` with ``uv``; all None for grey."""

    colours: Float[Tensor, "batch vertices 3"] | None = None
    face_colours: Float[Tensor, "batch faces 3"] | None = None
    texture: Float[Tensor, "batch texture_height texture_width 3"] | None = None
    uv: Float[Tensor, "faces 3 2"] | None = None


@dataclass(frozen=True, eq=False)
class Scene:
    """A batch of meshes with one topology, before a camera. ``vertices`` (B, V, 3) in the camera's frame, metres."""

    vertices: Float[Tensor, "batch vertices 3"]
    faces: Int[Tensor, "faces 3"]
    camera: Camera
    height: int
    width: int
    near_m: float

    def project(self) -> Projection:
        """See the mesh through the camera; vertices that a perspective camera cannot see get a harmless stand-in."""
        vertices = self.vertices
        depth = vertices[..., 2]
        if self.camera.is_perspective:
            # Their faces are not drawn, but a NaN from behind the camera would still spoil the gradients of the others.
            in_front = depth > self.near_m
            stand_in = vertices.new_tensor([0.0, 0.0, 1.0])
            vertices = torch.where(in_front[..., None], vertices, stand_in)
        else:
            in_front = torch.ones_like(depth, dtype=torch.bool)
        points_px = self.camera.project(vertices)
        usable = usable_faces(points_px.detach(), self.faces, in_front)
        return Projection(points_px, vertices[..., 2], usable, self.camera.is_perspective)


def make_scene(vertices: Any, faces: Any, camera: Camera, image_size: Any, near_m: float) -> Scene:
    """Check a mesh, its camera and a picture size, whatever was given; raise ``BadInputError`` naming what is wrong."""
    if not (isinstance(vertices, Tensor) and isinstance(faces, Tensor)):
        raise BadInputError(
            f"vertices: {type(vertices).__name__}, faces: {type(faces).__name__}; expected tensors, as "
            "torch.from_numpy makes them of arrays."
        )
    if vertices.ndim != 3 or vertices.shape[-1] != 3:
        raise BadInputError(f"vertices: shape {tuple(vertices.shape)}, expected (batch, vertices, 3).")
    if not vertices.dtype.is_floating_point:
        raise BadInputError(f"vertices: dtype {vertices.dtype}, expected a float dtype; use vertices.float().")
    if faces.ndim != 2 or faces.shape[-1] != 3 or faces.dtype not in (torch.int64, torch.int32):
        raise BadInputError(
            f"faces: shape {tuple(faces.shape)}, {faces.dtype}; expected (faces, 3) vertex indices, int64."
        )
    # A NaN vertex would silently drop its faces: better to stop here, where it can still be named.
    bad = ~torch.isfinite(vertices).all(-1)
    if bool(bad.any()):
        image, vertex = bad.nonzero()[0].tolist()
        raise BadInputError(
            f"vertices[{image}, {vertex}]: {vertices[image, vertex].tolist()} is not finite ({int(bad.sum())} such). "
            "A NaN here mostly comes from a diverged optimisation or a NaN pose; check the step before."
        )
    if faces.numel() and not 0 <= int(faces.min()) <= int(faces.max()) < vertices.shape[1]:
        raise BadInputError(
            f"faces: indices from {int(faces.min())} to {int(faces.max())}, for {vertices.shape[1]} vertices. "
            "Pass the faces of the same hand model as the vertices, counted from 0."
        )
    height, width = picture_size(image_size)
    if not 0 <= near_m < float("inf"):
        raise BadInputError(f"near_m: {near_m}, expected a distance in metres, 0 or more.")
    if len(camera) not in (1, len(vertices)):
        raise BadInputError(f"camera: {len(camera)} cameras for {len(vertices)} meshes; pass 1 or one each.")
    camera = camera.to(vertices)
    return Scene(vertices, faces.long().to(vertices.device), camera, height, width, near_m)


def picture_size(image_size: Any) -> tuple[int, int]:
    """Height and width in pixels of an int or a pair; ``BadInputError`` for anything else."""
    size = (image_size, image_size) if isinstance(image_size, Integral) else image_size
    if not (isinstance(size, Sequence) and len(size) == 2 and all(isinstance(n, Integral) and n >= 1 for n in size)):
        raise BadInputError(f"image_size: {image_size!r}, expected a positive int or (height, width) in pixels.")
    height, width = (int(n) for n in size)
    if height * width > MAX_PIXELS:
        raise BadInputError(
            f"image_size: {height} x {width} pixels, more than the {MAX_PIXELS:,} that are drawn at once. Render a "
            "crop of it: camera.transform makes the camera of a crop."
        )
    return height, width


def make_surface(
    scene: Scene,
    colours: Tensor | None,
    face_colours: Tensor | None,
    texture: Tensor | None,
    uv: Tensor | None,
) -> Surface:
    """Check the colours against the mesh; give all the full batch and ``uv`` one pair per face corner."""
    batch, num_vertices, _ = scene.vertices.shape
    given = [
        name
        for name, x in (("colours", colours), ("face_colours", face_colours), ("texture", texture))
        if x is not None
    ]
    if len(given) > 1:
        raise BadInputError(f"{' and '.join(given)} were given: a mesh has one kind of colour. Pass one of them.")
    if (texture is None) != (uv is None):
        raise BadInputError(
            "texture and uv come together: the picture, and where on it each vertex or face corner lies."
        )
    if colours is not None:
        return Surface(colours=_full_batch(colours, "colours", batch, (num_vertices, 3), scene))
    if face_colours is not None:
        return Surface(face_colours=_full_batch(face_colours, "face_colours", batch, (len(scene.faces), 3), scene))
    if texture is not None and uv is not None:
        # Per corner, a texture may have seams: one vertex, several places in the picture.
        if uv.shape == (num_vertices, 2):
            uv = uv[scene.faces]
        if uv.shape != (len(scene.faces), 3, 2):
            raise BadInputError(
                f"uv: shape {tuple(uv.shape)}, expected ({num_vertices}, 2) or ({len(scene.faces)}, 3, 2)."
            )
        texture_shape = tuple(texture.shape[1:3]) + (3,)
        return Surface(texture=_full_batch(texture, "texture", batch, texture_shape, scene), uv=uv.to(scene.vertices))
    return Surface()


def make_background(background: Tensor | None, scene: Scene) -> Float[Tensor, "batch height width 3"]:
    """A colour (3,), a picture (1 or B, H, W, 3) or None (black), as one picture an image."""
    shape = (len(scene.vertices), scene.height, scene.width, 3)
    # `expand` costs no memory: black is one zero, one photograph serves the whole batch.
    if background is None:
        return scene.vertices.new_zeros(()).expand(shape)
    fits = background.shape == (3,) or (background.shape[1:] == shape[1:] and len(background) in (1, shape[0]))
    if not fits:
        raise BadInputError(
            f"background: shape {tuple(background.shape)}, expected (3,), or {shape}, or that with batch 1."
        )
    return background.to(scene.vertices).expand(shape)


def check_light(light: Light, scene: Scene) -> Light:
    """The light on the mesh's device and in its dtype, if its batch fits."""
    if len(light.ambient) not in (1, len(scene.vertices)):
        raise BadInputError(f"light: {len(light.ambient)} lights for {len(scene.vertices)} meshes; pass 1 or one each.")
    return light.to(scene.vertices)


def _full_batch(value: Tensor, name: str, batch: int, shape: tuple[int, ...], scene: Scene) -> Tensor:
    if value.shape[1:] != shape or value.ndim != len(shape) + 1 or len(value) not in (1, batch):
        raise BadInputError(f"{name}: shape {tuple(value.shape)}, expected ({batch}, {', '.join(map(str, shape))}).")
    return value.to(scene.vertices).expand(batch, *value.shape[1:])
