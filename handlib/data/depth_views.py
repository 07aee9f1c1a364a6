"""Several calibrated depth cameras around one hand: cubes, cameras and the world that they share.

Frames: *cube* (origin in the middle of a view's crop, see :mod:`handlib.data.depth_cube`), *camera* (OpenCV axes) and
*world*. A cube has its camera's axes, so one rotation and one origin take a view's cube to the world. Metres.
"""

from dataclasses import dataclass, fields

import roma
import torch
from jaxtyping import Float
from torch import Tensor

from handlib.errors import BadInputError


@dataclass(frozen=True, eq=False)
class CubeFrames:
    """Where the cubes of a batch of views lie in the world: ``world = rotation @ cube + origin``.

    Attributes:
        rotation: cube (and camera) axes in the world.
        origin_m: the cubes' middles in the world.

    Raises ``BadInputError`` for a view that has no calibration (NaN) or whose matrix is no rotation.
    """

    rotation: Float[Tensor, "batch views 3 3"]
    origin_m: Float[Tensor, "batch views 3"]

    def __post_init__(self) -> None:
        """Refuse views without calibration."""
        require_calibration(self.rotation.flatten(0, 1), self.origin_m.flatten(0, 1), views=self.rotation.shape[1])

    @classmethod
    def of_cameras(
        cls,
        rotation: Float[Tensor, "#batch views 3 3"],
        translation_m: Float[Tensor, "#batch views 3"],
        centre_m: Float[Tensor, "batch views 3"],
    ) -> "CubeFrames":
        """From ``world = rotation @ camera + translation`` and the cubes' middles in each camera's frame."""
        origin = (rotation @ centre_m[..., None])[..., 0] + translation_m
        return cls(rotation.expand(*origin.shape[:2], 3, 3), origin)

    def to_world(self, points_m: Float[Tensor, "batch views points 3"]) -> Float[Tensor, "batch views points 3"]:
        """Each view's points (its own cube frame) in the world: the paper's T_v of Eq. 12."""
        return points_m @ self.rotation.mT + self.origin_m[:, :, None]

    def from_world(self, points_m: Float[Tensor, "batch #views points 3"]) -> Float[Tensor, "batch views points 3"]:
        """World points in every view's cube frame; one set of points for all views, or one a view."""
        return (points_m - self.origin_m[:, :, None]) @ self.rotation

    def between(self, points_m: Float[Tensor, "batch views points 3"]) -> Float[Tensor, "batch views views points 3"]:
        """Points of each view in every view's cube: ``[:, i, j]`` is what view i says, in the cube of view j."""
        world = self.to_world(points_m)[:, :, None]
        return (world - self.origin_m[:, None, :, None]) @ self.rotation[:, None]

    def to(self, device: torch.device | str) -> "CubeFrames":
        """The frames on another device."""
        return CubeFrames(**{field.name: getattr(self, field.name).to(device) for field in fields(self)})

    def __getitem__(self, rows: slice | Tensor) -> "CubeFrames":
        """Some rows of the batch."""
        return CubeFrames(self.rotation[rows], self.origin_m[rows])


def require_calibration(
    rotation: Float[Tensor, "count 3 3"], translation_m: Float[Tensor, "count 3"], views: int
) -> None:
    """Refuse a view whose place is unknown: ``BadInputError`` with the view's number, rows running over the views."""
    known = torch.isfinite(rotation).all(-1).all(-1) & torch.isfinite(translation_m).all(-1)
    if not bool(known.all()):
        view = int((~known).nonzero()[0]) % views
        raise BadInputError(
            f"view {view} has no calibration (its rotation or translation is not finite): calibrate it, for instance "
            "by calibrate_views on points that two cameras see, or leave it out"
        )
    square = rotation @ rotation.mT - torch.eye(3).to(rotation)
    wrong = (square.abs().amax((-1, -2)) > 1e-3) | (torch.linalg.det(rotation) < 0)
    if bool(wrong.any()):
        view = int(wrong.nonzero()[0]) % views
        raise BadInputError(f"view {view}: its matrix is no rotation: {rotation[int(wrong.nonzero()[0])].tolist()}")


def calibrate_views(
    points_m: Float[Tensor, "views points 3"],
) -> tuple[Float[Tensor, "views 3 3"], Float[Tensor, "views 3"]]:
    """Rotation and translation from each camera's frame to the first's, from points that all of them saw.

    The least-squares rigid motion (Kabsch 1976; roma), without scale and without reflection. Wan et al. use the
    annotation of NYU for this and for nothing else: "We apply the ground-truth annotation only to calculate camera
    extrinsics" (Section 4).

    Raises:
        BadInputError: fewer than 3 points, or points that are not finite.
    """
    if points_m.shape[1] < 3 or not bool(torch.isfinite(points_m).all()):
        raise BadInputError(
            f"points_m has shape {tuple(points_m.shape)} or holds NaN: expected at least 3 finite points a view"
        )
    rotation, translation = roma.rigid_points_registration(points_m, points_m[:1].expand_as(points_m))
    return rotation, translation
