"""Where to start: the poses of a library that look most like the detected keypoints.

An optimiser that starts from one flat hand ends in the wrong one of many minima: a picture hides depth, so that a
finger that bends toward the camera and one that bends away from it have the same keypoints. Here many plausible poses
are seen from many directions, once; the views most like a detection are found by one matrix product, and become the
starts.

Two sets of 2D points are compared up to a similarity of the picture (place, size and turn about the optical axis).
With points as complex numbers, centred and of unit norm, the best turn and size leave the squared residual
``1 - |<a, b>|^2``.
"""

from dataclasses import dataclass

import roma
import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor

from handlib.errors import BadInputError
from handlib.hand.model import HandModel

_BLOCK = 128


@dataclass(frozen=True)
class PoseLibrary:
    """Plausible poses, each seen from many directions under parallel projection.

    Attributes:
        angles: (poses, 15, 3) anatomical angles, radians.
        views: (views, 3, 3) rotations, model to camera frame, without a turn about the optical axis.
        joints_m: (poses, 21, 3) joints of the mean shape in the model's frame, wrist at the origin.
        signatures: (poses * views, 21) complex, centred, unit norm: what each looks like; pose-major.
    """

    angles: Float[Tensor, "poses 15 3"]
    views: Float[Tensor, "views 3 3"]
    joints_m: Float[Tensor, "poses 21 3"]
    signatures: Complex[Tensor, "entries 21"]

    @classmethod
    def build(
        cls,
        model: HandModel,
        axis_angle: Float[Tensor, "poses 45"],
        angles: Float[Tensor, "poses 15 3"],
        num_views: int = 128,
    ) -> "PoseLibrary":
        """See every pose from ``num_views`` directions spread evenly over the sphere.

        Args:
            model: the hand; its mean shape is used.
            axis_angle: (poses, 45) the poses, radians.
            angles: (poses, 15, 3) the same poses in anatomical angles, radians.
            num_views: directions.
        """
        views = look_from(fibonacci_sphere(num_views).to(axis_angle))
        with torch.no_grad():
            joints = model(axis_angle, axis_angle.new_zeros(len(axis_angle), model.num_shape)).joints
        joints = joints - joints[:, :1]
        seen = torch.einsum("vij,pkj->pvki", views[:, :2], joints)
        return cls(angles, views, joints, signature(seen.flatten(0, 1)))

    def nearest(
        self,
        keypoints_px: Float[Tensor, "batch 21 2"],
        confidence: Float[Tensor, "batch 21"],
        starts: int,
    ) -> tuple[Int[Tensor, "batch starts"], Float[Tensor, "batch starts 3 3"]]:
        """The entries that look most like each detection, in turn from either half of the sphere of views.

        Args:
            keypoints_px: detected joints, px.
            confidence: 0..1; joints count by it.
            starts: how many entries to return for each hand.

        Returns:
            the poses' rows in ``angles``, and the rotations from the model to the camera frame, the turn about the
            optical axis included.

        Raises:
            BadInputError: more starts are asked for than there are entries, or none.
        """
        if not 1 <= starts <= len(self.signatures):
            raise BadInputError(f"starts is {starts}: expected 1 to {len(self.signatures)}, the library's entries")
        # A block at a time: a batch of hands against every entry would fill the memory.
        blocks = [
            self._nearest(points, trust, starts)
            for points, trust in zip(keypoints_px.split(_BLOCK), confidence.split(_BLOCK), strict=True)
        ]
        poses, rotations = zip(*blocks, strict=True)
        return torch.cat(poses), torch.cat(rotations)

    def _nearest(self, keypoints_px: Tensor, confidence: Tensor, starts: int) -> tuple[Tensor, Tensor]:
        weight = confidence / confidence.sum(-1, keepdim=True).clamp(min=1e-9)
        wanted = as_complex(keypoints_px)
        wanted = wanted - (weight * wanted).sum(-1, keepdim=True)
        wanted = wanted / (weight * wanted.abs().square()).sum(-1, keepdim=True).sqrt().clamp(min=1e-9)
        entries = self.signatures
        mean = weight.to(entries.dtype) @ entries.T
        power = weight @ entries.abs().square().T - mean.abs().square()
        product = (weight * wanted.conj()) @ entries.T
        likeness = product.abs() / power.clamp(min=1e-9).sqrt()
        chosen = self._diverse(likeness, starts)
        turn = product.gather(1, chosen).conj().angle()
        zeros = torch.zeros_like(turn)
        about_axis = roma.rotvec_to_rotmat(torch.stack([zeros, zeros, turn], dim=-1))
        poses, views = chosen // len(self.views), chosen % len(self.views)
        return poses, about_axis @ self.views[views]

    def _diverse(self, likeness: Float[Tensor, "batch entries"], starts: int) -> Int[Tensor, "batch starts"]:
        """The best entries of either half-space of views in turn, so that both depth flips get a start."""
        front = (self.views[:, 2, 1] > 0).repeat(len(self.angles))
        best = [torch.where(half, likeness, -1.0).topk((starts + 1) // 2, dim=1).indices for half in (front, ~front)]
        return torch.stack(best, dim=-1).flatten(1)[:, :starts]


def as_complex(points: Float[Tensor, "*batch 2"]) -> Complex[Tensor, "*batch"]:
    """2D points as complex numbers ``u + i v``."""
    return torch.complex(points[..., 0], points[..., 1])


def signature(points: Float[Tensor, "batch 21 2"]) -> Complex[Tensor, "batch 21"]:
    """Points as complex numbers, centred on their mean and scaled to unit norm."""
    z = as_complex(points)
    z = z - z.mean(-1, keepdim=True)
    return z / z.abs().square().sum(-1, keepdim=True).sqrt().clamp(min=1e-9)


def fibonacci_sphere(count: int) -> Float[Tensor, "count 3"]:
    """Directions spread almost evenly over the unit sphere.

    Source: Swinbank & Purser 2006, Fibonacci grids, https://doi.org/10.1256/qj.05.227
    """
    index = torch.arange(count, dtype=torch.float64)
    z = 1 - (2 * index + 1) / count
    azimuth = index * (torch.pi * (3 - 5**0.5))
    radius = (1 - z.square()).sqrt()
    return torch.stack([radius * azimuth.cos(), radius * azimuth.sin(), z], dim=-1)


def look_from(directions: Float[Tensor, "views 3"]) -> Float[Tensor, "views 3 3"]:
    """Rotations, model to camera, that bring each direction of the model's frame onto the camera's forward axis z."""
    forward = torch.nn.functional.normalize(directions, dim=-1)
    # Any vector that is not parallel to `forward` completes the frame; the turn that it leaves open is solved later.
    helper = torch.eye(3).to(forward)[forward.abs().argmin(-1)]
    right = torch.nn.functional.normalize(torch.linalg.cross(helper, forward), dim=-1)
    down = torch.linalg.cross(forward, right)
    return torch.stack([right, down, forward], dim=-2)
