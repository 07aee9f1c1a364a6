"""The hand skeleton: joint names, bones, and every data set's joint order as a named table.

Two skeletons appear in this project and are never mixed silently:

* the *21 keypoints* (wrist, then thumb, index, middle, ring, little, each from knuckle to tip), the order of FreiHAND
  and OpenPose: every array of joints in ``handlib`` is in this order;
* the *16 articulated joints* of a hand model, in MANO's order (wrist, index, middle, little, ring, thumb, three each):
  only model files and pose vectors use it.

Anything else comes in through :func:`reorder_joints`, which knows the orders in :data:`JOINT_ORDERS` by name.
"""

from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np
import torch
from torch import Tensor

from handlib.errors import BadInputError

FINGERS: tuple[str, ...] = ("thumb", "index", "middle", "ring", "little")

# The thumb has a carpometacarpal joint where a finger has its knuckle, and one joint fewer after it.
_FINGER_PARTS = {finger: ("mcp", "pip", "dip", "tip") for finger in FINGERS} | {"thumb": ("cmc", "mcp", "ip", "tip")}


def _finger(finger: str) -> tuple[str, ...]:
    """Four joint names of one finger, knuckle to tip."""
    return tuple(f"{finger}_{part}" for part in _FINGER_PARTS[finger])


JOINT_NAMES: tuple[str, ...] = ("wrist", *(name for finger in FINGERS for name in _finger(finger)))
FINGER_JOINTS: dict[str, tuple[int, int, int, int]] = {
    finger: tuple(JOINT_NAMES.index(name) for name in _finger(finger)) for finger in FINGERS
}
TIPS: tuple[int, ...] = tuple(FINGER_JOINTS[finger][-1] for finger in FINGERS)
PARENTS: tuple[int, ...] = tuple(-1 if j == 0 else 0 if j % 4 == 1 else j - 1 for j in range(21))
BONES: tuple[tuple[int, int], ...] = tuple((PARENTS[child], child) for child in range(1, 21))

_MODEL_FINGERS = ("index", "middle", "little", "ring", "thumb")
MODEL_JOINT_NAMES: tuple[str, ...] = ("wrist", *(name for f in _MODEL_FINGERS for name in _finger(f)[:3]))
MODEL_PARENTS: tuple[int, ...] = tuple(-1 if j == 0 else 0 if j % 3 == 1 else j - 1 for j in range(16))
MODEL_TO_21: tuple[int, ...] = tuple(JOINT_NAMES.index(name) for name in MODEL_JOINT_NAMES)


@dataclass(frozen=True)
class JointOrder:
    """A data set's joint order: the name of the joint in each row, and where we know it from.

    A joint that is one of our 21 has our name; a joint that we do not have (a palm centre) keeps a name of its own, so
    that it can never be taken for one of ours.
    """

    name: str
    joints: tuple[str, ...]
    source: str

    def __post_init__(self) -> None:
        if len(set(self.joints)) != len(self.joints):
            raise BadInputError(f"joint order {self.name!r} names a joint twice; give every row a name of its own")


_TIP_NAMES = tuple(_finger(f)[3] for f in FINGERS)
_MANO_AND_TIPS = (*MODEL_JOINT_NAMES, *_TIP_NAMES)
_PALM_TO_TIP = ("little", "ring", "middle", "index", "thumb")

# NYU names a finger F1 (little) to F4 (index) or TH, a phalanx KNU3 (distal) to KNU1 (proximal), and two points on
# each: B at its base, one of our joints, and A further out, which only on the distal phalanx (the tip) is one of ours.
_NYU36 = (
    *(
        name
        for finger, code in zip(_PALM_TO_TIP, ("f1", "f2", "f3", "f4", "th"), strict=True)
        for name in (
            *_finger(finger)[:1:-1],
            f"nyu_{code}_knu2_a",
            _finger(finger)[1],
            f"nyu_{code}_knu1_a",
            _finger(finger)[0],
        )
    ),
    *(f"nyu_palm_{k}" for k in range(1, 6)),
    "wrist",
)
# The rows of the 36 that papers evaluate (Tompson et al., ACM TOG 2014; everybody since Oberweger et al. 2015).
NYU14_ROWS: tuple[int, ...] = (0, 3, 6, 9, 12, 15, 18, 21, 24, 25, 27, 30, 31, 32)


def _knuckle_last(finger: str) -> tuple[str, ...]:
    """One finger in MHP's order: KNU1_A, KNU1_B, KNU2_A, KNU3_A, where B is the knuckle and the rest go outward."""
    knuckle, *outward = _finger(finger)
    return (outward[0], knuckle, *outward[1:])


