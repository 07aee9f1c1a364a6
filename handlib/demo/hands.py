"""The hands of one picture: found, cut out, reconstructed, and put back into the picture."""

from dataclasses import dataclass, replace
from functools import partial

import cv2
import numpy as np
from jaxtyping import UInt8

import handlib
from handlib.demo.request import Request
from handlib.errors import BadInputError
from handlib.keypoints import HandDetection, find_hands
from handlib.pretrained import find_network
from handlib.reconstruction import HandReconstruction
from handlib.reconstruction.assemble import assemble
from handlib.reconstruction.detected import Detected
from handlib.reconstruction.estimate import estimate_sides
from handlib.reconstruction.lifter import released_lifter
from handlib.reconstruction.looking import look_for_hands

# The detector looks at this size: it scales pictures down itself, to less, and a panorama would fill its memory.
DETECTOR_SIDE_PX = 2048
# Below this, the detector's word for left or right is not taken: both hands are tried.
SURE_OF_SIDE = 0.95
# What is cut out for the network, over the longer side of the keypoints' box: all of the hand, should the box be off.
PART_FACTOR = 1.8
# Mean confidence of the keypoints below which there is taken to be no hand.
SURE_OF_HAND = 0.15


@dataclass(frozen=True, eq=False)
class Part:
    """A part of a picture that shows one hand.

    Attributes:
        pixels: (H, W, 3) a view into the picture.
        corner: its left top pixel in the picture.
        side: left, right or auto.
        detection: of the hand in it, in pixels of the picture; None where the whole picture is taken for a hand.
    """

    pixels: UInt8[np.ndarray, "height width 3"]
    corner: tuple[int, int]
    side: str
    detection: HandDetection | None

    @property
    def detection_in_part(self) -> HandDetection | None:
        """The detection, in pixels of the part."""
        if self.detection is None:
            return None
        return replace(self.detection, keypoints_px=self.detection.keypoints_px - np.float32(self.corner))


def find_parts(image: UInt8[np.ndarray, "height width 3"], name: str, request: Request) -> list[Part]:
    """The hands in a picture, surest first.

    Args:
        image: RGB.
        name: under which stored detections know the picture.
        request: where detections come from, how many hands are wanted, and of which side.

    Raises:
        BadInputError: no hand is found, or the picture is not among the stored detections.
        MissingExtraError: no detector is installed.
    """
    if request.stored is None and not request.detector:
        return [Part(image, (0, 0), request.side, None)]
    if request.stored is None:
        found = detect(image, request.max_hands)
    elif name in request.stored:
        found = request.stored[name][: request.max_hands]
    else:
        raise BadInputError(f"{name} is not among the stored detections: detect it, or leave --keypoints out")
    if not found:
        raise BadInputError(
            f"no hand was found in {name}: crop nearer to the hand, take the whole picture as one (--no-detector), or "
            "give --keypoints"
        )
    return [cut_part(image, hand, request.side) for hand in found]


def detect(image: UInt8[np.ndarray, "height width 3"], max_hands: int) -> list[HandDetection]:
    """Hands in pixels of the picture, found in a copy of at most :data:`DETECTOR_SIDE_PX`."""
    small, factor = shrink(image, DETECTOR_SIDE_PX)
    found = find_hands(small, max_hands=max_hands)
    return [replace(hand, keypoints_px=(hand.keypoints_px + np.float32(0.5)) / factor - 0.5) for hand in found]


def cut_part(image: UInt8[np.ndarray, "height width 3"], hand: HandDetection, side: str) -> Part:
    """The square around a detected hand, as far as it lies in the picture."""
    low, high = hand.keypoints_px.min(0), hand.keypoints_px.max(0)
    centre, half = (low + high) / 2, PART_FACTOR / 2 * float((high - low).max())
    size = np.array(image.shape[1::-1])
    # A detection may reach out of the picture; at least one pixel of it is kept.
    left, top = np.clip(np.floor(centre - half), 0, size - 1).astype(int).tolist()
    right, bottom = np.clip(np.ceil(centre + half), [left + 1, top + 1], size).astype(int).tolist()
    if side == "auto" and hand.side_score > SURE_OF_SIDE:
        side = hand.side
    return Part(image[top:bottom, left:right], (left, top), side, hand)


