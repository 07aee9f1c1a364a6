"""The two parts of a trembling hand: each part is found by itself where the other is at rest."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from handlib.experiments.s2hand_v.scoring import FilmAnswers
from handlib.experiments.s2hand_v.trembling import orientation_error_deg, trembling
from handlib.metrics import mean_acceleration

FRAMES = 40


def answers(turns: Rotation, bent_m: np.ndarray) -> FilmAnswers:
    """Hands (in their wrists' frames, metres) turned and put half a metre away."""
    joints = np.einsum("fij,fkj->fki", turns.as_matrix(), bent_m) + [0.0, 0.0, 0.5]
    rotations = np.tile(np.eye(3), (len(bent_m), 16, 1, 1))
    rotations[:, 0] = turns.as_matrix()
    nothing = np.zeros((len(bent_m), 21, 2))
    return FilmAnswers(joints, joints, nothing, rotations)


@pytest.fixture
def hand_m() -> np.ndarray:
    """Joints of a hand at rest, wrist at the origin, in each of the frames."""
    joints = 0.05 * np.random.default_rng(0).normal(size=(21, 3))
    return np.broadcast_to(joints - joints[:1], (FRAMES, 21, 3)).copy()


FILMS = np.repeat([0, 1], FRAMES // 2)
TURNS = Rotation.from_rotvec(0.1 * np.random.default_rng(1).normal(size=(FRAMES, 3)))


def test_a_stiff_hand_that_turns(hand_m: np.ndarray) -> None:
    found = trembling(answers(TURNS, hand_m), FILMS)
    assert found["bending_per_frame"].value == pytest.approx(0.0, abs=1e-9)
    assert found["turning_per_frame"].value == pytest.approx(found["acc_per_frame"].value)
    assert found["acc_per_frame"].value > 5


def test_a_hand_that_bends_in_its_place(hand_m: np.ndarray) -> None:
    hand_m[:, 1:] += 0.002 * np.random.default_rng(2).normal(size=(FRAMES, 20, 3))
    found = trembling(answers(Rotation.from_rotvec(np.tile([0.4, -0.2, 1.0], (FRAMES, 1))), hand_m), FILMS)
    assert found["turning_per_frame"].value == pytest.approx(0.0, abs=1e-9)
    assert found["bending_per_frame"].value == pytest.approx(found["acc_per_frame"].value)


def test_both_together_are_what_acc_measures(hand_m: np.ndarray) -> None:
    hand_m[:, 1:] += 0.002 * np.random.default_rng(2).normal(size=(FRAMES, 20, 3))
    both = answers(TURNS, hand_m)
    found = trembling(both, FILMS)
    from_wrist = both.joints_m - both.joints_m[:, :1]
    whole = mean_acceleration(from_wrist, frames_per_second=30, sequence_ids=FILMS)
    assert found["acc"].value == pytest.approx(whole)
    parts = [found[f"{name}_per_frame"].value for name in ("turning", "bending")]
    assert max(parts) < found["acc_per_frame"].value < sum(parts)


def test_a_cut_between_films_is_no_trembling(hand_m: np.ndarray) -> None:
    hand_m[FILMS == 1] *= 1.5
    found = trembling(answers(Rotation.identity(FRAMES), hand_m), FILMS)
    assert found["acc_per_frame"].value == found["turning_per_frame"].value == pytest.approx(0.0, abs=1e-9)


def test_the_orientation_error_is_the_angle_between(hand_m: np.ndarray) -> None:
    off = Rotation.from_rotvec(np.radians([0.0, 30.0, 0.0])).as_matrix()
    assert orientation_error_deg(hand_m @ off.T + 1.0, hand_m) == pytest.approx(30.0)
    assert orientation_error_deg(1.3 * hand_m, hand_m) == pytest.approx(0.0, abs=1e-5)
