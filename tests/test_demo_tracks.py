"""Hands followed through a film: what is measured, and what the filter does and leaves alone."""

import numpy as np
import pytest

from handlib.demo.tracks import HandTracks
from handlib.metrics.temporal import mean_acceleration
from handlib.reconstruction import HandReconstruction

K = np.array([[500.0, 0, 100], [0, 500, 100], [0, 0, 1]], np.float32)


def hands(joints: np.ndarray, sides: tuple[str, ...]) -> HandReconstruction:
    """A frame with hands at these joints (hands, 21, 3), m."""
    count = len(joints)
    image = joints @ K.T
    flat = (image[..., :2] / image[..., 2:]).astype(np.float32)
    return HandReconstruction(
        joints=joints.astype(np.float32),
        vertices=np.repeat(joints, 2, axis=1).astype(np.float32),
        joints_2d=flat,
        texture=np.zeros((count, 42, 3), np.float32),
        faces=np.zeros((1, 3), np.int64),
        intrinsics=np.repeat(K[None], count, 0),
        sides=sides,
        keypoints=flat,
        confidence=np.ones((count, 21), np.float32),
        energy=np.zeros(count, np.float32),
    )


def trembling(frames: int, place: float, size: float = 0.003) -> np.ndarray:
    """One hand over a film, (frames, 21, 3) m, that should rest."""
    rng = np.random.default_rng(int(100 * place) + 100)
    rest = rng.uniform(-0.05, 0.05, (21, 3)) + [place, 0.0, 0.5]
    return rest + size * rng.normal(size=(frames, 21, 3))


def follow(tracks: HandTracks, film: np.ndarray, sides: tuple[str, ...]) -> np.ndarray:
    """The joints (frames, hands, 21, 3) that tracks give back for a film of hands (hands, frames, 21, 3)."""
    found = [tracks.follow(hands(frame, sides), list(range(len(frame)))) for frame in film.swapaxes(0, 1)]
    return np.stack([each.joints for each in found])


def test_measures_as_the_tables_do_and_changes_nothing_unasked():
    film = np.stack([trembling(20, -0.15), trembling(20, 0.15)])
    tracks = HandTracks(30, "none")
    given = follow(tracks, film, ("left", "right"))
    assert np.array_equal(given, film.swapaxes(0, 1).astype(np.float32))
    each = [mean_acceleration(joints - joints[:, :1], frames_per_second=1) for joints in film]
    assert tracks.report() == {"acceleration_mm_per_frame2": pytest.approx(np.mean(each), abs=0.02)}


def test_the_filter_calms_and_says_so():
    tracks = HandTracks(30, "one-euro")
    film = trembling(40, 0.0)[None]
    given = follow(tracks, film, ("right",))[:, 0]
    report = tracks.report()
    assert report["acceleration_mm_per_frame2"] < 0.5 * report["unfiltered_mm_per_frame2"]
    assert given[20:].std(0).mean() < film[0, 20:].std(0).mean()
    # What is drawn and what is written in pixels are the filtered hand.
    last = tracks.follow(hands(film[:, -1], ("right",)), [0])
    image = last.joints[0] @ K.T
    assert np.allclose(last.joints_2d[0], image[:, :2] / image[:, 2:], atol=1e-3)
    assert np.allclose(last.vertices[0, ::2], last.joints[0], atol=1e-6)


def test_hands_that_change_places_in_the_list_keep_their_tracks():
    one, two = trembling(12, -0.15, 0.0), trembling(12, 0.15, 0.0)
    tracks = HandTracks(30, "one-euro")
    for frame in range(12):
        pair = np.stack([one[frame], two[frame]] if frame % 2 else [two[frame], one[frame]])
        assert np.allclose(tracks.follow(hands(pair, ("right", "right")), [0, 1]).joints, pair, atol=1e-6)
    assert tracks.report()["acceleration_mm_per_frame2"] == pytest.approx(0, abs=1e-2)


def test_another_hand_is_not_drawn_towards_the_last_one():
    tracks = HandTracks(30, "one-euro")
    first, other = trembling(2, -0.3, 0.0), trembling(2, 0.3, 0.0)
    tracks.follow(hands(first[:1], ("right",)), [0])
    assert np.array_equal(tracks.follow(hands(other[:1], ("right",)), [0]).joints, other[:1].astype(np.float32))
    assert tracks.report() == {"acceleration_mm_per_frame2": None, "unfiltered_mm_per_frame2": None}
