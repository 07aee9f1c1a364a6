"""Labels in a fast form: made once, made again when their sources change, whole or not at all."""

import os

import numpy as np
import pytest
from worker_copies import sent_to_worker

from handlib.data.label_cache import ArrayWriter, LabelArrays, cache_folder, cached_labels
from handlib.errors import BadInputError, MissingFileError


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "labels.txt"
    path.write_text("1 2 3")
    return path


def opened(source, calls=None):
    def write(out):
        if calls is not None:
            calls.append(1)
        out.append("x", np.array(source.read_text().split(), np.float32))

    return cached_labels(source.parent, "some", [source], write, remedy="fetch it again")


def test_sources_are_read_once_and_again_when_they_change(source):
    calls = []
    assert opened(source, calls)["x"].tolist() == [1, 2, 3]
    os.utime(source, ns=(1, 1))
    assert opened(source, calls)["x"].tolist() == [1, 2, 3] and len(calls) == 1, "touched, but the same"
    os.utime(source, ns=(2, 2))
    source.write_text("4 5 6")
    assert opened(source, calls)["x"].tolist() == [4, 5, 6] and len(calls) == 2


def test_a_failed_writing_leaves_nothing_behind(source):
    def fail(out):
        out.append("x", np.zeros(3))
        raise BadInputError("labels.txt is bad")

    with pytest.raises(BadInputError, match="is bad"):
        cached_labels(source.parent, "some", [source], fail, remedy="fetch it again")
    assert list(cache_folder(source.parent).iterdir()) == []


def test_arrays_grow_by_blocks_and_stay_on_the_disk(tmp_path):
    blocks = [np.arange(n * 6, dtype=np.float32).reshape(n, 2, 3) for n in (1, 4, 1000)]
    writer = ArrayWriter(tmp_path)
    for block in blocks:
        writer.append("x", block)
    with pytest.raises(BadInputError, match="x: rows of"):
        writer.append("x", np.zeros((1, 2, 4), np.float32))
    writer.close()
    arrays = LabelArrays(tmp_path)
    assert isinstance(arrays["x"], np.memmap) and np.array_equal(arrays["x"], np.concatenate(blocks))
    assert np.array_equal(sent_to_worker(arrays)["x"], arrays["x"]) and list(arrays) == ["x"]
    with pytest.raises(KeyError):
        arrays["y"]


def test_the_cache_can_lie_elsewhere(source, tmp_path, monkeypatch):
    monkeypatch.setenv("HANDLIB_CACHE", str(tmp_path / "elsewhere"))
    assert opened(source)["x"].tolist() == [1, 2, 3]
    assert not (tmp_path / ".handlib").exists() and list((tmp_path / "elsewhere" / "data").iterdir())
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HANDLIB_CACHE", str(tmp_path / "file"))
    with pytest.raises(BadInputError, match="cannot be written there .* set HANDLIB_CACHE"):
        opened(source)


def test_a_missing_source_is_named(source):
    source.unlink()
    with pytest.raises(MissingFileError, match=r"labels\.txt: fetch it again"):
        opened(source)
