"""Left hands are mirror images of right hands, everywhere."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from handlib import HandModel
from handlib.errors import BadInputError
from handlib.hand.mirror import mirror_hand_file, mirror_points, mirror_rotvec


@pytest.mark.parametrize("source", ["open", "generic", "mano"])
def test_left_hand_in_a_mirrored_pose_is_the_mirrored_right_hand(source: str, mano_npz):
    path = mano_npz if source == "mano" else source
    right = HandModel.load(path, flat_hand_mean=False, dtype=torch.float64)
    left = HandModel.load(path, side="left", flat_hand_mean=False, dtype=torch.float64)
    assert (right.side, left.side) == ("right", "left")
    pose, orient, move = (torch.randn(4, n, dtype=torch.float64) for n in (45, 3, 3))
    shape = torch.randn(4, right.num_shape, dtype=torch.float64)
    a = right(pose, shape, orient, move)
    b = left(mirror_rotvec(pose), shape, mirror_rotvec(orient), mirror_points(move))
    torch.testing.assert_close(b.vertices, mirror_points(a.vertices))
    torch.testing.assert_close(b.joints, mirror_points(a.joints))


def test_pca_coefficients_mean_the_same_on_both_sides(mano_npz):
    options = {"pose_space": "pca", "num_pca": 12, "flat_hand_mean": False, "dtype": torch.float64}
    pose = torch.randn(3, 12, dtype=torch.float64)
    right, left = (HandModel.load(mano_npz, side=side, **options)(pose) for side in ("right", "left"))
    torch.testing.assert_close(left.vertices, mirror_points(right.vertices))


def test_normals_of_a_left_hand_still_point_outward():
    def volume(model: HandModel) -> float:
        a, b, c = model.v_template[model.faces].unbind(1)
        return float((a * torch.linalg.cross(b, c)).sum() / 6)

    right, left = HandModel.load("generic"), HandModel.load("generic", side="left")
    assert volume(right) > 0 and volume(left) == pytest.approx(volume(right), rel=1e-5)


def test_mirroring_twice_changes_nothing(random_hand):
    twice = mirror_hand_file(mirror_hand_file(random_hand))
    for name in ("v_template", "faces", "shapedirs", "posedirs", "hands_mean", "hands_components"):
        assert np.array_equal(getattr(twice, name), getattr(random_hand, name)), name
    assert twice.side == "right"


def test_what_else_a_file_holds_is_mirrored_where_it_is_a_place():
    right, left = (HandModel.load("open", side=side).file for side in ("right", "left"))
    np.testing.assert_allclose(left.extras["J_rest"], left.J_regressor @ left.v_template, atol=1e-6)
    assert np.array_equal(left.extras["hands_variance"], right.extras["hands_variance"])


@given(st.lists(st.floats(-4, 4), min_size=3, max_size=3))
@settings(deadline=None)
def test_mirrored_rotvec_is_the_mirrored_rotation(vector: list[float]):
    mirror = np.diag([-1.0, 1.0, 1.0])
    rotation = Rotation.from_rotvec(vector).as_matrix()
    mirrored = Rotation.from_rotvec(mirror_rotvec(np.array(vector))).as_matrix()
    np.testing.assert_allclose(mirrored, mirror @ rotation @ mirror, atol=1e-12)


def test_pca_coefficients_are_not_taken_for_rotations():
    with pytest.raises(BadInputError, match="PCA coefficients need no mirroring"):
        mirror_rotvec(torch.zeros(2, 10))
