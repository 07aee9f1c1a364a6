"""A real film of one right hand that signs, with a detector's keypoints in each frame: real motion, real flicker.

325 frames at 25 a second, test data of https://github.com/tensorflow/tfjs-models (Apache-2.0). Nobody knows the true
3D: the film shows how smooth a method is, and how far from the detector's keypoints. Read from ``HANDLIB_DATA``.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8

from handlib.crops import crop_affine, square_box, transform_pixels, warp_image
from handlib.data.photos import require_data
from handlib.data.stereo_video import CROP_FACTOR, _frames
from handlib.errors import BadInputError

FOLDER = "asl_video"
FILM = "asl_hand.25fps.mp4"
KEYPOINTS, JOINTS = "asl_hand.full.json", "asl_hand_3d.full.json"
FRAMES_PER_SECOND = 25.0
_FETCH = "fetch it again from its source"


@dataclass(frozen=True, eq=False)
class SigningCrops:
    """The hand, cut out of the film frame by frame.

    Attributes:
        rgb: (F, px, px, 3) 8-bit.
        keypoints_px: (F, 21, 2) detected, in the crop.
        detector_joints_m: (F, 21, 3) the detector's own guess of the hand in 3D, for comparison only: it comes from a
            network that was trained with 3D labels.
        to_crop: (F, 2, 3) affine from pixels of the film to pixels of the crop.
        frame: (F,) numbers of the film's frames.
    """

    rgb: UInt8[np.ndarray, "frames px px 3"]
    keypoints_px: Float[np.ndarray, "frames 21 2"]
    detector_joints_m: Float[np.ndarray, "frames 21 3"]
    to_crop: Float[np.ndarray, "frames 2 3"]
    frame: Int[np.ndarray, "frames"]

    def __len__(self) -> int:
        return len(self.rgb)


def read_signing_crops(image_px: int, every: int = 1, *, steady: bool = False) -> SigningCrops:
    """Read the film and cut the hand out of every ``every``-th frame.

    Args:
        image_px: side of the crops.
        every: frames from one crop to the next.
        steady: one window for the whole film, around all of the hand's places, as a camera on a stand would have it. By
            default each frame has its own, around its detection, which trembles as the detection does.

    Raises:
        MissingFileError: the film or its detections are not in ``HANDLIB_DATA``.
        BadInputError: one of them is damaged, or they have different numbers of frames.
    """
    points = _read_numbers(require_data(f"{FOLDER}/{KEYPOINTS}"))[..., :2]
    joints = _read_numbers(require_data(f"{FOLDER}/{JOINTS}"))
    if len(points) != len(joints) or every < 1:
        raise BadInputError(
            f"{FOLDER}: {len(points)} frames of keypoints and {len(joints)} of joints, every={every}: expected equal "
            f"numbers, and every at least 1; {_FETCH}"
        )
    rows = np.arange(0, len(points), every)
    pixels = torch.from_numpy(points).float()
    centre, side = square_box(pixels.flatten(0, 1)[None] if steady else pixels[rows], CROP_FACTOR)
    to_crop = crop_affine(centre, side, image_px).expand(len(rows), 2, 3)
    film = enumerate(_frames(str(require_data(f"{FOLDER}/{FILM}")), len(points)))
    wanted = [picture for number, picture in film if number % every == 0]
    return SigningCrops(
        rgb=np.stack([warp_image(picture, affine, image_px) for picture, affine in zip(wanted, to_crop, strict=True)]),
        keypoints_px=transform_pixels(pixels[rows], to_crop).numpy(),
        detector_joints_m=joints[rows].astype(np.float32),
        to_crop=to_crop.numpy().copy(),
        frame=rows,
    )


def _read_numbers(path: Path) -> Float[np.ndarray, "frames 21 3"]:
    """A JSON list of frames of 21 joints of three finite numbers."""
    try:
        numbers = np.array(json.loads(path.read_text(encoding="utf-8")), np.float64)
    except (ValueError, TypeError) as error:
        raise BadInputError(f"{path} is no list of numbers ({error}); {_FETCH}") from error
    if numbers.ndim != 3 or numbers.shape[1:] != (21, 3) or not np.isfinite(numbers).all():
        raise BadInputError(f"{path}: shape {numbers.shape}, expected (frames, 21, 3) finite numbers; {_FETCH}")
    return numbers
