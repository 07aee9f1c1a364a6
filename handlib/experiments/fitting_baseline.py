"""Fitting one picture at a time: the baseline that every trained network of the book has to beat.

On the open target domain the 3D answer is known, and is used for scoring only. On photographs it is not: there the fit
is compared with the keypoints that it was given, which says how well a hand can explain them and nothing about depth.
"""

from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import torch
from jaxtyping import Float
from tqdm import tqdm

from handlib import metrics
from handlib.camera import PerspectiveCamera
from handlib.data.open_benchmark import OpenBenchmark
from handlib.data.photos import PhotoSet, require_data
from handlib.errors import MissingExtraError
from handlib.fitting import FitResult, FitSettings, fit_to_keypoints
from handlib.hand import HandModel
from handlib.keypoints import detect_hands
from handlib.reproduce.digest import digest_json
from handlib.reproduce.profiles import by_profile
from handlib.reproduce.recipe import Recipe, RunContext
from handlib.reproduce.results import Curve, Metric, Outcome

CHAPTER = "fitting_baseline"
THRESHOLDS_MM = tuple(range(0, 51))


@dataclass(frozen=True, kw_only=True)
class TargetFit(Recipe):
    """Fit to the keypoints of target-domain stills, known or detected, and score in 3D.

    Attributes:
        keypoints: "true" (projected joints), "noisy" (5 px of Gaussian noise in a 256 px crop, each axis) or "detected"
            (mediapipe; hands that it does not find are left out and counted).
        camera: "known" or "assumed".
        method: "fit", or "mean" for one mean hand, laid on each picture by the same alignment.
        starts: optimisations a hand.
        orientation_weight: w_ori of S2HAND Eq. 5.
    """

    chapter: str = CHAPTER
    dataset: str = "open target domain, test stills"
    keypoints: str = "true"
    camera: str = "known"
    method: str = "fit"
    starts: int = FitSettings.starts
    orientation_weight: float = FitSettings.orientation_weight


@dataclass(frozen=True, kw_only=True)
class PhotographFit(Recipe):
    """Fit to the detected keypoints of real photographs, whose 3D nobody knows."""

    chapter: str = CHAPTER
    name: str = "photographs-fit"
    dataset: str = "digits photographs, detected keypoints"

    def data_digest(self) -> str:
        """Digest of the label file: which photographs and keypoints there are."""
        labels = PhotoSet.open("digits").labels
        return digest_json([labels["uv"].tolist(), labels["name"].tolist()])


TARGET_RECIPES: dict[str, TargetFit] = {
    "mean hand": TargetFit(name="target-mean-hand", method="mean"),
    "fit, true keypoints, known camera": TargetFit(name="target-fit-true"),
    "fit, true keypoints, assumed camera": TargetFit(name="target-fit-true-assumed-camera", camera="assumed"),
    "fit, noisy keypoints": TargetFit(name="target-fit-noisy", keypoints="noisy"),
    "fit, detected keypoints": TargetFit(name="target-fit-detected", keypoints="detected"),
    "one start": TargetFit(name="target-fit-noisy-one-start", keypoints="noisy", starts=1),
    "without bone orientation": TargetFit(
        name="target-fit-noisy-no-orientation", keypoints="noisy", orientation_weight=0
    ),
}


@dataclass(frozen=True)
class TargetHands:
    """Target-domain hands with what the fit is given and what it is scored against.

    Attributes:
        images: (N, H, W, 3) 8-bit RGB.
        keypoints_px: (N, 21, 2) what is fitted to; ``confidence`` (N, 21).
        joints_m: (N, 21, 3) the answer, camera frame.
        K: (N, 3, 3) the true cameras.
        indices: which stills of the set these are: some are left out where no hand was detected.
    """

    images: np.ndarray
    keypoints_px: Float[torch.Tensor, "batch 21 2"]
    confidence: Float[torch.Tensor, "batch 21"]
    joints_m: Float[torch.Tensor, "batch 21 3"]
    K: Float[torch.Tensor, "batch 3 3"]
    indices: tuple[int, ...]


def target_hands(keypoints: str, count: int, seed: int) -> TargetHands:
    """The first ``count`` test stills of the target domain, with keypoints of one of the three kinds.

    Raises:
        MissingExtraError: detected keypoints are asked for and no detector is installed.
    """
    drawn = _drawn(count, seed)
    if keypoints == "true":
        return drawn
    if keypoints == "noisy":
        noise = torch.randn(drawn.keypoints_px.shape, generator=torch.Generator().manual_seed(seed))
        sigma_px = 5 / 256 * drawn.images.shape[1]
        return replace(drawn, keypoints_px=drawn.keypoints_px + sigma_px * noise)
    found = [detect_hands(image, max_hands=1) for image in tqdm(drawn.images, desc="detecting", unit="picture")]
    kept = [row for row, hands in enumerate(found) if hands]
    return TargetHands(
        images=drawn.images[kept],
        keypoints_px=torch.from_numpy(np.stack([found[row][0].keypoints_px for row in kept])),
        confidence=torch.from_numpy(np.stack([found[row][0].confidence for row in kept])),
        joints_m=drawn.joints_m[kept],
        K=drawn.K[kept],
        indices=tuple(kept),
    )


