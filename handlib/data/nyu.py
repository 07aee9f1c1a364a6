"""NYU Hand Pose Dataset: three depth cameras around one hand (Tompson et al., ACM TOG 2014), in its official format.

Layout (https://jonathantompson.github.io/NYU_Hand_Pose_Dataset.htm)::

    {train,test}/depth_k_0000001.png   view k = 1, 2, 3; depth in mm, high byte in green, low byte in blue; 640 x 480
    {train,test}/rgb_k_0000001.png     colour, warped onto the depth picture
    {train,test}/joint_data.mat        joint_uvd and joint_xyz (3, frames, 36, 3): px, px, mm, and mm with y up

Files count frames and views from 1, arrays from 0. There are 72,757 training and 8,252 test frames of three views each;
papers score the test frames of view 1. The whole person is in the picture, and no camera pose comes with it.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor

from handlib.data.depth_codes import join_bytes, split_bytes
from handlib.data.depth_cube import FEWEST_PIXELS
from handlib.data.depth_target import DepthRig, MultiViewBatch, crop_views
from handlib.data.depth_views import calibrate_views
from handlib.data.images import read_image, read_stored_pixels
from handlib.data.label_cache import ArrayWriter, cached_labels
from handlib.data.mat_files import read_mat_array
from handlib.data.official import OfficialDataset, OnBad, check_choice, joint_faults, numbers
from handlib.data.sample import Sample
from handlib.errors import BadInputError
from handlib.metrics.protocols.nyu import NYU_CX_PX, NYU_CY_PX, NYU_FX_PX, NYU_FY_PX, uvd_to_xyz_mm
from handlib.render.spheres import CUBE_M
from handlib.skeleton import reorder_joints

NYU_VIEWS, NYU_HW = 3, (480, 640)
NYU_K: Float32[np.ndarray, "3 3"] = np.array(
    [[NYU_FX_PX, 0, NYU_CX_PX], [0, NYU_FY_PX, NYU_CY_PX], [0, 0, 1]], np.float32
)
"""Intrinsics of each of the three depth cameras, px, as the evaluation takes them."""

_CALIBRATION_FRAMES = 50


class Nyu(OfficialDataset):
    """NYU, one split, one or all views: samples with ``image``, ``depth_m``, ``K``, ``joints_m``, ``joints_2d_px``.

    The 21 joints are those of the 36 with our names; they lie in NYU's own hand model. Where the colour pictures are
    not there, ``image`` is grey, brighter where nearer.
    """

    name = "nyu"
    splits = ("train", "test")
    landmarks = ("train/joint_data.mat", "test/joint_data.mat")
    remedy = "unpack nyu_hand_dataset_v2.zip again and give its folder 'dataset'"

    def __init__(
        self, root: str | Path | None = None, split: str = "train", *, view: str = "1", on_bad: OnBad = "raise"
    ) -> None:
        """Open a split.

        Args:
            root: the folder with ``train/`` and ``test/``; by default HANDLIB_NYU.
            split: "train" or "test".
            view: "1", "2", "3" or "all" (the samples of view 1, then of view 2, then of view 3).
            on_bad: see :mod:`handlib.data.official`.

        Raises:
            MissingFileError: no such folder, or no ``joint_data.mat`` in it.
            BadInputError: labels that cannot be read, of other shapes, or with impossible numbers (metres, say).
        """
        super().__init__(root, split, on_bad)
        check_choice("view", view, ("1", "2", "3", "all"))
        source = self.root / split / "joint_data.mat"
        self.labels = cached_labels(
            self.root, f"{self.name}-{split}", [source], lambda out: self._write(source, out), remedy=self.remedy
        )
        self.num_frames = self.labels["uvd"].shape[0] // NYU_VIEWS
        chosen = range(NYU_VIEWS) if view == "all" else (int(view) - 1,)
        rows = np.concatenate([np.arange(self.num_frames) + k * self.num_frames for k in chosen])
        found = joint_faults(self._joints_m(rows), NYU_K[None], NYU_HW)
        self.offer(rows.tolist(), {int(rows[index]): why for index, why in found.items()}, source)

    def _write(self, source: Path, out: ArrayWriter) -> None:
        stored = read_mat_array(source, "joint_uvd", self.remedy)
        uvd = numbers(stored, (NYU_VIEWS, -1, 36, 3), f"{source}, joint_uvd,", self.remedy)
        depth = float(np.median(uvd[..., 2])) if uvd.size else 0.0
        if not 100 < depth < 3000:
            raise BadInputError(
                f"{source}: the median depth of joint_uvd is {depth:.4g}, expected millimetres, some 700: {self.remedy}"
            )
        # Labels of the other split would fit wrong pictures.
        picture = source.parent / f"depth_1_{uvd.shape[1] + 1:07d}.png"
        if picture.is_file():
            raise BadInputError(
                f"{source} has labels of {uvd.shape[1]:,} frames, but there is a picture {picture}: {self.remedy}"
            )
        out.append("uvd", uvd.reshape(-1, 36, 3))

    def uvd(self, view: int = 1) -> Float32[np.ndarray, "frames 36 3"]:
        """All labels of a view as (u px, v px, depth mm), of which :func:`handlib.metrics.nyu` takes its 14."""
        return np.array(self.labels["uvd"][(view - 1) * self.num_frames : view * self.num_frames])

    def sample_name(self, row: int) -> str:
        """The depth picture's path without its suffix."""
        view, frame = divmod(row, self.num_frames)
        return f"{self.split}/depth_{view + 1}_{frame + 1:07d}"

    def read_row(self, row: int) -> Sample:
        """Read one depth picture and its labels; a picture in which nothing was measured is a ``BadInputError``."""
        path = self.root / f"{self.sample_name(row)}.png"
        depth_m = read_nyu_depth(path)
        if np.count_nonzero(depth_m) < FEWEST_PIXELS:
            raise BadInputError(f"{path} is empty: nothing was measured in it. Leave it out, or {self.remedy}")
        colour = path.with_name(path.name.replace("depth", "rgb"))
        joints_m = self._joints_m(np.array([row]))[0]
        uv = reorder_joints(np.array(self.labels["uvd"][row])[:, :2], "nyu36", "handlib")
        return Sample(
            image=read_image(colour) if colour.exists() else _grey(depth_m),
            name=self.sample_name(row),
            K=NYU_K.copy(),
            joints_2d_px=uv,
            confidence=np.ones(21, np.float32),
            joints_m=joints_m,
            depth_m=depth_m,
            frame=row % self.num_frames,
        )

    def rig(self) -> DepthRig:
        """Where the three cameras stand, from the labels of frames spread over the split; view 1 is the world.

        The labels' only use in training: "We apply the ground-truth annotation only to calculate camera extrinsics"
        (Wan et al. 2019, Section 4).

        Raises:
            BadInputError: a view without calibration, because its labels do not fit those of view 1 by 10 mm.
        """
        frames = np.unique(np.linspace(0, self.num_frames - 1, _CALIBRATION_FRAMES).astype(int))
        rows = frames + self.num_frames * np.arange(NYU_VIEWS)[:, None]
        points = torch.as_tensor(self._joints_m(rows.ravel())).view(NYU_VIEWS, -1, 3)
        rotation, translation = calibrate_views(points)
        misfit = (points @ rotation.mT + translation[:, None] - points[:1]).norm(dim=-1).mean(-1)
        if float(misfit.max()) > 0.01:
            raise BadInputError(
                f"{self.root / self.split}: view {int(misfit.argmax()) + 1} has no calibration: after the best rigid "
                f"motion its labels are {1000 * float(misfit.max()):.0f} mm from those of view 1. {self.remedy}"
            )
        return DepthRig(torch.as_tensor(NYU_K).expand(NYU_VIEWS, 3, 3), rotation, translation)

    def multi_view(self, frames: Sequence[int], rig: DepthRig | None = None) -> MultiViewBatch:
        """Crops of all three views of some frames, as :class:`~handlib.data.depth_target.MultiViewDepth` gives them.

        Args:
            frames: numbers from 0 on.
            rig: from :meth:`rig`, to calibrate once only.

        Raises:
            MissingFileError, BadInputError: a picture is missing or damaged. An empty one is marked unusable instead.
        """
        rows = np.asarray(frames) + self.num_frames * np.arange(NYU_VIEWS)[:, None]
        paths = [[self.root / f"{self.sample_name(int(row))}.png" for row in column] for column in rows.T]
        depth = torch.as_tensor(np.stack([[read_nyu_depth(path) for path in views] for views in paths]))
        K = torch.as_tensor(NYU_K).expand(*depth.shape[:2], 3, 3)
        joints = torch.as_tensor(self._joints_m(np.asarray(frames)))
        return crop_views(nearest_part(depth), K, self.rig() if rig is None else rig, joints)

    def _joints_m(self, rows: np.ndarray) -> Float32[np.ndarray, "rows 21 3"]:
        """Camera frame of the row's own view."""
        xyz = uvd_to_xyz_mm(np.asarray(self.labels["uvd"][rows], np.float64))
        return (reorder_joints(xyz, "nyu36", "handlib") / 1000).astype(np.float32)


