"""Cameras: how points in metres become points in pixels.

Conventions, the same everywhere in ``handlib``:

* camera frame: OpenCV axes, x right, y down, z forward (away from the viewer), metres. ``handlib.axes`` converts from
  and to OpenGL and pytorch3d;
* pixels: ``(u, v)``, u right, v down, and the *centre* of the top-left pixel is (0, 0). An image of width W therefore
  covers u from -0.5 to W - 0.5, and its middle is (W - 1) / 2;
* every camera is a small frozen dataclass of tensors with a leading batch axis; a batch of 1 broadcasts.

Three models, one interface (:class:`Camera`). With a point ``(x, y, z)``::

    perspective        u = fx x / z + cx              v = fy y / z + cy
    weak perspective   u = s x + tx                   v = s y + ty        (one scale s in px/m)
    orthographic       (u, v) = L (x, y) + o          (any 2x2 matrix L in px/m: may turn and stretch)

Example: with ``fx = 500`` px and ``cx = 112`` px, a point 0.1 m to the right at 1 m depth lands at ``u = 162`` px.
"""

import abc
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import pad

from handlib.errors import BadInputError


def project_perspective(
    points_m: Float[Tensor, "#batch points 3"], K: Float[Tensor, "#batch 3 3"]
) -> Float[Tensor, "#batch points 2"]:
    """Project camera-frame points (m) through the intrinsics ``K`` (px): ``K X`` divided by the depth z.

    ``K`` has the last row (0, 0, 1) and need not be upper triangular (a crop that turns the image fills it). A point at
    or behind the camera's plane (z <= 0) has no image: it comes back as NaN, never as the mirrored pixel that the bare
    formula would give. Hartley & Zisserman, "Multiple View Geometry", 2nd ed., section 6.1.
    """
    depth = points_m[..., 2:]
    in_front = depth > 0
    # The inner `where` keeps 1/0 out of the backward pass; the outer one marks the missing image.
    normalised = points_m[..., :2] / torch.where(in_front, depth, torch.ones_like(depth))
    pixels = normalised @ K[:, :2, :2].mT + K[:, None, :2, 2]
    return torch.where(in_front, pixels, torch.nan)


def unproject_perspective(
    pixels: Float[Tensor, "#batch points 2"],
    depth_m: Float[Tensor, "#batch points"],
    K: Float[Tensor, "#batch 3 3"],
) -> Float[Tensor, "#batch points 3"]:
    """Inverse of :func:`project_perspective`; ``depth_m`` is z, along the optical axis, not along the ray."""
    # Inverting the 2x2 block alone also serves turned cameras, whose K is not upper triangular.
    normalised = (pixels - K[:, None, :2, 2]) @ torch.linalg.inv(K[:, :2, :2]).mT
    return pad(normalised, (0, 1), value=1.0) * depth_m[..., None]


def project_parallel(
    points_m: Float[Tensor, "#batch points 3"],
    linear: Float[Tensor, "#batch 2 2"],
    offset: Float[Tensor, "#batch 2"],
) -> Float[Tensor, "#batch points 2"]:
    """Parallel projection: drop z, then ``linear (x, y) + offset``; ``linear`` in px/m, ``offset`` in px."""
    return points_m[..., :2] @ linear.mT + offset[:, None]


def unproject_parallel(
    pixels: Float[Tensor, "#batch points 2"],
    depth_m: Float[Tensor, "#batch points"],
    linear: Float[Tensor, "#batch 2 2"],
    offset: Float[Tensor, "#batch 2"],
) -> Float[Tensor, "#batch points 3"]:
    """Inverse of :func:`project_parallel` for a known z (m)."""
    xy = (pixels - offset[:, None]) @ torch.linalg.inv(linear).mT
    return pad(xy, (0, 1)) + pad(depth_m[..., None], (2, 0))


def weak_perspective_to_translation(
    scale: Float[Tensor, "#batch"], translation: Float[Tensor, "#batch 2"], K: Float[Tensor, "#batch 3 3"]
) -> Float[Tensor, "#batch 3"]:
    """Where (m) a perspective camera ``K`` must see a root-centred hand to agree with a weak-perspective camera.

    ``z = f / s``, ``(x, y) = (t - c) / s``: equal at the root's depth, to first order elsewhere, for square pixels (the
    focal length is the mean of fx and fy). What is behind "depth up to the assumed focal length".
    """
    # Equate s x + t with f (x + X) / Z + c and compare the coefficients of x, then what is left.
    depth = (K[:, 0, 0] + K[:, 1, 1]) / 2 / scale
    return torch.cat([(translation - K[:, :2, 2]) / scale[:, None], depth[:, None]], dim=-1)


