"""The results store: what is written is what is read, and nothing else is."""

import dataclasses
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reproduce_factory import make_result

from handlib.errors import BadInputError, MissingFileError
from handlib.reproduce.results import (
    Curve,
    Metric,
    Outcome,
    load_results,
    read_result,
    result_path,
    write_result,
)

numbers = st.one_of(st.floats(allow_nan=False, allow_infinity=False), st.integers(-(10**6), 10**6))


@settings(max_examples=40, deadline=None)
@given(value=numbers, points=st.lists(st.tuples(numbers, numbers), min_size=1, max_size=5), seed=st.integers(0, 10**9))
def test_round_trip(tmp_path_factory, value, points, seed):
    root = tmp_path_factory.getbasetemp() / "round-trip"
    curve = Curve(tuple(x for x, _ in points), tuple(y for _, y in points), "threshold (mm)", "PCK")
    outcome = Outcome({"mpjpe": Metric(value, "mm", "procrustes", "STB")}, {"pck": curve})
    result = dataclasses.replace(make_result(seed=seed), outcome=outcome)
    assert read_result(write_result(root, result)) == result


def test_results_are_found_by_chapter(tmp_path):
    for chapter, seed in (("s2hand", 1), ("s2hand", 0), ("tassn", 0)):
        write_result(tmp_path, make_result(chapter=chapter, seed=seed))
    assert [(r.chapter, r.seed) for r in load_results(tmp_path)] == [("s2hand", 0), ("s2hand", 1), ("tassn", 0)]
    assert len(load_results(tmp_path, "tassn")) == 1
    assert load_results(tmp_path / "nothing") == []


def test_a_number_changed_by_hand_is_an_error_and_no_measurement(tmp_path):
    path = write_result(tmp_path, make_result())
    path.write_text(path.read_text().replace("11.8", "10.8"))
    with pytest.raises(BadInputError, match="laptop-seed0.json: its content is not what a run wrote"):
        load_results(tmp_path)


@pytest.mark.parametrize("damage", ["cut", "list", "empty"])
def test_damaged_file_is_named_with_the_way_on(tmp_path, damage):
    path = write_result(tmp_path, make_result())
    path.write_text({"cut": path.read_text()[:200], "list": "[1]", "empty": ""}[damage])
    with pytest.raises(BadInputError, match="laptop-seed0.json.*restore it from git, or remove it"):
        read_result(path)


def rewrite(path, **changes):
    """Write changed content with a right digest, as an older or newer handlib might."""
    from handlib.reproduce.digest import digest_json

    content = json.loads(path.read_text())
    content.pop("content_digest")
    content |= changes
    path.write_text(json.dumps(content | {"content_digest": digest_json(content)}))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schema": 99}, "schema 99, expected 2"),
        ({"extra": 1}, "unknown field"),
        ({"provenance": {}}, "provenance: missing"),
        ({"outcome": {"metrics": {"a": {"value": 1}}, "curves": {}, "not_obtained": None}}, "missing or of the wrong"),
        ({"outcome": {"metrics": {"a": {"value": "1", "unit": "mm"}}, "curves": {}, "not_obtained": None}}, "'1'"),
        ({"seed": 4}, "holds the run .*seed4.json"),
    ],
)
def test_content_of_another_shape_is_refused(tmp_path, changes, message):
    path = write_result(tmp_path, make_result())
    rewrite(path, **changes)
    with pytest.raises(BadInputError, match=message):
        read_result(path)


@pytest.mark.parametrize(
    ("outcome", "message"),
    [
        (Outcome(), "neither metrics nor curves"),
        (Outcome({"a": Metric(1.0, "mm", "sideways")}), "'sideways', expected one of"),
        (Outcome({"a": Metric(float("nan"), "mm")}), "a: nan is no finite number"),
        (Outcome({"a": Metric(True, "1")}), "True is no finite number"),
        (Outcome({}, {"c": Curve((1.0,), (1.0, 2.0), "x", "y")}), "1 x and 2 y"),
        (Outcome({}, {}, " "), "not_obtained"),
    ],
)
def test_what_is_no_result_is_not_written(tmp_path, outcome, message):
    with pytest.raises(BadInputError, match=message):
        write_result(tmp_path, dataclasses.replace(make_result(), outcome=outcome))
    assert not list(tmp_path.rglob("*.json"))


def test_names_stay_inside_the_store(tmp_path):
    for name in ("../up", "a/b", "Über", ""):
        with pytest.raises(BadInputError, match="is no name of a chapter or recipe"):
            result_path(tmp_path, "s2hand", name, "full", 0)
    assert result_path(tmp_path, "tassn", "tassn-full@stb", "full", 0).name == "full-seed0.json"
    with pytest.raises(MissingFileError, match="no such result"):
        read_result(tmp_path / "none.json")
