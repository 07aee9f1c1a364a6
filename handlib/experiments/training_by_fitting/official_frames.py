"""NYU's frames as the fitting sees them, cropped once and kept, and the scores by its protocol."""

import numpy as np
from jaxtyping import Float, Int
from torch import nn
from tqdm import tqdm

from handlib.data.depth_cache import StoredViews
from handlib.data.depth_target import nyu_like_joints
from handlib.data.depth_views import CubeFrames
from handlib.data.label_cache import ArrayWriter, LabelArrays, cached_labels
from handlib.data.nyu import NYU_VIEWS, Nyu, xyz_to_uvd
from handlib.errors import BadInputError
from handlib.experiments.official_run import open_split, spread
from handlib.experiments.training_by_fitting.effort import effort_of
from handlib.experiments.training_by_fitting.scoring import joint_maps, predict_crops, score_errors
from handlib.metrics.protocols.nyu import nyu_errors_mm
from handlib.reproduce.closure import code_digest
from handlib.reproduce.digest import digest_json
from handlib.reproduce.profiles import Profile
from handlib.reproduce.recipe import RunContext
from handlib.reproduce.results import Outcome
from handlib.skeleton import NYU14_ROWS

_BLOCK = 50


def nyu_views(context: RunContext, split: str) -> StoredViews:
    """The crops of "train", "test" or "both" splits; all frames in the profile ``full``, else some.

    Raises:
        BadInputError, MissingFileError: as the reader does; or the cache cannot be written.
    """
    if split == "both":
        return nyu_views(context, "train").followed_by(nyu_views(context, "test"))
    dataset = _open(split)
    effort = effort_of(context.profile, context.recipe.effort)
    frames = whole_frames(dataset)
    count = effort.train_frames if split == "train" else effort.test_frames
    return stored_views(dataset, frames[spread(len(frames), None if context.profile is Profile.FULL else count)])


def whole_frames(dataset: Nyu) -> Int[np.ndarray, "frames"]:
    """The frames of which all views can be used, of a reader of all views."""
    views_left = np.bincount(dataset.rows % dataset.num_frames, minlength=dataset.num_frames)
    return np.flatnonzero(views_left == NYU_VIEWS)


def stored_views(dataset: Nyu, frames: Int[np.ndarray, "frames"]) -> StoredViews:
    """Crops of all views of some frames, made at the first call and kept in the data set's cache.

    Raises:
        BadInputError, MissingFileError: a picture is missing or damaged, or the cache cannot be written.
    """
    code = code_digest(["handlib.data.nyu"])
    key = digest_json([dataset.labels["uvd"].shape, frames.tolist(), code])[:12]
    source = dataset.root / dataset.split / "joint_data.mat"
    arrays = cached_labels(
        dataset.root,
        f"{dataset.name}-{dataset.split}-views-{key}",
        [source],
        lambda out: _write(out, dataset, frames),
        remedy=dataset.remedy,
    )
    return _read(arrays)


def score_on_nyu(context: RunContext, network: nn.Module) -> Outcome:
    """NYU's protocol: 14 joints, no alignment, every test frame of view 1, of which the network sees nothing else.

    The open hand's joints stand for NYU's, which are those of another hand model: they differ by some millimetres.

    Raises:
        BadInputError: test frames were left out as damaged; the protocol asks for all of them.
    """
    dataset = _open("test")
    frames = whole_frames(dataset)
    if len(frames) != dataset.num_frames:
        raise BadInputError(
            f"{dataset.root / 'test'}: {dataset.num_frames - len(frames)} of {dataset.num_frames} test frames are "
            f"damaged, and the protocol scores all of them: {dataset.remedy}"
        )
    if not context.profile.is_comparable:
        frames = frames[spread(len(frames), effort_of(context.profile, context.recipe.effort).test_frames)]
    seen = stored_views(dataset, frames).crops(slice(None))
    first = CubeFrames(seen.frames.rotation[:, :1], seen.frames.origin_m[:, :1])
    # The first camera's frame is the world.
    world = first.to_world(predict_crops(network, seen.depth[:, 0])[:, None])[:, 0]
    said: Float[np.ndarray, "frames 14 3"] = nyu_like_joints(joint_maps().to_joints(world)).double().numpy()
    true_uvd = dataset.uvd(1)[frames][:, NYU14_ROWS]
    return score_errors(nyu_errors_mm(xyz_to_uvd(said), true_uvd))


def _open(split: str) -> Nyu:
    return open_split("nyu", split, view="all")


def _write(out: ArrayWriter, dataset: Nyu, frames: Int[np.ndarray, "frames"]) -> None:
    rig = dataset.rig()
    title = f"cropping {dataset.name} {dataset.split}"
    for start in tqdm(range(0, len(frames), _BLOCK), desc=title, unit=f"{_BLOCK} frames"):
        batch = dataset.multi_view(frames[start : start + _BLOCK].tolist(), rig)
        out.append("depth", batch.depth.half().numpy())
        out.append("rotation", batch.frames.rotation.contiguous().numpy())
        out.append("origin_m", batch.frames.origin_m.numpy())
        out.append("usable", batch.usable.numpy())


def _read(arrays: LabelArrays) -> StoredViews:
    others = (np.array(arrays[name]) for name in ("rotation", "origin_m", "usable"))
    return StoredViews(arrays["depth"], *others)
