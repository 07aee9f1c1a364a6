"""A detector's mistakes, carried over from the hand whose pictures are free to a hand of which only the model is known.

For each rendered picture of the open hand the other model takes its place: the same angles, from the same side, before
the same camera. Nothing is rendered. The detector's answer goes with it: what it was off by at a joint, it is off by
there. But a detector sees skin, not our names for joints. Where models do not agree on what a name means, at the wrist
and at the root of the thumb, its answer stays in its place.
"""

from collections.abc import Sequence

import numpy as np
import roma
import torch
from jaxtyping import Float
from torch import Tensor

from handlib.data.hand_scenes import HandScenes, HandStage, draw_poses, draw_scenes, hand_stage
from handlib.data.random_streams import pose_seed, sample_stream
from handlib.data.source_domain import SOURCE_HAND
from handlib.data.target_domain import TARGET_FRAMING
from handlib.experiments.s2hand.detected_lifting import Pairs
from handlib.experiments.s2hand.found_in_renderings import (
    FOUND,
    RenderingsRecipe,
    find_in_renderings,
    renderings_of,
)
from handlib.hand.sampler import PoseSampler
from handlib.reproduce.recipe import RunContext
from handlib.reproduce.state import read_state

WRIST, MIDDLE_KNUCKLE = 0, 9
KNUCKLES = (5, 9, 13, 17)
SEEN_BY_SKIN = (0, 1)
"""Wrist and root of the thumb."""
_LARGEST_SHAPE = 2.5
_BLOCK = 500


def carried_pairs(context: RunContext, recipe: RenderingsRecipe, hand: str) -> tuple[Pairs, np.ndarray]:
    """The detections of a recipe, carried over to another hand, and the rows of their pictures.

    Args:
        context: of the run that learns from them.
        recipe: the pictures of the open hand and what the detector finds there.
        hand: the model that takes its place, for :func:`~handlib.data.hand_scenes.hand_stage`.

    Raises:
        MissingFileError: the detector has left nothing, because it is not installed.
    """
    found = read_state(context.left_by(recipe, find_in_renderings, FOUND, seed=0))
    rows = np.array(found["rows"])
    detected, confidence = (torch.from_numpy(np.array(found[name])) for name in ("keypoints_px", "confidence"))
    name, parts = renderings_of(context, recipe), []
    for start in range(0, len(rows), _BLOCK):
        block = slice(start, start + _BLOCK)
        scenes = scenes_of(name.domain, rows[block].tolist(), name.image_px, name.seed)
        generator = torch.Generator().manual_seed(start)
        parts.append((*carry_over(scenes, detected[block], hand_stage(hand), generator), confidence[block], scenes.K))
    if not parts:
        empty = torch.zeros(0, 21, 3)
        return Pairs(empty[..., :2], empty[..., 0], torch.zeros(0, 3, 3), empty), rows
    points_px, joints_m, sure, K = (torch.cat(values).float() for values in zip(*parts, strict=True))
    return Pairs(points_px, sure, K, joints_m), rows


def scenes_of(domain: str, indices: Sequence[int], image_px: int, seed: int = 0) -> HandScenes:
    """The hands and cameras of training pictures of a varied domain, drawn again from their numbers, without pictures.

    Args:
        domain: "varied" or "varied-photographs".
        indices: which pictures.
        image_px: their side.
        seed: of the data set.
    """
    stage = hand_stage(SOURCE_HAND)
    poses = draw_poses(PoseSampler(stage.model, pose_seed(seed, domain, "train")), indices)
    views = [sample_stream(seed, domain, "train", index, "view") for index in indices]
    return draw_scenes(stage, poses, views, TARGET_FRAMING, image_px)


def carry_over(
    scenes: HandScenes,
    detected_px: Float[Tensor, "hands 21 2"],
    other: HandStage,
    generator: torch.Generator,
) -> tuple[Float[Tensor, "hands 21 2"], Float[Tensor, "hands 21 3"]]:
    """Put another hand in the place of each, and move the detector's answers with it.

    The other hand gets the angles, the turn and the size (wrist to middle knuckle) of the first, its knuckles where
    those were, and a shape of its own.

    Args:
        scenes: the hands that the detector has seen.
        detected_px: its answers.
        other: the hand that takes their place.
        generator: of its shapes.

    Returns:
        the answers (px) and the other hand's joints (m, camera frame).
    """
    count, model = len(detected_px), other.model
    shape = torch.randn(count, model.num_shape, generator=generator).clamp(-_LARGEST_SHAPE, _LARGEST_SHAPE)
    pose = other.anatomy.to_axis_angle(scenes.angles.double())
    joints = model(pose, shape.double(), roma.rotmat_to_rotvec(scenes.wrist_frame.double())).joints.float()
    size, own = ((x[:, MIDDLE_KNUCKLE] - x[:, WRIST]).norm(dim=-1) for x in (scenes.joints_m, joints))
    joints = joints * (size / own)[:, None, None]
    knuckles = list(KNUCKLES)
    joints = joints + (scenes.joints_m[:, knuckles] - joints[:, knuckles]).mean(1, keepdim=True)
    carried = detected_px + scenes.camera.project(joints) - scenes.camera.project(scenes.joints_m)
    by_skin = torch.zeros(21, 1, dtype=torch.bool)
    by_skin[list(SEEN_BY_SKIN)] = True
    return torch.where(by_skin, detected_px, carried), joints
