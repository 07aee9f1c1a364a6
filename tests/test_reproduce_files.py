"""Atomic writing and digests."""

import errno
import os
from pathlib import Path

import pytest

from handlib.errors import DiskFullError, HandlibError, MissingFileError
from handlib.files import atomic_write
from handlib.reproduce import digest


def raise_full(*_args, **_kwargs):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_atomic_write_makes_folders_and_replaces(tmp_path):
    path = tmp_path / "a" / "b.json"
    atomic_write(path, b"old")
    atomic_write(path, b"new")
    assert path.read_bytes() == b"new"
    assert [item.name for item in path.parent.iterdir()] == ["b.json"]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_full_disk_keeps_the_old_file_and_names_it(tmp_path, monkeypatch, step):
    path = tmp_path / "result.json"
    atomic_write(path, b"old")
    monkeypatch.setattr(f"handlib.files.os.{step}", raise_full)
    with pytest.raises(DiskFullError, match="result.json.*disk is full.*Free some space") as caught:
        atomic_write(path, b"new")
    assert isinstance(caught.value, HandlibError) and isinstance(caught.value, OSError)
    assert path.read_bytes() == b"old"
    assert [item.name for item in tmp_path.iterdir()] == ["result.json"]


def test_other_errors_pass_unchanged(tmp_path, monkeypatch):
    def refuse(*_args):
        raise PermissionError("no")

    monkeypatch.setattr("handlib.files.os.replace", refuse)
    with pytest.raises(PermissionError, match="no"):
        atomic_write(tmp_path / "x", b"1")
    assert list(tmp_path.iterdir()) == []


def test_written_files_have_the_users_permissions(tmp_path):
    atomic_write(tmp_path / "atomic", b"1")
    (tmp_path / "plain").write_bytes(b"1")
    assert (tmp_path / "atomic").stat().st_mode == (tmp_path / "plain").stat().st_mode


def write_package(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


FILES = {"a.py": b"x = 1\n", "sub/b.py": b"y = 2\n", "sub/data.npz": b"\r\n\x00"}


def test_library_digest_knows_no_order_and_no_line_ends(tmp_path):
    first = digest.library_digest(write_package(tmp_path / "1", FILES))
    shuffled = dict(reversed(FILES.items())) | {"a.py": b"x = 1\r\n", "__pycache__/a.pyc": b"z", ".hidden": b"z"}
    assert digest.library_digest(write_package(tmp_path / "2", shuffled)) == first


@pytest.mark.parametrize(
    "change",
    [{"a.py": b"x = 2\n"}, {"c.py": b""}, {"sub/data.npz": b"\n\x00"}],
    ids=["source", "new file", "line end of a binary file"],
)
def test_library_digest_sees_every_change(tmp_path, change):
    first = digest.library_digest(write_package(tmp_path / "1", FILES))
    assert digest.library_digest(write_package(tmp_path / "2", FILES | change)) != first


def test_library_digest_sees_a_renamed_file(tmp_path):
    renamed = {"z.py" if name == "a.py" else name: content for name, content in FILES.items()}
    first = digest.library_digest(write_package(tmp_path / "1", FILES))
    assert digest.library_digest(write_package(tmp_path / "2", renamed)) != first


def test_own_library_digest_is_repeatable():
    assert digest.library_digest() == digest.library_digest()
    assert len(digest.library_digest()) == 64


def test_notebook_digest_sees_source_and_tags_only():
    cell = {"cell_type": "code", "source": ["a\n", "b"], "metadata": {}, "outputs": [], "execution_count": None}
    same = cell | {"source": "a\r\nb", "outputs": [1], "execution_count": 7, "id": "x"}
    tagged = cell | {"metadata": {"tags": ["parameters"]}}
    first = digest.notebook_digest({"cells": [cell]})
    assert digest.notebook_digest({"cells": [same], "metadata": {"kernelspec": 1}}) == first
    for other in ([tagged], [cell, cell], [cell | {"source": "a"}], [cell | {"cell_type": "markdown"}]):
        assert digest.notebook_digest({"cells": other}) != first


def test_folder_fingerprint_changes_with_a_file(tmp_path):
    assert digest.folder_fingerprint(tmp_path / "none") == "none"
    (tmp_path / "a").write_text("1")
    first = digest.folder_fingerprint(tmp_path)
    (tmp_path / "a").write_text("12")
    assert digest.folder_fingerprint(tmp_path) != first


def test_missing_data_folder_is_an_error_and_unset_is_none(tmp_path, monkeypatch):
    monkeypatch.delenv("HANDLIB_DATA", raising=False)
    assert digest.data_fingerprint() == "none"
    monkeypatch.setenv("HANDLIB_DATA", str(tmp_path / "gone"))
    with pytest.raises(MissingFileError, match="HANDLIB_DATA.*gone"):
        digest.data_fingerprint()
