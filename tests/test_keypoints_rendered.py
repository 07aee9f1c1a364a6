"""The stored detections in rendered hands: whole, in range, and told apart from guesses."""

import numpy as np
import pytest

from handlib.errors import BadInputError, MissingFileError
from handlib.keypoints.rendered import RENDERED_DETECTIONS, RenderedDetections, read_rendered_detections


@pytest.fixture(scope="module")
def stored() -> RenderedDetections:
    return read_rendered_detections()


def test_found_hands_have_keypoints_and_the_others_have_none(stored: RenderedDetections) -> None:
    finite = np.isfinite(stored.keypoints_px).all(axis=(1, 2))
    np.testing.assert_array_equal(finite, stored.found)
    np.testing.assert_array_equal(stored.score > 0, stored.found)
    assert set(stored.domain) == {"source", "target"} and stored.detector.startswith("mediapipe")


def test_offsets_are_fractions_of_the_hands_size(stored: RenderedDetections) -> None:
    first = int(np.flatnonzero(stored.found)[0])
    true = stored.true_px[first]
    edge = max(true[:, 0].max() - true[:, 0].min(), true[:, 1].max() - true[:, 1].min())
    np.testing.assert_allclose(stored.offsets[first] * edge, stored.keypoints_px[first] - true, atol=1e-4)


def test_most_found_hands_are_found_where_they_are(stored: RenderedDetections) -> None:
    error = np.linalg.norm(stored.offsets[stored.found], axis=-1)
    assert np.median(error) < 0.1


def test_a_file_that_is_not_there_or_not_whole_is_refused(tmp_path) -> None:
    with pytest.raises(MissingFileError, match="detect_rendered"):
        read_rendered_detections(tmp_path / "none.npz")
    with np.load(RENDERED_DETECTIONS) as whole:
        np.savez(tmp_path / "part.npz", **{name: whole[name] for name in whole.files if name != "visible"})
    with pytest.raises(BadInputError, match="visible"):
        read_rendered_detections(tmp_path / "part.npz")
