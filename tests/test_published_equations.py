"""The register of equations: all 59 are there, and what they name exists."""

from collections import Counter
from pathlib import Path

import pytest
import yaml

from handlib.errors import BadInputError
from handlib.reproduce.equations import (
    check_test_exists,
    equation_register,
    load_equations,
    read_equations,
    resolve_function,
)

REPOSITORY = Path(__file__).parent.parent


def test_all_59_equations_are_there_once_each():
    assert Counter(e.paper for e in load_equations()) == {
        "tassn": 6,
        "s2hand": 11,
        "s2hand-v": 11,
        "seqhand": 15,
        "fitting": 16,
    }
    assert len({equation.id for equation in load_equations()}) == len(load_equations()) == 59


def test_numbers_run_without_a_gap():
    first = {"tassn": 1, "s2hand": 1, "s2hand-v": 12, "seqhand": 1, "fitting": 1}
    for paper, start in first.items():
        numbers = [e.number for e in load_equations() if e.paper == paper]
        assert numbers == list(range(start, start + len(numbers)))


def test_the_first_eleven_of_the_video_paper_are_the_conference_papers():
    also = [equation.also for equation in load_equations() if equation.paper == "s2hand"]
    assert also == [f"Also in S2HAND(V), as its Equation {n}." for n in range(1, 12)]


def test_every_function_imports_and_every_test_exists():
    register = equation_register(REPOSITORY)
    for item in register:
        if item.function is not None:
            assert (REPOSITORY / item.source).is_file()
            assert item.line > 0
    assert len(register) == 59


def test_the_ground_floor_has_the_keypoint_losses():
    done = {item.equation.id for item in equation_register() if item.function is not None}
    assert {"s2hand-3", "s2hand-4", "s2hand-5"} <= done


def test_braces_and_sized_delimiters_of_every_formula_are_paired():
    for equation in load_equations():
        for latex in (equation.latex, *(symbol.latex for symbol in equation.symbols)):
            bare = latex.replace(r"\{", "").replace(r"\}", "")
            assert bare.count("{") == bare.count("}"), equation.id
            assert latex.count(r"\begin") == latex.count(r"\end"), equation.id
            assert latex.count("bigl") + latex.count("Bigl") == latex.count("bigr") + latex.count("Bigr"), equation.id


def test_every_equation_explains_a_symbol():
    assert all(equation.symbols for equation in load_equations())


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("handlib.absent.function", "cannot be imported"),
        ("handlib.errors.absent", "cannot be imported"),
        ("function", "cannot be imported"),
        ("handlib.errors.HandlibError", "expected a plain function"),
    ],
)
def test_a_function_that_is_not_there_is_refused(path, message):
    with pytest.raises(BadInputError, match=message):
        resolve_function(path, "equation x-1")


def equation_file(**changes) -> dict:
    """One equation, as YAML has it."""
    equation = {"title": "t", "latex": "x", "symbols": {"x": "a"}, "function": None, "test": None, "page": None}
    return {"tassn-1": equation | changes}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (equation_file(latex=1), "latex"),
        (equation_file(function="handlib.errors.f"), "a function comes with a test"),
        (equation_file(test="tests/test_x.py::test_y"), "a function comes with a test"),
        (equation_file(url="x"), "unknown field"),
        ({"tassn-a": equation_file()["tassn-1"]}, "an id is a paper and a number"),
        ({"nobody-1": equation_file()["tassn-1"]}, "an id is a paper and a number"),
    ],
)
def test_a_malformed_equation_is_refused(tmp_path, content, message):
    path = tmp_path / "equations.yml"
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(BadInputError, match=message):
        read_equations(path)


@pytest.mark.parametrize(
    ("test", "message"), [("tests/a.py::test_x", "no test file"), ("tests/b.py::test_x", "no test")]
)
def test_a_test_that_is_not_there_is_refused(tmp_path, test, message):
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "b.py").write_text("def test_y():\n    assert True\n")
    path = tmp_path / "equations.yml"
    path.write_text(yaml.safe_dump(equation_file(function="handlib.errors.f", test=test)))
    with pytest.raises(BadInputError, match=message):
        check_test_exists(read_equations(path)[0], tmp_path)
