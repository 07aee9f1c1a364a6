"""The quaternion loss as a metric: the same number as the loss, over overlapping clips that stay within films."""

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from handlib.errors import BadInputError
from handlib.losses.motion import quaternion_loss, rotations_to_quaternions
from handlib.metrics.rotation import clip_rows, quaternion_smoothness


def rotations(frames: int, joints: int = 3, seed: int = 0) -> np.ndarray:
    rotvecs = np.random.default_rng(seed).normal(0, 0.5, (frames * joints, 3))
    return Rotation.from_rotvec(rotvecs).as_matrix().reshape(frames, joints, 3, 3)


@pytest.mark.parametrize(("frames", "interval"), [(3, 1), (3, 3), (5, 2)])
def test_equals_the_loss_of_all_clips(frames, interval):
    film = rotations(12)
    clips = np.stack(
        [film[start : start + interval * frames : interval] for start in range(12 - interval * (frames - 1))]
    )
    expected = quaternion_loss(rotations_to_quaternions(torch.from_numpy(clips))).mean().item()
    assert quaternion_smoothness(film, frames=frames, interval=interval) == pytest.approx(expected, rel=1e-9)
    as_tensor = quaternion_smoothness(torch.from_numpy(film), frames=frames, interval=interval)
    assert as_tensor == pytest.approx(expected, rel=1e-9)


def test_clips_stay_within_films():
    ids = np.array([4, 4, 4, 4, 9, 9, 4, 4, 4])
    assert clip_rows(9, 3, 1, ids).tolist() == [[0, 1, 2], [1, 2, 3], [6, 7, 8]]
    film = rotations(9)
    parts = [quaternion_smoothness(film[:4]), quaternion_smoothness(film[6:])]
    assert quaternion_smoothness(film, sequence_ids=ids) == pytest.approx((2 * parts[0] + parts[1]) / 3)


def test_a_steady_turn_scores_zero_and_trembling_does_not():
    steady = Rotation.from_rotvec(np.arange(6)[:, None] * [0.0, 0.1, 0.2]).as_matrix()[:, None]
    assert quaternion_smoothness(steady) < 1e-7
    assert quaternion_smoothness(steady[[0, 1, 0, 1, 0, 1]]) > 0.1


def test_films_that_are_too_short_are_refused():
    with pytest.raises(BadInputError, match="in a row"):
        quaternion_smoothness(rotations(4), interval=2)
    with pytest.raises(BadInputError, match="at least 3"):
        quaternion_smoothness(rotations(4), frames=2)
    with pytest.raises(BadInputError, match="one number a frame"):
        quaternion_smoothness(rotations(4), sequence_ids=np.zeros(3, int))
