"""The depth target: another hand before three calibrated depth cameras, with their noise, holes and cropped wrists.

It stands for the NYU data set (Tompson et al. 2014): raw perspective pictures, found by their centre of mass, cropped
to the cube. The world is the first camera's frame. Labels are for scoring only.
"""

from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from handlib.camera import PerspectiveCamera, project_perspective
from handlib.data.depth_cube import centre_of_mass, crop_cube, depth_points_m, normalise_depth, usable_pictures
from handlib.data.depth_hands import Turns, depth_seed, depth_streams, draw_hands
from handlib.data.depth_sensor import DepthSensor, measure_depth
from handlib.data.depth_views import CubeFrames
from handlib.data.hand_scenes import HandStage, hand_stage
from handlib.data.props import draw_forearm, grid_faces
from handlib.data.random_streams import pose_seed
from handlib.errors import BadInputError
from handlib.hand.sampler import PoseSampler
from handlib.render import render_depth
from handlib.skeleton import JOINT_NAMES

DOMAIN = "depth-target"
TARGET_DEPTH_HAND = "generic"
TARGET_TURNS = Turns(roll_deg=90.0, tilt_deg=50.0)
SIZE = (0.86, 1.0)
REACH_M = np.array([0.10, 0.07, 0.12])
FOREARM_M = (0.0, 0.05)
"""How much of the forearm is left in the picture, from the wrist joint on."""

FOCAL_PX, SENSOR_PX, WINDOW_PX = 294.0, (240, 320), 128
WORKSPACE_M = (0.0, 0.0, 0.8)
_CAMERAS_DEG_M = ((0.0, 0.0, 0.8), (42.0, -8.0, 0.85), (-42.0, 12.0, 0.85))


@dataclass(frozen=True, eq=False)
class DepthRig:
    """Calibrated cameras: ``K`` (V, 3, 3) px of the whole sensor, and ``world = rotation @ camera + translation_m``."""

    K: Float[Tensor, "views 3 3"]
    rotation: Float[Tensor, "views 3 3"]
    translation_m: Float[Tensor, "views 3"]

    def to_cameras(self, points_m: Float[Tensor, "batch points 3"]) -> Float[Tensor, "batch views points 3"]:
        """World points in every camera's frame."""
        return (points_m[:, None] - self.translation_m[:, None]) @ self.rotation


@dataclass(frozen=True, eq=False)
class RawViews:
    """What the cameras gave: ``depth_m`` (B, V, H, W), 0 where nothing was measured, windows of the sensors' pictures;
    ``true_depth_m`` the same without noise; ``K`` (B, V, 3, 3) of the windows; ``joints_m`` (B, 21, 3) in the world.
    """

    depth_m: Float[Tensor, "batch views height width"]
    true_depth_m: Float[Tensor, "batch views height width"]
    K: Float[Tensor, "batch views 3 3"]
    joints_m: Float[Tensor, "batch 21 3"]


@dataclass(frozen=True, eq=False)
class MultiViewBatch:
    """Crops of several views of the same hands.

    Attributes:
        depth: normalised crops.
        frames: where each view's cube lies in the world.
        usable: False where a view measured next to nothing: such a crop is all background, and to be left out.
        joints_m: the 21 joints in the world, for scoring only.
    """

    depth: Float[Tensor, "batch views size size"]
    frames: CubeFrames
    usable: Bool[Tensor, "batch views"]
    joints_m: Float[Tensor, "batch 21 3"]

    def __len__(self) -> int:
        return len(self.depth)

    def to(self, device: torch.device | str) -> "MultiViewBatch":
        """The batch on another device."""
        return MultiViewBatch(**{field.name: getattr(self, field.name).to(device) for field in fields(self)})


class _PlacedHands(NamedTuple):
    """Hands in the world, float64; ``to_world`` turns and scales their frame, ``forearm_m`` is left of the arm."""

    vertices_m: Float[Tensor, "batch vertices 3"]
    joints_m: Float[Tensor, "batch 21 3"]
    middle_m: Float[Tensor, "batch 3"]
    to_world: Float[Tensor, "batch 3 3"]
    forearm_m: Float[Tensor, " batch"]
    streams: list[np.random.Generator]


