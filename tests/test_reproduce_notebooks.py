"""Which notebooks there are and which parameters they take."""

import json

import pytest
from reproduce_factory import write_notebook

from handlib.errors import BadInputError, MissingFileError
from handlib.reproduce.commands import read_settings
from handlib.reproduce.notebooks import (
    NOT_LITERAL,
    bind_parameters,
    convert_value,
    find_book,
    find_notebooks,
    read_notebook,
    read_parameters,
)
from handlib.reproduce.profiles import Profile, by_profile, read_profile


def test_parameters_are_those_that_papermill_sees(tmp_path):
    from papermill import inspect_notebook

    path = write_notebook(tmp_path / "one.ipynb", "print(seed)")
    content = json.loads(path.read_text())
    # Papermill looks into no notebook that does not name its kernel.
    content["metadata"]["kernelspec"] = {"name": "python3", "language": "python", "display_name": "Python 3"}
    path.write_text(json.dumps(content))
    assert set(read_notebook(path, tmp_path).parameters) == set(inspect_notebook(str(path)))


def test_parameters_of_several_lines_and_expressions():
    code = 'profile = "smoke"\nsizes = (\n    1,\n    2,\n)\nhalf = 1 / 2\na = b = 3\nif True:\n    hidden = 1\n'
    expected = {"profile": "smoke", "sizes": (1, 2), "half": NOT_LITERAL, "a": 3, "b": 3}
    assert read_parameters(code) == expected


@pytest.mark.parametrize(
    ("text", "default", "value"),
    [
        ("3", 0, 3),
        ("-3", 0, -3),
        ("1e-3", 0.5, 1e-3),
        ("2", 0.5, 2.0),
        ("true", False, True),
        ("False", True, False),
        ("3", "a", "3"),
        ("(1, 2)", (3,), (1, 2)),
        ("None", None, None),
        ("word", None, "word"),
        ("7", NOT_LITERAL, 7),
    ],
)
def test_values_take_the_type_of_the_default(text, default, value):
    converted = convert_value("name", text, default)
    assert converted == value and type(converted) is type(value)


@pytest.mark.parametrize(("text", "default"), [("x", 0), ("1.5", 0), ("1", True), ("True", 0), ("1", (1,))])
def test_values_of_another_type_are_refused(text, default):
    with pytest.raises(BadInputError, match=r"--set name=.*given, the default"):
        convert_value("name", text, default)


def test_unknown_parameter_is_an_error_that_names_the_known_ones(tmp_path):
    notebook = read_notebook(write_notebook(tmp_path / "one.ipynb"), tmp_path)
    assert bind_parameters(notebook, "smoke", {"seed": "4"}) == {"profile": "smoke", "seed": 4}
    with pytest.raises(BadInputError, match="one.ipynb.*no parameter 'sed'.*name, profile, rate, seed"):
        bind_parameters(notebook, "smoke", {"sed": "4"})
    with pytest.raises(BadInputError, match="--profile"):
        bind_parameters(notebook, "smoke", {"profile": "full"})


@pytest.mark.parametrize(
    ("parameters", "message"),
    [(None, "no cell is tagged"), ("seed = 0", "sets no `profile`"), ("profile =", "does not parse")],
)
def test_notebook_without_usable_parameters_is_refused(tmp_path, parameters, message):
    path = write_notebook(tmp_path / "one.ipynb", "1", parameters=parameters)
    with pytest.raises(BadInputError, match=f"one.ipynb.*{message}"):
        read_notebook(path, tmp_path)


def test_broken_notebook_file_is_named(tmp_path):
    path = tmp_path / "cut.ipynb"
    path.write_text('{"cells": [')
    with pytest.raises(BadInputError, match="cut.ipynb: not a readable notebook"):
        read_notebook(path, tmp_path)


def test_chapters_by_name_and_not_from_built_folders(tmp_path):
    for place in ("b.ipynb", "part/a.ipynb", "_build/executed/b.ipynb", "part/.ipynb_checkpoints/a.ipynb"):
        write_notebook(tmp_path / place)
    assert [notebook.name for notebook in find_notebooks(tmp_path)] == ["b", "a"]
    assert [notebook.name for notebook in find_notebooks(tmp_path, ["a.ipynb"])] == ["a"]
    with pytest.raises(BadInputError, match="no chapter is called 'c'; there are: a, b"):
        find_notebooks(tmp_path, ["c", "a"])


def test_two_notebooks_of_one_name_are_refused(tmp_path):
    write_notebook(tmp_path / "a.ipynb")
    write_notebook(tmp_path / "part" / "a.ipynb")
    with pytest.raises(BadInputError, match="have one name"):
        find_notebooks(tmp_path)


def test_book_is_found_from_below_and_from_above(tmp_path):
    book = tmp_path / "book"
    write_notebook(book / "part" / "a.ipynb")
    assert find_book(tmp_path) == book
    (book / "_toc.yml").write_text("root: a")
    assert find_book(book / "part") == book
    (tmp_path.parent / f"{tmp_path.name}-empty").mkdir()
    with pytest.raises(MissingFileError, match="no book here.*--book"):
        find_book(tmp_path.parent / f"{tmp_path.name}-empty")
    for wrong in (book / "misspelt", book / "_toc.yml"):
        with pytest.raises(MissingFileError, match=f"{wrong.name}: no such folder"):
            find_book(wrong)
    write_notebook(tmp_path.parent / f"{tmp_path.name}-loose" / "a.ipynb")
    assert find_book(tmp_path.parent / f"{tmp_path.name}-loose").name.endswith("-loose")
    with pytest.raises(MissingFileError, match="no notebook in this folder"):
        find_notebooks(tmp_path / "book" / "nothing")


def test_settings_are_pairs():
    assert read_settings(["seed=3", "name=a=b"]) == {"seed": "3", "name": "a=b"}
    for wrong in (["seed"], ["=3"], ["a b=1"]):
        with pytest.raises(BadInputError, match="expected NAME=VALUE"):
            read_settings(wrong)
    with pytest.raises(BadInputError, match="given twice"):
        read_settings(["a=1", "a=2"])


def test_profiles():
    assert [by_profile(name, smoke=1, laptop=2, full=3) for name in Profile] == [1, 2, 3]
    assert [profile.is_comparable for profile in Profile] == [False, True, True]
    with pytest.raises(BadInputError, match="profile 'big'.*smoke, laptop, full"):
        read_profile("big")
