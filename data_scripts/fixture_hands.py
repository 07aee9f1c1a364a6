"""Rendered hands with all their numbers, for data sets in official formats: see ``make_format_fixtures.py``."""

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import roma
import torch

from handlib.camera import PerspectiveCamera
from handlib.hand import AnatomicalPose, HandModel, mirror_rotvec, named_pose, read_hand_file
from handlib.render import Light, render_mesh

# The rest hand's fingers point along -x with the palm to -y: this turns them up, and the palm to the camera.
FACING_CAMERA = np.array([1.0, 1.0, 1.0]) * (2 * np.pi / 3) / np.sqrt(3)
POSES = ("relaxed", "point", "pinch_index", "digit_3")


@dataclass(frozen=True)
class RenderedHands:
    """Pictures of one hand and what a data set may say of them; camera frame, OpenCV axes, metres.

    ``rgb`` (N, H, W, 3) 8-bit; ``mask`` (N, H, W); ``depth_m`` (N, H, W), 0 where nothing is; ``joints_m`` (N, 21, 3);
    ``vertices_m`` (N, 778, 3); ``pose`` (N, 48) absolute axis-angle, the wrist's first; ``shape`` (10,);
    ``translation`` (N, 3); ``K`` (3, 3).
    """

    hand: HandModel
    rgb: np.ndarray
    mask: np.ndarray
    depth_m: np.ndarray
    joints_m: np.ndarray
    vertices_m: np.ndarray
    pose: np.ndarray
    shape: np.ndarray
    translation: np.ndarray
    K: np.ndarray

    @property
    def joints_2d_px(self) -> np.ndarray:
        """(N, 21, 2) pixels."""
        return project(self.joints_m, self.K)


@lru_cache
def stand_in_hand(side: str = "right") -> HandModel:
    """The open hand, presented as if it were MANO: the numbers in the fixtures are its own."""
    file = replace(read_hand_file("open"), topology="mano")
    if side == "left":
        return HandModel.load("open", side="left", dtype=torch.float64)
    return HandModel(file, dtype=torch.float64)


def intrinsics(fx: float, fy: float, cx: float, cy: float) -> np.ndarray:
    """(3, 3) from focal lengths and principal point, px."""
    return np.array([[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]])


def project(points: np.ndarray, K: np.ndarray) -> np.ndarray:
    """Pixels of points (..., 3)."""
    pixels = points @ K.T
    return pixels[..., :2] / pixels[..., 2:]


@torch.no_grad()
def render_hands(
    count: int, K: np.ndarray, image_hw: tuple[int, int], *, side: str = "right", seed: int = 0, distance_m: float = 0.6
) -> RenderedHands:
    """Render a short movement of one hand; the same arguments give the same numbers."""
    generator = np.random.default_rng(seed)
    hand = stand_in_hand(side)
    start, end = (named_pose(name) for name in generator.permutation(POSES)[:2].tolist())
    time = torch.linspace(0.0, 0.3, count)[:, None, None]
    # Poses are those of a right hand: the left one's are mirrored.
    fingers = AnatomicalPose(stand_in_hand()).to_axis_angle((start + time * (end - start)).double()).numpy()
    tilt = roma.rotvec_composition([torch.tensor(generator.normal(0.0, 0.2, 3)), torch.tensor(FACING_CAMERA)]).expand(
        count, 3
    )
    pose = np.concatenate([tilt.numpy(), fingers], axis=1)
    place = (
        np.array([0.0, 0.07, distance_m])
        + generator.normal(0.0, 0.01, 3)
        + np.arange(count)[:, None] * [0.004, 0, 0.002]
    )
    if side == "left":
        pose, place = mirror_rotvec(pose), place * [-1.0, 1.0, 1.0]
    shape = generator.normal(0.0, 0.7, hand.num_shape)
    mesh = hand(
        torch.as_tensor(pose[:, 3:]),
        torch.as_tensor(shape)[None].expand(count, -1),
        torch.as_tensor(pose[:, :3]),
        torch.as_tensor(place),
    )
    none = np.zeros(0)
    hands = RenderedHands(
        hand,
        none,
        none,
        none,
        mesh.joints.numpy(),
        mesh.vertices.numpy(),
        pose,
        shape,
        place,
        np.asarray(K, np.float64),
    )
    return render_again(hands, hands.vertices_m, K, image_hw)


@torch.no_grad()
def render_again(
    hands: RenderedHands, vertices_m: np.ndarray, K: np.ndarray, image_hw: tuple[int, int]
) -> RenderedHands:
    """The same hands as another camera sees them: other pictures, everything else as it was."""
    count = len(vertices_m)
    picture = render_mesh(
        torch.as_tensor(vertices_m).float(),
        hands.hand.faces,
        PerspectiveCamera(torch.as_tensor(K, dtype=torch.float32)[None].expand(count, 3, 3)),
        image_hw,
        colours=torch.tensor([0.85, 0.62, 0.5]).expand(1, hands.hand.num_vertices, 3),
        light=Light.headlight(),
        background=torch.tensor([0.25, 0.35, 0.3]),
        antialias=False,
    )
    return replace(
        hands,
        rgb=(picture.rgb.clamp(0, 1) * 255).round().byte().numpy(),
        mask=picture.silhouette.numpy() > 0.5,
        depth_m=picture.depth.numpy(),
    )