class Camera(abc.ABC):
    """What every camera can do. Points are in the camera's frame (m), pixels count from the top-left pixel's centre."""

    is_perspective: bool

    @abc.abstractmethod
    def project(self, points_m: Float[Tensor, "#batch points 3"]) -> Float[Tensor, "#batch points 2"]:
        """Points (m) to pixels."""

    @abc.abstractmethod
    def unproject(
        self, pixels: Float[Tensor, "#batch points 2"], depth_m: Float[Tensor, "#batch points"]
    ) -> Float[Tensor, "#batch points 3"]:
        """Pixels and their z (m) to points (m)."""

    @abc.abstractmethod
    def transform(self, affine: Float[Tensor, "#batch 2 3"]) -> "Camera":
        """The camera of the picture that ``affine`` (old pixels to new pixels, see ``handlib.crops``) makes."""

    @abc.abstractmethod
    def mirror(self, width_px: int) -> "Camera":
        """The camera of the left-right flipped picture, for points whose x was negated (a hand of the other side)."""

    def depth_of(self, points_m: Float[Tensor, "batch points 3"]) -> Float[Tensor, "batch points"]:
        """Distance along the optical axis (z, m): what a depth picture holds and what orders surfaces."""
        return points_m[..., 2]

    def to(self, *args: Any, **kwargs: Any) -> "Camera":
        """Copy on another device or in another dtype; arguments as for ``Tensor.to``."""
        return replace(self, **{f.name: getattr(self, f.name).to(*args, **kwargs) for f in fields(self)})

    def __len__(self) -> int:
        """Number of cameras in the batch."""
        return len(getattr(self, fields(self)[0].name))

    def __getitem__(self, index: int | slice | Tensor) -> "Camera":
        """Some cameras of the batch; an int gives a batch of one."""
        # `or None`: camera[-1] would otherwise ask for the empty slice -1:0.
        rows = slice(index, index + 1 or None) if isinstance(index, int) else index
        return replace(self, **{f.name: getattr(self, f.name)[rows] for f in fields(self)})


@dataclass(frozen=True, eq=False)
class PerspectiveCamera(Camera):
    """Pinhole camera with intrinsics ``K`` (B, 3, 3) in pixels, last row (0, 0, 1).

    Raises ``BadInputError`` where ``K`` is not such a matrix, has a zero focal length, or mirrors (one negative focal
    length: data with y up should be converted by ``handlib.axes`` instead).
    """

    K: Float[Tensor, "batch 3 3"]
    is_perspective = True

    def __post_init__(self) -> None:
        """Refuse what is no matrix of intrinsics."""
        _require_shape(self.K, "K", "(batch, 3, 3)", self.K.ndim == 3 and self.K.shape[1:] == (3, 3))
        # Exact comparison on purpose: a last row that is nearly (0, 0, 1) comes from a mistake, not from rounding.
        if not torch.equal(self.K[:, 2].detach(), self.K.new_tensor([[0.0, 0.0, 1.0]]).expand(len(self.K), 3)):
            raise BadInputError(
                f"K: the last row must be (0, 0, 1), met {self.K[:1, 2].tolist()}. "
                "Divide K by its last element, or transpose it if it was stored column by column."
            )
        _require_orientation(self.K[:, :2, :2], "K")

    @classmethod
    def from_focal(cls, focal_px: Float[Tensor, "batch 2"], centre_px: Float[Tensor, "batch 2"]) -> "PerspectiveCamera":
        """From the focal lengths ``(fx, fy)``, positive, and the principal point ``(cx, cy)``, all in pixels."""
        if not bool((focal_px > 0).all()):
            raise BadInputError(f"focal_px: focal lengths must be positive pixels, met {focal_px[:4].tolist()}.")
        last_row = focal_px.new_tensor([[[0.0, 0.0, 1.0]]]).expand(len(focal_px), 1, 3)
        return cls(torch.cat([torch.cat([focal_px.diag_embed(), centre_px[:, :, None]], dim=-1), last_row], dim=1))

    def project(self, points_m: Float[Tensor, "#batch points 3"]) -> Float[Tensor, "#batch points 2"]:
        """See :func:`project_perspective`; NaN where z <= 0."""
        return project_perspective(points_m, self.K)

    def unproject(
        self, pixels: Float[Tensor, "#batch points 2"], depth_m: Float[Tensor, "#batch points"]
    ) -> Float[Tensor, "#batch points 3"]:
        """See :func:`unproject_perspective`."""
        return unproject_perspective(pixels, depth_m, self.K)

    def transform(self, affine: Float[Tensor, "#batch 2 3"]) -> "PerspectiveCamera":
        """``K' = [A; 0 0 1] K``, exact for every affine that does not mirror (see :meth:`mirror` for those that do).

        ``K'`` stays upper triangular unless the affine turns the image; ``handlib.crops.split_in_plane_rotation`` then
        moves the turn from ``K'`` to the 3D points.
        """
        last_row = affine.new_tensor([[[0.0, 0.0, 1.0]]]).expand(len(affine), 1, 3)
        return replace(self, K=torch.cat([affine, last_row], dim=1) @ self.K)

    def mirror(self, width_px: int) -> "PerspectiveCamera":
        """``cx`` becomes ``width - 1 - cx``."""
        linear, offset = _mirror_parallel(self.K[:, :2, :2], self.K[:, :2, 2], width_px)
        return replace(self, K=torch.cat([torch.cat([linear, offset[..., None]], dim=-1), self.K[:, 2:]], dim=1))


