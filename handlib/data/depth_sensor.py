"""What a structured-light depth camera (Kinect, PrimeSense) makes of the true depth: noise, steps, holes, false edges.

A camera of this kind finds depth by how far a projected pattern is displaced, so its error grows with the square of the
distance, and where the pattern is stretched (grazing surfaces) or broken (outlines) there is no depth or a wrong one.
Sources: Khoshelham & Elberink 2012, "Accuracy and resolution of Kinect depth data", https://doi.org/10.3390/s120201437;
Nguyen, Izadi & Lovell 2012, "Modeling Kinect sensor noise for improved 3D reconstruction and tracking",
https://doi.org/10.1109/3DIMPVT.2012.84.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import max_pool2d, pad

from handlib.camera import unproject_perspective
from handlib.data.depth_cube import pixel_grid

KINECT_FOCAL_PX = 588.0
"""Of the 640 x 480 picture; noise that is stated in its pixels is scaled by the focal length of the one at hand."""


@dataclass(frozen=True)
class DepthSensor:
    """How bad the camera is; the defaults are those of the sources named above where they give numbers.

    Attributes:
        noise: a multiple of :func:`axial_sigma_m` and :func:`lateral_sigma_px`.
        drop_angle_deg: from the first to the second angle between ray and normal, ever more pixels have no depth.
        edge_m: a step in depth that counts as an outline.
        edge_drop: share of the pixels along outlines that have no depth.
        flying: share of the pixels along outlines that lie between the two surfaces.
        patch_drop: share of the hand lost in patches, as on dark or shiny skin.
    """

    noise: float = 1.0
    drop_angle_deg: tuple[float, float] = (65.0, 85.0)
    edge_m: float = 0.02
    edge_drop: float = 0.25
    flying: float = 0.1
    patch_drop: float = 0.01


def axial_sigma_m(
    depth_m: Float[Tensor, "*shape"], angle: Float[Tensor, "*shape"] | None = None
) -> Float[Tensor, "*shape"]:
    """Standard deviation (m) of a measured depth: ``1.2 mm + 1.9 mm (z - 0.4 m)^2 / m^2``, more on grazing surfaces.

    Nguyen et al. 2012, Eq. 3: the second term is ``1e-4 / sqrt(z) theta^2 / (pi / 2 - theta)^2`` and counts beyond 60
    degrees; ``angle`` is theta, between ray and normal, radians.
    """
    sigma = 0.0012 + 0.0019 * (depth_m - 0.4).square()
    if angle is None:
        return sigma
    grazing = 1e-4 / depth_m.clamp(min=0.1).sqrt() * (angle / (math.pi / 2 - angle).clamp(min=0.05)).square()
    return sigma + torch.where(angle > math.pi / 3, grazing, 0)


def lateral_sigma_px(angle: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Standard deviation (px of the 640 x 480 picture) of where a pixel looks (Nguyen et al. 2012, Eq. 1)."""
    return 0.8 + 0.035 * angle / (math.pi / 2 - angle).clamp(min=0.05)


