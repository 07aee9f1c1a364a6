"""From MANO's numbers in a data set to a mesh, for readers who have MANO's model file.

Data sets store a hand as MANO's 48 axis-angle numbers (the wrist's first, then 15 joints in model order) and 10 shape
coefficients. They mean something to the model that they were fitted with only: another hand of the same format gives
a hand of another shape in another pose.
"""

import numpy as np
import roma
import torch
from jaxtyping import Float
from torch import Tensor

from handlib.errors import BadInputError
from handlib.hand import HandMesh, HandModel
from handlib.skeleton import joint_permutation


def require_mano(hand: HandModel) -> HandModel:
    """The hand model, if it is MANO's right hand.

    Raises:
        BadInputError: it has another topology or side, for instance the open hand.
    """
    if hand.file.topology != "mano" or hand.side != "right":
        raise BadInputError(
            f"hand is a {hand.side} hand of topology {hand.file.topology!r}, but MANO's labels fit MANO's right hand "
            "only: pass HandModel.load('MANO_RIGHT.pkl'), or hand=None for joints without a mesh"
        )
    return hand


def mano_mesh(
    hand: HandModel,
    pose: Float[np.ndarray, "48"],
    shape: Float[np.ndarray, "10"],
    translation: Float[np.ndarray, "3"] | None = None,
    *,
    add_mean_pose: bool,
) -> HandMesh:
    """One hand from MANO's numbers, in metres, in the frame that the numbers are in.

    Args:
        hand: MANO's model, loaded in any pose space: the pose is given as 45 axis-angle numbers whatever it is.
        pose: axis-angle of the wrist and the 15 joints, radians.
        shape: shape coefficients.
        translation: metres, added last (MANO's own: its rest wrist is not at the origin).
        add_mean_pose: whether the file's mean pose is to be added. FreiHAND's numbers are relative to it, HO-3D's are
            not: the commonest mistake with these labels (https://github.com/lmb-freiburg/freihand/issues/6).
    """
    rotvec = np.array(pose, np.float64)
    if add_mean_pose:
        rotvec[3:] += hand.file.hands_mean
    like = hand.v_template
    rotations = roma.rotvec_to_rotmat(torch.as_tensor(rotvec.reshape(1, 16, 3)).to(like))
    moved = None if translation is None else torch.as_tensor(np.array(translation)).to(like)[None]
    with torch.no_grad():
        return hand.from_rotations(rotations, torch.as_tensor(np.array(shape)).to(like)[None], moved)


def regress_joints(hand: HandModel, vertices: Float[Tensor, "vertices 3"]) -> Float[Tensor, "21 3"]:
    """The 21 joints as MANO's regressor places them in a *posed* mesh, with the tips on their vertices.

    FreiHAND's and YouTube-3D-Hands' joints are these. They lie up to some millimetres from the centres of rotation,
    which :class:`~handlib.hand.HandModel` returns, because skinning moves the vertices that they are regressed from.
    """
    if vertices.shape[0] != hand.num_vertices:
        raise BadInputError(f"{len(vertices)} vertices, but the hand has {hand.num_vertices}: use the mesh's own model")
    joints = torch.cat([hand.J_regressor @ vertices, vertices[hand.tip_vertices]])
    return joints[list(joint_permutation("smplx", "handlib"))]
