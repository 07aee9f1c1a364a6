"""Stills in the cache are the stills of the benchmark, whoever draws them and however often it was interrupted."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

from handlib.data import stills_cache
from handlib.data.stills_cache import StillsName, draw_stills, read_labels, read_pictures
from handlib.errors import MissingFileError

NAME = StillsName("target", "test", count=5, image_px=16, seed=2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stills_cache, "PART_SIZE", 2)
        return draw_stills(NAME, tmp_path_factory.mktemp("stills"), processes=1, progress=False)


def test_they_are_the_benchmarks(folder):
    drawn = NAME.benchmark().render_batch(list(range(5)))
    pictures, labels = read_pictures(folder), read_labels(folder)
    assert len(pictures) == 5 and isinstance(pictures.rgb, np.memmap)
    assert np.array_equal(pictures.rgb, drawn.rgb.numpy()) and np.array_equal(pictures.K, drawn.K.numpy())
    for field in NAME.label_fields:
        assert np.array_equal(getattr(labels, field), getattr(drawn, field).numpy()), field


def test_pictures_are_read_without_labels(folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "copy")
    shutil.rmtree(copy / "labels")
    assert np.array_equal(read_pictures(copy).rgb, read_pictures(folder).rgb)
    with pytest.raises(MissingFileError, match="labels"):
        read_labels(copy)


def test_an_interrupted_drawing_goes_on(tmp_path, monkeypatch, folder):
    monkeypatch.setattr(stills_cache, "PART_SIZE", 2)
    drawn = []
    draw_part = stills_cache._draw_part

    def draw_until(name, growing, part):
        if len(drawn) == 2:
            drawn.append("killed")
            raise KeyboardInterrupt
        drawn.append(part)
        draw_part(name, growing, part)

    monkeypatch.setattr(stills_cache, "_draw_part", draw_until)
    with pytest.raises(KeyboardInterrupt):
        draw_stills(NAME, tmp_path, processes=1, progress=False)
    assert not (tmp_path / NAME.folder_name).exists()
    resumed = draw_stills(NAME, tmp_path, processes=1, progress=False)
    assert drawn == [0, 1, "killed", 2]
    assert np.array_equal(read_pictures(resumed).rgb, read_pictures(folder).rgb)
    assert draw_stills(NAME, tmp_path, processes=1, progress=False) == resumed and len(drawn) == 4


def test_meshes_are_kept_for_scoring_only(tmp_path):
    training = draw_stills(replace(NAME, split="train", count=2), tmp_path, processes=1, progress=False)
    assert read_labels(training).vertices_m is None


@pytest.mark.slow
def test_two_processes_draw_the_same(tmp_path, folder):
    together = draw_stills(replace(NAME, count=stills_cache.PART_SIZE + 1), tmp_path, processes=2, progress=False)
    assert np.array_equal(read_pictures(together).rgb[:5], read_pictures(folder).rgb)