@dataclass(frozen=True, eq=False)
class WeakPerspectiveCamera(Camera):
    """Scaled orthographic camera of Boukhayma et al. (CVPR 2019) and SeqHAND (ECCV 2020): ``(u, v) = s (x, y) + t``.

    ``scale`` (B,) in px/m, positive; ``translation`` (B, 2) in px. It knows no absolute depth: z only orders surfaces.
    """

    scale: Float[Tensor, "batch"]
    translation: Float[Tensor, "batch 2"]
    is_perspective = False

    def __post_init__(self) -> None:
        """Refuse a scale that is not positive."""
        _require_shape(self.scale, "scale", "(batch,)", self.scale.ndim == 1)
        _require_shape(self.translation, "translation", "(batch, 2)", self.translation.shape == (len(self.scale), 2))
        if not bool((self.scale > 0).all()):
            raise BadInputError(f"scale: must be positive px/m, met {self.scale[:4].tolist()}.")

    def to_orthographic(self) -> "OrthographicCamera":
        """The same camera with a full 2x2 matrix, on which any crop can act."""
        return OrthographicCamera(self.scale[:, None, None] * torch.eye(2).to(self.scale), self.translation)

    def project(self, points_m: Float[Tensor, "#batch points 3"]) -> Float[Tensor, "#batch points 2"]:
        """``s (x, y) + t``, whatever z."""
        return points_m[..., :2] * self.scale[:, None, None] + self.translation[:, None]

    def unproject(
        self, pixels: Float[Tensor, "#batch points 2"], depth_m: Float[Tensor, "#batch points"]
    ) -> Float[Tensor, "#batch points 3"]:
        """``((u, v) - t) / s``, with z as given."""
        return self.to_orthographic().unproject(pixels, depth_m)

    def transform(self, affine: Float[Tensor, "#batch 2 3"]) -> "WeakPerspectiveCamera":
        """Exact for crops that shift and scale; raises ``BadInputError`` for one that turns, mirrors or stretches."""
        scale = affine[:, 0, 0]
        uniform = scale[:, None, None] * torch.eye(2).to(affine)
        # Relative to the zoom: a float32 crop affine is exact to about 1e-7 of its own entries.
        if not torch.allclose(affine[:, :, :2], uniform, rtol=0.0, atol=1e-5 * float(affine[:, :, :2].abs().max())):
            raise BadInputError(
                f"affine: {affine[0].tolist()} turns, mirrors or stretches the image, which one scale cannot follow. "
                "Use camera.to_orthographic().transform(affine), or turn the 3D points instead."
            )
        return replace(
            self,
            scale=scale * self.scale,
            translation=scale[:, None] * self.translation + affine[:, :, 2],
        )

    def mirror(self, width_px: int) -> "WeakPerspectiveCamera":
        """``tx`` becomes ``width - 1 - tx``."""
        x, y = self.translation.unbind(-1)
        return replace(self, translation=torch.stack([width_px - 1 - x, y], dim=-1))


