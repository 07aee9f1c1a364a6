"""The poses of BigHand2.2M as a database: those that SeqHAND's flows walk on.

Apart from :mod:`handlib.data.pose_database`, so that films on other poses do not depend on how that data set is read.
"""

from pathlib import Path

from handlib.data.bighand import BigHand
from handlib.data.pose_database import PoseDatabase, database_from_joints


def bighand_poses(root: str | Path | None = None, *, subjects: tuple[int, ...] | None = None) -> PoseDatabase:
    """The poses of BigHand2.2M, the paper's database, from its annotation files; lines without a hand are left out.

    Raises:
        MissingFileError, BadInputError: see :class:`~handlib.data.bighand.BigHand`.
    """
    return database_from_joints(BigHand(root, subjects=subjects, on_bad="skip").joints_m, "BigHand2.2M")
