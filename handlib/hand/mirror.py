"""Left hands: the mirror image in the plane x = 0, for points, rotations and whole hand models.

A mirror S = diag(-1, 1, 1) takes a rotation R to S R S. In axis-angle that is (a, b, c) -> (a, -b, -c), for every joint
alike, so a left hand in the pose S-mirrored from a right hand's is its exact mirror image.
"""

from dataclasses import replace
from typing import TypeVar

import numpy as np
from torch import Tensor

from handlib.crops import mirror_points, opposite_side
from handlib.errors import BadInputError
from handlib.hand.files import HandFile

Array = TypeVar("Array", np.ndarray, Tensor)

_POINT_SIGNS = (-1.0, 1.0, 1.0)
_ROTVEC_SIGNS = (1.0, -1.0, -1.0)


def mirror_rotvec(rotvec: Array) -> Array:
    """Axis-angle vectors ``(..., 3)`` or whole poses ``(..., 45)``, ``(..., 48)`` mirrored in x = 0.

    Raises:
        BadInputError: the last axis is no multiple of three.
    """
    if rotvec.shape[-1] % 3:
        raise BadInputError(
            f"an axis-angle pose has a multiple of 3 numbers, met shape {tuple(rotvec.shape)}; PCA coefficients need "
            "no mirroring: a left model's components are mirrored already"
        )
    signs = _ROTVEC_SIGNS * (rotvec.shape[-1] // 3)
    return rotvec * (rotvec.new_tensor(signs) if isinstance(rotvec, Tensor) else np.array(signs, rotvec.dtype))


def mirror_faces(faces: Array) -> Array:
    """Triangles ``(F, 3)`` with the winding turned round, so that normals of a mirrored mesh still point outward."""
    return faces[:, [0, 2, 1]]


def mirror_hand_file(file: HandFile) -> HandFile:
    """The hand file of the other side: same vertices, joints and pose space, mirrored.

    PCA coefficients and shape coefficients keep their meaning: the same numbers give the mirrored hand.
    """
    # R' - I = S (R - I) S has entries s_i s_j (R - I)_ij: each corrective is mirrored, and its driver may change sign.
    driver_signs = np.tile(np.outer(_POINT_SIGNS, _POINT_SIGNS).reshape(-1), 15)
    mirror_directions = np.array(_POINT_SIGNS)[None, :, None]
    components = file.hands_components
    extras = {k: mirror_points(v) if k == "J_rest" else v for k, v in file.extras.items()}
    return replace(
        file,
        v_template=mirror_points(file.v_template),
        faces=mirror_faces(file.faces),
        shapedirs=file.shapedirs * mirror_directions,
        posedirs=file.posedirs * mirror_directions * driver_signs,
        hands_mean=mirror_rotvec(file.hands_mean),
        hands_components=None if components is None else mirror_rotvec(components),
        side=opposite_side(file.side),
        extras=extras,
    )