_ORDERS = (
    JointOrder("handlib", JOINT_NAMES, "this project; the same as freihand and openpose"),
    JointOrder("freihand", JOINT_NAMES, "https://github.com/lmb-freiburg/freihand"),
    JointOrder("openpose", JOINT_NAMES, "https://github.com/CMU-Perceptual-Computing-Lab/openpose"),
    JointOrder("manopth", JOINT_NAMES, "https://github.com/hassony2/manopth: what its layer returns"),
    JointOrder("mano", MODEL_JOINT_NAMES, "https://mano.is.tue.mpg.de: the 16 articulated joints, no fingertips"),
    JointOrder("smplx", _MANO_AND_TIPS, "https://github.com/vchoutas/smplx: MANO's 16, then thumb to little tips"),
    JointOrder(
        "ho3d",
        _MANO_AND_TIPS,
        "https://github.com/shreyashampali/ho3d: jointsMapManoToSimple in its viewer tells the order of the tips",
    ),
    JointOrder(
        "stb",
        ("palm", *(name for finger in _PALM_TO_TIP for name in _finger(finger))),
        "https://github.com/zhjwustc/icip17_stereo_hand_pose_dataset: a palm centre instead of a wrist",
    ),
    JointOrder(
        "nyu36",
        _NYU36,
        "https://jonathantompson.github.io/NYU_Hand_Pose_Dataset.htm: joint_names in joint_data.mat. Its joints are "
        "those of its own hand model, some millimetres from ours of the same name",
    ),
    JointOrder("nyu14", tuple(_NYU36[row] for row in NYU14_ROWS), "the 14 of NYU's 36 that papers evaluate"),
    JointOrder(
        "mhp",
        (*(n for f in ("index", "middle", "little", "ring", "thumb") for n in _knuckle_last(f)), "palm"),
        "row names of the data set's own scripts (F4, F3, F1, F2, TH, palm) with NYU's meaning of F1 to F4. UNCERTAIN: "
        "public loaders disagree on which of F1 and F2 is the little finger; look at a picture before use",
    ),
    JointOrder(
        "bighand",
        (
            "wrist",
            *(_finger(finger)[0] for finger in FINGERS),
            *(name for finger in FINGERS for name in _finger(finger)[1:]),
        ),
        "Yuan et al. 2017, https://arxiv.org/abs/1704.02612: wrist, five knuckles, then three joints a finger. "
        "UNCERTAIN: known from third-party loaders; its thumb knuckle is taken to be the CMC joint",
    ),
)

JOINT_ORDERS: dict[str, JointOrder] = {order.name: order for order in _ORDERS}

Array = TypeVar("Array", np.ndarray, Tensor)


def get_joint_order(order: str | JointOrder) -> JointOrder:
    """The joint order of that name; an order of the caller's own passes through.

    Raises:
        BadInputError: the name is not in :data:`JOINT_ORDERS`.
    """
    if isinstance(order, JointOrder):
        return order
    if order not in JOINT_ORDERS:
        raise BadInputError(f"joint order {order!r} is not known; use one of {sorted(JOINT_ORDERS)} or a JointOrder")
    return JOINT_ORDERS[order]


def joint_permutation(source: str | JointOrder, target: str | JointOrder) -> tuple[int, ...]:
    """For each joint of ``target``, its row in ``source``; -1 where ``source`` has no such joint."""
    rows = {name: row for row, name in enumerate(get_joint_order(source).joints)}
    return tuple(rows.get(name, -1) for name in get_joint_order(target).joints)


def reorder_joints(
    x: Array,
    source: str | JointOrder,
    target: str | JointOrder = "handlib",
    axis: int = -2,
    missing: Literal["raise", "nan"] = "raise",
) -> Array:
    """Reorder one axis of joints from one named order to another.

    Args:
        x: array or tensor whose ``axis`` runs over the joints of ``source``, for instance ``(batch, 21, 3)``.
        source: the order that ``x`` is in.
        target: the order wanted.
        axis: the joint axis.
        missing: what to do with a joint of ``target`` that ``source`` lacks: ``"raise"``, or fill its row with
            ``"nan"``. Joints of ``source`` that ``target`` lacks are left out.

    Returns:
        The same kind of array, with as many joints as ``target``.

    Raises:
        BadInputError: an unknown order, an axis that is not there or of another length, or a missing joint.
    """
    source, target = get_joint_order(source), get_joint_order(target)
    if missing not in ("raise", "nan") or not -x.ndim <= axis < x.ndim:
        raise BadInputError(
            f"missing={missing!r}, axis={axis}: expected 'raise' or 'nan', and one of the {x.ndim} axes of an array of "
            f"shape {tuple(x.shape)}"
        )
    if x.shape[axis] != len(source.joints):
        raise BadInputError(
            f"axis {axis} of an array of shape {tuple(x.shape)} has {x.shape[axis]} joints, but order {source.name!r} "
            f"has {len(source.joints)}; name the order the array is really in, or its joint axis"
        )
    rows = joint_permutation(source, target)
    absent = [name for name, row in zip(target.joints, rows, strict=True) if row < 0]
    if absent and missing == "raise":
        raise BadInputError(
            f"order {source.name!r} has no {', '.join(absent)}, which order {target.name!r} asks for; "
            "estimate the missing joints first, or pass missing='nan' to get NaN in their place"
        )
    index = [max(row, 0) for row in rows]
    if isinstance(x, Tensor):
        out = x.index_select(axis, torch.tensor(index, device=x.device))
    else:
        out = np.take(x, index, axis=axis)
    if absent:
        if not (out.is_floating_point() if isinstance(out, Tensor) else np.issubdtype(out.dtype, np.floating)):
            raise BadInputError(f"NaN cannot mark missing joints in an array of {out.dtype}; convert it to float first")
        out.swapaxes(axis, 0)[[row < 0 for row in rows]] = float("nan")
    return out
