"""From the centre of the palm, which STB and MHP label, to a wrist, which everybody else has."""

import numpy as np
from jaxtyping import Float

from handlib.data.official import check_choice
from handlib.skeleton import JOINT_NAMES, JointOrder, reorder_joints

_PALM = JointOrder("palm", ("palm",), "the joint that STB and MHP have instead of a wrist")

WRISTS: dict[str, tuple[str, float]] = {
    "ring": ("ring_mcp", 2.0),
    "middle": ("middle_mcp", 2.2),
    "palm": ("ring_mcp", 1.0),
}
"""Where papers put the wrist: at the knuckle plus this many times the way from the knuckle to the palm centre. With
"palm" the first joint stays what the files have, the centre of the palm."""


def joints_from_palm(
    joints_m: Float[np.ndarray, "frames 21 3"], order: str, wrist: str = "ring"
) -> Float[np.ndarray, "frames 21 3"]:
    """Joints with a palm in a data set's order to our 21, with the wrist extrapolated (Cai et al., ECCV 2018).

    Args:
        joints_m: in the named order, which has one joint called "palm".
        order: "stb" or "mhp".
        wrist: a key of :data:`WRISTS`.

    Raises:
        BadInputError: there is no such way to make a wrist.
    """
    knuckle, factor = WRISTS[check_choice("wrist", wrist, tuple(WRISTS))]
    ours = reorder_joints(joints_m, order, missing="nan")
    palm = reorder_joints(joints_m, order, _PALM)[:, 0]
    start = ours[:, JOINT_NAMES.index(knuckle)]
    ours[:, 0] = start + factor * (palm - start)
    return ours
