"""Optical flow between two poses of one mesh: where each visible surface point goes."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from handlib.camera import Camera
from handlib.errors import BadInputError
from handlib.render.rasterize import fragments_of, interpolate, rasterize, to_image
from handlib.render.scene import make_scene


def render_flow(
    vertices_a: Float[Tensor, "batch vertices 3"],
    vertices_b: Float[Tensor, "batch vertices_b 3"],
    faces: Int[Tensor, "faces 3"],
    camera_a: Camera,
    camera_b: Camera,
    image_size: int | tuple[int, int],
    *,
    near_m: float = 1e-3,
    tolerance_m: float = 2e-3,
) -> tuple[Float[Tensor, "batch height width 2"], Bool[Tensor, "batch height width"]]:
    """Flow (px) from picture a to picture b, on the pixels of a, and which of them are visible in both.

    The surface point at pixel p of picture a is seen at ``p + flow[p]`` in picture b, so ``a[p] = b[p +
    flow[p]]`` under equal light. Vertices (B, V, 3) m, each in its own camera's frame. Flow is 0 in the
    background; it is differentiable in both meshes and cameras. A point is visible in b when it falls into
    the picture and lies no more than ``tolerance_m`` behind the farthest of the four pixels around it
    (farthest, because a slanted surface changes depth within a pixel). Errors as in ``render_silhouette``.
    """
    if vertices_a.shape != vertices_b.shape:
        raise BadInputError(
            f"vertices_b: shape {tuple(vertices_b.shape)}, expected that of vertices_a, {tuple(vertices_a.shape)}: "
            "flow follows one mesh from pose to pose."
        )
    scene_a = make_scene(vertices_a, faces, camera_a, image_size, near_m)
    scene_b = make_scene(vertices_b, faces, camera_b, image_size, near_m)
    projection_a, projection_b = scene_a.project(), scene_b.project()
    seen_a = rasterize(projection_a, scene_a.faces, scene_a.height, scene_a.width)
    seen_b = rasterize(projection_b, scene_b.faces, scene_b.height, scene_b.width)
    fragments = fragments_of(projection_a, scene_a.faces, seen_a.face_index)

    # The same barycentric weights, on the other pose: a point of the surface keeps its place in its face.
    points_b = interpolate(scene_b.vertices, scene_b.faces, fragments)
    # Cameras project (B, N, 3): lay the points out as pictures, with a point that every camera can see as filler.
    shape = seen_a.face_index.shape
    stand_in = points_b.new_tensor([0.0, 0.0, 1.0])
    drawable = projection_b.usable[fragments.image, fragments.face]
    shifted = torch.where(drawable[:, None], points_b, stand_in) - stand_in
    in_image = (to_image(shifted, fragments, shape) + stand_in).flatten(1, 2)
    target_px = scene_b.camera.project(in_image).flatten(0, 1).index_select(0, fragments.pixel)

    width = scene_a.width
    centre = torch.stack([fragments.pixel % width, fragments.pixel // width % scene_a.height], dim=-1)
    flow = torch.where(drawable[:, None], target_px - centre, 0)
    visible = drawable & _unoccluded(
        target_px.detach(), points_b[:, 2].detach(), fragments.image, seen_b.depth_m, tolerance_m
    )
    mask = to_image(visible[:, None].to(flow), fragments, shape)[..., 0] > 0
    return to_image(flow, fragments, shape), mask


def _unoccluded(target_px: Tensor, depth_m: Tensor, image: Tensor, zbuffer: Tensor, tolerance_m: float) -> Tensor:
    """Whether points at ``target_px`` lie inside the picture and not behind what its z-buffer shows around them."""
    _, height, width = zbuffer.shape
    column, row = target_px.unbind(-1)
    inside = (column >= -0.5) & (column <= width - 0.5) & (row >= -0.5) & (row <= height - 0.5)
    # The background counts as infinitely far: at an outline a point is given the benefit of the doubt.
    farthest = torch.full_like(depth_m, -torch.inf)
    for step in ((0, 0), (0, 1), (1, 0), (1, 1)):
        x = (column.floor() + step[0]).clamp(0, width - 1).long()
        y = (row.floor() + step[1]).clamp(0, height - 1).long()
        farthest = torch.maximum(farthest, zbuffer[image, y, x])
    return inside & (depth_m <= farthest + tolerance_m)