class MultiViewDepth:
    """Hands before three depth cameras; sample ``i`` depends on (seed, split, i) alone, whatever the batch."""

    def __init__(self, *, seed: int = 0, split: str = "train", sensor: DepthSensor | None = None) -> None:
        """Name the data set, which has no end; nothing is drawn yet.

        Args:
            seed: names the data set.
            split: "train" or "test".
            sensor: how bad the cameras are; None is the default.

        Raises:
            BadInputError: an unknown split or a negative seed.
        """
        self.seed, self.split, self.rig = seed, split, kinect_rig()
        self.sensor = DepthSensor() if sensor is None else sensor
        self._poses = PoseSampler(self.hand.model, pose_seed(depth_seed(seed, DOMAIN), "source", split))

    @property
    def hand(self) -> HandStage:
        """The hand that the cameras see."""
        return hand_stage(TARGET_DEPTH_HAND)

    def batch(self, start: int, count: int) -> MultiViewBatch:
        """Crops of samples ``start``, ..., ``start + count - 1``, on the CPU; errors as for :meth:`raw`."""
        raw = self.raw(start, count)
        return crop_views(raw.depth_m, raw.K, self.rig, raw.joints_m)

    @torch.no_grad()
    def raw(self, start: int, count: int) -> RawViews:
        """The cameras' own pictures of these samples.

        Raises:
            BadInputError: no samples, or a negative start.
        """
        placed = self._place(start, count)
        arms = self._forearms(placed)
        true_depth, K = self._render(torch.cat([placed.vertices_m, arms], dim=1), placed.middle_m)
        true_depth = self._cut_forearm(true_depth, K, placed)
        looks = depth_streams(self.seed, DOMAIN, self.split, list(range(start, start + count)), "look")
        # Each sample's own stream serves its views one after the other.
        streams = [stream for stream in looks for _ in range(K.shape[1])]
        measured = measure_depth(true_depth.flatten(0, 1), K.flatten(0, 1), streams, self.sensor)
        return RawViews(measured.view_as(true_depth), true_depth, K, placed.joints_m.float())

    def world_hands(
        self, start: int, count: int
    ) -> tuple[Float[Tensor, "batch vertices 3"], Float[Tensor, "batch 21 3"]]:
        """The hands without cameras: vertices and joints in the world, metres; errors as for :meth:`raw`."""
        placed = self._place(start, count)
        return placed.vertices_m.float(), placed.joints_m.float()

    def _place(self, start: int, count: int) -> _PlacedHands:
        if count < 1 or start < 0:
            raise BadInputError(f"start {start}, count {count}: expected a start from 0 up and at least one sample")
        indices = list(range(start, start + count))
        streams = depth_streams(self.seed, DOMAIN, self.split, indices, "view")
        hands = draw_hands(self.hand, self._poses, indices, streams, TARGET_TURNS)
        draws = torch.as_tensor(np.stack([stream.random(5) for stream in streams]))
        to_world = (SIZE[0] + (SIZE[1] - SIZE[0]) * draws[:, :1])[..., None] * hands.rotation
        middle = torch.tensor(WORKSPACE_M) + (2 * draws[:, 1:4] - 1) * torch.as_tensor(REACH_M)
        origin = hands.vertices_m.mean(1, keepdim=True)
        vertices, joints = ((x - origin) @ to_world.mT + middle[:, None] for x in (hands.vertices_m, hands.joints_m))
        forearm_m = FOREARM_M[0] + (FOREARM_M[1] - FOREARM_M[0]) * draws[:, 4]
        return _PlacedHands(vertices, joints, middle, to_world, forearm_m, streams)

    def _forearms(self, placed: _PlacedHands) -> Float[Tensor, "batch arm_vertices 3"]:
        rest, wrists = self.hand.model.v_template.numpy(), placed.joints_m[:, 0].numpy()
        arms = [
            draw_forearm(stream, rest, frame, wrist, False).vertices_m
            for stream, frame, wrist in zip(placed.streams, placed.to_world.numpy(), wrists, strict=True)
        ]
        return torch.as_tensor(np.stack(arms)).to(placed.vertices_m)

    def _render(
        self, vertices_m: Float[Tensor, "batch vertices 3"], middle_m: Float[Tensor, "batch 3"]
    ) -> tuple[Float[Tensor, "batch views height width"], Float[Tensor, "batch views 3 3"]]:
        """True depth in a window of each camera's picture around the hand, and the windows' intrinsics."""
        rig = self.rig
        views = len(rig.K)
        seen, middle = rig.to_cameras(vertices_m.float()), rig.to_cameras(middle_m.float()[:, None])
        K = rig.K.expand(len(seen), -1, -1, -1).flatten(0, 1).clone()
        corner = (project_perspective(middle.flatten(0, 1), K)[:, 0] - WINDOW_PX / 2).round()
        K[:, :2, 2] -= corner
        faces = torch.cat([self.hand.faces, torch.as_tensor(grid_faces()) + self.hand.model.num_vertices])
        depth = render_depth(seen.flatten(0, 1), faces, PerspectiveCamera(K), WINDOW_PX)
        # The window may reach over the sensor's border, where no camera measures.
        column, row = (torch.arange(WINDOW_PX) + corner[:, axis, None] for axis in (0, 1))
        on_sensor = ((row >= 0) & (row < SENSOR_PX[0]))[:, :, None] & ((column >= 0) & (column < SENSOR_PX[1]))[:, None]
        return (depth * on_sensor).unflatten(0, (-1, views)), K.unflatten(0, (-1, views))

    def _cut_forearm(
        self,
        depth_m: Float[Tensor, "batch views height width"],
        K: Float[Tensor, "batch views 3 3"],
        placed: _PlacedHands,
    ) -> Float[Tensor, "batch views height width"]:
        """Depth without what lies farther beyond the wrist than is left of the arm, as segmented data sets lose it."""
        points, _ = depth_points_m(depth_m.flatten(0, 1), K.flatten(0, 1))
        wrist = self.rig.to_cameras(placed.joints_m[:, :1].float())
        # The hand's +x axis runs from the wrist to the elbow.
        forearm = torch.nn.functional.normalize(placed.to_world[:, :, 0], dim=-1).float()
        axis = (forearm[:, None, None] @ self.rig.rotation)[:, :, 0, :, None]
        beyond = ((points.unflatten(0, depth_m.shape[:2]) - wrist) @ axis)[..., 0].view_as(depth_m)
        return torch.where(beyond > placed.forearm_m.float()[:, None, None, None], 0, depth_m)


