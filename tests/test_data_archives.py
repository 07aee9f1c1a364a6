"""Archives of arrays: read whole, or refused with their name and a remedy."""

import io

import numpy as np
import pytest

from handlib.data.archives import read_arrays
from handlib.errors import BadInputError, MissingFileError


def archive(**arrays) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


GOOD = archive(a=np.arange(3), b=np.ones((2, 2)))


def test_every_array_is_read(tmp_path):
    (tmp_path / "x.npz").write_bytes(GOOD)
    read = read_arrays(tmp_path / "x.npz", ("a",), "fetch it again")
    assert read.keys() == {"a", "b"} and read["a"].tolist() == [0, 1, 2]


class Payload:
    """Would raise if it were ever loaded."""

    def __reduce__(self):
        return (exit, ("the payload ran",))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is damaged"),
        (b"hello", "is damaged"),
        (GOOD[: len(GOOD) // 2], "is damaged"),
        (GOOD[:60] + bytes(60) + GOOD[120:], "is damaged"),
        (archive(a=np.array([Payload()], object)), "is damaged, or no archive of plain arrays"),
        (archive(b=np.ones(2)), "lacks a"),
    ],
    ids=["empty", "text", "cut off", "changed", "pickled", "another archive"],
)
def test_what_is_wrong_is_named_with_a_remedy(tmp_path, content, reason):
    (tmp_path / "x.npz").write_bytes(content)
    with pytest.raises(BadInputError, match=rf"x\.npz {reason}.*: fetch it again$"):
        read_arrays(tmp_path / "x.npz", ("a",), "fetch it again")


def test_one_array_is_no_archive(tmp_path):
    with open(tmp_path / "x.npz", "wb") as file:
        np.save(file, np.ones(3))
    with pytest.raises(BadInputError, match="no archive"):
        read_arrays(tmp_path / "x.npz", (), "fetch it again")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(MissingFileError, match=r"x\.npz: fetch it again"):
        read_arrays(tmp_path / "x.npz", (), "fetch it again")
