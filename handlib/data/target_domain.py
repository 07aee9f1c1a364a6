"""The target domain, which stands for real photographs: another hand, skin, an arm, clutter, and a camera's faults.

One pass of the renderer finds what each pixel shows (deferred shading: place on the hand at rest, normal, depth); the
appearance is then computed at those points. Labels come from the same pass, and are for scoring only.
"""

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import cv2
import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from handlib.camera import OrthographicCamera
from handlib.data.backgrounds import draw_background, draw_photograph
from handlib.data.hand_scenes import Framing, HandScenes, HandStage, hand_stage
from handlib.data.illumination import SKIN_WRAP, Illumination, draw_illumination, shade
from handlib.data.labelled_batch import LabelledBatch
from handlib.data.noise import SolidNoise
from handlib.data.props import Prop, draw_forearm, draw_object, grid_faces, hidden_object
from handlib.data.sensor import take_picture
from handlib.data.skin import Skin, SkinMap
from handlib.data.source_domain import label
from handlib.render import render_depth, vertex_normals
from handlib.render.antialias import antialias, find_crossings, silhouette_edges
from handlib.render.rasterize import Fragments, fragments_of, interpolate, rasterize, to_image
from handlib.render.scene import make_scene

TARGET_HAND = "generic"
TARGET_FRAMING = Framing(focal=(1.2, 3.6), fill=(0.5, 0.95), jitter=0.04, cut_share=0.2)
SLEEVE_SHARE, OBJECT_SHARE = 0.5, 0.35
_HAND, _ARM, _THING = 1, 2, 3
_SHADOW_PX = 128
_NEAR_M = 1e-3


class _Cast(NamedTuple):
    """One picture's look, drawn before anything is rendered."""

    skin: Skin
    light: Illumination
    arm: Prop
    thing: Prop
    sleeved: bool
    cloth: SolidNoise
    paints: np.ndarray


@torch.no_grad()
def render_target(
    stage: HandStage,
    scenes: HandScenes,
    streams: Sequence[np.random.Generator],
    image_px: int,
    *,
    photographs: bool = False,
) -> LabelledBatch:
    """Render target pictures on the CPU.

    Args:
        stage: the hand that the scenes were drawn with.
        scenes: hands and cameras.
        streams: one generator a sample, for its looks.
        image_px: side of the picture in pixels.
        photographs: backgrounds from ``HANDLIB_DATA/backgrounds`` instead of procedural ones.
    """
    casts = [_draw_cast(stream, scenes, row) for row, stream in enumerate(streams)]
    props = torch.as_tensor(np.stack([np.concatenate([c.arm.vertices_m, c.thing.vertices_m]) for c in casts]))
    vertices = torch.cat([scenes.vertices_m, props], dim=1)
    faces, kind = _faces_of_all(stage)
    where = skin_map(stage.source)
    local = [np.concatenate([where.rest_m, c.arm.local_m, c.thing.local_m]) for c in casts]
    palmar = np.pad(where.palmar, (0, props.shape[1]))
    extra = torch.as_tensor(np.concatenate([local, np.broadcast_to(palmar[:, None], (len(casts), len(palmar), 1))], 2))
    attributes = torch.cat([extra.float(), vertex_normals(vertices, faces)], dim=2)

    scene = make_scene(vertices, faces, scenes.camera, image_px, _NEAR_M)
    projection = scene.project()
    zbuffer = rasterize(projection, faces, image_px, image_px)
    fragments = fragments_of(projection, faces, zbuffer.face_index)
    values = interpolate(attributes, faces, fragments)
    to_light = torch.as_tensor(np.stack([cast.light.directions[0] for cast in casts]))
    middle = scenes.vertices_m.mean(1)
    lit = _key_light_share(vertices, faces, middle, to_light, fragments, values[:, 4:7])
    columns = [values, fragments.depth_m[:, None], kind[fragments.face][:, None].to(values), lit[:, None]]
    layers = to_image(torch.cat(columns, dim=1), fragments, zbuffer.face_index.shape).numpy()

    painted = [_paint(*each, where) for each in zip(casts, layers, scenes.K.numpy(), strict=True)]
    covered = torch.as_tensor(np.stack(painted))
    crossings = find_crossings(projection, faces, silhouette_edges(projection, faces), zbuffer)
    covered = antialias(covered, crossings).numpy()
    backdrop = draw_photograph if photographs else draw_background
    images = []
    for stream, layer in zip(streams, covered, strict=True):
        behind = backdrop(stream, image_px)
        radiance = layer[..., :3] + (1 - layer[..., 3:]) * behind * stream.uniform(0.6, 1.3)
        images.append(take_picture(stream, radiance, _metering(image_px) + 0.5 * layer[..., 3]))
    rgb = torch.as_tensor(np.stack(images)).float() / 255
    return label(scenes, rgb, torch.as_tensor(layers[..., -2] == _HAND), torch.as_tensor(layers[..., -3].copy()))


