"""Which frames are hard: extreme poses, severe occlusion, extreme viewpoints, as in Section 5 of the paper.

The paper names these three kinds and shows pictures. Here each frame has a number of each kind, from the labels of the
test stills, and the tenth with the largest numbers is called extreme; what is in no extreme tenth is ordinary.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float

from handlib.data.stills_cache import StillLabels
from handlib.experiments.s2hand.baselines import trained_answers
from handlib.experiments.s2hand.data import labels, pictures
from handlib.experiments.s2hand.effort import effort_of
from handlib.experiments.s2hand.recipes import S2HandRecipe, TargetRecipe
from handlib.hand.anatomy import palm_frame
from handlib.metrics.alignment import fit_similarity, procrustes_rigid
from handlib.metrics.errors import mpjpe, point_errors
from handlib.reproduce.recipe import RunContext
from handlib.reproduce.results import Metric, Outcome

KINDS = ("extreme-poses", "severe-occlusions", "extreme-viewpoints")
ORDINARY = "ordinary-frames"
EXTREME_SHARE = 0.1


@dataclass(frozen=True, kw_only=True)
class FramesRecipe(TargetRecipe):
    """A trained row's error on frames of one kind.

    Attributes:
        of: the row.
        kind: one of :data:`KINDS`, or :data:`ORDINARY`.
    """

    of: S2HandRecipe
    kind: str


def score_frames(context: RunContext) -> Outcome:
    """The work of a :class:`FramesRecipe`: PA-MPJPE on the frames of its kind, and how many there are."""
    recipe: FramesRecipe = context.recipe
    effort = effort_of(context.profile, recipe.of.effort)
    known = labels(effort, "target", "test")
    chosen = frame_kinds(hardness(known, pictures(effort, "target", "test").K))[recipe.kind]
    if not chosen.any():
        return Outcome(not_obtained=f"none of {len(chosen)} frames is of this kind")
    answers = trained_answers(context, recipe.of, effort)
    error = mpjpe(answers.joints_m[chosen], known.joints_m[chosen], alignment="procrustes_with_reflection")
    return Outcome(
        {
            "pa_mpjpe": Metric(error, "mm", "procrustes with reflection"),
            "hands": Metric(int(chosen.sum()), "1"),
        }
    )


def hardness(known: StillLabels, K: Float[np.ndarray, "stills 3 3"]) -> dict[str, Float[np.ndarray, "stills"]]:
    """How extreme each still is, of each kind; larger is harder.

    Poses: distance (mm) of the joints, aligned, from the mean hand of all stills. Occlusions: share of the hand's
    vertices that project outside the mask of its visible part. Viewpoints: how nearly the palm is seen edge on or along
    the fingers, 0 where the camera looks straight at palm or back, 1 where it looks along the palm.

    Args:
        known: labels with ``vertices_m``.
        K: intrinsics, px.
    """
    joints = known.joints_m.astype(np.float64)
    alike = fit_similarity(joints, np.broadcast_to(joints[:1], joints.shape), allow_reflection=False).apply(joints)
    mean = np.broadcast_to(alike.mean(0), joints.shape)
    poses = 1000 * point_errors(procrustes_rigid(mean, joints), joints).mean(-1)
    image = known.vertices_m @ K.transpose(0, 2, 1)
    pixels = np.round(image[..., :2] / image[..., 2:]).astype(int)
    height, width = known.mask.shape[1:]
    inside = (pixels >= 0).all(-1) & (pixels < [width, height]).all(-1)
    columns, rows = pixels[..., 0].clip(0, width - 1), pixels[..., 1].clip(0, height - 1)
    shown = inside & known.mask[np.arange(len(rows))[:, None], rows, columns]
    normal = palm_frame(torch.from_numpy(joints))[..., 1].numpy()
    towards = joints.mean(1) / np.linalg.norm(joints.mean(1), axis=-1, keepdims=True)
    return dict(zip(KINDS, (poses, 1 - shown.mean(-1), 1 - np.abs((normal * towards).sum(-1))), strict=True))


def frame_kinds(hard: dict[str, Float[np.ndarray, "stills"]]) -> dict[str, Bool[np.ndarray, "stills"]]:
    """Which stills are of each kind: the extreme tenth of each, and the rest of all."""
    kinds = {}
    for name, values in hard.items():
        extreme = np.zeros(len(values), bool)
        extreme[np.argsort(values, kind="stable")[len(values) - max(1, round(EXTREME_SHARE * len(values))) :]] = True
        kinds[name] = extreme
    return {**kinds, ORDINARY: ~np.any(list(kinds.values()), axis=0)}
