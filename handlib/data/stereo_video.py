"""A real hand, filmed by two calibrated cameras: the one real film here whose 3D is known, up to its scale.

The 3D joints are triangulated from detections in both views (TemugeB/handpose3d, MIT): noisy where a finger is hidden
or blurred, but their depth comes from geometry and not from a network. Read from ``HANDLIB_DATA``; for scoring only.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from scipy.linalg import rq

from handlib.crops import crop_affine, transform_pixels, warp_image
from handlib.data.archives import read_arrays
from handlib.data.photos import require_data
from handlib.errors import BadInputError

FOLDER = "stereo_video_temugeb"
VIDEOS = ("cam0_test.mp4", "cam1_test.mp4")
LABELS = "mediapipe_triangulated_pseudo.npz"
CROP_FACTOR = 1.5
"""Side of a crop over the longer side of its keypoints' box, as in the photograph sets."""


@dataclass(frozen=True, eq=False)
class StereoCrops:
    """Crops of a right hand from both films, frame by frame, the first film's frames first.

    Attributes:
        rgb: (N, px, px, 3) 8-bit.
        keypoints_px: (N, 21, 2) detected in this view.
        joints: (N, 21, 3) triangulated, turned into this view's camera frame, in an unknown unit.
        K: (N, 3, 3) of the crops, px.
        view, frame: (N,) which film, and which of its frames; frames without a triangulation are left out.
    """

    rgb: UInt8[np.ndarray, "crops px px 3"]
    keypoints_px: Float[np.ndarray, "crops 21 2"]
    joints: Float[np.ndarray, "crops 21 3"]
    K: Float[np.ndarray, "crops 3 3"]
    view: Int[np.ndarray, "crops"]
    frame: Int[np.ndarray, "crops"]

    def __len__(self) -> int:
        return len(self.rgb)


def read_stereo_crops(image_px: int, every: int = 1) -> StereoCrops:
    """Read both films and cut the hand out of every ``every``-th frame.

    Raises:
        MissingFileError: the films are not in ``HANDLIB_DATA``.
        BadInputError: a film cannot be read, or has fewer frames than its labels.
    """
    labels = read_arrays(require_data(f"{FOLDER}/{LABELS}"), ("uv", "xyz", "P"), "fetch it again from its source")
    pictures, points, joints, cameras, views, numbers = [], [], [], [], [], []
    for view, name in enumerate(VIDEOS):
        intrinsics, turn = _split_projection(labels["P"][view])
        uv = labels["uv"][view]
        known = np.isfinite(labels["xyz"]).all((1, 2)) & np.isfinite(uv).all((1, 2)) & (labels["xyz"] != 0).any((1, 2))
        for frame, picture in enumerate(_frames(str(require_data(f"{FOLDER}/{name}")), len(known))):
            if frame % every or not known[frame]:
                continue
            affine = _crop_of(uv[frame], image_px)
            pictures.append(warp_image(picture, affine[0], image_px))
            points.append(transform_pixels(torch.from_numpy(uv[frame]).float()[None], affine)[0].numpy())
            joints.append(labels["xyz"][frame] @ turn.T)
            cameras.append(np.concatenate([affine[0].numpy(), [[0, 0, 1]]]) @ intrinsics)
            views.append(view)
            numbers.append(frame)
    return StereoCrops(
        rgb=np.stack(pictures),
        keypoints_px=np.stack(points),
        joints=np.stack(joints),
        K=np.stack(cameras).astype(np.float32),
        view=np.array(views),
        frame=np.array(numbers),
    )


def _crop_of(keypoints_px: np.ndarray, image_px: int) -> torch.Tensor:
    low, high = keypoints_px.min(0), keypoints_px.max(0)
    centre = torch.from_numpy((low + high) / 2).float()[None]
    side = torch.tensor([CROP_FACTOR * float((high - low).max())])
    return crop_affine(centre, side, image_px)


def _split_projection(projection: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Intrinsics and rotation of a projection matrix ``P = K [R | t]``."""
    intrinsics, turn = rq(projection[:, :3])
    signs = np.diag(np.sign(np.diag(intrinsics)))
    intrinsics, turn = intrinsics @ signs, signs @ turn
    # P is known up to its sign: a rotation, not a reflection, is meant.
    return intrinsics / intrinsics[2, 2], turn * np.sign(np.linalg.det(turn))


def _frames(path: str, count: int):
    """The first ``count`` frames of a film, RGB."""
    film = cv2.VideoCapture(path)
    try:
        for frame in range(count):
            found, picture = film.read()
            if not found:
                raise BadInputError(f"{path}: frame {frame} of {count} cannot be read; fetch the film again")
            yield cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
    finally:
        film.release()
