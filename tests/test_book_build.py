"""Whole builds of a book of two pages: strict each time, offline, furnished, and refusing what is broken."""

import re
import shutil
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from handlib.book.build import SMOKE_NOTICE, build_book, check_html, write_config
from handlib.book.furniture import HEADER_ENTRIES, MARGIN_NOTES
from handlib.cli import app
from handlib.errors import BadInputError, MissingFileError

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[1]

HEADER = ":::{page-header}\n" + "".join(f"{entry}\n: {entry.lower()} text\n\n" for entry in HEADER_ENTRIES) + ":::\n"
PAGE = f"""# A page

{HEADER}
## Maths

$$
a^2 + b^2 = c^2
$$ (pythagoras)

Equation {{eq}}`pythagoras`, derived by {{cite}}`mano`.

{"".join(f":::{{{name}}}{chr(10)}About {name}.{chr(10)}:::{chr(10)}{chr(10)}" for name in MARGIN_NOTES)}

```{{exercise}}
:label: first

What is $a$?
```

```{{solution}} first
:class: dropdown

A side.
```
"""


@pytest.fixture
def book(tmp_path):
    """A book of two pages of prose, with the real book's settings, style and bibliography."""
    folder = tmp_path / "book"
    folder.mkdir()
    shutil.copytree(ROOT / "book" / "assets", folder / "assets")
    shutil.copyfile(ROOT / "_config.yml", tmp_path / "_config.yml")
    entry = "@article{mano,\n author={A. Author},\n title={Hands},\n journal={J},\n year={2017}\n}\n"
    (folder / "references.bib").write_text(entry)
    (folder / "_toc.yml").write_text("format: jb-book\nroot: index\nchapters:\n  - file: page\n")
    (folder / "index.md").write_text("# Front\n\n```{bibliography}\n```\n")
    (folder / "page.md").write_text(PAGE)
    return folder


def test_a_page_has_its_furniture_and_nothing_from_a_network(book):
    built = build_book(book)
    assert (built.pages, built.figures) == (2, 0)
    page = (built.html / "page.html").read_text()
    assert 'class="page-header' in page and all(entry in page for entry in HEADER_ENTRIES)
    for name, heading in MARGIN_NOTES.items():
        assert re.search(rf'<aside class="[^"]*margin-note {name}[^"]*">\s*<p class="sidebar-title">{heading}', page)
    assert 'class="dropdown solution' in page or "solution dropdown" in page
    assert "_static/vendor/mathjax/tex-chtml-full.js" in page
    loaded = re.findall(r'<(?:script|img|iframe|source)[^>]*\ssrc="([^"]*)"|<link[^>]*\shref="([^"]*)"', page)
    assert loaded and not [address for pair in loaded for address in pair if "//" in address]
    assert "unpkg" not in page and "cdn" not in page.lower()


def test_a_broken_reference_fails_the_build_every_time(book):
    """Sphinx forgets its warnings when it finds the pages of the last build: the builder must not."""
    (book / "page.md").write_text(PAGE.replace("{eq}`pythagoras`", "{ref}`nowhere`"))
    for _ in range(2):
        with pytest.raises(BadInputError, match="nowhere"):
            build_book(book)


def test_an_unknown_citation_and_an_incomplete_header_fail_the_build(book):
    (book / "page.md").write_text(PAGE.replace("{cite}`mano`", "{cite}`nobody`").replace("Run time\n", "Pun time\n"))
    with pytest.raises(BadInputError, match=r"(?s)(nobody.*Run time|Run time.*nobody)"):
        build_book(book)


def test_one_page_can_be_built_alone_and_the_first_page_comes_with_it(book):
    (book / "_toc.yml").write_text("format: jb-book\nroot: index\nchapters:\n  - file: page\n  - file: unwritten\n")
    result = CliRunner().invoke(app, ["book", "build", "page", "--book", str(book)])
    assert result.exit_code == 0 and "2 pages" in result.output
    with pytest.raises(BadInputError, match="elsewhere"):
        build_book(book, ["elsewhere"])


def test_a_book_without_settings_is_named(book):
    (book.parent / "_config.yml").unlink()
    with pytest.raises(MissingFileError, match="_config.yml"):
        build_book(book)


def test_a_smoke_book_says_so_on_every_page(book):
    executed = book / "page.ipynb"
    for profile, noticed in (("smoke", True), ("laptop", False)):
        executed.write_text(
            f'{{"cells": [], "metadata": {{"handlib": {{"parts": {{"parameters": {{"profile": "{profile}"}}}}}}}}}}'
        )
        config = write_config(book, book.parent / "config.yml", {"page": executed})
        assert (yaml.safe_load(config.read_text())["html"].get("announcement") == SMOKE_NOTICE) is noticed


def test_a_figure_that_got_lost_on_the_way_to_the_page_is_counted(tmp_path):
    (tmp_path / "page.html").write_text("<p>no figure</p>")
    executed = tmp_path / "page.ipynb"
    executed.write_text(
        '{"cells": [{"cell_type": "code", "metadata": {}, "outputs": '
        '[{"data": {"text/html": "<figure data-hl-figure=\\"image\\">"}}]}]}'
    )
    with pytest.raises(BadInputError, match=r"1 figures in the notebook, 0 on the page"):
        check_html(tmp_path, ["page"], {"page": executed})
