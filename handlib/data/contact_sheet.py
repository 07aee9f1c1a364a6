"""Sixteen samples in one picture, with joints, bones and axes: what a wrong joint order or axis looks like."""

from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from handlib.data.label_checks import bone_lengths_mm, handedness_mm
from handlib.data.official import project
from handlib.data.sample import Sample
from handlib.data.sample_views import crop_sample
from handlib.skeleton import BONES, FINGER_JOINTS, FINGERS

TILE_PX = 240
AXIS_M = 0.04
# Thumb to little; axes x red, y green, z blue.
_FINGER_RGB = ((230, 60, 60), (240, 160, 40), (80, 190, 80), (60, 140, 240), (180, 90, 220))
_AXIS_RGB = ((255, 0, 0), (0, 255, 0), (0, 80, 255))
# Of an adult's hand, shortest and longest: another unit, or joints that belong to different fingers, lie outside.
PLAUSIBLE_BONE_MM = (10.0, 130.0)
# A hand bends its fingertips out of the palm's plane by more than this, unless it is held flat.
FLAT_MM = 5.0


def contact_sheet(samples: Sequence[Sample], columns: int = 4) -> UInt8[np.ndarray, "height width 3"]:
    """The samples in rows, each cropped to its hand where it has 2D joints or a box."""
    tiles = [_tile(sample) for sample in samples]
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % columns)
    rows = [np.concatenate(tiles[start : start + columns], axis=1) for start in range(0, len(tiles), columns)]
    return np.concatenate(rows)


def _tile(sample: Sample) -> UInt8[np.ndarray, "height width 3"]:
    has_place = sample.box_px is not None or (sample.confidence is not None and (sample.confidence > 0).sum() > 2)
    if has_place:
        sample = crop_sample(sample, TILE_PX, enlarge=1.6)
        image = sample.image.copy()
    else:
        # The whole picture, its longer side as long as the tile.
        scale = TILE_PX / max(sample.image.shape[:2])
        small = cv2.resize(sample.image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        image = np.zeros((TILE_PX, TILE_PX, 3), np.uint8)
        image[: small.shape[0], : small.shape[1]] = small[:TILE_PX, :TILE_PX]
    if has_place and sample.joints_2d_px is not None:
        _draw_hand(image, sample)
    cv2.putText(
        image, f"{sample.name[-30:]} {sample.side}", (4, 12), cv2.FONT_HERSHEY_SIMPLEX, 0.34, (255, 255, 255), 1
    )
    return image


def _draw_hand(image: UInt8[np.ndarray, "height width 3"], sample: Sample) -> None:
    known = np.ones(21, bool) if sample.confidence is None else sample.confidence > 0
    pixels = np.rint(sample.joints_2d_px).astype(int)
    colour = {joint: _FINGER_RGB[k] for k, finger in enumerate(FINGERS) for joint in FINGER_JOINTS[finger]}
    for parent, child in BONES:
        if known[parent] and known[child]:
            cv2.line(image, pixels[parent].tolist(), pixels[child].tolist(), colour[child], 2, cv2.LINE_AA)
    for joint in np.flatnonzero(known):
        cv2.circle(image, pixels[joint].tolist(), 3, colour.get(int(joint), (255, 255, 255)), -1, cv2.LINE_AA)
    if sample.K is not None and sample.joints_m is not None and known[0]:
        ends = sample.joints_m[0] + np.concatenate([np.zeros((1, 3)), AXIS_M * np.eye(3)])
        start, *tips = np.rint(project(ends, sample.K)).astype(int).tolist()
        for tip, ink in zip(tips, _AXIS_RGB, strict=True):
            cv2.arrowedLine(image, start, tip, ink, 2, cv2.LINE_AA, tipLength=0.25)


def describe_labels(samples: Sequence[Sample]) -> list[str]:
    """What the labels of some samples say about themselves, in lines of text; what looks wrong starts with "LOOK:"."""
    solid = [sample for sample in samples if sample.joints_m is not None and np.isfinite(sample.joints_m).all()]
    if not solid:
        return ["no sample with all 21 joints in 3D: bone lengths and the hand's side cannot be told"]
    joints = np.stack([sample.joints_m for sample in solid])
    bones = np.median(bone_lengths_mm(joints), axis=0)
    lines = [_finger_line(finger, k, bones) for k, finger in enumerate(FINGERS)]
    low, high = PLAUSIBLE_BONE_MM
    if bones.min() < low or bones.max() > high:
        lines.append(
            f"LOOK: bones of {bones.min():.0f} to {bones.max():.0f} mm, expected {low:.0f} to {high:.0f}: another "
            "unit, or joints in another order"
        )
    lines.append(_side_line(solid, joints))
    depth = joints[..., 2]
    lines.append(f"the hand lies {100 * depth.min():.0f} to {100 * depth.max():.0f} cm before the camera")
    if inside := [_share_in_mask(sample) for sample in solid if sample.mask is not None]:
        share = float(np.mean(inside))
        lines.append(f"{'LOOK: ' if share < 0.8 else ''}{100 * share:.0f} % of the joints lie on the hand's mask")
    return lines


def _finger_line(finger: str, number: int, bones: Float[np.ndarray, "20"]) -> str:
    return f"{finger:7s} bones {', '.join(f'{length:3.0f}' for length in bones[4 * number : 4 * number + 4])} mm"


def _side_line(samples: Sequence[Sample], joints: Float[np.ndarray, "frames 21 3"]) -> str:
    bend = float(np.median(handedness_mm(joints)))
    stated = samples[0].side
    if abs(bend) < FLAT_MM:
        return f"the hands are flat ({bend:+.0f} mm): their side cannot be told; they are said to be {stated}"
    told = "right" if bend > 0 else "left"
    if told == stated:
        return f"the fingers bend to the palm of a {told} hand ({bend:+.0f} mm), as they should"
    return (
        f"LOOK: the fingers bend to the palm of a {told} hand ({bend:+.0f} mm), but the samples are said to be "
        f"{stated}: an axis is flipped, the labels are mirrored, or the joints are in another order"
    )


def _share_in_mask(sample: Sample) -> float:
    # Joints lie inside the hand: near the outline a label may miss it by some pixels.
    wide = cv2.dilate((sample.mask > 0.5).astype(np.uint8), np.ones((7, 7), np.uint8))
    column, row = np.rint(sample.joints_2d_px).astype(int).T
    fits = (column >= 0) & (row >= 0) & (column < wide.shape[1]) & (row < wide.shape[0])
    return float(wide[row[fits], column[fits]].sum() / len(column))
