"""The photograph sets as one array of equal square pictures of right hands, split by who and when.

A split by picture would put the same hand of the same minute on both sides: the people of the digits set are told apart
by the camera's numbering, the films of the other set by the time at which they were taken.
"""

import re
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from tqdm import tqdm

from handlib.crops import mirror_pixels, resize_affine, transform_pixels
from handlib.data.photos import PHOTO_SETS, PhotoSet

HELD_OUT_SHARE = 0.1
_CAMERA_NUMBER = re.compile(r"IMG_(\d+)")


@dataclass(frozen=True, eq=False)
class PhotoCrops:
    """Photographs of single hands, left ones mirrored, all of one size.

    Attributes:
        rgb: (N, px, px, 3) 8-bit.
        keypoints_px: (N, 21, 2) detected; ``confidence`` (N, 21), one score a hand.
        detector_joints_m: (N, 21, 3) the detector's own guess of the hand in 3D. It comes from a network that was
            trained with 3D labels: to compare with, never to learn from.
        held_out: (N,) which are kept from training.
    """

    rgb: UInt8[np.ndarray, "photos px px 3"]
    keypoints_px: Float[np.ndarray, "photos 21 2"]
    confidence: Float[np.ndarray, "photos 21"]
    detector_joints_m: Float[np.ndarray, "photos 21 3"]
    held_out: Bool[np.ndarray, "photos"]

    def __len__(self) -> int:
        return len(self.rgb)


def read_photo_crops(image_px: int, *, per_set: int | None = None, progress: bool = True) -> PhotoCrops:
    """Read both sets of photographs at one size.

    Args:
        image_px: side of the pictures.
        per_set: evenly spaced pictures of each set; all by default.
        progress: show a bar.

    Raises:
        MissingFileError: ``HANDLIB_DATA`` or one of the sets is not there.
        BadInputError: a picture or label file is damaged.
    """
    pictures, keypoints, confidence, joints, held_out = [], [], [], [], []
    for name in PHOTO_SETS:
        photos = PhotoSet.open(name)
        kept_out = held_out_photos(photos)
        rows = np.arange(len(photos)) if per_set is None else np.linspace(0, len(photos) - 1, per_set).astype(int)
        for row in tqdm(rows, desc=f"reading {name}", unit="picture", disable=not progress):
            sample = photos[int(row)]
            to_crop = resize_affine(sample.image.shape[:2], (image_px, image_px))
            shrinks = sample.image.shape[0] > image_px
            picture = cv2.resize(
                sample.image, (image_px, image_px), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
            )
            points = transform_pixels(torch.from_numpy(sample.joints_2d_px)[None], to_crop)[0]
            own = photos.labels["world_m"][row]
            if sample.side == "left":
                picture, points = picture[:, ::-1], mirror_pixels(points, image_px)
                own = own * np.array([-1, 1, 1], own.dtype)
            pictures.append(picture)
            keypoints.append(points.numpy())
            confidence.append(sample.confidence)
            joints.append(own)
            held_out.append(kept_out[row])
    return PhotoCrops(
        rgb=np.stack(pictures),
        keypoints_px=np.stack(keypoints).astype(np.float32),
        confidence=np.stack(confidence).astype(np.float32),
        detector_joints_m=np.stack(joints).astype(np.float32),
        held_out=np.array(held_out),
    )


def held_out_photos(photos: PhotoSet) -> Bool[np.ndarray, "photos"]:
    """The last tenth by the camera's number (a person's ten pictures follow one another) or, without one, by order."""
    numbers = [_CAMERA_NUMBER.search(str(source)) for source in photos.labels["source"]]
    order = np.array([int(found[1]) if found else -1 for found in numbers])
    if (order < 0).any():
        order = np.arange(len(photos))
    return order >= np.quantile(order, 1 - HELD_OUT_SHARE)
