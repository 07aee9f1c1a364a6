"""The detector's own 3D on the stereo film: what stands in for frames without a hand, and what is refused."""

import numpy as np
import pytest

from handlib.errors import BadInputError, MissingExtraError
from handlib.experiments.s2hand_v import EXPERIMENTS, stereo_detector
from handlib.experiments.s2hand_v.real_films import RealFilm
from handlib.experiments.s2hand_v.stereo_detector import held
from handlib.keypoints.detector_guess import guess_joints

ROW = next(x for x in EXPERIMENTS if x.recipe.name == "s2hand-v-stereo-detector")


def guesses(*numbers: float) -> np.ndarray:
    return np.array(numbers, np.float32)[:, None, None] * np.ones((1, 21, 3), np.float32)


def test_a_missed_frame_holds_the_last_guess_of_its_stretch_or_takes_the_next():
    nan = np.nan
    found = held(guesses(nan, 1, nan, 3, nan, 5, nan), np.array([0, 0, 0, 0, 1, 1, 2]))[:, 0, 0]
    # The last frame begins a stretch, and nothing comes after it.
    assert found.tolist() == [1, 1, 1, 3, 5, 5, 5]
    assert np.array_equal(held(guesses(1, 2, 3), np.zeros(3, int)), guesses(1, 2, 3))


@pytest.fixture
def film(tmp_path, monkeypatch):
    """A film of noise instead of the real one, a store and a cache."""
    monkeypatch.setenv("HANDLIB_RESULTS", str(tmp_path / "results"))
    monkeypatch.setenv("HANDLIB_CACHE", str(tmp_path / "cache"))
    rng = np.random.default_rng(0)
    seen = RealFilm(
        rng.integers(0, 256, (9, 32, 32, 3), np.uint8),
        rng.uniform(0, 32, (9, 21, 2)).astype(np.float32),
        np.zeros(9, int),
        30.0,
        joints_m=rng.normal(0, 0.05, (9, 21, 3)).astype(np.float32),
    )
    monkeypatch.setattr(stereo_detector, "read_film", lambda *arguments: seen)
    return seen


def test_the_truth_itself_is_right_and_misses_are_counted(film, monkeypatch):
    said = film.joints_m.copy()
    monkeypatch.setattr(stereo_detector, "guess_joints", lambda pictures: said[: len(list(pictures))])
    metrics = ROW.run("smoke", 0, force=True).outcome.metrics
    assert metrics["pa_mpjpe"].value < 1e-3 < metrics["pa_mpjpe_shuffled"].value
    assert metrics["frames_missed"].value == 0
    said[4] = np.nan
    metrics = ROW.run("smoke", 0, force=True).outcome.metrics
    assert metrics["frames_missed"].value == 1 and metrics["pa_mpjpe"].value > 1


def test_no_detector_or_no_hand_is_no_number(film, monkeypatch):
    def missing(pictures):
        raise MissingExtraError("mediapipe is not installed")

    monkeypatch.setattr(stereo_detector, "guess_joints", missing)
    assert "mediapipe" in ROW.run("smoke", 0, force=True).outcome.not_obtained
    monkeypatch.setattr(stereo_detector, "guess_joints", lambda pictures: np.full_like(film.joints_m, np.nan))
    assert "no frame" in ROW.run("smoke", 0, force=True).outcome.not_obtained


def test_guesses_are_from_the_wrist_and_nan_where_no_hand_is():
    pytest.importorskip("mediapipe")
    import cv2

    from handlib.data.photos import packaged_photos

    photo = cv2.cvtColor(cv2.imread(str(packaged_photos()[0])), cv2.COLOR_BGR2RGB)
    hand, nothing = guess_joints([photo, np.zeros((64, 64, 3), np.uint8)])
    assert not hand[0].any() and 0.05 < np.linalg.norm(hand[9]) < 0.15
    assert np.isnan(nothing).all()
    with pytest.raises(BadInputError, match="pictures"):
        guess_joints([])
