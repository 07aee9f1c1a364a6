"""The rows of the chapter's table as recipes, and what they begin with."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from handlib.experiments.tassn.effort import Effort
from handlib.losses.tassn import TassnWeights
from handlib.reproduce.recipe import Recipe

CHAPTER = "tassn"
COLUMNS = {"epe": "root_mpjpe", "auc_0_50": "root_auc_j_0_50mm", "auc_20_50": "root_auc_j_20_50mm_linspace"}
"""The paper does not say how its EPE is aligned; here by the wrist, in metres as they are said: STB's protocol."""


@dataclass(frozen=True, kw_only=True)
class FilmRecipe(Recipe):
    """Anything that is scored on test films of the open target domain.

    Attributes:
        effort: sizes in the profile ``full``; the others have their own.
    """

    chapter: str = CHAPTER
    dataset: str = "open target domain, test films"
    columns: Mapping[str, str] = field(default_factory=lambda: dict(COLUMNS))
    effort: Effort = Effort()


@dataclass(frozen=True, kw_only=True)
class LabelsRecipe(FilmRecipe):
    """What stands in for labels on the films: detected keypoints, and silhouettes cut by GrabCut with their help."""

    name: str = "tassn-keypoints-silhouettes"
    columns: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class FlowRecipe(FilmRecipe):
    """FlowNetS, trained on rendered pairs of the source domain whose exact flow is known, beside OpenCV's DIS."""

    name: str = "tassn-flow"
    columns: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class PretrainRecipe(FilmRecipe):
    """Stage 1, and where the graph network comes from: heatmaps on films of both domains, 3D on the source alone.

    The paper trains the heatmaps on the target and takes a mesh network that was trained with 3D labels (of STB itself,
    too). Here both are one training: heatmaps of the target's detected keypoints and, in the same batches, rendered
    films of another hand with flat skin, whose 2D and 3D labels cost nothing. No 3D label of the target. It is done
    once: the seeds of the other rows differ in what follows.
    """

    name: str = "tassn-source"


@dataclass(frozen=True, kw_only=True)
class StillRecipe(FilmRecipe):
    """Stage 2: heatmaps and mesh on single frames of the target, by L_h and L_m, before any film is read as one.

    Attributes:
        silhouettes: "grabcut", or "true": the renderer's own masks, to see what GrabCut's mistakes cost.
        keypoints: "detected", or "true".
    """

    name: str = "tassn-before-video"
    silhouettes: str = "grabcut"
    keypoints: str = "detected"


@dataclass(frozen=True, kw_only=True)
class TassnRecipe(FilmRecipe):
    """Stage 3: clips read both ways, by Eq. 6.

    The paper gives weights, and no unit of length for Eq. 3 and 4. ``unit_m`` settles what they mean. When the stage
    begins, the weighted silhouettes of these pictures cost some 25 a clip. Consistency costs 5 in metres, so that both
    count; 400 in units of 0.1 m, and millions in millimetres, where nothing but agreement does. All three are recipes.

    Attributes:
        silhouette, heatmap, pose, mesh: lambda_s, lambda_h, lambda_p, lambda_m; 0 leaves a term out.
        unit_m: of Eq. 3 and 4.
        flow: "dis", or "network": that of a :class:`FlowRecipe`.
        start: "stills" (after stage 2) or "source" (right after stage 1).
        longer: times as many steps as a row of Table 1.
        silhouettes, keypoints: as in :class:`StillRecipe`.
    """

    silhouette: float = 0.1
    heatmap: float = 1.0
    pose: float = 10.0
    mesh: float = 10.0
    unit_m: float = 1.0
    flow: str = "dis"
    start: str = "stills"
    longer: int = 1
    silhouettes: str = "grabcut"
    keypoints: str = "detected"

    def weights(self) -> TassnWeights:
        """The weights of Eq. 5 and 6."""
        return TassnWeights(self.silhouette, self.heatmap, self.pose, self.mesh)


@dataclass(frozen=True, kw_only=True)
class BaselineRecipe(FilmRecipe):
    """What a trained network has to beat.

    Attributes:
        method: "mean" (one hand for every frame, the mean of the source's labels), "untrained" (the network before its
            first step) or "fit" (each frame by itself to the same detected keypoints).
    """

    method: str


@dataclass(frozen=True, kw_only=True)
class DerivedRecipe(FilmRecipe):
    """Another look at a network that a recipe has trained.

    Attributes:
        of: the recipe.
        look: "shuffled": its answers to other frames; "single": each frame as a film of its own, without flow.
    """

    of: TassnRecipe | StillRecipe | PretrainRecipe
    look: str


@dataclass(frozen=True, kw_only=True)
class StereoRecipe(FilmRecipe):
    """A trained network on the real film from two cameras, up to scale; it needs the data folder.

    Attributes:
        of: the recipe that trained it; None for the mean hand.
    """

    dataset: str = "real stereo film (triangulated, up to scale)"
    columns: Mapping[str, str] = field(default_factory=dict)
    of: TassnRecipe | StillRecipe | PretrainRecipe | None = None


LABELS = LabelsRecipe()
FLOW = FlowRecipe()
PRETRAIN = PretrainRecipe()
STILLS = StillRecipe()
FULL = TassnRecipe(name="tassn-full")
POSE_CONSISTENCY = TassnRecipe(name="tassn-pose-consistency", mesh=0.0)
NO_CONSISTENCY = TassnRecipe(name="tassn-no-consistency", pose=0.0, mesh=0.0)
NO_SILHOUETTE = TassnRecipe(name="tassn-no-silhouette", silhouette=0.0)
TABLE_1 = (NO_CONSISTENCY, POSE_CONSISTENCY, FULL)
CONSISTENCY_ALONE = TassnRecipe(name="tassn-consistency-alone", silhouette=0.0, heatmap=0.0, unit_m=0.001, longer=2)
IN_DECIMETRES = TassnRecipe(name="tassn-full-decimetres", unit_m=0.1)
IN_MILLIMETRES = TassnRecipe(name="tassn-full-millimetres", unit_m=0.001)
NETWORK_FLOW = TassnRecipe(name="tassn-full-flownet", flow="network")


def stills_of(recipe: TassnRecipe) -> StillRecipe:
    """The second stage that a row begins with; rows of the same supervision share it."""
    plain = (recipe.silhouettes, recipe.keypoints) == (STILLS.silhouettes, STILLS.keypoints)
    name = STILLS.name if plain else f"{STILLS.name}-{recipe.keypoints}-{recipe.silhouettes}"
    return replace(STILLS, name=name, silhouettes=recipe.silhouettes, keypoints=recipe.keypoints, effort=recipe.effort)


def pretrain_of(recipe: FilmRecipe) -> PretrainRecipe:
    """The first stage, which all rows share, whatever their seed."""
    return replace(PRETRAIN, effort=recipe.effort)


def labels_of(recipe: FilmRecipe) -> LabelsRecipe:
    """Detections and silhouettes, which all rows share, whatever their seed."""
    return replace(LABELS, effort=recipe.effort)


def flow_of(recipe: FilmRecipe) -> FlowRecipe:
    """The trained flow network, which all rows share, whatever their seed."""
    return replace(FLOW, effort=recipe.effort)
