"""The open benchmark on disk: exact, the same bytes in any order, resumable, checked, and clear when it fails."""

import errno
import importlib.util
import json
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from handlib import cli
from handlib.data import benchmark_folder
from handlib.data.benchmark_folder import BenchmarkFolder
from handlib.data.catalogue import data_sources
from handlib.data.open_benchmark import OpenBenchmark
from handlib.errors import BadInputError, DiskFullError, MissingFileError

SCRIPT = Path(__file__).parent.parent / "data_scripts" / "make_open_benchmark.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("make_open_benchmark", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def small_shards(monkeypatch, script):
    monkeypatch.setattr(benchmark_folder, "SHARD_SIZE", 2)
    monkeypatch.setattr(script, "SHARD_SIZE", 2)


@pytest.fixture(scope="module")
def benchmark_set():
    return OpenBenchmark("target", size=5, image_px=32, split="test")


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_reading_back_gives_the_same_samples(script, tmp_path, benchmark_set):
    script.make_folder(benchmark_set, tmp_path / "set")
    stored = OpenBenchmark.from_folder(tmp_path / "set")
    assert len(stored) == 5 and stored.damaged() == []
    for index in range(5):
        drawn, read = benchmark_set[index], stored[index]
        for field in fields(drawn):
            expected, found = getattr(drawn, field.name), getattr(read, field.name)
            if isinstance(expected, np.ndarray):
                assert found.dtype == expected.dtype and np.array_equal(found, expected), field.name
            else:
                assert found == expected, field.name
    with pytest.raises(IndexError):
        stored[5]


def test_shards_written_in_any_order_are_the_same_bytes(script, tmp_path, benchmark_set):
    script.make_folder(benchmark_set, tmp_path / "a")
    (tmp_path / "b").mkdir()
    for shard in (2, 0, 1):
        benchmark_folder.write_shard(benchmark_set, tmp_path / "b", shard)
    script._write_manifest(tmp_path / "b", json.loads((tmp_path / "a" / "manifest.json").read_text()))
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_an_interrupted_run_goes_on_to_the_same_bytes(script, tmp_path, benchmark_set, monkeypatch):
    script.make_folder(benchmark_set, tmp_path / "whole")
    fill, calls = benchmark_folder._fill_shard, []

    def interrupted(samples, folder, shard):
        calls.append(shard)
        if len(calls) == 2:
            (folder / "000002.png").write_bytes(b"half a pict")
            raise KeyboardInterrupt
        fill(samples, folder, shard)

    monkeypatch.setattr(benchmark_folder, "_fill_shard", interrupted)
    with pytest.raises(KeyboardInterrupt):
        script.make_folder(benchmark_set, tmp_path / "set")
    assert sorted(path.name for path in (tmp_path / "set").iterdir()) == ["00000", "manifest.json"]
    with pytest.raises(BadInputError, match="unfinished"):
        BenchmarkFolder(tmp_path / "set")
    script.make_folder(benchmark_set, tmp_path / "set")
    assert calls == [0, 1, 1, 2], "what was whole is not drawn again"
    assert contents(tmp_path / "set") == contents(tmp_path / "whole")


def test_a_full_disk_is_named_and_leaves_no_half_shard(script, tmp_path, benchmark_set, monkeypatch):
    def full(path, content):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(benchmark_folder, "_write_png", full)
    with pytest.raises(DiskFullError, match="the disk is full"):
        script.make_folder(benchmark_set, tmp_path / "set")
    assert [path.name for path in (tmp_path / "set").iterdir()] == ["manifest.json"]


def test_another_data_set_or_other_files_are_not_mixed_in(script, tmp_path, benchmark_set):
    script.make_folder(benchmark_set, tmp_path / "set")
    other = OpenBenchmark("target", size=5, image_px=32, split="test", seed=3)
    with pytest.raises(BadInputError, match=r"another data set \(seed differ"):
        script.make_folder(other, tmp_path / "set")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("precious")
    with pytest.raises(BadInputError, match="holds other files"):
        script.make_folder(benchmark_set, tmp_path / "mine")


def test_a_folder_that_cannot_be_is_one_clear_line(script, tmp_path):
    (tmp_path / "file").write_text("in the way")
    app = typer.Typer()
    app.command()(script.main)
    done = CliRunner().invoke(app, [str(tmp_path / "file"), "--size", "1", "--image-px", "16"])
    assert done.exit_code == 1
    assert done.stderr == f"error: {tmp_path / 'file'}: Not a directory: choose another folder\n"


def test_damage_is_found(script, tmp_path, benchmark_set):
    script.make_folder(benchmark_set, tmp_path / "set")
    (tmp_path / "set" / "00000" / "000001-depth.png").write_bytes(b"")
    (tmp_path / "set" / "00001" / "000002.png").unlink()
    (tmp_path / "set" / "00002" / "labels.npz").write_bytes(b"")
    expected = ["00000/000001-depth.png", "00001/000002.png", "00002/labels.npz"]
    assert BenchmarkFolder(tmp_path / "set").damaged() == expected
    with pytest.raises(BadInputError, match="3 files are missing or changed"):
        script.check_folder(tmp_path / "set")


def test_a_damaged_sample_is_named_when_it_is_read(script, tmp_path, benchmark_set):
    script.make_folder(benchmark_set, tmp_path / "set")
    picture = tmp_path / "set" / "00000" / "000001-depth.png"
    picture.write_bytes(picture.read_bytes()[:60])
    (tmp_path / "set" / "00000" / "000000-mask.png").unlink()
    (tmp_path / "set" / "00002" / "labels.npz").write_bytes(b"PK")
    stored = BenchmarkFolder(tmp_path / "set")
    with pytest.raises(BadInputError, match=r"000001-depth\.png is damaged.*make_open_benchmark"):
        stored[1]
    with pytest.raises(MissingFileError, match=r"000000-mask\.png: delete its numbered folder"):
        stored[0]
    with pytest.raises(BadInputError, match=r"00002.labels\.npz is damaged"):
        stored[4]
    assert stored[3].name == benchmark_set.name(3), "the others can be read"


def test_bad_manifests_are_named(tmp_path):
    with pytest.raises(MissingFileError, match="manifest"):
        OpenBenchmark.from_folder(tmp_path)
    for content, reason in (("{", "no JSON"), ("[]", "not of format 1"), ('{"format": 99}', "not of format 1")):
        (tmp_path / "manifest.json").write_text(content)
        with pytest.raises(BadInputError, match=reason):
            OpenBenchmark.from_folder(tmp_path)


def test_data_list_says_what_is_here_and_where_the_rest_comes_from(monkeypatch, tmp_path):
    (tmp_path / "digits_crops").mkdir()
    monkeypatch.setenv("HANDLIB_DATA", str(tmp_path))
    answer = CliRunner().invoke(cli.app, ["data", "list"])
    assert answer.exit_code == 0, answer.output
    lines = {line.split()[0]: line.split()[1] for line in answer.output.splitlines() if line[:1].isalpha()}
    assert {name: lines[name] for name in ("source", "target", "digits", "subhi")} == {
        "source": "here",
        "target": "here",
        "digits": "here",
        "subhi": "missing",
    }
    assert "https://github.com/SubhiH/HandsDataset" in answer.output
    monkeypatch.delenv("HANDLIB_DATA")
    assert "HANDLIB_DATA is not set" in CliRunner().invoke(cli.app, ["data", "list"]).output


def test_catalogue_is_complete():
    sources = data_sources()
    assert len({source.name for source in sources}) == len(sources)
    assert all(source.what and source.size and source.licence and source.get for source in sources)
