"""Real films: what is measured on them, and that they are left out in words where they are not at hand."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from handlib.errors import BadInputError, MissingFileError
from handlib.experiments.s2hand_v import EXPERIMENTS
from handlib.experiments.s2hand_v.real_films import (
    RealAnswers,
    RealFilm,
    first_frames,
    hand_sized,
    read_film,
    score,
    stretches,
)

FRAMES = 60


@pytest.fixture
def film() -> RealFilm:
    """A hand that turns and bends evenly, with a gap in the film after 40 frames."""
    bend = np.linspace(0, 0.04, FRAMES)[:, None, None] * (np.arange(21) > 10)[:, None] * [0.0, 1.0, 0.0]
    rest = np.random.default_rng(0).normal(size=(21, 3)) * 0.04 + bend
    turned = Rotation.from_rotvec(np.linspace(0, 2, FRAMES)[:, None] * [0.6, 0.0, 0.8]).as_matrix()
    joints = (rest @ turned.swapaxes(1, 2) + [0.0, 0.0, 0.5]).astype(np.float32)
    frame = np.r_[0:40, 43 : 43 + FRAMES - 40]
    return RealFilm(
        np.zeros((FRAMES, 32, 32, 3), np.uint8),
        np.zeros((FRAMES, 21, 2), np.float32),
        stretches(np.zeros(FRAMES, int), frame),
        30.0,
        joints_m=joints,
    )


def test_gaps_and_views_cut_a_film():
    assert stretches(np.array([0, 0, 0, 1, 1]), np.array([4, 5, 7, 8, 9])).tolist() == [0, 0, 1, 2, 2]


def test_the_truth_in_any_unit_has_no_error(film):
    metrics = score(RealAnswers(7.0 * film.joints_m), film)
    assert metrics["pa_mpjpe"].value < 1e-2 < 3 < metrics["pa_mpjpe_shuffled"].value
    assert metrics["acc_err"].value < 1e-3 * metrics["true_acc"].value and metrics["frames"].value == FRAMES
    assert metrics["acc_per_frame"].value == pytest.approx(metrics["true_acc_per_frame"].value, rel=1e-3)


def test_trembling_counts_as_acceleration_and_a_still_hand_does_not_move(film):
    noise = np.random.default_rng(1).normal(size=film.joints_m.shape) * 0.003
    trembling = score(RealAnswers(film.joints_m + noise), film)
    still = RealAnswers(
        np.repeat(film.joints_m[:1], FRAMES, 0), np.broadcast_to(np.eye(3), (FRAMES, 16, 3, 3)), np.ones((FRAMES, 10))
    )
    held = score(still, film)
    assert trembling["acc"].value > 3 * trembling["true_acc"].value and trembling["acc_err"].value > 0
    assert held["acc"].value < 1e-6 and held["quaternion"].value < 1e-6 and held["shape_sd"].value == 0
    assert held["acc_err"].value == pytest.approx(held["true_acc"].value)


def test_hands_get_the_size_of_a_hand(film):
    sized = hand_sized(film.joints_m * 30)
    assert np.linalg.norm(sized[:, 9], axis=-1).mean() == pytest.approx(0.09) and (sized[:, 0] == 0).all()


def test_a_few_frames_are_enough_for_the_small_profiles(film):
    few = first_frames(film, 12)
    assert len(few) == len(few.joints_m) == 12 and few.detector_joints_m is None and few.frames_per_second == 30


@pytest.mark.parametrize("name", ["s2hand-v-stereo-fit", "s2hand-v-signing-detector"])
def test_without_the_data_folder_a_row_says_so(name, tmp_path, monkeypatch):
    monkeypatch.delenv("HANDLIB_DATA", raising=False)
    monkeypatch.setenv("HANDLIB_CACHE", str(tmp_path))
    row = next(experiment for experiment in EXPERIMENTS if experiment.recipe.name == name)
    assert row.recipe.data_digest() == "none"
    assert "HANDLIB_DATA" in row.run("smoke", 0).outcome.not_obtained


def test_a_damaged_film_is_no_missing_one(tmp_path, monkeypatch):
    monkeypatch.setenv("HANDLIB_DATA", str(tmp_path))
    with pytest.raises(MissingFileError):
        read_film("signing", 32)
    folder = tmp_path / "asl_video"
    folder.mkdir()
    for name in ("asl_hand.full.json", "asl_hand_3d.full.json", "asl_hand.25fps.mp4"):
        (folder / name).write_text("[[1, 2], 3]")
    with pytest.raises(BadInputError, match="asl_hand"):
        read_film("signing", 32)
