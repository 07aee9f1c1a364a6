"""A network looks at each picture, and looks again at where it saw the hand.

The first look is at the whole picture. Networks are best at the sizes of hands that they were trained on: the second
look is at a square around what the first one saw. The last look is a mean over two views, slightly turned.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor
from tqdm import tqdm

from handlib.camera import PerspectiveCamera
from handlib.crops import square_box
from handlib.models.images import normalise_images
from handlib.models.keypoint_readout import lifting_features
from handlib.models.s2hand import HandPrediction, S2HandNetwork
from handlib.reconstruction.detected import Detected
from handlib.reconstruction.estimate import Estimate, concatenate
from handlib.reconstruction.judging import likely_a_hand
from handlib.reconstruction.placing import place_on_keypoints
from handlib.reconstruction.refining import lift_all_round, refine
from handlib.reconstruction.views import BOX_FACTOR, Views, cut_views, make_views

View = tuple[float, float]
STRAIGHT: tuple[View, ...] = ((0.0, 1.0),)
"""A look of one view: its turn (radians) and zoom."""
AROUND: tuple[View, ...] = ((math.radians(-12), 1.0), (math.radians(12), 1.0))

SMALLEST_BOX = 0.02
"""Least side of a box, in longer sides of the picture: where nothing is seen, keypoints may all lie in one place."""
AGREES_WITHIN = 0.1
"""Distance between a keypoint and its projected joint, in sizes of the hand, that halves the keypoint's confidence."""
BLOCK = 8


@torch.no_grad()
def look_for_hands(
    network: S2HandNetwork,
    pictures: list[np.ndarray],
    left: Bool[Tensor, "batch"],
    K: Float[Tensor, "batch 3 3"] | None = None,
    *,
    looks: int = 2,
    views: Sequence[View] = AROUND,
    detected: Detected | None = None,
    lifter: S2HandNetwork | None = None,
    judges: bool = False,
    progress: bool = False,
) -> Estimate:
    """What ``network`` sees in each picture.

    Args:
        network: in evaluation mode.
        pictures: (H, W, 3) 8-bit RGB, of any sizes.
        left: which show a left hand.
        K: (B, 3, 3) intrinsics of the pictures, px.
        looks: 1 for the whole picture alone.
        views: of the last look; earlier ones, which only have to find the hand, are one view.
        detected: hands that a detector has found: the last look is at them, and their keypoints are lifted and refined
            (:mod:`handlib.reconstruction.refining`). A network that does not lift keypoints only learns from it where
            to look.
        lifter: lifts the detected keypoints; ``network`` itself by default.
        judges: the network is the released one, and its word counts on whether there is a hand at all
            (:mod:`handlib.reconstruction.judging`): where it sees none, confidence is low, whoever's it is.
        progress: show a progress bar.
    """
    parts = []
    # Pictures with and without a detection are looked at in other ways, whichever others are with them.
    kinds = [torch.ones(len(pictures), dtype=torch.bool)] if detected is None else [detected.found, ~detected.found]
    blocks = [rows for kind in kinds for rows in kind.nonzero()[:, 0].split(BLOCK) if len(rows)]
    for rows in tqdm(blocks, desc="looking", unit="block", disable=not progress):
        block, sides, cameras = [pictures[row] for row in rows.tolist()], left[rows], None if K is None else K[rows]
        if detected is not None and bool(detected.found[rows].all()):
            known = detected[rows]
            centre, side = boxes_around(known.keypoints_px, block)
            parts.append(look_at(network, block, centre, side, sides, cameras, views, known, lifter, judges))
            continue
        centre, side = whole_pictures(block)
        for _ in range(looks - 1):
            seen = look_at(network, block, centre, side, sides, cameras)
            centre, side = boxes_around(seen.keypoints_px, block)
        parts.append(look_at(network, block, centre, side, sides, cameras, views, judges=judges))
    return concatenate(parts)[torch.cat(blocks).argsort()]