@cache
def _drawn(count: int, seed: int) -> TargetHands:
    benchmark = OpenBenchmark("target", split="test", size=count, seed=seed)
    parts = [
        benchmark.render_batch(range(first, min(first + 25, count)))
        for first in tqdm(range(0, count, 25), desc="drawing target stills", unit="25 pictures")
    ]
    together = {
        name: torch.cat([getattr(part, name) for part in parts]) for name in ("rgb", "joints_2d_px", "joints_m", "K")
    }
    return TargetHands(
        images=together["rgb"].numpy(),
        keypoints_px=together["joints_2d_px"],
        confidence=torch.ones(count, 21),
        joints_m=together["joints_m"],
        K=together["K"],
        indices=tuple(range(count)),
    )


def fit_target(recipe: TargetFit, hands: TargetHands) -> FitResult:
    """Run the recipe's fit on these hands."""
    camera = PerspectiveCamera(hands.K) if recipe.camera == "known" else None
    settings = FitSettings(starts=recipe.starts, orientation_weight=recipe.orientation_weight)
    return fit_to_keypoints(
        HandModel.load("open"), hands.keypoints_px, hands.confidence, camera, settings=settings, progress=True
    )


def measure_target_fit(context: RunContext) -> Outcome:
    """The work of a :class:`TargetFit`: errors in 3D and 2D, and the curve of correct keypoints."""
    recipe = context.recipe
    count = by_profile(context.profile, smoke=6, laptop=200, full=2000)
    try:
        hands = target_hands(recipe.keypoints, count, context.seed)
    except MissingExtraError as error:
        return Outcome(not_obtained=str(error))
    true = hands.joints_m.numpy()
    if recipe.method == "mean":
        model = HandModel.load("open")
        predicted = model(torch.zeros(len(true), 45)).joints.numpy()
        error_px = {}
    else:
        fit = fit_target(recipe, hands)
        predicted = fit.joints.numpy()
        error_px = {"fit_2d": Metric(metrics.epe_2d_px(fit.joints_2d_px.numpy(), hands.keypoints_px.numpy()), "px")}
    aligned_mm = 1000 * metrics.point_errors(metrics.procrustes_rigid(predicted, true), true)
    pck = metrics.pck(aligned_mm, np.array(THRESHOLDS_MM))
    return Outcome(
        metrics={
            "pa_mpjpe": Metric(float(aligned_mm.mean()), "mm", "procrustes"),
            "pa_mpjpe_median_hand": Metric(float(np.median(aligned_mm.mean(1))), "mm", "procrustes"),
            "scale_root_mpjpe": Metric(metrics.mpjpe(predicted, true, alignment="scale_root"), "mm", "scale-root"),
            "hands": Metric(len(true), "1"),
            **error_px,
        },
        curves={"pa_pck": Curve(THRESHOLDS_MM, tuple(pck.tolist()), "threshold (mm)", "joints within it")},
    )


def photograph_keypoints(count: int) -> tuple[PhotoSet, np.ndarray]:
    """The digits photographs and ``count`` rows of it, spread evenly over its people and signs.

    Raises:
        MissingFileError: the photographs are not there.
    """
    require_data("digits_crops")
    photos = PhotoSet.open("digits")
    return photos, np.linspace(0, len(photos) - 1, count).round().astype(int)


def fit_photographs(count: int) -> tuple[PhotoSet, np.ndarray, FitResult]:
    """Fit the hand to the detected keypoints of ``count`` digits photographs."""
    photos, rows = photograph_keypoints(count)
    keypoints = torch.from_numpy(photos.labels["uv"][rows]).float()
    confidence = torch.from_numpy(photos.labels["score"][rows]).float()[:, None].expand(-1, 21)
    return photos, rows, fit_to_keypoints(HandModel.load("open"), keypoints, confidence, progress=True)


def measure_photograph_fit(context: RunContext) -> Outcome:
    """The work of a :class:`PhotographFit`: what the fit leaves in 2D, and how far the detector's own 3D is from it."""
    photos, rows, fit = fit_photographs(by_profile(context.profile, smoke=4, laptop=50, full=500))
    keypoints = photos.labels["uv"][rows]
    size = np.ptp(keypoints, axis=1).max(-1)
    error = np.linalg.norm(fit.joints_2d_px.numpy() - keypoints, axis=-1).mean(-1)
    guess_m = photos.labels["world_m"][rows]
    other = metrics.mpjpe(fit.joints.numpy(), guess_m, alignment="procrustes_rigid")
    return Outcome(
        metrics={
            "fit_2d": Metric(float(error.mean()), "px"),
            "fit_2d_of_hand_size": Metric(float(100 * (error / size).mean()), "%"),
            "distance_to_the_detectors_3d": Metric(other, "mm", "procrustes"),
            "hands": Metric(len(rows), "1"),
        }
    )