def depth_step_m(depth_m: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Distance (m) between neighbouring depths that the camera can tell apart: ``2.85 mm z^2 / m^2`` (Khoshelham &
    Elberink 2012, Section 3.3).
    """
    return 2.85e-3 * depth_m.square()


def quantise_depth(depth_m: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Round to the depths that exist, which are equally spaced in 1 / z, as disparities are; 0 stays 0."""
    # 1 / z in steps of c is z in steps of c z^2.
    step = 2.85e-3
    measured = depth_m > 0
    disparity = (1 / torch.where(measured, depth_m, 1) / step).round().clamp(min=1)
    return torch.where(measured, 1 / (disparity * step), 0)


def view_angles(
    depth_m: Float[Tensor, "batch height width"], K: Float[Tensor, "batch 3 3"]
) -> Float[Tensor, "batch height width"]:
    """Angle (radians, 0 to pi / 2) between each pixel's ray and the normal of the surface that it sees.

    Normals come from differences of neighbouring points, as they would from a real picture; 0 where nothing is.
    """
    height, width = depth_m.shape[1:]
    grid = pixel_grid(height, width).to(depth_m)[None]
    points = unproject_perspective(grid, depth_m.flatten(1), K).unflatten(1, (height, width))
    along_u = pad(points[:, :, 1:] - points[:, :, :-1], (0, 0, 0, 1))
    along_v = pad(points[:, 1:] - points[:, :-1], (0, 0, 0, 0, 0, 1))
    # The smaller of the steps to either side stays on the surface where the other one leaves it.
    along_u = _smaller(along_u, along_u.roll(1, 2))
    along_v = _smaller(along_v, along_v.roll(1, 1))
    normal = torch.linalg.cross(along_u, along_v)
    facing = (normal * points).sum(-1).abs() / (normal.norm(dim=-1) * points.norm(dim=-1)).clamp(min=1e-12)
    return torch.where(depth_m > 0, facing.clamp(0, 1).acos(), 0)


def outline_pixels(
    depth_m: Float[Tensor, "batch height width"], edge_m: float
) -> tuple[Bool[Tensor, "batch height width"], Float[Tensor, "batch height width"]]:
    """Pixels of a surface next to a step in depth or to nothing, and the farthest depth (m) around them."""
    # Nothing is far behind: half a metre, as a room's wall would be.
    filled = torch.where(depth_m > 0, depth_m, depth_m.amax((1, 2), keepdim=True) + 0.5)
    farthest = max_pool2d(filled[:, None], 3, stride=1, padding=1)[:, 0]
    return (depth_m > 0) & (farthest - depth_m > edge_m), farthest


def measure_depth(
    depth_m: Float[Tensor, "batch height width"],
    K: Float[Tensor, "batch 3 3"],
    streams: Sequence[np.random.Generator],
    sensor: DepthSensor | None = None,
) -> Float[Tensor, "batch height width"]:
    """The picture that the camera would give of the true depth (m, 0 = nothing).

    In the order in which it happens: pixels look beside themselves, outlines and grazing surfaces are lost or mixed
    with what is behind, depth is disturbed and rounded.

    Args:
        depth_m: true depth.
        K: intrinsics, px.
        streams: one generator a picture, used up from where it stands.
        sensor: the camera; None is the default one.
    """
    sensor = DepthSensor() if sensor is None else sensor
    batch, height, width = depth_m.shape
    normal, uniform, patches = (
        torch.as_tensor(np.stack(part)) for part in zip(*map(_numbers, streams, [(height, width)] * batch), strict=True)
    )
    normal, uniform, patches = normal.to(depth_m), uniform.to(depth_m), patches.to(depth_m)
    angle = view_angles(depth_m, K)
    outline, behind = outline_pixels(depth_m, sensor.edge_m)

    first, last = (math.radians(degrees) for degrees in sensor.drop_angle_deg)
    lost = uniform[:, 0] < (angle - first) / (last - first)
    lost |= outline & (uniform[:, 1] < sensor.edge_drop)
    lost |= patches < float(torch.special.ndtri(torch.tensor(sensor.patch_drop, dtype=torch.float64)))
    flies = outline & (uniform[:, 1] > 1 - sensor.flying)
    # Flying pixels seldom come far: the correlation window sees mostly one of the two surfaces.
    mixed = depth_m + uniform[:, 2].square() * (behind - depth_m).clamp(max=0.15)
    disturbed = torch.where(flies, mixed, depth_m)
    disturbed = disturbed + sensor.noise * axial_sigma_m(disturbed, angle) * normal[:, 0]
    measured = torch.where(lost | (depth_m == 0), 0, quantise_depth(disturbed))

    zoom = K[:, 0, 0] / KINECT_FOCAL_PX
    beside = sensor.noise * zoom[:, None, None, None] * lateral_sigma_px(angle)[:, None] * normal[:, 1:]
    u, v = pixel_grid(height, width).to(depth_m).T.unflatten(1, (height, width))
    column = (u + beside[:, 0]).round().long().clamp(0, width - 1)
    row = (v + beside[:, 1]).round().long().clamp(0, height - 1)
    return measured.flatten(1).gather(1, (row * width + column).flatten(1)).unflatten(1, (height, width))


def _numbers(stream: np.random.Generator, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Standard normal numbers (3 a pixel), uniform ones (3 a pixel), and normal ones that are smooth over 8 pixels."""
    normal = stream.standard_normal((3, *size), dtype=np.float32)
    uniform = stream.random((3, *size), dtype=np.float32)
    coarse = stream.standard_normal((-(-size[0] // 8), -(-size[1] // 8)), dtype=np.float32)
    return normal, uniform, coarse.repeat(8, 0).repeat(8, 1)[: size[0], : size[1]]


def _smaller(a: Float[Tensor, "*shape 3"], b: Float[Tensor, "*shape 3"]) -> Float[Tensor, "*shape 3"]:
    """Of two vectors the shorter one that is not zero."""
    length_a, length_b = (x.square().sum(-1, keepdim=True) for x in (a, b))
    return torch.where((length_b == 0) | ((length_a > 0) & (length_a <= length_b)), a, b)
