"""A random hand model of MANO's format, for parity tests and benchmarks: MANO itself may not be shipped."""

import numpy as np
import scipy.sparse

from handlib.hand.files import FINGERTIP_VERTICES, HandFile
from handlib.skeleton import MODEL_PARENTS


def random_hand_file(seed: int = 0, num_vertices: int = 778, num_faces: int = 1538, num_shape: int = 10) -> HandFile:
    """Random arrays with the shapes, sizes and sums of a MANO file: a cloud of vertices, not a hand to look at.

    Args:
        seed: one seed, one file.
        num_vertices: vertices; 778 as in MANO.
        num_faces: triangles between random vertices.
        num_shape: shape coefficients.
    """
    rng = np.random.default_rng(seed)
    weights = rng.random((num_vertices, 16)) ** 8
    regressor = rng.random((16, num_vertices)) ** 20
    components, _ = np.linalg.qr(rng.normal(size=(45, 45)))
    return HandFile(
        v_template=rng.normal(scale=0.05, size=(num_vertices, 3)),
        faces=np.stack([rng.permutation(num_vertices)[:3] for _ in range(num_faces)]),
        weights=weights / weights.sum(1, keepdims=True),
        J_regressor=regressor / regressor.sum(1, keepdims=True),
        shapedirs=rng.normal(scale=0.003, size=(num_vertices, 3, num_shape)),
        posedirs=rng.normal(scale=0.001, size=(num_vertices, 3, 135)),
        parents=np.array(MODEL_PARENTS),
        tip_vertices=np.array(FINGERTIP_VERTICES["freihand"]) % num_vertices,
        hands_mean=rng.normal(scale=0.2, size=45),
        hands_components=components,
    )


def mano_dictionary(hand: HandFile) -> dict[str, object]:
    """What a ``MANO_RIGHT.pkl`` without chumpy holds: MANO's keys and types, a sparse regressor.

    ``pickle.dumps`` it for software that reads nothing else.
    """
    return {
        "v_template": hand.v_template,
        "f": hand.faces.astype(np.uint32),
        "weights": hand.weights,
        "J_regressor": scipy.sparse.csc_matrix(hand.J_regressor),
        "J": hand.J_regressor @ hand.v_template,
        "shapedirs": hand.shapedirs,
        "posedirs": hand.posedirs,
        "kintree_table": np.stack([hand.parents % 2**32, np.arange(16)]).astype(np.uint32),
        "hands_components": hand.hands_components,
        "hands_coeffs": np.zeros((3, 45)),
        "hands_mean": hand.hands_mean,
        "bs_style": "lbs",
        "bs_type": "lrotmin",
    }