@cache
def skin_map(source: str) -> SkinMap:
    """Where palm, phalanges and nails are on a packaged hand."""
    stage = hand_stage(source)
    template = stage.model.v_template
    normals = vertex_normals(template[None], stage.faces)[0]
    return SkinMap.of_hand(stage.anatomy, stage.model.weights, template, normals)


def _faces_of_all(stage: HandStage) -> tuple[Int[Tensor, "faces 3"], Int[Tensor, "faces"]]:
    """Faces of hand, arm and thing, one after the other, and to which of them each belongs."""
    grid = torch.as_tensor(grid_faces())
    count = int(grid.max()) + 1
    parts = [stage.faces, grid + stage.model.num_vertices, grid + stage.model.num_vertices + count]
    kinds = torch.tensor([_HAND, _ARM, _THING]).repeat_interleave(torch.tensor([len(part) for part in parts]))
    return torch.cat(parts), kinds


def _draw_cast(stream: np.random.Generator, scenes: HandScenes, row: int) -> _Cast:
    joints, frame = scenes.joints_m[row].numpy(), scenes.wrist_frame[row].numpy()
    sleeved = bool(stream.random() < SLEEVE_SHARE)
    arm = draw_forearm(stream, scenes.rest_vertices_m[row].numpy(), frame, joints[0], sleeved)
    with_thing = stream.random() < OBJECT_SHARE
    thing = draw_object(stream, joints, frame)
    paints = stream.beta(1.3, 2.0, (4, 1)) * (0.35 + 0.65 * stream.random((4, 3)))
    return _Cast(
        skin=Skin(stream),
        light=draw_illumination(stream),
        arm=arm,
        thing=thing if with_thing else hidden_object(thing),
        sleeved=sleeved,
        cloth=SolidNoise(stream),
        paints=paints.astype(np.float32),
    )


def _key_light_share(
    vertices: Float[Tensor, "batch vertices 3"],
    faces: Int[Tensor, "faces 3"],
    middle: Float[Tensor, "batch 3"],
    to_light: Float[Tensor, "batch 3"],
    fragments: Fragments,
    normals: Float[Tensor, "fragments 3"],
) -> Float[Tensor, "fragments"]:
    """How much of the key light reaches each surface point: a shadow map seen from the light, looked up softly.

    Reeves, Salesin and Cook, "Rendering antialiased shadows with depth maps", SIGGRAPH 1987.
    """
    forward = -to_light
    aside = torch.nn.functional.normalize(
        torch.linalg.cross(forward, forward.new_tensor([[0.31, 0.87, -0.38]]).expand_as(forward)), dim=-1
    )
    axes = torch.stack([aside, torch.linalg.cross(forward, aside), forward], dim=1)
    seen = (vertices - middle[:, None]) @ axes.mT
    camera = OrthographicCamera.from_box(middle.new_zeros(1, 2), middle.new_full((1,), 0.3), _SHADOW_PX)
    nearest = render_depth(seen, faces, camera, _SHADOW_PX, background_m=1e3)

    # A step off the surface, and a tolerance, keep a surface from shadowing itself between the map's pixels.
    points = interpolate(vertices, faces, fragments) + 0.0015 * normals
    local = ((points - middle[fragments.image])[:, None] @ axes[fragments.image].mT)[:, 0]
    pixels = camera.project(local[None])[0]
    share = torch.zeros(len(pixels))
    for du in (-1.2, 0.0, 1.2):
        for dv in (-1.2, 0.0, 1.2):
            column, row = (pixels + pixels.new_tensor([du, dv])).round().long().clamp(0, _SHADOW_PX - 1).unbind(-1)
            share += (local[:, 2] < nearest[fragments.image, row, column] + 0.003).float() / 9
    return share


