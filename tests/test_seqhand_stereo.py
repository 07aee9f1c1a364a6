"""SeqHAND on the real film from two cameras: each view is a video of its own, and one hand for all needs no network."""

import numpy as np
import pytest

from handlib.data.stereo_video import StereoCrops
from handlib.experiments.seqhand import CONV_LSTM, stereo
from handlib.experiments.seqhand.effort import SMOKE
from handlib.experiments.seqhand.networks import new_network
from handlib.experiments.seqhand.stereo import StereoRecipe, answer_views, score_stereo
from handlib.experiments.seqhand.videos import read_video
from handlib.reproduce.recipe import run


def film(frames: int, px: int, seed: int = 0) -> StereoCrops:
    """Two views of noise, their frames in turn."""
    rng, count = np.random.default_rng(seed), 2 * frames
    return StereoCrops(
        rgb=rng.integers(0, 256, (count, px, px, 3), np.uint8),
        keypoints_px=rng.uniform(0, px, (count, 21, 2)).astype(np.float32),
        joints=rng.normal(size=(count, 21, 3)),
        K=np.tile(np.eye(3, dtype=np.float32), (count, 1, 1)),
        view=np.arange(count) % 2,
        frame=np.arange(count) // 2,
    )


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("HANDLIB_RESULTS", str(tmp_path / "results"))
    monkeypatch.setenv("HANDLIB_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("HANDLIB_DATA", raising=False)


def test_each_view_is_read_as_a_video_of_its_own():
    network = new_network(CONV_LSTM, SMOKE, 0).eval()
    network.readout.last.weight.data.normal_(std=1.0)
    seen = film(4, SMOKE.image_px)
    said = answer_views(network, seen, SMOKE.image_px)
    for view in (0, 1):
        alone = read_video(network, seen.rgb[seen.view == view], SMOKE.image_px)
        assert np.allclose(said[seen.view == view], alone, atol=1e-6)
    # The memory has met other frames where the two views are read as one film.
    assert np.abs(read_video(network, seen.rgb, SMOKE.image_px) - said).max() > 1e-4


def test_frames_are_read_in_their_order_however_they_are_stored():
    network = new_network(CONV_LSTM, SMOKE, 0).eval()
    network.readout.last.weight.data.normal_(std=1.0)
    seen = film(4, SMOKE.image_px)
    order = np.random.default_rng(1).permutation(len(seen))
    mixed = StereoCrops(**{name: values[order] for name, values in vars(seen).items()})
    assert np.allclose(answer_views(network, mixed, SMOKE.image_px), answer_views(network, seen, SMOKE.image_px)[order])


def test_without_the_data_folder_nothing_is_obtained(store):
    stereo.stereo_crops.cache_clear()
    recipe = StereoRecipe(name="mean")
    outcome = run(recipe, "smoke", 0, score_stereo).outcome
    assert recipe.data_digest() == "none" and not outcome.metrics and "HANDLIB_DATA" in outcome.not_obtained


def test_a_network_and_one_hand_for_all_are_scored_on_every_third_frame(store, monkeypatch):
    monkeypatch.setattr(stereo, "stereo_crops", lambda px: film(8, px))
    for recipe in (StereoRecipe(name="mean"), StereoRecipe(name="network", of=CONV_LSTM)):
        metrics = run(recipe, "smoke", 0, score_stereo, force=True).outcome.metrics
        assert metrics["film_frames"].value == 2 * 3 and metrics["film_pa_mpjpe"].value > 10
        assert ("film_pa_mpjpe_shuffled" in metrics) == (recipe.of is not None)
