"""Arrays out of large JSON files, in pieces: the same elements as the whole file gives, or a reason."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlib.data.json_stream import stream_json_array
from handlib.errors import BadInputError, MissingFileError

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**6), 10**6)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text("abc ,:[]{}é"),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("kq", max_size=3), inner, max_size=3),
    max_leaves=20,
)


def read(path, key=None, chunk_bytes=7):
    pieces = stream_json_array(path, key, remedy="fetch it again", chunk_bytes=chunk_bytes)
    return [element for piece in pieces for element in piece]


@given(values=st.lists(VALUES, max_size=6), chunk=st.integers(1, 60), indent=st.none() | st.integers(0, 2))
def test_pieces_together_are_the_array(tmp_path_factory, values, chunk, indent):
    path = tmp_path_factory.mktemp("json") / "a.json"
    path.write_text(json.dumps(values, indent=indent))
    assert read(path, chunk_bytes=chunk) == values


@given(values=st.lists(VALUES, max_size=4), chunk=st.integers(1, 60))
def test_an_array_is_found_by_its_key(tmp_path_factory, values, chunk):
    path = tmp_path_factory.mktemp("json") / "a.json"
    path.write_text(json.dumps({"images": [{"name": "x"}], "annotations": values, "last": [1]}))
    assert read(path, "annotations", chunk) == values


@pytest.mark.parametrize(
    ("content", "key", "reason"),
    [
        ("[[1, 2], [3", None, "cut off"),
        ("[[1, 2], [3, oops]]", None, "no JSON"),
        ("", None, "no JSON array"),
        ('{"a": [1]}', None, "no JSON array"),
        ('{"a": [1]}', "b", "no JSON object with 'b'"),
    ],
    ids=["cut off", "damaged", "empty", "an object", "another key"],
)
@pytest.mark.parametrize("chunk", [3, 1000])
def test_what_is_wrong_is_named_with_a_remedy(tmp_path, content, key, reason, chunk):
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(BadInputError, match=rf"a\.json .*{reason}.*: fetch it again$"):
        read(tmp_path / "a.json", key, chunk)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(MissingFileError, match=r"a\.json: fetch it again"):
        read(tmp_path / "a.json")
