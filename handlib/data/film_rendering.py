"""Pictures of a moving hand: the target domain's looks, held over a film, with what only films have.

Skin, light, arm, things, background and the camera's settings are drawn once and stay; the sensor's noise is new in
each frame, and whatever moves while the shutter is open is blurred along its way.
"""

import math

import cv2
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from handlib.camera import project_perspective
from handlib.data.backgrounds import draw_background
from handlib.data.film_scenes import FilmScenes, carried, standing
from handlib.data.hand_scenes import HandStage
from handlib.data.labelled_batch import LabelledBatch
from handlib.data.sensor import take_picture
from handlib.data.source_domain import label

# A film shows what the stills show, by the same code: it differs in what is drawn once and in what moves.
from handlib.data.target_domain import (
    _HAND,
    _NEAR_M,
    _Cast,
    _draw_cast,
    _faces_of_all,
    _key_light_share,
    _metering,
    _paint,
    skin_map,
)
from handlib.render import vertex_normals
from handlib.render.antialias import antialias, find_crossings, silhouette_edges
from handlib.render.rasterize import fragments_of, interpolate, rasterize, to_image
from handlib.render.scene import make_scene

BACKGROUND_SCALE = 1.5
"""Side of the background over that of the picture: room for the camera to sway."""
HELD_WITHIN_M = 0.06
SHUTTER = (0.1, 0.6)
"""Least and greatest part of the time between two frames for which the shutter is open."""
_TAPS = 9
_PALM = (0, 5, 9, 13, 17)


class SteadyCamera(np.random.Generator):
    """The random numbers of :func:`~handlib.data.sensor.take_picture` for a film's frames: settings as in every frame.

    Lens, exposure, white balance, contrast and file quality come from the same numbers each time; the sensor's noise
    comes from a stream that goes on. Its streaks are left out: a film's blur follows what moves.
    """

    def __init__(self, settings: np.random.SeedSequence, noise: np.random.Generator) -> None:
        super().__init__(np.random.Philox(settings))
        self._noise = noise

    def standard_normal(self, *args: object, **kwargs: object) -> np.ndarray:
        """The sensor's noise."""
        return self._noise.standard_normal(*args, **kwargs)

    def random(self) -> float:
        """The chance of a streak: never under any threshold."""
        return 1.0


@torch.no_grad()
def render_film(stage: HandStage, film: FilmScenes, seed: np.random.SeedSequence, image_px: int) -> LabelledBatch:
    """Render all frames of a film on the CPU.

    Args:
        stage: the hand that the film was drawn with.
        film: what moves where.
        seed: of all that the film looks like.
        image_px: side of the pictures.
    """
    look_seed, settings, noise_seed = seed.spawn(3)
    look, noise = (np.random.Generator(np.random.Philox(each)) for each in (look_seed, noise_seed))
    cast = _draw_cast(look, film.hands, film.reference)
    backdrop = draw_background(look, math.ceil(BACKGROUND_SCALE * image_px)) * look.uniform(0.6, 1.3)
    shutter = look.uniform(*SHUTTER)

    vertices = torch.cat([film.hands.vertices_m, *move_props(cast, film)], dim=1)
    layers, covered, motion_px = _render_layers(stage, cast, film, vertices, image_px)
    homographies = background_homographies(film, image_px, len(backdrop))
    backdrop_px = frame_steps(torch.from_numpy(np.stack([_centre(h, len(backdrop)) for h in homographies]))).numpy()
    images = []
    for frame, layer in enumerate(covered):
        foreground = blur_moving(layer, shutter * motion_px[frame])
        behind = cv2.warpPerspective(
            backdrop, homographies[frame], (image_px, image_px), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
        )
        still = np.broadcast_to(shutter * backdrop_px[frame], (image_px, image_px, 2)).astype(np.float32)
        radiance = foreground[..., :3] + (1 - foreground[..., 3:]) * blur_along(behind, still)
        metered = _metering(image_px) + 0.5 * foreground[..., 3]
        images.append(take_picture(SteadyCamera(settings, noise), radiance, metered))
    rgb = torch.as_tensor(np.stack(images)).float() / 255
    return label(film.hands, rgb, torch.as_tensor(layers[..., -2] == _HAND), torch.as_tensor(layers[..., -3].copy()))


def move_props(cast: _Cast, film: FilmScenes) -> tuple[Float[Tensor, "frames arm 3"], Float[Tensor, "frames thing 3"]]:
    """Arm and thing in each frame.

    The arm follows the wrist. A thing whose middle is near the palm is held, and follows too; one that is farther away
    stands in the way, and stays where it is while the hand passes behind it.
    """
    arm, thing = (torch.from_numpy(prop.vertices_m) for prop in (cast.arm, cast.thing))
    palm = film.hands.joints_m[film.reference, list(_PALM)].mean(0)
    held = float(torch.linalg.vector_norm(thing.mean(0) - palm)) < HELD_WITHIN_M
    return carried(arm, film), (carried if held else standing)(thing, film)


