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
from handlib.crops import mirror_pixels
from handlib.data.open_benchmark import OpenBenchmark
from handlib.data.photos import PhotoSet, require_data
from handlib.errors import MissingExtraError
from handlib.fitting import FitResult, FitSettings, fit_to_keypoints
from handlib.fitting.fit import default_library
from handlib.hand import HandModel
from handlib.keypoints import detect_hands
from handlib.reproduce.digest import digest_json
from handlib.reproduce.experiment import Experiment
from handlib.reproduce.places import results_folder
from handlib.reproduce.profiles import by_profile
from handlib.reproduce.recipe import Recipe, RunContext
from handlib.reproduce.results import Curve, Metric, Outcome, Result, read_result, result_path

CHAPTER = "fitting_baseline"
THRESHOLDS_MM = tuple(range(0, 51))
FULL_SEEDS = (0, 1, 2)
_BLOCK = 25


@dataclass(frozen=True, kw_only=True)
class TargetFit(Recipe):
    """Fit to the keypoints of target-domain stills, known or detected, and score in 3D.

    Attributes:
        keypoints: "true" (projected joints), "noisy" (5 px of Gaussian noise in a 256 px crop, each axis) or "detected"
            (mediapipe; hands that it does not find are left out and counted).
        camera: "known" or "assumed".
        method: "fit", or "mean" for :func:`mean_hand`, whatever the picture.
        side: which hand is fitted; the pictures show right hands.
        starts: optimisations a hand.
        orientation_weight: w_ori of S2HAND Eq. 5.
        within_limits: keep joints within the limits of a living hand.
    """

    chapter: str = CHAPTER
    dataset: str = "open target domain, test stills"
    keypoints: str = "true"
    camera: str = "known"
    method: str = "fit"
    side: str = "right"
    starts: int = FitSettings.starts
    orientation_weight: float = FitSettings.orientation_weight
    within_limits: bool = True


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
    "true keypoints": TargetFit(name="target-fit-true"),
    "noisy keypoints": TargetFit(name="target-fit-noisy", keypoints="noisy"),
    "detected keypoints": TargetFit(name="target-fit-detected", keypoints="detected"),
    "true, assumed camera": TargetFit(name="target-fit-true-assumed-camera", camera="assumed"),
    "noisy, one start": TargetFit(name="target-fit-noisy-one-start", keypoints="noisy", starts=1),
    "noisy, no bone orientation": TargetFit(
        name="target-fit-noisy-no-orientation", keypoints="noisy", orientation_weight=0.0
    ),
    "noisy, no joint limits": TargetFit(name="target-fit-noisy-no-limits", keypoints="noisy", within_limits=False),
    "true, as a left hand": TargetFit(name="target-fit-true-left", side="left"),
}
"""The rows of the table, by what stands at their beginning."""


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
    return draw_target_hands(tuple(range(count)), seed)


def draw_target_hands(indices: tuple[int, ...], seed: int) -> TargetHands:
    """These test stills of the target domain, with their true keypoints."""
    benchmark = OpenBenchmark("target", split="test", seed=seed)
    blocks = [indices[first : first + _BLOCK] for first in range(0, len(indices), _BLOCK)]
    parts = [benchmark.render_batch(block) for block in tqdm(blocks, desc="drawing target stills", unit="block")]
    together = {
        name: torch.cat([getattr(part, name) for part in parts]) for name in ("rgb", "joints_2d_px", "joints_m", "K")
    }
    return TargetHands(
        images=together["rgb"].numpy(),
        keypoints_px=together["joints_2d_px"],
        confidence=torch.ones(len(indices), 21),
        joints_m=together["joints_m"],
        K=together["K"],
        indices=tuple(indices),
    )