@dataclass(frozen=True, eq=False)
class OrthographicCamera(Camera):
    """General parallel camera: ``(u, v) = linear (x, y) + offset``, ``linear`` (B, 2, 2) px/m, ``offset`` (B, 2) px."""

    linear: Float[Tensor, "batch 2 2"]
    offset: Float[Tensor, "batch 2"]
    is_perspective = False

    def __post_init__(self) -> None:
        """Refuse a matrix that flattens or mirrors the image."""
        _require_shape(self.linear, "linear", "(batch, 2, 2)", self.linear.shape[1:] == (2, 2))
        _require_shape(self.offset, "offset", "(batch, 2)", self.offset.shape == (len(self.linear), 2))
        _require_orientation(self.linear, "linear")

    @classmethod
    def from_box(
        cls, centre_m: Float[Tensor, "batch 2"], side_m: Float[Tensor, "batch"], image_px: int
    ) -> "OrthographicCamera":
        """Camera whose square picture covers, edge to edge, a square of side ``side_m`` around ``centre_m``."""
        scale = image_px / side_m  # (batch,) px/m; edge to edge, so image_px and not image_px - 1
        linear = scale[:, None, None] * torch.eye(2).to(centre_m)
        return cls(linear, (image_px - 1) / 2 - scale[:, None] * centre_m)

    def project(self, points_m: Float[Tensor, "#batch points 3"]) -> Float[Tensor, "#batch points 2"]:
        """See :func:`project_parallel`."""
        return project_parallel(points_m, self.linear, self.offset)

    def unproject(
        self, pixels: Float[Tensor, "#batch points 2"], depth_m: Float[Tensor, "#batch points"]
    ) -> Float[Tensor, "#batch points 3"]:
        """See :func:`unproject_parallel`."""
        return unproject_parallel(pixels, depth_m, self.linear, self.offset)

    def transform(self, affine: Float[Tensor, "#batch 2 3"]) -> "OrthographicCamera":
        """Exact for every affine that does not mirror."""
        linear = affine[:, :, :2] @ self.linear
        offset = (affine[:, :, :2] @ self.offset[..., None])[..., 0] + affine[:, :, 2]
        return replace(self, linear=linear, offset=offset)

    def mirror(self, width_px: int) -> "OrthographicCamera":
        """``offset_x`` becomes ``width - 1 - offset_x``; the off-diagonal elements change sign."""
        linear, offset = _mirror_parallel(self.linear, self.offset, width_px)
        return replace(self, linear=linear, offset=offset)


def _mirror_parallel(linear: Tensor, offset: Tensor, width_px: int) -> tuple[Tensor, Tensor]:
    """``F (L, o) M`` for the image flip F (u -> width - 1 - u) and the scene flip M (x -> -x)."""
    signs = linear.new_tensor([[1.0, -1.0], [-1.0, 1.0]])
    return linear * signs, torch.stack([width_px - 1 - offset[:, 0], offset[:, 1]], dim=-1)


def _require_shape(value: Tensor, name: str, expected: str, fits: bool) -> None:
    if not isinstance(value, Tensor) or not value.is_floating_point():
        met = value.dtype if isinstance(value, Tensor) else type(value).__name__
        raise BadInputError(f"{name}: {met}, expected a tensor of floats. Convert it by torch.as_tensor(x).float().")
    if not fits:
        raise BadInputError(f"{name}: shape {tuple(value.shape)}, expected {expected}. Add the batch axis with [None].")
    if not bool(torch.isfinite(value).all()):
        raise BadInputError(f"{name}: holds NaN or infinity; a camera needs finite numbers.")


def _require_orientation(linear: Tensor, name: str) -> None:
    """Both focal lengths positive, or the same turned: the determinant tells them from zero or one flipped axis."""
    determinant = linear[:, 0, 0] * linear[:, 1, 1] - linear[:, 0, 1] * linear[:, 1, 0]
    if not bool((determinant > 0).all()):
        worst = int(determinant.argmin())
        raise BadInputError(
            f"{name}[{worst}]: {linear[worst].tolist()} has a zero or a negative focal length. Focal lengths "
            "are positive pixels; convert y-up data by handlib.axes, flip pictures by camera.mirror(width)."
        )