def kinect_rig() -> DepthRig:
    """Three cameras around the workspace, 42 degrees apart, each with half a Kinect's resolution; the first is the
    world's frame.
    """
    target = torch.tensor(WORKSPACE_M)
    rotations, places = [], []
    for azimuth, elevation, distance in _CAMERAS_DEG_M:
        a, e = np.radians(azimuth), np.radians(elevation)
        forward = torch.tensor([np.sin(a) * np.cos(e), np.sin(e), np.cos(a) * np.cos(e)]).float()
        right = torch.linalg.cross(torch.tensor([0.0, 1.0, 0.0]), forward)
        right = right / right.norm()
        rotations.append(torch.stack([right, torch.linalg.cross(forward, right), forward], dim=1))
        places.append(target - distance * forward)
    count = len(_CAMERAS_DEG_M)
    centre = (torch.tensor(SENSOR_PX[::-1]).float() - 1) / 2
    camera = PerspectiveCamera.from_focal(torch.full((count, 2), FOCAL_PX), centre.expand(count, 2))
    return DepthRig(camera.K, torch.stack(rotations), torch.stack(places))


@torch.no_grad()
def crop_views(
    depth_m: Float[Tensor, "batch views height width"],
    K: Float[Tensor, "batch views 3 3"],
    rig: DepthRig,
    joints_m: Float[Tensor, "batch 21 3"],
) -> MultiViewBatch:
    """Find the hand in each view by its centre of mass, and crop the cube around it.

    Args:
        depth_m: measured depth, 0 where there is none.
        K: intrinsics of these pictures, px.
        rig: where the cameras stand.
        joints_m: in the world, handed on.

    Raises:
        BadInputError: depth that is not in metres, or a camera without calibration.
    """
    flat, flat_K = depth_m.flatten(0, 1), K.flatten(0, 1)
    usable = usable_pictures(flat)
    # A view without a hand looks at the middle of the workspace, and sees nothing there.
    centre = rig.to_cameras(torch.tensor([[WORKSPACE_M]])).expand(len(depth_m), -1, -1, -1).reshape(-1, 3).clone()
    centre[usable] = centre_of_mass(flat[usable], flat_K[usable])
    crops = crop_cube(flat * usable[:, None, None], flat_K, centre)
    shape = depth_m.shape[:2]
    frames = CubeFrames.of_cameras(rig.rotation[None], rig.translation_m[None], centre.unflatten(0, shape))
    return MultiViewBatch(normalise_depth(crops).unflatten(0, shape), frames, usable.unflatten(0, shape), joints_m)


def nyu_like_joints(joints_m: Float[Tensor, "*batch 21 3"]) -> Float[Tensor, "*batch 14 3"]:
    """14 points that correspond to those which papers score on NYU, from the 21 joints: of each finger its tip and PIP,
    little finger first, the thumb's tip, IP and MCP, the two sides of the wrist, and the palm's centre.
    """
    names = [f"{finger}_{part}" for finger in ("little", "ring", "middle", "index") for part in ("tip", "pip")]
    rows = [JOINT_NAMES.index(name) for name in (*names, "thumb_tip", "thumb_ip", "thumb_mcp")]
    wrist = joints_m[..., 0, :]
    index, middle, ring, little = (
        joints_m[..., JOINT_NAMES.index(f"{f}_mcp"), :] for f in ("index", "middle", "ring", "little")
    )
    half_width = 0.3 * (little - index)
    palm = (2 * wrist + index + middle + ring + little) / 6
    others = torch.stack([wrist + half_width, wrist - half_width, palm], dim=-2)
    return torch.cat([joints_m[..., rows, :], others], dim=-2)
