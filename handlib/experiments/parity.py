"""Parity: what handlib's hand layer and renderers answer, beside the packages that they stand in for.

Each package is compared where it is installed; the numbers are stored, so that the page can show the last comparison
where it is not. Hands are random files of MANO's format: MANO itself may not be passed on.
"""

import inspect
import io
import pickle
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, redirect_stdout
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from roma import random_rotmat
from torch import Tensor, nn

from handlib.experiments.parity_rendering import compare_pytorch3d
from handlib.hand import HandModel, ManoLayer
from handlib.hand.files import write_mano_npz
from handlib.hand.synthetic import mano_dictionary, random_hand_file
from handlib.reproduce.experiment import Experiment
from handlib.reproduce.places import results_folder
from handlib.reproduce.profiles import by_profile
from handlib.reproduce.recipe import Recipe, RunContext
from handlib.reproduce.results import Metric, Outcome, Result, read_result, result_path
from handlib.skeleton import reorder_joints

CHAPTER = "parity"
PACKAGES = ("smplx", "manopth", "pytorch3d")

# Name of the case -> options of the layer, then of the call; manopth's own names.
MANOPTH_CASES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "45 axis-angle numbers": ({"use_pca": False}, {}),
    "12 components, mean pose": ({"ncomps": 12, "flat_hand_mean": False}, {}),
    "rotation matrices": ({"use_pca": False, "joint_rot_mode": "rotmat"}, {}),
    "6D root rotation": ({"ncomps": 12, "root_rot_mode": "rot6d"}, {}),
    "6D root rotation, robust": ({"ncomps": 12, "root_rot_mode": "rot6d", "robust_rot": True}, {}),
    "centred on a joint": ({"center_idx": 9}, {"th_trans": torch.zeros(1)}),
    "palm for wrist": ({}, {"root_palm": torch.ones(1)}),
    "one shape for all": ({}, {"share_betas": torch.ones(1)}),
    "left hand": ({"side": "left"}, {}),
}
SMPLX_CASES: dict[str, dict[str, Any]] = {
    "45 axis-angle numbers": {"use_pca": False, "flat_hand_mean": True},
    "45 axis-angle numbers, mean pose": {"use_pca": False, "flat_hand_mean": False},
    "6 components": {"num_pca_comps": 6, "flat_hand_mean": True},
    "30 components, mean pose": {"num_pca_comps": 30, "flat_hand_mean": False},
}


@dataclass(frozen=True, kw_only=True)
class Parity(Recipe):
    """Compare with one package. The metrics are named ``case: measure``."""

    chapter: str = CHAPTER
    dataset: str = "random files of MANO's format; a sphere; the open hand"
    package: str
    package_version: str


def installed_version(package: str) -> str | None:
    """Version of a package, "unknown" for one that lies on the path without saying, None for one that is not there."""
    if find_spec(package) is None:
        return None
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "unknown"


def parity(package: str, profile: str, seed: int = 0) -> tuple[Result, bool]:
    """The comparison with ``package``, and whether it is of this machine (run now, or stored under the same key).

    Raises:
        MissingFileError: the package is not installed, and no comparison is stored.
    """
    experiment = comparison_with(package)
    if experiment is None:
        return read_result(result_path(results_folder(), CHAPTER, f"parity-{package}", "laptop", seed)), False
    return experiment.run(profile, seed), True


def comparison_with(package: str) -> Experiment | None:
    """The experiment that compares with ``package``; None where that is not installed."""
    version = installed_version(package)
    if version is None:
        return None
    recipe = Parity(name=f"parity-{package}", package=package, package_version=version)
    work = {"smplx": compare_smplx, "manopth": compare_manopth, "pytorch3d": compare_pytorch3d}[package]
    return Experiment(recipe=recipe, work=work, seeds=(0,), device="cpu")


def parity_columns(result: Result) -> dict[str, list[str | None]]:
    """The result as columns for ``viz.show_table``: cases, then one column a measure, numbers to three digits."""
    metrics = {tuple(name.split(": ")): metric for name, metric in result.outcome.metrics.items()}
    cases, measures = (list(dict.fromkeys(part)) for part in zip(*metrics, strict=True))
    columns: dict[str, list[str | None]] = {"case": cases}
    for measure in measures:
        column = [metrics.get((case, measure)) for case in cases]
        unit = next(metric.unit for metric in column if metric)
        heading = measure if unit == "1" else f"{measure} [{unit}]"
        columns[heading] = [metric and f"{metric.value:.3g}" for metric in column]
    return columns


