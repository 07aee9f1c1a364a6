"""The source domain: the open hand, one flat colour, one light, a quiet background: what renders easily."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate

from handlib.data.hand_scenes import Framing, HandScenes, HandStage
from handlib.data.labelled_batch import LabelledBatch, round_depth, visible_joints
from handlib.data.skin_tone import draw_skin_lab, lab_to_linear_rgb, linear_to_srgb
from handlib.render import Light, render_mesh

SOURCE_HAND = "open"
SOURCE_FRAMING = Framing()
_CORNERS = 4


@torch.no_grad()
def render_source(
    stage: HandStage, scenes: HandScenes, streams: Sequence[np.random.Generator], image_px: int
) -> LabelledBatch:
    """Render source pictures of hands that were drawn before, on the device that ``scenes`` are on.

    Args:
        stage: the hand that the scenes were drawn with.
        scenes: hands and cameras.
        streams: one generator a sample, for its looks.
        image_px: side of the picture in pixels.
    """
    looks = [_draw_look(stream) for stream in streams]
    skin, ambient, directional, direction, corners = (
        torch.as_tensor(np.stack(part), dtype=torch.float32).to(scenes.vertices_m) for part in zip(*looks, strict=True)
    )
    background = interpolate(corners.movedim(-1, 1), size=(image_px, image_px), mode="bicubic", align_corners=True)
    colours = skin[:, None].expand(-1, scenes.vertices_m.shape[1], -1)
    picture = render_mesh(
        scenes.vertices_m,
        stage.faces,
        scenes.camera,
        image_px,
        colours=colours,
        light=Light(ambient, directional, direction),
        background=background.movedim(1, -1).clamp(0, 1),
    )
    return label(scenes, picture.rgb, picture.depth > 0, picture.depth)


def label(
    scenes: HandScenes,
    rgb: Float[Tensor, "batch height width 3"],
    mask: Tensor,
    depth_m: Float[Tensor, "batch height width"],
) -> LabelledBatch:
    """A rendered batch (sRGB values 0..1) and the labels of its scenes."""
    depth_m = round_depth(depth_m)
    joints_2d_px = scenes.camera.project(scenes.joints_m)
    return LabelledBatch(
        rgb=(rgb.clamp(0, 1) * 255).round().to(torch.uint8),
        mask=mask,
        depth_m=depth_m,
        K=scenes.K,
        joints_m=scenes.joints_m,
        joints_2d_px=joints_2d_px,
        vertices_m=scenes.vertices_m,
        visible=visible_joints(scenes.joints_m, joints_2d_px, depth_m),
    )


def _draw_look(stream: np.random.Generator) -> tuple[np.ndarray, ...]:
    """Skin colour, ambient and directional light, its direction, and a coarse grid of background colours."""
    skin = linear_to_srgb(lab_to_linear_rgb(draw_skin_lab(stream)))
    ambient = np.full(3, stream.uniform(0.5, 0.75))
    directional = np.full(3, stream.uniform(0.45, 0.65))
    # From the viewer's side of the hand, and more from above than from below.
    direction = stream.standard_normal(3) * [1.0, 0.8, 0.5] + [0.0, -0.6, -1.2]
    base = stream.uniform(0.15, 0.9) + stream.normal(0, 0.07, 3)
    spread = stream.choice([0.0, 0.05, 0.12], p=[0.4, 0.3, 0.3])
    # Brightness varies over the picture more than hue does.
    corners = base + spread * (stream.standard_normal((_CORNERS, _CORNERS, 1)) + stream.normal(0, 0.25, (1, 1, 3)))
    return skin, ambient, directional, direction / np.linalg.norm(direction), corners.clip(0, 1)