def _render_layers(
    stage: HandStage, cast: _Cast, film: FilmScenes, vertices: Tensor, image_px: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What each pixel shows, its linear RGB and coverage, and how far it moves in a frame (px)."""
    hands, count = film.hands, len(vertices)
    faces, kind = _faces_of_all(stage)
    where = skin_map(stage.source)
    local = np.concatenate([where.rest_m, cast.arm.local_m, cast.thing.local_m])
    palmar = np.pad(where.palmar, (0, len(local) - len(where.palmar)))
    fixed = torch.as_tensor(np.concatenate([local, palmar[:, None]], 1)).float().expand(count, -1, -1)
    # A hidden thing is behind the camera, where nothing has a pixel.
    steps = frame_steps(project_perspective(vertices, hands.K)).nan_to_num(0.0)
    attributes = torch.cat([fixed, vertex_normals(vertices, faces), steps], dim=2)

    projection = make_scene(vertices, faces, hands.camera, image_px, _NEAR_M).project()
    zbuffer = rasterize(projection, faces, image_px, image_px)
    fragments = fragments_of(projection, faces, zbuffer.face_index)
    values = interpolate(attributes, faces, fragments)
    to_light = torch.as_tensor(cast.light.directions[0]).expand(count, 3)
    lit = _key_light_share(vertices, faces, hands.vertices_m.mean(1), to_light, fragments, values[:, 4:7])
    columns = [values, fragments.depth_m[:, None], kind[fragments.face][:, None].to(values), lit[:, None]]
    layers = to_image(torch.cat(columns, dim=1), fragments, zbuffer.face_index.shape).numpy()
    motion_px, layers = layers[..., 7:9], np.delete(layers, [7, 8], axis=-1)

    painted = np.stack([_paint(cast, *each, where) for each in zip(layers, hands.K.numpy(), strict=True)])
    crossings = find_crossings(projection, faces, silhouette_edges(projection, faces), zbuffer)
    return layers, antialias(torch.as_tensor(painted), crossings).numpy(), motion_px


def frame_steps(path: Float[Tensor, "frames *rest"]) -> Float[Tensor, "frames *rest"]:
    """How far something moves in a frame: central differences, one-sided at the ends, zero for a single frame."""
    return torch.zeros_like(path) if len(path) < 2 else torch.gradient(path, dim=0)[0]


def background_homographies(film: FilmScenes, image_px: int, backdrop_px: int) -> Float[np.ndarray, "frames 3 3"]:
    """From pixels of the backdrop to pixels of each frame: a camera that only turns sees all that is far move alike."""
    K = film.hands.K[0].double().numpy()
    shift = np.eye(3)
    shift[:2, 2] = -(backdrop_px - image_px) / 2
    return K @ film.camera_turn.double().numpy() @ np.linalg.inv(K) @ shift


def _centre(homography: np.ndarray, side: int) -> np.ndarray:
    """Where the backdrop's middle comes to lie, px."""
    u, v, w = homography @ [(side - 1) / 2, (side - 1) / 2, 1.0]
    return np.array([u / w, v / w])


def blur_moving(
    layer: Float[np.ndarray, "height width 4"], motion_px: Float[np.ndarray, "height width 2"]
) -> Float[np.ndarray, "height width 4"]:
    """Smear a foreground (premultiplied RGB, coverage) along its motion while the shutter is open.

    A pixel beside the foreground takes over the motion nearby, so that moving outlines smear outwards too, as in
    McGuire et al., "A reconstruction filter for plausible motion blur", I3D 2012.
    """
    longest = float(np.linalg.norm(motion_px, axis=-1).max())
    if longest < 0.5:
        return layer
    reach = 2 * math.ceil(longest / 2) + 1
    weight = layer[..., 3:]
    near, share = (cv2.blur(np.ascontiguousarray(part), (reach, reach)) for part in (motion_px * weight, weight))
    spread = near / np.maximum(share.reshape(*share.shape[:2], 1), 1e-6)
    return blur_along(layer, np.where(weight > 0.5, motion_px, spread).astype(np.float32))


def blur_along(
    picture: Float[np.ndarray, "height width channels"], motion_px: Float[np.ndarray, "height width 2"]
) -> Float[np.ndarray, "height width channels"]:
    """The mean of each pixel's surroundings along its motion, half of it to either side."""
    if float(np.abs(motion_px).max()) < 0.25:
        return picture
    rows, columns = np.indices(picture.shape[:2], dtype=np.float32)
    total = np.zeros_like(picture, dtype=np.float32)
    for share in np.linspace(-0.5, 0.5, _TAPS, dtype=np.float32):
        u, v = columns + share * motion_px[..., 0], rows + share * motion_px[..., 1]
        total += cv2.remap(picture.astype(np.float32), u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return total / _TAPS