def compare_smplx(context: RunContext) -> Outcome:
    """Worst distances between ``HandModel`` and ``smplx.MANO`` in float64, and how their gradients differ."""
    import smplx

    batch = by_profile(context.profile, smoke=3, laptop=64, full=1024)
    metrics: dict[str, Metric] = {}
    with tempfile.TemporaryDirectory() as folder:
        path = write_mano_npz(random_hand_file(context.seed), Path(folder) / "MANO_RIGHT.npz")
        for case, options in SMPLX_CASES.items():
            pca = {"pose_space": "pca", "num_pca": options["num_pca_comps"]} if "num_pca_comps" in options else {}
            ours = HandModel.load(path, dtype=torch.float64, flat_hand_mean=options["flat_hand_mean"], **pca)
            with redirect_stdout(io.StringIO()):  # it prints a warning that MANO has ten shape coefficients
                theirs = smplx.MANO(str(path), ext="npz", dtype=torch.float64, batch_size=batch, **options)
            inputs = _random_inputs(batch, (ours.pose_width, 10, 3, 3), torch.float64)
            mesh = ours(*inputs)
            pose, shape, orient, translation = inputs
            out = theirs(betas=shape, global_orient=orient, hand_pose=pose, transl=translation)
            joints = reorder_joints(mesh.joints, "handlib", "mano")
            pairs = ((1000 * mesh.vertices, 1000 * out.vertices), (1000 * joints, 1000 * out.joints))
            metrics |= _differences(case, pairs, inputs)
    return Outcome(metrics)


def compare_manopth(context: RunContext) -> Outcome:
    """Worst distances between the two ``ManoLayer`` in float32, and how their gradients differ."""
    batch = by_profile(context.profile, smoke=3, laptop=64, full=1024)
    metrics: dict[str, Metric] = {}
    with tempfile.TemporaryDirectory() as folder, surroundings_of_manopth():
        try:
            from manopth.manolayer import ManoLayer as TheirLayer
        except ImportError as error:
            return Outcome(not_obtained=f"manopth is there and cannot be imported: {error}")
        content = pickle.dumps(mano_dictionary(random_hand_file(context.seed)), protocol=2)
        for side in ("RIGHT", "LEFT"):
            (Path(folder) / f"MANO_{side}.pkl").write_bytes(content)
        for case, (options, call) in MANOPTH_CASES.items():
            layers: list[nn.Module] = [layer(mano_root=folder, **options) for layer in (ManoLayer, TheirLayer)]
            width = layers[0].rot + layers[0].ncomps
            inputs = list(_random_inputs(batch, (width, 10, 3), torch.float32))
            if "joint_rot_mode" in options:
                # Near rotations, as a network gives them; at exact ones manopth's gradient (of an SVD) is NaN.
                inputs[0] = random_rotmat((batch, 16)).add(0.1 * torch.randn(batch, 16, 3, 3)).requires_grad_()
            if "th_trans" in call:
                inputs.pop()
            answers = [layer(*inputs, **call) for layer in layers]
            metrics |= _differences(case, tuple(zip(*answers, strict=True)), tuple(inputs))
    return Outcome(metrics)


@contextmanager
def surroundings_of_manopth() -> Iterator[None]:
    """Two things that manopth takes for granted.

    It reads MANO through chumpy, which asks for ``inspect.getargspec``, gone since Python 3.11; and it sends rotation
    matrices to a GPU, whether there is one or not.
    """
    with ExitStack() as patches:
        patches.enter_context(patch.object(inspect, "getargspec", inspect.getfullargspec, create=True))
        if not torch.cuda.is_available():
            patches.enter_context(patch.object(torch.Tensor, "cuda", lambda tensor: tensor))
        yield


def _random_inputs(batch: int, widths: tuple[int, ...], dtype: torch.dtype) -> tuple[Tensor, ...]:
    """Normal numbers of each width, the first row of each zero, where a rotation's formula divides by its angle."""
    inputs = tuple(torch.randn(batch, width, dtype=dtype) for width in widths)
    for value in inputs:
        value[0] = 0
        if value.shape[1] > 3:
            value[0, :6] = torch.eye(3, dtype=dtype)[:2].flatten()  # a 6D rotation may not be zero
    return tuple(value.requires_grad_() for value in inputs)


def _differences(
    case: str, pairs_mm: tuple[tuple[Tensor, ...], ...], inputs: tuple[Tensor, ...]
) -> Mapping[str, Metric]:
    """Worst distance of vertices and of joints, pairs (ours, theirs) of (B, N, 3) mm, and of a gradient, relative."""
    metrics = {
        f"{case}: {what}": Metric(float(1000 * (ours - theirs).detach().norm(dim=-1).max()), "µm")
        for what, (ours, theirs) in zip(("vertices", "joints"), pairs_mm, strict=True)
    }
    weights = [torch.randn_like(ours) for ours, _ in pairs_mm]
    gradients = [
        torch.autograd.grad(sum((w * pair[side]).sum() for w, pair in zip(weights, pairs_mm, strict=True)), inputs)
        for side in (0, 1)
    ]
    relative = [float((a - b).norm() / b.norm()) for a, b in zip(*gradients, strict=True)]
    return {**metrics, f"{case}: gradient, relative": Metric(max(relative), "1")}


EXPERIMENTS: tuple[Experiment, ...] = tuple(found for package in PACKAGES if (found := comparison_with(package)))
"""What ``handlib run parity`` runs: a comparison with each package that is installed."""
