"""Arrays out of large JSON files, in pieces: the same elements as the whole file gives, or a reason."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlib.data.json_stream import stream_json_array, stream_json_numbers
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


@pytest.mark.parametrize("shape", [(), (3,), (2, 3)])
@given(count=st.integers(1, 9), chunk=st.integers(1, 300), seed=st.integers(0, 99), indent=st.sampled_from([None, 1]))
def test_numbers_are_those_of_the_library(tmp_path_factory, shape, count, chunk, seed, indent):
    generator = np.random.default_rng(seed)
    values = generator.normal(size=(count, *shape)) * 10.0 ** generator.integers(-6, 6, (count, *shape))
    path = tmp_path_factory.mktemp("json") / "a.json"
    path.write_text(json.dumps(values.tolist(), indent=indent))
    pieces = list(stream_json_numbers(path, shape, remedy="fetch it again", chunk_bytes=chunk))
    assert np.array_equal(np.concatenate(pieces), values.astype(np.float32))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("[[1, 2, 3], [4, 5]]", "different lengths"),
        ("[[1, 2], [3, 4, 5, 6]]", "different lengths"),
        ("[[1, 2, 3, 4, 5, 6]]", r"shape \(1, 6\), expected \(any, 3\)"),
        ("[[[1, 2, 3]], [[4, 5, 6], [7, 8, 9]]]", "different lengths|shape"),
        ("[[1, 2, null]]", "holds object"),
        ('[["a", "b", "c"]]', "holds <U1"),
        ("[[1, 2, 3 4]]", "no JSON"),
    ],
)
def test_other_nesting_is_never_taken_for_numbers(tmp_path, content, reason):
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(BadInputError, match=rf"a\.json.*({reason}).*fetch it again"):
        list(stream_json_numbers(tmp_path / "a.json", (3,), remedy="fetch it again"))


def test_nan_and_a_list_around_each_element_are_read(tmp_path):
    (tmp_path / "a.json").write_text("[[[1, NaN, 3]], [[4, 5, Infinity]]]")
    read = np.concatenate(list(stream_json_numbers(tmp_path / "a.json", (3,), remedy="fetch it again")))
    assert np.array_equal(read, np.array([[1, np.nan, 3], [4, 5, np.inf]], np.float32), equal_nan=True)
