"""The rows of the chapter's tables as recipes, and which of them share a first stage."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from handlib.errors import BadInputError
from handlib.experiments.s2hand.effort import Effort
from handlib.losses.s2hand import S2HAND_WEIGHTS, S2HandWeights
from handlib.models.s2hand import S2HandConfig
from handlib.reproduce.recipe import Recipe

CHAPTER = "s2hand"
COLUMNS = {
    "mpjpe": "pa_mpjpe",
    "mpvpe": "pa_mpvpe",
    "auc_j": "pa_auc_j",
    "auc_v": "pa_auc_v",
    "f_5": "pa_f_5mm",
    "f_15": "pa_f_15mm",
}
"""The paper's columns are all after Procrustes alignment; the plain names are our metrics without it."""


@dataclass(frozen=True, kw_only=True)
class TargetRecipe(Recipe):
    """Anything that is scored on test stills of the open target domain.

    Attributes:
        effort: sizes in the profile ``full``; the others have their own.
    """

    chapter: str = CHAPTER
    dataset: str = "open target domain, test stills"
    columns: Mapping[str, str] = field(default_factory=lambda: dict(COLUMNS))
    effort: Effort = Effort()


@dataclass(frozen=True, kw_only=True)
class S2HandRecipe(TargetRecipe):
    """A training of S2HAND's network, or of a part of it.

    Attributes:
        keypoints: what the 2D losses compare with on the target domain: "detected", with the detector's confidences;
            "true" (the paper's WSL); or "none": no picture of the target domain is seen.
        equal_confidences: count every keypoint alike.
        target_labels_3d: use the target domain's 3D labels, as the supervised networks of Table 2 do.
        source_labels: begin with the network that learnt from the source domain alone, and see its pictures with their
            (free) 2D and 3D labels in every batch.
        branches: "3d", "2d" or "both", tied by E_con.
        orientation, regularisation, photometric: whether E_ori, E_regu, E_photo count.
        weights: a key of :data:`handlib.losses.s2hand.S2HAND_WEIGHTS`.
        photometric_factor: multiplies the weight of E_photo.
        stages: 2: each branch alone first, without E_photo; then all together. 1: the first alone. 0: all together from
            the first step on, which may collapse.
        network: "ours" or "paper": how rotation and place are coded, see :class:`handlib.models.s2hand.S2HandConfig`.
        encoder: where the 3D branch begins: with ImageNet's weights, as in the paper, or with those of the "detector",
            which has learnt in 2D what hands look like, and saves most of the paper's 4.9 million samples.
    """

    keypoints: str = "detected"
    equal_confidences: bool = False
    target_labels_3d: bool = False
    source_labels: bool = False
    branches: str = "3d"
    orientation: bool = True
    regularisation: bool = True
    photometric: bool = False
    weights: str = "paper"
    photometric_factor: float = 1.0
    stages: int = 2
    network: str = "ours"
    encoder: str = "detector"


@dataclass(frozen=True, kw_only=True)
class DetectorRecipe(TargetRecipe):
    """The keypoint detector of :mod:`handlib.experiments.s2hand.detector`.

    Attributes:
        domain: whose pictures and 2D labels it learns from. "varied": the source's hand with the target's looks, as
            OpenPose has learnt from labelled photographs of other people; "source": the plain renderings, with random
            backgrounds.
    """

    name: str = "s2hand-detector"
    domain: str = "varied"


@dataclass(frozen=True, kw_only=True)
class BaselineRecipe(TargetRecipe):
    """What a trained network has to beat.

    Attributes:
        method: "mean" (one hand for every picture), "untrained" (the network before its first step) or "fit" (a fit of
            each picture by itself to the same detected keypoints).
        hands: how many test stills are fitted at most.
    """

    method: str
    hands: int = 200


@dataclass(frozen=True, kw_only=True)
class DerivedRecipe(TargetRecipe):
    """Another look at a network that a recipe has trained.

    Attributes:
        of: the recipe.
        look: "2d-branch": the keypoints of its 2D branch; "shuffled": its answers to other hands' pictures.
    """

    of: S2HandRecipe
    look: str


SOURCE_ONLY = S2HandRecipe(
    name="s2hand-source-only", keypoints="none", source_labels=True, stages=1, encoder="imagenet"
)
PLAIN_3D = S2HandRecipe(name="s2hand-3d-branch", stages=1)
PLAIN_2D = S2HandRecipe(name="s2hand-2d-branch", stages=1, branches="2d")


def with_source_labels(recipe: S2HandRecipe) -> S2HandRecipe:
    """The same row with the source domain's labels."""
    return replace(recipe, name=f"{recipe.name}@source", source_labels=True)


def first_stage(recipe: S2HandRecipe) -> S2HandRecipe:
    """The training of the 3D branch that comes before; rows whose losses agree so far share it."""
    bare = replace(recipe, branches="3d", photometric=False, photometric_factor=1.0, stages=1)
    return _named(bare, PLAIN_3D, f"{recipe.name.partition('@')[0]}-first-stage")


def branch_stage(recipe: S2HandRecipe) -> S2HandRecipe:
    """The training of the 2D branch that comes before; it knows nothing of the 3D branch's losses."""
    bare = replace(
        PLAIN_2D,
        keypoints=recipe.keypoints,
        equal_confidences=recipe.equal_confidences,
        source_labels=recipe.source_labels,
        effort=recipe.effort,
    )
    return _named(bare, PLAIN_2D, f"{recipe.name.partition('@')[0]}-2d-branch")


def _named(bare: S2HandRecipe, plain: S2HandRecipe, otherwise: str) -> S2HandRecipe:
    """The recipe with the shared name where it is the plain one but for the source labels and sizes."""
    same = replace(bare, name=plain.name, source_labels=False, effort=plain.effort) == plain
    name = plain.name if same else otherwise
    return replace(bare, name=f"{name}@source" if bare.source_labels else name)


def weights_of(recipe: S2HandRecipe) -> S2HandWeights:
    """The weights of a row: the named set, without the terms that the row leaves out.

    Raises:
        BadInputError: no set has that name.
    """
    if recipe.weights not in S2HAND_WEIGHTS:
        raise BadInputError(f"weights {recipe.weights!r}: expected one of {sorted(S2HAND_WEIGHTS)}")
    weights = S2HAND_WEIGHTS[recipe.weights]
    return replace(
        weights,
        orientation=weights.orientation * recipe.orientation,
        regularisation=weights.regularisation * recipe.regularisation,
        photometric=weights.photometric * recipe.photometric * recipe.photometric_factor,
    )


def config_of(recipe: S2HandRecipe, image_px: int) -> S2HandConfig:
    """The network of a row; skin is predicted only where something can teach it.

    Raises:
        BadInputError: no network has that name.
    """
    if recipe.network not in ("ours", "paper"):
        raise BadInputError(f"network {recipe.network!r}: expected 'ours' or 'paper'")
    config = S2HandConfig.paper() if recipe.network == "paper" else S2HandConfig()
    return replace(config, image_px=image_px, texture=recipe.photometric)