def read_nyu_depth(path: Path) -> Float32[np.ndarray, "height width"]:
    """A depth picture in metres, 0 where nothing was measured.

    Raises:
        MissingFileError, BadInputError: see :func:`~handlib.data.images.read_stored_pixels`; or no 8-bit RGB.
    """
    pixels = read_stored_pixels(path)
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8:
        raise BadInputError(
            f"{path} has {pixels.dtype} pixels of shape {pixels.shape}, expected 8-bit RGB with the depth's bytes in "
            "green and blue: unpack the data set again"
        )
    return join_bytes(pixels[..., 2], pixels[..., 1]).astype(np.float32) / 1000


def encode_nyu_depth(depth_m: Float[np.ndarray, "height width"]) -> np.ndarray:
    """Depth as NYU's pictures hold it, 8-bit (H, W, 3), whole millimetres; inverse of :func:`read_nyu_depth`."""
    low, high = split_bytes(np.rint(1000 * depth_m).astype(np.uint16))
    return np.stack([np.zeros_like(low), high, low], axis=-1)


def xyz_to_uvd(points_m: Float[np.ndarray, "*batch 3"]) -> Float[np.ndarray, "*batch 3"]:
    """Camera-frame points (m, OpenCV axes) as (u px, v px, depth mm), in which NYU predictions are exchanged."""
    x, y, depth = points_m[..., 0], points_m[..., 1], points_m[..., 2]
    u, v = NYU_CX_PX + NYU_FX_PX * x / depth, NYU_CY_PX + NYU_FY_PX * y / depth
    return np.stack([u, v, 1000 * depth], axis=-1)


def nearest_part(depth_m: Float[Tensor, "*batch height width"]) -> Float[Tensor, "*batch height width"]:
    """Depth without what lies more than a cube's depth behind the nearest surface: in NYU the hand is in front."""
    seen = torch.where(depth_m > 0, depth_m, torch.inf).flatten(-2)
    # Not the very nearest pixel, which may be a flying one.
    nearest = seen.kthvalue(FEWEST_PIXELS, dim=-1).values[..., None, None]
    return torch.where(depth_m < nearest + CUBE_M, depth_m, 0)


def _grey(depth_m: Float32[np.ndarray, "height width"]) -> np.ndarray:
    near = depth_m[depth_m > 0].min()
    grey = np.where(depth_m > 0, 255 * (1 - (depth_m - near) / 1.5).clip(0, 1), 0)
    return np.repeat(grey[..., None], 3, axis=-1).astype(np.uint8)