def reconstruct_parts(parts: list[Part], request: Request) -> HandReconstruction:
    """The hand of each part, in pixels and intrinsics of the picture that it was cut from.

    Raises:
        BadInputError: of keypoints that no hand can be fitted to.
        MissingFileError: there is no such network.
    """
    pictures, sides = [part.pixels for part in parts], [part.side for part in parts]
    hands = [part.detection_in_part for part in parts]
    if request.fit:
        keypoints = np.stack([np.c_[hand.keypoints_px, hand.confidence] for hand in hands])
        result = handlib.reconstruct(pictures, keypoints, side=sides)
    else:
        network = find_network(request.checkpoint)
        # Not `handlib.reconstruct`, which would detect again, and might find the other hand in a part that has two.
        own = request.checkpoint is None
        lifter = released_lifter() if own and any(hand is not None for hand in hands) else None
        how = {"detected": Detected.of(hands), "lifter": lifter, "judges": own}
        estimate = partial(look_for_hands, network, pictures, **how)
        result = assemble(pictures, *estimate_sides(estimate, sides), network.hand.faces)
    corners = np.array([part.corner for part in parts], np.float32)
    intrinsics = result.intrinsics.copy()
    intrinsics[:, :2, 2] += corners
    return replace(
        result,
        intrinsics=intrinsics,
        joints_2d=result.joints_2d + corners[:, None],
        keypoints=result.keypoints + corners[:, None],
    )


def is_hand(result: HandReconstruction, index: int, request: Request) -> bool:
    """Whether it is sure enough that there is a hand; keypoints that are fitted are believed."""
    return request.fit or float(result.confidence[index].mean()) >= SURE_OF_HAND


def shrink(
    image: UInt8[np.ndarray, "height width 3"], longest_px: int
) -> tuple[UInt8[np.ndarray, "new_height new_width 3"], float]:
    """The picture with its longer side at most ``longest_px``, and by what factor it was scaled."""
    height, width = image.shape[:2]
    factor = min(1.0, longest_px / max(height, width))
    if factor == 1:
        return image, 1.0
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA), factor


def hand_numbers(result: HandReconstruction, index: int) -> dict:
    """One hand as JSON can hold it; pixels are those of the original picture."""
    return {
        "side": result.sides[index],
        "joints_m": _rounded(result.joints[index], 6),
        "joints_2d_px": _rounded(result.joints_2d[index], 2),
        "confidence": _rounded(result.confidence[index], 3),
        "intrinsics_px": _rounded(result.intrinsics[index], 3),
        "intrinsics_are": "assumed: distance and size hang on them",
        "energy": round(float(result.energy[index]), 4),
    }


def draw_hands(
    image: UInt8[np.ndarray, "height width 3"], result: HandReconstruction | None, indices: list[int], longest_px: int
) -> UInt8[np.ndarray, "new_height new_width 3"]:
    """The picture, scaled down if it is large, with the meshes of some hands, or none, over it, half transparent."""
    from handlib.viz import overlay_mesh

    drawn, factor = shrink(image, longest_px)
    # Pixel centres: (u + 0.5) factor - 0.5, hence the principal point's shift.
    to_drawn = np.array([[factor, 0, factor / 2 - 0.5], [0, factor, factor / 2 - 0.5], [0, 0, 1]])
    # Far hands first, so that near ones lie over them.
    for index in sorted(indices, key=lambda index: -result.joints[index, 0, 2]):
        intrinsics = to_drawn @ result.intrinsics[index]
        drawn = overlay_mesh(drawn, result.vertices[index], result.faces_of(index), intrinsics)
    return drawn


def _rounded(array: np.ndarray, digits: int) -> list:
    # In double precision, where rounded numbers are written with as few digits as they have.
    return array.astype(np.float64).round(digits).tolist()
