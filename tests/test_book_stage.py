"""What the builder refuses to put on a page: notebooks that failed, are stale or lost a figure; missing pages."""

import gzip
import hashlib
import json
import re
from pathlib import Path

import pytest

from handlib.book.stage import cell_problems, notebook_problems, stage_assets, stage_book, toc_pages
from handlib.errors import BadInputError, MissingFileError
from handlib.reproduce.digest import notebook_digest

ROOT = Path(__file__).parents[1]
FIGURE = {"output_type": "display_data", "metadata": {}, "data": {"text/html": '<figure data-hl-figure="image">'}}


def code_cell(source: str, *outputs: dict, count: int | None = 1, tags: list[str] | None = None) -> dict:
    """A code cell as it stands in a notebook."""
    return {
        "cell_type": "code",
        "source": source,
        "outputs": list(outputs),
        "execution_count": count,
        "metadata": {"tags": tags or []},
    }


def output(**data: str) -> dict:
    """An output with MIME types written with __ for / and _ for -."""
    return {"output_type": "display_data", "metadata": {}, "data": {k.replace("__", "/"): v for k, v in data.items()}}


def notebook(*cells: dict, **stamp: object) -> dict:
    """A notebook with the record that execution leaves in it."""
    return {"cells": list(cells), "metadata": {"handlib": {"parts": stamp}}, "nbformat": 4, "nbformat_minor": 5}


@pytest.fixture
def book(tmp_path):
    """A small book with one page of prose and one executed notebook."""
    folder = tmp_path / "book"
    (folder / "_build" / "executed").mkdir(parents=True)
    (folder / "assets").mkdir()
    (folder / "references.bib").write_text("")
    (folder / "_toc.yml").write_text(
        "format: jb-book\nroot: index\nparts:\n  - chapters:\n      - file: chapter\n        sections:\n"
        "          - file: part/two\n"
    )
    (folder / "index.md").write_text("# Front")
    (folder / "part").mkdir()
    (folder / "part" / "two.md").write_text("# Two")
    source = notebook(code_cell("show(1)", count=None))
    (folder / "chapter.ipynb").write_text(json.dumps(source))
    executed = notebook(code_cell("show(1)", FIGURE), source=notebook_digest(source))
    (folder / "_build" / "executed" / "chapter.ipynb").write_text(json.dumps(executed))
    return folder


def test_pages_are_listed_in_reading_order_down_to_sections(book):
    assert toc_pages(book) == ["index", "chapter", "part/two"]


def test_a_book_without_a_table_of_contents_is_named(tmp_path):
    with pytest.raises(MissingFileError, match="_toc.yml"):
        toc_pages(tmp_path)


def test_prose_and_executed_notebooks_are_staged(book, tmp_path):
    stage = tmp_path / "stage"
    executed = stage_book(book, stage, toc_pages(book))
    assert list(executed) == ["chapter"]
    assert "data-hl-figure" in (stage / "chapter.ipynb").read_text()
    assert (stage / "part" / "two.md").is_file() and (stage / "assets" / "figure.js").is_file()
    assert (stage / "assets" / "plotly.min.js").stat().st_size > 1_000_000


def test_everything_that_is_wrong_is_said_at_once(book, tmp_path):
    (book / "part" / "two.md").unlink()
    (book / "_build" / "executed" / "chapter.ipynb").unlink()
    with pytest.raises(BadInputError, match=r"2 problem(?s:.)*handlib reproduce chapter(?s:.)*part/two"):
        stage_book(book, tmp_path / "stage", toc_pages(book))
    assert not (tmp_path / "stage").exists()


def test_a_notebook_edited_after_its_execution_is_stale(book):
    source, executed = book / "chapter.ipynb", book / "_build" / "executed" / "chapter.ipynb"
    assert notebook_problems(source, executed) == []
    source.write_text(source.read_text().replace("show(1)", "show(2)"))
    (problem,) = notebook_problems(source, executed)
    assert "edited after it was executed" in problem


def test_an_executed_notebook_that_is_cut_off_is_named(book):
    executed = book / "_build" / "executed" / "chapter.ipynb"
    executed.write_text(executed.read_text()[:50])
    (problem,) = notebook_problems(book / "chapter.ipynb", executed)
    assert "is not a notebook" in problem


@pytest.mark.parametrize(
    ("cell", "problem"),
    [
        (code_cell("1/0", {"output_type": "error", "ename": "ZeroDivisionError", "evalue": "x"}), "ZeroDivisionError"),
        (code_cell("x = 1", count=None), "was not executed"),
        (code_cell("viz.show(fig, alt='a')"), "no figure appeared"),
        (code_cell("viz.posable_hand(model)"), "no figure appeared"),
        (code_cell("fig", output(**{"application__vnd.plotly.v1+json": "{}"})), "plotly figure"),
        (code_cell("plt.imshow(x)", output(image__png="iVBO")), "alt text"),
        (code_cell("ax", output(text__plain="<Figure size 640x480 with 1 Axes>")), "matplotlib object"),
    ],
)
def test_a_cell_that_leaves_a_hole_in_the_page_is_a_problem(cell, problem):
    (found,) = cell_problems(cell)
    assert problem in found


@pytest.mark.parametrize(
    "cell",
    [
        code_cell("viz.show(fig, alt='a')", FIGURE),
        code_cell("x = 1"),
        code_cell("", count=None),
        code_cell("if False:\n    viz.show(fig, alt='a')", tags=["skip-figure"]),
        code_cell("print(a.show_all(1))"),
        {"cell_type": "markdown", "source": "viz.show(", "metadata": {}},
    ],
)
def test_a_cell_that_is_in_order_is_left_alone(cell):
    assert cell_problems(cell) == []


def test_vendored_scripts_are_those_that_the_readme_lists():
    vendor = ROOT / "book" / "assets" / "vendor"
    rows = dict(re.findall(r"^\| `([^`]+)` \| \d+ \| `([0-9a-f]{64})` \|$", (vendor / "README.md").read_text(), re.M))
    files = {path.relative_to(vendor).as_posix() for path in vendor.rglob("*") if path.is_file()} - {"README.md"}
    assert set(rows) == files and len(files) > 20
    for name, digest in rows.items():
        data = (vendor / name).read_bytes()
        assert hashlib.sha256(gzip.decompress(data) if name.endswith(".gz") else data).hexdigest() == digest, name


def test_gzipped_scripts_are_unpacked(tmp_path):
    stage_assets(ROOT / "book" / "assets", tmp_path / "assets")
    assert not list((tmp_path / "assets").rglob("*.gz"))
    assert (tmp_path / "assets" / "vendor" / "embed-amd.js").stat().st_size > 3_000_000


def test_no_style_sheet_or_script_of_ours_loads_from_the_network():
    ours = [*(ROOT / "book" / "assets").glob("*.*"), *(ROOT / "handlib" / "viz" / "static").iterdir()]
    assert len(ours) >= 6
    for path in ours:
        addresses = re.findall(r"https?://[^\s\"')]+", path.read_text(encoding="utf-8"))
        assert set(addresses) <= {"http://www.w3.org/2000/svg"}, path