def fit_target(recipe: TargetFit, hands: TargetHands) -> FitResult:
    """Run the recipe's fit on these hands; a left hand is fitted in the mirror, and stays there."""
    camera, keypoints, width = PerspectiveCamera(hands.K), hands.keypoints_px, hands.images.shape[2]
    if recipe.side == "left":
        camera, keypoints = camera.mirror(width), mirror_pixels(keypoints, width)
    settings = FitSettings(
        starts=recipe.starts, orientation_weight=recipe.orientation_weight, within_limits=recipe.within_limits
    )
    known = camera if recipe.camera == "known" else None
    return fit_to_keypoints(open_hand(), keypoints, hands.confidence, known, settings=settings, progress=True)


@cache
def open_hand() -> HandModel:
    """The hand that is fitted, loaded once, so that its pose library is built once."""
    return HandModel.load("open")


def mean_hand() -> Float[np.ndarray, "21 3"]:
    """One hand for every picture: the mean of 512 plausible poses of the open hand, turned alike (m, wrist first)."""
    poses = default_library(open_hand()).joints_m.double().numpy()
    return metrics.procrustes_rigid(poses, np.broadcast_to(poses[:1], poses.shape)).mean(0)


def measure_target_fit(context: RunContext) -> Outcome:
    """The work of a :class:`TargetFit`: errors in 3D and 2D, and the curve of correct keypoints.

    ``pa_mpjpe_shuffled`` scores each answer against the next hand's truth: what an answer is worth that has nothing to
    do with the picture. The curve ``by_hand`` has the error of each still by its index; ``by_starts`` the error that
    the first k starts would have left.
    """
    recipe = context.recipe
    count = by_profile(context.profile, smoke=6, laptop=32, full=200)
    try:
        hands = target_hands(recipe.keypoints, count, context.seed)
    except MissingExtraError as error:
        return Outcome(not_obtained=str(error))
    true = hands.joints_m.numpy()
    found = {"hands": Metric(len(true), "1"), "hands_asked_for": Metric(count, "1")}
    if recipe.method == "mean":
        return score(np.broadcast_to(mean_hand(), true.shape), true, hands.indices, found)
    fit = fit_target(recipe, hands)
    mirrored = np.array([-1.0, 1, 1]) if recipe.side == "left" else np.ones(3)
    keypoints = hands.keypoints_px
    keypoints = mirror_pixels(keypoints, hands.images.shape[2]) if recipe.side == "left" else keypoints
    found |= {
        "fit_2d": Metric(metrics.epe_2d_px(fit.joints_2d_px.numpy(), keypoints.numpy()), "px"),
        "energy": Metric(float(fit.energy.mean()), "1"),
    }
    outcome = score(fit.joints.numpy() * mirrored, true, hands.indices, found)
    by_starts = start_errors_mm(fit, true, mirrored).mean(0)
    ks = tuple(range(1, len(by_starts) + 1))
    curve = Curve(ks, tuple(by_starts.tolist()), "starts", "PA-MPJPE [mm]")
    return replace(outcome, curves={**outcome.curves, "by_starts": curve})


def score(
    predicted: Float[np.ndarray, "batch 21 3"],
    true: Float[np.ndarray, "batch 21 3"],
    indices: tuple[int, ...],
    further: dict[str, Metric],
) -> Outcome:
    """Errors of predicted joints (m) against true ones, rigidly aligned, with PCK and the error of each still."""
    aligned_mm = 1000 * metrics.point_errors(metrics.procrustes_rigid(predicted, true), true)
    by_hand = aligned_mm.mean(1)
    shuffled = metrics.mpjpe(np.roll(predicted, 1, axis=0), true, alignment="procrustes_rigid")
    pck = metrics.pck(aligned_mm, np.array(THRESHOLDS_MM, np.float64))
    return Outcome(
        metrics={
            "pa_mpjpe": Metric(float(by_hand.mean()), "mm", "procrustes"),
            "pa_mpjpe_median_hand": Metric(float(np.median(by_hand)), "mm", "procrustes"),
            "pa_mpjpe_shuffled": Metric(shuffled, "mm", "procrustes"),
            "root_mpjpe": Metric(metrics.mpjpe(predicted, true, alignment="root"), "mm", "root"),
            **further,
        },
        curves={
            "pa_pck": Curve(THRESHOLDS_MM, tuple(pck.tolist()), "threshold [mm]", "fraction of joints"),
            "by_hand": Curve(indices, tuple(by_hand.round(3).tolist()), "index of the still", "PA-MPJPE [mm]"),
        },
    )


