"""The rows of the chapter's tables as recipes."""

from dataclasses import dataclass, replace

from handlib.experiments.training_by_fitting.effort import Effort
from handlib.reproduce.recipe import Recipe

CHAPTER = "training_by_fitting"
PRIORS = ("vae", "bone_length", "collision")
SYNTHETIC_CROPS = "synthetic depth crops, test split"


@dataclass(frozen=True, kw_only=True)
class DepthRecipe(Recipe):
    """Anything that is scored on test frames of the open depth target, each crop by itself.

    Attributes:
        effort: sizes in the profile ``full``; the others have their own.
    """

    chapter: str = CHAPTER
    dataset: str = "open depth target, test frames"
    effort: Effort = Effort()


@dataclass(frozen=True, kw_only=True)
class PriorRecipe(DepthRecipe):
    """The variational auto-encoder of Eq. 13, which learns from synthetic poses and then stays as it is."""

    name: str = "fitting-pose-prior"
    dataset: str = "sampled hand poses, test split"


@dataclass(frozen=True, kw_only=True)
class SyntheticRecipe(DepthRecipe):
    """A network that knows labelled synthetic crops only (Sections 3.3 and 4.1).

    Attributes:
        noise: whether these crops are disturbed.
        supervision: "maps": heatmaps and latent depth maps are compared (the paper's choice); "positions": what is
            read from them.
        stacks: hourglasses one after the other.
    """

    noise: bool = True
    supervision: str = "maps"
    stacks: int = 1


@dataclass(frozen=True, kw_only=True)
class FittingRecipe(DepthRecipe):
    """A network that goes on from the synthetic one by fitting spheres to unlabelled frames (Section 3.4).

    Attributes:
        split: whose frames: "train", "test" (the very frames that it is scored on) or "both".
        together: share of these frames whose three views are known to belong together.
        apart: share of the frames after those, each of whose crops is fitted by itself, as if cameras were neither
            calibrated nor synchronised. (The paper says of such data that there is "only a single view". Here all
            three are used one by one, so that rows differ in what is known of the crops, and not in the crops.)
        average: what the views of a frame are drawn to: their "median", their "mean", or the view whose heatmap is
            "narrowest".
        weights: of the terms: "balanced" (ours) or "released".
        without: a prior that is left out, one of :data:`PRIORS`, or nothing.
        stacks: hourglasses one after the other.
    """

    split: str = "train"
    together: float = 1.0
    apart: float = 0.0
    average: str = "median"
    weights: str = "balanced"
    without: str = ""
    stacks: int = 1


@dataclass(frozen=True, kw_only=True)
class DerivedRecipe(DepthRecipe):
    """Another look at a network that a recipe has trained.

    Attributes:
        of: the recipe.
        look: "target": as it is scored anyway (for other columns); "synthetic": on synthetic crops; "shuffled": the
            answers to other frames' crops.
    """

    of: SyntheticRecipe | FittingRecipe
    look: str = "target"


@dataclass(frozen=True, kw_only=True)
class MeanHandRecipe(DepthRecipe):
    """One hand for every crop: the mean of the synthetic labels."""

    name: str = "fitting-mean-hand"


@dataclass(frozen=True, kw_only=True)
class TrackingRecipe(DepthRecipe):
    """Conventional tracking: the spheres of each test frame are optimised under the energy that networks train on.

    Attributes:
        start: "network" (what the synthetic network says of the frame), "mean" (one hand for all frames) or "truth"
            (the labels: no method, but a look at how far from them the energy's own minimum lies).
        views: how many of the frame's views are seen, the first ones.
    """

    start: str = "network"
    views: int = 3


PRIOR = PriorRecipe()
SYNTHETIC_NOISE = SyntheticRecipe(name="fitting-synthetic-noise")


def beginning(recipe: FittingRecipe) -> SyntheticRecipe:
    """The synthetic training that comes before; all rows of as many stacks share it."""
    name = SYNTHETIC_NOISE.name if recipe.stacks == 1 else f"{SYNTHETIC_NOISE.name}-stack-{recipe.stacks}"
    return replace(SYNTHETIC_NOISE, name=name, stacks=recipe.stacks, effort=recipe.effort)


def prior_of(recipe: DepthRecipe) -> PriorRecipe:
    """The pose prior that a row uses."""
    return replace(PRIOR, effort=recipe.effort)
