"""Numbers that show a wrong joint order, a mirrored hand or a flipped axis in a second: bone lengths and handedness."""

import numpy as np
from jaxtyping import Float

from handlib.skeleton import BONES, FINGER_JOINTS


def bone_lengths_mm(joints_m: Float[np.ndarray, "frames 21 3"]) -> Float[np.ndarray, "frames 20"]:
    """Length of each bone of :data:`handlib.skeleton.BONES`; NaN where one of its ends has no label."""
    parents, children = np.array(BONES).T
    return 1000 * np.linalg.norm(joints_m[:, children] - joints_m[:, parents], axis=-1)


def handedness_mm(joints_m: Float[np.ndarray, "frames 21 3"]) -> Float[np.ndarray, "frames"]:
    """Above zero for a right hand, below for a left one: how far the fingers bend to the palm that a right hand has.

    A hand's joints do not bend backwards: the fingertips lie on the palm's side of the plane through wrist, index
    knuckle and little knuckle. Which side that would be for a right hand follows from the order of the three. Near zero
    (a few mm) the hand is flat, or the joints are in another order.
    """
    wrist, index, little = joints_m[:, 0], joints_m[:, 5], joints_m[:, 17]
    palm = np.cross(index - wrist, little - wrist)
    palm = palm / np.linalg.norm(palm, axis=-1, keepdims=True)
    ends = np.stack(
        [joints_m[:, FINGER_JOINTS[finger][-1]] for finger in ("thumb", "index", "middle", "ring", "little")], 1
    )
    return 1000 * np.einsum("fk,fjk->f", palm, ends - wrist[:, None]) / ends.shape[1]
