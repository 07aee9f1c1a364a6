"""A tiny NYU data set in the official layout and number format, drawn from the depth target's hands, for tests."""

from pathlib import Path

import numpy as np
import scipy.io
import torch
from PIL import Image

from handlib.camera import PerspectiveCamera
from handlib.data.depth_target import DepthRig, MultiViewDepth, kinect_rig
from handlib.data.hand_scenes import hand_stage
from handlib.data.nyu import NYU_HW, NYU_K, NYU_VIEWS, encode_nyu_depth, xyz_to_uvd
from handlib.render import render_depth
from handlib.skeleton import JOINT_NAMES, JOINT_ORDERS

BODY_BEHIND_M = 0.5


def write_nyu(root: Path, frames: int = 2) -> dict[str, np.ndarray]:
    """Write ``train/`` and ``test/`` with ``frames`` frames of three views, and colour for view 1 only.

    Returns:
        split -> (frames, 21, 3) joints in the frame of view 1, metres.
    """
    rig = nyu_rig()
    drawn = {}
    for split in ("train", "test"):
        folder = root / split
        folder.mkdir(parents=True, exist_ok=True)
        vertices, joints = MultiViewDepth(seed=7, split=split).world_hands(0, frames)
        seen = rig.to_cameras(vertices).flatten(0, 1)
        camera = PerspectiveCamera(rig.K.repeat(frames, 1, 1))
        depth = render_depth(seen, hand_stage("generic").faces, camera, NYU_HW).numpy()
        # The person behind the hand, as a wall, and a border where the camera measured nothing.
        wall = np.where(depth.max((1, 2), keepdims=True) > 0, 0.8 + BODY_BEHIND_M, 0.0)
        depth = np.where(depth > 0, depth, wall)
        depth[:, :, :8] = 0
        for index, picture in enumerate(depth):
            frame, view = divmod(index, NYU_VIEWS)
            Image.fromarray(encode_nyu_depth(picture)).save(folder / f"depth_{view + 1}_{frame + 1:07d}.png")
        for frame in range(frames):
            colour = np.full((*NYU_HW, 3), (10 + frame, 120, 200), np.uint8)
            Image.fromarray(colour).save(folder / f"rgb_1_{frame + 1:07d}.png")
        in_views = rig.to_cameras(joints).movedim(1, 0).double().numpy()
        xyz = joints_36(in_views)
        scipy.io.savemat(
            folder / "joint_data.mat",
            {
                "joint_names": np.array(JOINT_ORDERS["nyu36"].joints, dtype=object),
                "joint_uvd": xyz_to_uvd(xyz),
                # NYU's own xyz has y up.
                "joint_xyz": 1000 * xyz * np.array([1, -1, 1]),
            },
        )
        drawn[split] = in_views[0]
    return drawn


def nyu_rig() -> DepthRig:
    """The rig of the depth target, with NYU's intrinsics."""
    rig = kinect_rig()
    return DepthRig(torch.as_tensor(NYU_K).expand(NYU_VIEWS, 3, 3), rig.rotation, rig.translation_m)


def joints_36(joints_m: np.ndarray) -> np.ndarray:
    """(..., 21, 3) to (..., 36, 3) in NYU's order; points that only NYU has are the middle of the hand."""
    middle = joints_m.mean(-2)
    rows = [
        joints_m[..., JOINT_NAMES.index(name), :] if name in JOINT_NAMES else middle
        for name in JOINT_ORDERS["nyu36"].joints
    ]
    return np.stack(rows, axis=-2)
