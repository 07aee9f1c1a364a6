"""S2HAND on FreiHAND and HO-3D: the rows of its tables as recipes, and which of them share a first stage."""

import hashlib
import os
from dataclasses import dataclass, replace
from pathlib import Path

from handlib.experiments.official_run import OfficialRecipe
from handlib.experiments.s2hand.effort import Effort
from handlib.experiments.s2hand.recipes import PLAIN_2D, PLAIN_3D, S2HandRecipe, TargetRecipe
from handlib.reproduce.digest import digest_json

PAPER_EFFORT = Effort(
    image_px=224,
    batch=64,
    first_steps=45_800,
    second_steps=30_500,
    branch_channels=256,
    branch_depth=4,
    frozen_stages=0,
    render_px=224,
)
"""The paper's: 90 and 60 epochs of FreiHAND's 32,560 pictures; 36 hours on its two GPUs. All pictures are used."""


@dataclass(frozen=True, kw_only=True)
class OfficialDetectorRecipe(TargetRecipe, OfficialRecipe):
    """2D keypoints of the training pictures, found once and used by all rows.

    Attributes:
        detector: "mediapipe", which has learnt from other photographs, as the paper's OpenPose has (extra ``detect``);
            or "own", the keypoint detector of :mod:`handlib.experiments.s2hand.detector`, which knows renderings only.
            The profile ``smoke`` always takes the second, which needs no further package.
    """

    detector: str = "mediapipe"
    effort: Effort = PAPER_EFFORT


@dataclass(frozen=True, kw_only=True)
class OfficialS2HandRecipe(S2HandRecipe, OfficialRecipe):
    """A training of S2HAND's network on an official data set.

    The hand is MANO where HANDLIB_MANO names its file, as in the paper, else the open hand: errors of joints mean the
    same with both, errors of vertices can be measured with MANO only.

    Attributes:
        detector: see :class:`OfficialDetectorRecipe`; used where ``keypoints`` is "detected".
    """

    detector: str = "mediapipe"
    encoder: str = "imagenet"
    effort: Effort = PAPER_EFFORT

    def data_digest(self) -> str:
        """Digest of the labels, and of the hand model's file."""
        path = own_hand()
        hand = "open" if path is None else hashlib.sha256(path.read_bytes()).hexdigest()
        return digest_json([super().data_digest(), hand])


@dataclass(frozen=True, kw_only=True)
class OfficialBranchRecipe(TargetRecipe, OfficialRecipe):
    """The keypoints of the 2D branch of a row, ``of``, on the training pictures (Figure 4)."""

    of: OfficialS2HandRecipe


def own_hand() -> Path | None:
    """The user's MANO file, if HANDLIB_MANO names one."""
    named = os.environ.get("HANDLIB_MANO")
    return Path(named).expanduser() if named else None


def detector_of(recipe: OfficialS2HandRecipe) -> OfficialDetectorRecipe:
    """The detections that a row learns from."""
    return OfficialDetectorRecipe(**_shared(recipe, "detector"), detector=recipe.detector)


def first_stage(recipe: OfficialS2HandRecipe) -> OfficialS2HandRecipe:
    """The training of the 3D branch that comes before; rows whose losses agree so far share it."""
    bare = replace(recipe, branches="3d", photometric=False, photometric_factor=1.0, stages=1)
    return replace(bare, name=_stage_name(bare, PLAIN_3D, "3d-branch", "first-stage"))


def branch_stage(recipe: OfficialS2HandRecipe) -> OfficialS2HandRecipe:
    """The training of the 2D branch that comes before; it knows nothing of the 3D branch's losses."""
    plain = {name: getattr(PLAIN_2D, name) for name in ("branches", "orientation", "regularisation", "photometric")}
    bare = replace(recipe, **plain, target_labels_3d=False, photometric_factor=1.0, stages=1)
    return replace(bare, name=_stage_name(bare, PLAIN_2D, "2d-branch", "2d-branch"))


def _stage_name(bare: OfficialS2HandRecipe, plain: S2HandRecipe, shared: str, otherwise: str) -> str:
    """The shared name where the row's losses and keypoints are those of the plain one, else one of the row's own."""
    said = ("keypoints", "equal_confidences", "target_labels_3d", "orientation", "regularisation", "weights", "network")
    same = all(getattr(bare, name) == getattr(plain, name) for name in said)
    return f"{_stem(bare)}-{shared}@{bare.data}" if same else f"{bare.name.partition('@')[0]}-{otherwise}@{bare.data}"


def _stem(recipe: OfficialRecipe) -> str:
    """How the published rows on a data set begin."""
    return "s2hand-ho3d" if recipe.data.startswith("ho3d") else "s2hand"


def _shared(recipe: OfficialS2HandRecipe, row: str) -> dict[str, object]:
    """The fields of another recipe on the same data."""
    names = ("data", "train_split", "test_split", "dataset", "effort")
    return {"name": f"{_stem(recipe)}-{row}@{recipe.data}"} | {name: getattr(recipe, name) for name in names}
