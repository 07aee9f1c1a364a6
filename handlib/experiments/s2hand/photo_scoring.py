"""What a network is worth on photographs that it has not seen, and on a real film.

Neither has exact 3D answers. On photographs there is the guess of a detector that was trained with 3D labels, which is
itself wrong by a centimetre; on the film joints are triangulated, up to their unit.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, UInt8

from handlib.data.photo_crops import PhotoCrops
from handlib.data.stereo_video import read_stereo_crops
from handlib.errors import MissingFileError
from handlib.metrics.alignment import procrustes_rigid
from handlib.metrics.errors import point_errors
from handlib.models.images import normalise_images
from handlib.models.keypoint_readout import ReadKeypoints
from handlib.models.s2hand import S2HandNetwork
from handlib.reproduce.results import Metric

HAND_LENGTH_M = 0.09
"""Wrist to middle knuckle of an average hand: gives answers of unknown unit the size of a hand, for millimetres."""

_BATCH = 64


@dataclass(frozen=True, eq=False)
class Seen:
    """What a network says of N pictures: 3D joints (m), keypoints that it read (px) and projected joints (px)."""

    joints_m: Float[np.ndarray, "pictures 21 3"]
    read_px: Float[np.ndarray, "pictures 21 2"]
    projected_px: Float[np.ndarray, "pictures 21 2"]


def score_on_photographs(network: S2HandNetwork, photos: PhotoCrops) -> dict[str, Metric]:
    """Held-out photographs: distance from the detector's keypoints, and from its own guess in 3D.

    ``photo_lifted_pa_detector`` lifts the detected keypoints without looking at the picture: it tells how much of the
    distance is the lifting's and how much the reading's.
    """
    kept = photos.held_out
    joints_m, keypoints_px = photos.detector_joints_m[kept], photos.keypoints_px[kept]
    seen, image_px = see(network, photos.rgb[kept]), photos.rgb.shape[1]
    given = ReadKeypoints(torch.from_numpy(keypoints_px), torch.from_numpy(photos.confidence[kept]))
    with torch.no_grad():
        lifted = network.lift(given, image_px).joints.numpy()
    hand_px = (keypoints_px.max(1) - keypoints_px.min(1)).max(1)[:, None]
    off = [np.linalg.norm(points - keypoints_px, axis=-1) / hand_px for points in (seen.read_px, seen.projected_px)]
    return {
        "photo_pa_detector": Metric(aligned_mm(seen.joints_m, joints_m), "mm", "procrustes"),
        "photo_lifted_pa_detector": Metric(aligned_mm(lifted, joints_m), "mm", "procrustes"),
        "photo_pa_detector_shuffled": Metric(aligned_mm(np.roll(seen.joints_m, 1, 0), joints_m), "mm", "procrustes"),
        "photo_read_2d": Metric(100 * float(off[0].mean()), "% of the hand"),
        "photo_projected_2d": Metric(100 * float(off[1].mean()), "% of the hand"),
        "photos": Metric(int(kept.sum()), "1"),
    }


def score_on_film(network: S2HandNetwork, image_px: int, every: int = 3) -> dict[str, Metric]:
    """The stereo film, each view for itself; nothing where it is not at hand."""
    try:
        film = read_stereo_crops(image_px, every)
    except MissingFileError:
        return {}
    seen, true = see(network, film.rgb), as_metres(film.joints)
    return {
        "film_pa_mpjpe": Metric(aligned_mm(seen.joints_m, true), "mm", "procrustes"),
        "film_pa_mpjpe_shuffled": Metric(aligned_mm(np.roll(seen.joints_m, 40, 0), true), "mm", "procrustes"),
        "film_frames": Metric(len(film), "1"),
    }


@torch.no_grad()
def see(network: S2HandNetwork, rgb: UInt8[np.ndarray, "pictures px px 3"]) -> Seen:
    """The network's answers to pictures of unknown cameras."""
    parts = []
    for block in torch.from_numpy(np.ascontiguousarray(rgb)).split(_BATCH):
        found = network(normalise_images(block))
        parts.append((found.joints, found.keypoints.points_px, found.joints_2d_px))
    return Seen(*(torch.cat(column).numpy() for column in zip(*parts, strict=True)))


def aligned_mm(predicted: Float[np.ndarray, "hands 21 3"], true: Float[np.ndarray, "hands 21 3"]) -> float:
    """Mean joint error (mm) after the best scale, rotation and translation of each hand; no reflection."""
    predicted, true = predicted.astype(np.float64), true.astype(np.float64)
    return 1000 * float(point_errors(procrustes_rigid(predicted, true), true).mean())


def as_metres(joints: Float[np.ndarray, "frames 21 3"]) -> Float[np.ndarray, "frames 21 3"]:
    """Joints of one hand in an unknown unit, as metres: wrist to middle knuckle is :data:`HAND_LENGTH_M` on average."""
    length = np.linalg.norm(joints[:, 9] - joints[:, 0], axis=-1).mean()
    return joints * (HAND_LENGTH_M / length)