def start_errors_mm(
    fit: FitResult, true: Float[np.ndarray, "batch 21 3"], mirrored: Float[np.ndarray, "3"] | float = 1.0
) -> Float[np.ndarray, "batch starts"]:
    """PA-MPJPE (mm) of what the first 1, 2, ... starts alone would have given: the one with the least energy."""
    starts = fit.start_joints.shape[1]
    kept = np.stack([fit.start_energies[:, : k + 1].argmin(1).numpy() for k in range(starts)], axis=1)
    joints = fit.start_joints.numpy() * mirrored
    each_mm = np.stack(
        [
            1000 * metrics.point_errors(metrics.procrustes_rigid(joints[:, k], true), true).mean(1)
            for k in range(starts)
        ],
        axis=1,
    )
    return np.take_along_axis(each_mm, kept, axis=1)


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
    return photos, rows, fit_to_keypoints(open_hand(), keypoints, confidence, progress=True)


def measure_photograph_fit(context: RunContext) -> Outcome:
    """The work of a :class:`PhotographFit`: what the fit leaves in 2D, and how far the detector's own 3D is from it."""
    photos, rows, fit = fit_photographs(by_profile(context.profile, smoke=4, laptop=16, full=50))
    keypoints = photos.labels["uv"][rows]
    error_px = np.linalg.norm(fit.joints_2d_px.numpy() - keypoints, axis=-1).mean(-1)
    of_size = 100 * error_px / np.ptp(keypoints, axis=1).max(-1)
    guess_m = photos.labels["world_m"][rows].astype(np.float64)
    aligned = metrics.procrustes_rigid(fit.joints.numpy(), guess_m)
    apart_mm = 1000 * metrics.point_errors(aligned, guess_m).mean(1)
    still = tuple(rows.tolist())
    return Outcome(
        metrics={
            "fit_2d": Metric(float(error_px.mean()), "px"),
            "fit_2d_of_hand_size": Metric(float(of_size.mean()), "%"),
            "distance_to_the_detectors_3d": Metric(float(apart_mm.mean()), "mm", "procrustes"),
            "hands": Metric(len(rows), "1"),
        },
        curves={
            "fit_2d_by_photograph": Curve(still, tuple(of_size.round(3).tolist()), "row of the set", "miss [%]"),
            "apart_by_photograph": Curve(still, tuple(apart_mm.round(3).tolist()), "row of the set", "distance [mm]"),
        },
    )


def stored_results(recipe: Recipe, seeds: tuple[int, ...] = FULL_SEEDS) -> list[Result]:
    """The ``full`` runs of a recipe that the checkout holds, whichever state of the library they are of.

    Raises:
        BadInputError: a file is damaged; one that is not there is left out.
    """
    paths = [result_path(results_folder(), recipe.chapter, recipe.name, "full", seed) for seed in seeds]
    return [read_result(path) for path in paths if path.is_file()]


def mean_and_spread(results: list[Result], metric: str) -> tuple[float, float] | None:
    """A metric's mean over runs and its standard deviation between them; None where no run has it."""
    values = [result.outcome.metrics[metric].value for result in results if metric in result.outcome.metrics]
    return (float(np.mean(values)), float(np.std(values))) if values else None


EXPERIMENTS: tuple[Experiment, ...] = (
    *[
        Experiment(recipe=recipe, work=measure_target_fit, seeds=FULL_SEEDS, device="cpu")
        for recipe in TARGET_RECIPES.values()
    ],
    Experiment(recipe=PhotographFit(), work=measure_photograph_fit, seeds=FULL_SEEDS[:1], device="cpu"),
)
"""What ``handlib run fitting_baseline`` runs."""
