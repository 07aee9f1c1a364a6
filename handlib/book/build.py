"""Build the HTML book from what was staged; strict, offline, and without executing anything."""

import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import yaml

from handlib.book import stage as staging
from handlib.errors import BadInputError, MissingExtraError, MissingFileError

SMOKE_NOTICE = "Smoke build: the numbers on these pages come from runs of seconds and mean nothing."


@dataclass(frozen=True)
class BuiltBook:
    """A finished build: where it is, how many pages and figures it has, how long it took."""

    html: Path
    pages: int
    figures: int
    seconds: float


def build_book(book: Path, pages: list[str] | None = None, strict: bool = True) -> BuiltBook:
    """Stage the book and build ``book/_build/html``.

    Args:
        book: the folder ``book/``; its settings are ``_config.yml`` in the folder above.
        pages: only these (and the first page), for a quick look while writing; None builds the whole book.
        strict: warnings fail the build; a part of a book is never strict, its links leave it.

    Raises:
        MissingExtraError: Jupyter Book is not installed.
        MissingFileError: settings or a page are not there.
        BadInputError: a notebook failed or is stale, a figure did not appear, or Sphinx warned; the message lists what.
    """
    if find_spec("jupyter_book") is None:
        raise MissingExtraError("building the book needs Jupyter Book; pip install -e '.[book]'")
    begun = time.monotonic()
    book = book.resolve()
    everything = staging.toc_pages(book)
    chosen = everything if pages is None else _choose(everything, pages)
    output, stage = book / "_build", book / "_build" / "stage"
    executed = staging.stage_book(book, stage, chosen)
    write_generated_pages(stage, chosen)
    if pages is not None:
        (stage / "_toc.yml").write_text(yaml.safe_dump(_short_toc(chosen)), encoding="utf-8")
    config = write_config(book, output / "config.yml", executed)
    # Pages of an earlier build must not pass for this one's, and warnings show only from fresh doctrees.
    for old in ("html", ".doctrees", "jupyter_execute"):
        shutil.rmtree(output / old, ignore_errors=True)
    run_sphinx(stage, config, book, strict and pages is None)
    figures = check_html(output / "html", chosen, executed)
    return BuiltBook(output / "html", len(chosen), figures, time.monotonic() - begun)


def _choose(everything: list[str], wanted: list[str]) -> list[str]:
    """The first page and the wanted ones, in reading order."""
    names = {name.removesuffix(".ipynb").removesuffix(".md").removeprefix("book/") for name in wanted}
    if unknown := names - set(everything):
        raise BadInputError(f"no page is called {', '.join(sorted(unknown))}; there are: {', '.join(everything)}")
    return [page for page in everything if page in names or page == everything[0]]


def _short_toc(pages: list[str]) -> dict[str, object]:
    return {"format": "jb-book", "root": pages[0], "chapters": [{"file": page} for page in pages[1:]]}


def write_generated_pages(stage: Path, pages: list[str]) -> None:
    """Write the ledger and the equation register into the stage, where the table of contents asks for them."""
    if "ledger" in pages:
        from handlib.reproduce.ledger_page import write_ledger_page

        write_ledger_page(stage / "ledger.md")
    if "equations" in pages:
        from handlib.reproduce.ledger_page import write_equation_page

        write_equation_page(stage / "equations.md")


def write_config(book: Path, path: Path, executed: dict[str, Path]) -> Path:
    """Copy the book's settings, with a notice across every page if any notebook ran under the smoke profile."""
    source = book.parent / "_config.yml"
    if not source.is_file():
        raise MissingFileError(f"{source}: the book's settings are not there; restore the file from git")
    config = yaml.safe_load(source.read_text(encoding="utf-8"))
    if any(_profile(notebook) == "smoke" for notebook in executed.values()):
        config.setdefault("html", {})["announcement"] = SMOKE_NOTICE
    path.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    return path


def _profile(executed: Path) -> str | None:
    """The profile an executed notebook ran under."""
    stamp = json.loads(executed.read_text(encoding="utf-8"))["metadata"].get("handlib", {})
    return stamp.get("parts", {}).get("parameters", {}).get("profile")


def run_sphinx(stage: Path, config: Path, book: Path, strict: bool) -> None:
    """Run Jupyter Book on the stage in a process of its own.

    Raises:
        BadInputError: it failed, or warned while ``strict``; the message carries what it said.
    """
    start = "from jupyter_book.cli.main import main; main(prog_name='jupyter-book')"  # it has no __main__
    command = [sys.executable, "-c", start, "build", str(stage), "--config", str(config)]
    command += ["--path-output", str(book), "--all", "-q", *(["-W", "-n", "--keep-going"] if strict else [])]
    environment = os.environ | {"NO_COLOR": "1"}
    done = subprocess.run(command, capture_output=True, text=True, cwd=book.parent, env=environment)
    said = [line for line in done.stderr.splitlines() if line.strip()]
    if done.returncode or not (book / "_build" / "html" / "index.html").is_file():
        told = [line for line in said if "WARNING" in line or "ERROR" in line] or said[-25:]
        raise BadInputError(f"the HTML build failed, {len(told)} message(s):\n  " + "\n  ".join(told[:60]))
    for line in said:
        print(line, file=sys.stderr)


def check_html(html: Path, pages: list[str], executed: dict[str, Path]) -> int:
    """Check that every page was written with every figure of its notebook; returns the number of figures.

    Raises:
        BadInputError: a page or a figure is missing.
    """
    problems, figures = [], 0
    for page in pages:
        path = html / f"{page}.html"
        if not path.is_file():
            problems.append(f"{page}: no page was written")
            continue
        found = path.read_text(encoding="utf-8").count(staging.FIGURE_MARK)
        expected = staging.figures_in_notebook(executed[page]) if page in executed else found
        if found != expected:
            problems.append(f"{page}: {expected} figures in the notebook, {found} on the page")
        figures += found
    if problems:
        raise BadInputError("the built book is not complete:\n  " + "\n  ".join(problems))
    return figures
