"""The rows of the chapter's tables as recipes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache

from handlib.errors import BadInputError
from handlib.experiments.s2hand_v.effort import Effort
from handlib.losses.motion import VideoWeights
from handlib.pretrained import RELEASED
from handlib.reproduce.digest import digest_files
from handlib.reproduce.recipe import Recipe

CHAPTER = "s2hand_v"
MOTIONS = ("none", "quaternion", "temporal", "smooth")
COLUMNS = {
    "mpjpe": "pa_mpjpe",
    "mpvpe": "pa_mpvpe",
    "auc_j": "pa_auc_j",
    "auc_v": "pa_auc_v",
    "f_5": "pa_f_5mm",
    "f_15": "pa_f_15mm",
    "shape_sd": "test_shape_sd",
    "texture_sd": "test_texture_sd",
}
"""The paper's errors are all after Procrustes alignment; the plain names are our metrics without it."""


@dataclass(frozen=True, kw_only=True)
class FilmRecipe(Recipe):
    """Anything that is scored on the test films of the open benchmark.

    Attributes:
        effort: sizes in the profile ``full``; the others have their own.
    """

    chapter: str = CHAPTER
    dataset: str = "open target domain, test films"
    columns: Mapping[str, str] = field(default_factory=lambda: dict(COLUMNS))
    effort: Effort = Effort()

    def data_digest(self) -> str:
        """Digest of the released network, with which every training here begins; the films are generated."""
        return released_digest()


@dataclass(frozen=True, kw_only=True)
class VideoRecipe(FilmRecipe):
    """A training of S2HAND's network on clips of films, from the released weights on.

    Attributes:
        motion: the term that looks at how joints turn from frame to frame: one of :data:`MOTIONS`.
        motion_factor: multiplies the paper's ``w_quat``, with which all motion terms are weighed.
        texture_shape: whether E_T&S counts.
        frames: n, frames of a clip.
        interval: frames of the film from one frame of a clip to the next.
        camera: "perspective", with the films' known lenses, or "weak_perspective", with none.
        extra: whether the extra films, whose lenses nobody knows, are learnt from too.
        steps: in parts of the effort's; 0 scores the released network as it is.
    """

    motion: str = "none"
    motion_factor: float = 1.0
    texture_shape: bool = False
    frames: int = 3
    interval: int = 3
    camera: str = "perspective"
    extra: bool = False
    steps: float = 1.0


@dataclass(frozen=True, kw_only=True)
class DetectionsRecipe(FilmRecipe):
    """What S2HAND's keypoint detector says of every frame, each by itself: the only labels that a training sees."""

    name: str = "s2hand-v-detector"
    columns: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class BaselineRecipe(FilmRecipe):
    """What needs no training on films.

    Attributes:
        method: "mean" (one hand for all), "fit" (each frame's detected keypoints by themselves).
    """

    method: str


@dataclass(frozen=True, kw_only=True)
class AfterwardsRecipe(FilmRecipe):
    """Something done to the answers of a trained row, film by film.

    Attributes:
        of: the row.
        method: "one-euro" (a causal filter of its joints and meshes), "first-frame" (its hand of the film's first
            frame, held), "shuffled" (its answers to another film).
        min_cutoff_hz, speed_coefficient: of the filter.
    """

    of: VideoRecipe
    method: str
    min_cutoff_hz: float = 1.0
    speed_coefficient: float = 10.0


def video_weights(recipe: VideoRecipe) -> VideoWeights:
    """The weights of Eq. 22 of a row, zero where a term is left out.

    Raises:
        BadInputError: no motion term has that name.
    """
    if recipe.motion not in MOTIONS:
        raise BadInputError(f"motion {recipe.motion!r}: expected one of {MOTIONS}")
    paper = VideoWeights()
    return VideoWeights(
        quaternion=0.0 if recipe.motion == "none" else paper.quaternion * recipe.motion_factor,
        texture_shape=paper.texture_shape if recipe.texture_shape else 0.0,
    )


@cache
def released_digest() -> str:
    """Digest of the released weights."""
    return digest_files(RELEASED.parent, [RELEASED])