def look_at(
    network: S2HandNetwork,
    pictures: list[np.ndarray],
    centre_px: Float[Tensor, "batch 2"],
    side_px: Float[Tensor, "batch"],
    left: Bool[Tensor, "batch"],
    K: Float[Tensor, "batch 3 3"] | None = None,
    views: Sequence[View] = STRAIGHT,
    detected: Detected | None = None,
    lifter: S2HandNetwork | None = None,
    judges: bool = False,
) -> Estimate:
    """The mean of what ``network`` sees in some views of a square of each picture.

    Arguments as for :func:`look_for_hands`, but that ``detected`` has a hand in every picture.
    """
    view_px = network.config.image_px
    means: list[Tensor] = []
    lifted = network.readout is not None and detected is not None
    if lifted:
        # What is lifted below needs the network's eyes only to say how sure it is.
        views = STRAIGHT
    for turn_rad, zoom in views:
        view = make_views(centre_px, side_px, left, view_px, K, turn_rad, zoom)
        images = normalise_images(torch.from_numpy(cut_views(pictures, view.affine, view_px)))
        hands, read_confidence = see(network, images, view, detected)
        pixels = hands.joints_2d_px if hands.keypoints is None else hands.keypoints.points_px
        confidence = torch.ones(pixels.shape[:2]) if hands.keypoints is None else hands.keypoints.confidence
        found = (
            view.points_to_picture(hands.vertices),
            view.points_to_picture(hands.joints),
            view.pixels_to_picture(pixels),
            confidence,
            read_confidence,
        )
        means = [old + new / len(views) for old, new in zip(means or [torch.zeros(())] * 5, found, strict=True)]
    vertices, joints, keypoints_px, confidence, read_confidence = means
    if lifted:
        lifter = lifter or network
        hand = lift_all_round(lifter, detected.keypoints_px, detected.confidence, centre_px, side_px, left, K)
        refined = refine(lifter, hand)
        vertices, joints = (hand.view.points_to_picture(x) for x in (refined.vertices, refined.joints))
    move = place_on_keypoints(joints, keypoints_px, confidence, view.picture_K)
    vertices, joints = vertices + move, joints + move
    joints_2d_px = PerspectiveCamera(view.picture_K).project(joints)
    distance = disagreement(keypoints_px, joints_2d_px)
    # Where there is no hand, the network reads keypoints that no hand has, and its hand lies beside them.
    agreement = 1 / (1 + (distance / AGREES_WITHIN).square())
    if judges:
        agreement = agreement * likely_a_hand(read_confidence)[:, None]
    return Estimate(
        vertices=vertices,
        joints=joints,
        joints_2d_px=joints_2d_px,
        keypoints_px=keypoints_px,
        confidence=confidence * agreement,
        K=view.picture_K,
        energy=distance.mean(1),
        doubt=1 - read_confidence,
    )


def see(
    network: S2HandNetwork, images: Float[Tensor, "batch 3 size size"], view: Views, detected: Detected | None
) -> tuple[HandPrediction, Float[Tensor, "batch"]]:
    """What the network says of one view, and how sure it is of the keypoints that it reads, whoever's it lifts."""
    if network.readout is None:
        return network(images, view.K), torch.ones(len(images))
    features, image_px = network.encoder(images), images.shape[3]
    read = network.readout(features, image_px)
    used = read if detected is None else detected.in_place_of(read, view.pixels_to_view(detected.keypoints_px))
    code = network.geometry(lifting_features(used, image_px), features.stride32)
    return replace(network.decode(code, image_px, view.K), keypoints=used), read.confidence.mean(1)


def disagreement(
    keypoints_px: Float[Tensor, "batch 21 2"], joints_2d_px: Float[Tensor, "batch 21 2"]
) -> Float[Tensor, "batch 21"]:
    """Distances between keypoints and projected joints, over the longer side of the keypoints' box."""
    size = (keypoints_px.amax(1) - keypoints_px.amin(1)).amax(1).clamp(min=1e-6)
    distance = (joints_2d_px - keypoints_px).norm(dim=-1)
    # A joint beside or behind the camera has no place in the picture: as far from agreement as can be said.
    return (distance / size[:, None]).nan_to_num(nan=10.0).clamp(max=10.0)


def whole_pictures(pictures: list[np.ndarray]) -> tuple[Float[Tensor, "batch 2"], Float[Tensor, "batch"]]:
    """The smallest squares that hold the whole pictures: centre and side, px."""
    size = torch.tensor([picture.shape[1::-1] for picture in pictures], dtype=torch.float32)
    return (size - 1) / 2, size.amax(1)


def boxes_around(
    keypoints_px: Float[Tensor, "batch 21 2"], pictures: list[np.ndarray]
) -> tuple[Float[Tensor, "batch 2"], Float[Tensor, "batch"]]:
    """Squares around keypoints for the next look, neither vanishing nor larger than the picture."""
    _, longest = whole_pictures(pictures)
    middle = keypoints_px.mean(1, keepdim=True)
    least = SMALLEST_BOX / 2 * longest[:, None, None] * torch.tensor([[[-1.0, -1.0], [1.0, 1.0]]])
    centre, side = square_box(torch.cat([keypoints_px, middle + least], dim=1), BOX_FACTOR)
    return centre, torch.minimum(side, longest)