def _paint(cast: _Cast, layer: np.ndarray, K: np.ndarray, where: SkinMap) -> Float[np.ndarray, "size size 4"]:
    """Linear RGB of all that was rendered, and 1 where something was."""
    size = len(layer)
    row, column = np.nonzero(layer[..., -2])
    local, palmar, normals, depth, kind, lit = np.split(layer[row, column], [3, 4, 7, 8, 9], axis=1)
    palmar, depth, kind, lit = palmar[:, 0], depth[:, 0], kind[:, 0].round(), lit[:, 0]
    hand, arm, thing = (kind == number for number in (_HAND, _ARM, _THING))
    skin = hand | (arm & (not cast.sleeved))
    albedo, nail = np.zeros((len(row), 3), np.float32), np.zeros(len(row), np.float32)
    albedo[hand], nail[hand] = cast.skin.colour(where, local[hand], palmar[hand])
    albedo[arm] = _cloth(cast, local[arm]) if cast.sleeved else cast.skin.forearm(local[arm])
    albedo[thing] = _thing(cast, local[thing])

    view = -np.stack([(column - K[0, 2]) / K[0, 0], (row - K[1, 2]) / K[1, 1], np.ones(len(row))], 1)
    view = (view / np.linalg.norm(view, axis=1, keepdims=True)).astype(np.float32)
    normals *= np.where((normals * view).sum(1, keepdims=True) < 0, -1, 1)
    normals += _bumps(cast, local, skin & (nail < 0.5))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True).clip(1e-6)
    colour = shade(
        albedo,
        normals,
        view,
        cast.light,
        shadow=lit,
        openness=_openness(layer[..., -3], row, column, float(K[0, 0])),
        wrap=np.where(skin[:, None], SKIN_WRAP, 0).astype(np.float32),
        gloss=np.select([nail > 0.5, skin, thing], [0.16, 0.05, 0.12], 0.0).astype(np.float32),
        hardness=np.select([nail > 0.5, skin, thing], [40.0, 14.0, 50.0], 1.0).astype(np.float32),
    )
    painted = np.zeros((size, size, 4), np.float32)
    painted[row, column] = np.concatenate([colour, np.ones((len(row), 1))], 1)
    return painted


def _bumps(cast: _Cast, local: np.ndarray, skin: np.ndarray) -> np.ndarray:
    """Small turns of the normal: the relief of skin and of woven cloth."""
    grain = np.where(skin, 0.045, 0.10)[:, None] * (skin | cast.sleeved)[:, None]
    vectors = np.stack([cast.skin.noise(local, 0.0025, shift=shift) for shift in (2.2, 6.4, 9.6)], 1)
    return (grain * vectors).astype(np.float32)


def _cloth(cast: _Cast, local: np.ndarray) -> np.ndarray:
    """Sleeve: one colour, perhaps with stripes around the arm, and a weave."""
    striped = cast.paints[0, 0] < 0.25
    ring = np.sin(local[:, :1] * (150 + 500 * cast.paints[3, 0])) > 0.3
    colour = np.where(ring & striped, cast.paints[1], cast.paints[0])
    return colour * np.exp(0.12 * cast.cloth(local, 0.002, 2)[:, None])


def _thing(cast: _Cast, local: np.ndarray) -> np.ndarray:
    """Object: one colour, or a second one in bands or patches."""
    second = (np.sin(local[:, 2] * 180) > 0.2) if cast.paints[3, 1] < 0.2 else cast.cloth(local, 0.012) > 1.0
    return np.where(second[:, None], cast.paints[1], cast.paints[2]) * np.exp(0.05 * cast.cloth(local, 0.004)[:, None])


def _openness(depth_m: np.ndarray, row: np.ndarray, column: np.ndarray, focal_px: float) -> np.ndarray:
    """Ambient occlusion from the depth picture: darker where the surroundings are nearer to the camera than the point.

    Luft, Colditz and Deussen, "Image enhancement by unsharp masking the depth buffer", SIGGRAPH 2006.
    """
    covered = (depth_m > 0).astype(np.float32)
    nearest = depth_m[row, column].min() if len(row) else 1.0
    far = np.where(covered > 0, depth_m, 0).max() if len(row) else 1.0
    filled = np.where(covered > 0, depth_m, far).astype(np.float32)
    openness = np.ones(len(row), np.float32)
    for radius_m in (0.006, 0.018):
        sigma = max(radius_m * focal_px / nearest, 0.3)
        recess = filled[row, column] - cv2.GaussianBlur(filled, (0, 0), sigma)[row, column]
        openness *= 1 - 0.5 * np.clip(recess / radius_m, 0, 1)
    return openness


@cache
def _metering(size: int) -> Float[np.ndarray, "size size"]:
    """Centre-weighted metering."""
    place = np.linspace(-1, 1, size)
    return np.exp(-2 * (place[:, None] ** 2 + place**2)).astype(np.float32)
