"""Looks at trained estimators: the profile that is there, whole films, crops of other pictures."""

import numpy as np
import pytest

from handlib.experiments.s2hand import data as s2hand_data
from handlib.experiments.tassn import data, looks, scoring
from handlib.experiments.tassn.recipes import LABELS, PRETRAIN
from handlib.experiments.tassn.scoring import read_test_films
from handlib.experiments.tassn.source_films import stored_source_films
from handlib.experiments.tassn.supervision import SUPERVISION


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("looks")
    caches = (
        s2hand_data.pictures,
        s2hand_data.labels,
        data.pictures,
        data.labels,
        data.films_folder,
        stored_source_films,
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HANDLIB_RESULTS", str(folder / "results"))
        patch.setenv("HANDLIB_CACHE", str(folder / "cache"))
        for cache in caches:
            cache.cache_clear()
        assert looks.profile_of(PRETRAIN, "smoke") == looks.profile_of(LABELS, "smoke", 0, SUPERVISION) == "smoke"
        yield looks.trained_network(PRETRAIN, "smoke")
    for cache in caches:
        cache.cache_clear()


@pytest.mark.slow
def test_clips_are_looked_at_as_they_are_scored(trained):
    assert trained.profile == "smoke" and not trained.network.training
    look = looks.look_at_clips(trained, np.array([0, 2]))
    frames = 2 * trained.effort.clip_frames
    assert look.rgb.shape == (frames, 32, 32, 3) and look.joints_m.shape == (frames, 21, 3)
    assert look.error_mm.shape == (frames,) and np.isfinite(look.error_mm).all() and look.error_mm.min() > 0
    np.testing.assert_allclose(look.joints_m - look.joints_m[:, :1], look.answers.joints_m, atol=1e-6)
    rows = scoring.test_rows(trained.effort)[[0, 2]].ravel()
    everything = read_test_films(trained.network, trained.effort, looks.seen_in("smoke"))
    again = everything.joints_m[[*range(3), *range(6, 9)]]
    assert len(rows) == frames
    np.testing.assert_allclose(look.answers.joints_m, again, atol=1e-5)


@pytest.mark.slow
def test_crops_of_any_size_are_read(trained):
    generator = np.random.default_rng(0)
    K = np.repeat(np.array([[[80, 0, 19.5], [0, 80, 19.5], [0, 0, 1]]], np.float32), 2, axis=0)
    points = generator.uniform(5, 35, (2, 21, 2)).astype(np.float32)
    crops = looks.RealCrops(generator.integers(0, 255, (2, 40, 40, 3), np.uint8), points, K)
    placed = looks.look_at_crops(trained, crops)
    assert placed.shape[::2] == (2, 3) and np.isfinite(placed).all()


@pytest.mark.slow
def test_runs_of_seconds_are_not_among_those_that_are_shown(trained):
    assert looks.runs_of(PRETRAIN.name, "smoke") == [] and looks.runs_with("film_pa_mpjpe") == {}
