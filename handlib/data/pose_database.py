"""Pose databases: many hand poses of which flows choose theirs, with a search for the one that is nearest to a pose.

SeqHAND (Yang et al., ECCV 2020) takes the labels of BigHand2.2M for it: 2.2 million poses of living hands, so dense
that any pose has neighbours. Here a database is made of those labels, of STB's 18,000 real poses, or of poses that the
sampler draws, which need no data at all.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.spatial import cKDTree

from handlib.data.archives import read_arrays
from handlib.data.photos import require_data
from handlib.errors import BadInputError
from handlib.hand.anatomy import palm_frame
from handlib.hand.model import HandModel
from handlib.hand.sampler import PoseSampler

PALM_M = 0.09
"""Wrist to middle knuckle of every pose in a database, so that distances tell poses apart, and not people."""

STB_FILE = "stb_joint_poses.npz"
_ROWS_AT_ONCE = 65_536


@dataclass(frozen=True, eq=False)
class PoseDatabase:
    """Poses as joints in the *palm frame*, metres; what a flow walks on.

    ``joints_m`` (N, 21, 3) float32: right hands with the wrist at the origin, x radial, y dorsal, z along the middle
    metacarpal, and a palm of :data:`PALM_M`. ``name`` is for captions.

    Eq. 7 of SeqHAND measures distances between joints, and says nothing about where a hand is, how it is turned or how
    large it is. Those are drawn on their own, as the camera: here they are taken out, so that near means alike.
    """

    joints_m: Float[np.ndarray, "poses 21 3"]
    name: str

    def __len__(self) -> int:
        return len(self.joints_m)

    @cached_property
    def tree(self) -> cKDTree:
        """A k-d tree over the 63 coordinates, built when first asked for."""
        return cKDTree(self.joints_m.reshape(len(self), -1))

    def nearest(
        self, joints_m: Float[np.ndarray, "queries 21 3"], k: int = 1
    ) -> tuple[Float[np.ndarray, "queries k"], Int[np.ndarray, "queries k"]]:
        """Distances (m, Euclidean over all 63 coordinates) and rows of the ``k`` nearest poses, nearest first.

        Raises:
            BadInputError: ``k`` is not from 1 to the number of poses, or a query holds NaN.
        """
        if not 1 <= k <= len(self):
            raise BadInputError(f"k is {k}, expected 1 to {len(self)}, the poses of the database {self.name}")
        if not np.isfinite(joints_m).all():
            raise BadInputError("joints_m holds NaN or infinity: leave out frames with joints that have no label")
        distances, rows = self.tree.query(joints_m.reshape(len(joints_m), -1), k=[*range(1, k + 1)])
        return distances, rows


def to_palm_frame(joints_m: Float[np.ndarray, "poses 21 3"]) -> Float[np.ndarray, "poses 21 3"]:
    """Joints of right hands, of any place, turn and size, to the palm frame of :class:`PoseDatabase`.

    Raises:
        BadInputError: NaN, or a hand whose wrist and knuckles span no palm.
    """
    joints = np.asarray(joints_m, np.float64)
    joints = joints - joints[:, :1]
    across = np.cross(joints[:, 9], joints[:, 5] - joints[:, 17])
    # NaN compares false: written the way that it fails.
    flat = ~(np.linalg.norm(across, axis=-1) > 1e-9) | ~np.isfinite(joints).all((1, 2))
    if flat.any():
        raise BadInputError(
            f"joints_m: pose {int(flat.argmax())} holds NaN, or its wrist and knuckles lie on a line; leave it out"
        )
    frame = palm_frame(torch.from_numpy(joints)).numpy()
    size = np.linalg.norm(joints[:, 9], axis=-1)[:, None, None]
    return (joints @ frame / size * PALM_M).astype(np.float32)


def database_from_joints(joints_m: Float[np.ndarray, "poses 21 3"], name: str) -> PoseDatabase:
    """A database of joints of right hands (our order) in any frame; errors as in :func:`to_palm_frame`."""
    if not len(joints_m):
        raise BadInputError(f"joints_m of the database {name} is empty: a flow needs two poses at least")
    blocks = (joints_m[start : start + _ROWS_AT_ONCE] for start in range(0, len(joints_m), _ROWS_AT_ONCE))
    return PoseDatabase(np.concatenate([to_palm_frame(block) for block in blocks]), name)


def sampled_poses(count: int = 20_000, seed: int = 0, hand: HandModel | None = None) -> PoseDatabase:
    """Poses of the open sampler: the default, which needs no data.

    Args:
        count: poses; a larger database begins with those of a smaller one.
        seed: of the sampler.
        hand: whose joints; the open hand by default.
    """
    sampler = PoseSampler(hand if hand is not None else HandModel.load("open"), seed)
    blocks = [
        sampler.anatomy.to_joints(sampler.sample(min(4096, count - start), start)).numpy()
        for start in range(0, count, 4096)
    ]
    return database_from_joints(np.concatenate(blocks), f"{count:,} sampled poses")


def stb_poses(split: str = "train") -> PoseDatabase:
    """The real poses of STB in ``HANDLIB_DATA``: "train" (B2 to B6, 15,000), "test" (B1, 3,000) or "all".

    Raises:
        MissingFileError: the file is not there.
        BadInputError: another split, or a damaged file.
    """
    parts = {"train": ["train_m"], "test": ["test_m"], "all": ["train_m", "test_m"]}
    if split not in parts:
        raise BadInputError(f"split is {split!r}, expected one of {', '.join(parts)}")
    arrays = read_arrays(require_data(STB_FILE), parts[split], "copy it to the data folder again")
    return database_from_joints(np.concatenate([arrays[part] for part in parts[split]]), f"STB, {split}")
