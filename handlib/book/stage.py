"""Staging: gather what the HTML is built from into one folder, and refuse what would make a page with holes.

``book/_build/stage`` gets the prose pages, the notebooks that ``handlib reproduce`` executed, the pages that are
generated from the results store, and the scripts and style sheets. Nothing in it is edited by hand; each build makes it
anew.
"""

import gzip
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from handlib.errors import BadInputError, MissingFileError
from handlib.reproduce.digest import notebook_digest
from handlib.viz.display import STATIC

GENERATED_PAGES = ("ledger", "equations")
"""Pages that are written from the results store and the registers, not by hand."""

FIGURE_MARK = "data-hl-figure="
PLOTLY_MIME = "application/vnd.plotly.v1+json"
SHOW_CALL = re.compile(
    r"^\s*(?:viz\.)?(?:show|explore)\(|\bviz\.(?:show|explore|posable_hand|draggable_keypoints|turning_joint)\(",
    re.MULTILINE,
)


def toc_pages(book: Path) -> list[str]:
    """The pages of ``_toc.yml`` in reading order, without suffix.

    Raises:
        MissingFileError: the book has no table of contents.
        BadInputError: it names no page.
    """
    path = book / "_toc.yml"
    if not path.is_file():
        raise MissingFileError(f"{path}: the book's table of contents is not there; restore it from git")
    pages = list(_files_of(yaml.safe_load(path.read_text(encoding="utf-8"))))
    if not pages:
        raise BadInputError(f"{path}: names no page; expected `root:` and `parts:` with `file:` entries")
    return pages


def _files_of(entry: Any) -> Iterator[str]:
    """Every page named under an entry of the table of contents."""
    if isinstance(entry, list):
        for item in entry:
            yield from _files_of(item)
    elif isinstance(entry, dict):
        yield from (entry[key] for key in ("root", "file") if key in entry)
        for key in ("parts", "chapters", "sections", "subtrees", "entries"):
            yield from _files_of(entry.get(key, []))


def stage_book(book: Path, stage: Path, pages: list[str]) -> dict[str, Path]:
    """Make the folder ``stage`` from the book's sources; returns where each notebook's executed copy was taken from.

    Args:
        book: the folder ``book/``.
        stage: made anew.
        pages: the pages to build, without suffix, as :func:`toc_pages` lists them.

    Raises:
        MissingFileError: a page, or a notebook's executed copy, is not there.
        BadInputError: an executed notebook failed, is older than its source, or a figure in it does not appear.
    """
    problems: list[str] = []
    executed: dict[str, Path] = {}
    sources: dict[str, Path] = {}
    for page in pages:
        if page in GENERATED_PAGES:
            continue
        prose, notebook = book / f"{page}.md", book / f"{page}.ipynb"
        if prose.is_file():
            sources[page] = prose
        elif notebook.is_file():
            executed[page] = book / "_build" / "executed" / f"{page}.ipynb"
            sources[page] = executed[page]
            problems += notebook_problems(notebook, executed[page])
        else:
            problems.append(f"{page}: is in _toc.yml, and neither {prose.name} nor {notebook.name} is in {book}")
    if problems:
        listing = "\n  ".join(problems)
        raise BadInputError(f"the book cannot be built, {len(problems)} problem(s):\n  {listing}")
    shutil.rmtree(stage, ignore_errors=True)
    stage.mkdir(parents=True)
    for page, source in sources.items():
        target = stage / f"{page}{source.suffix}"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    shutil.copyfile(book / "_toc.yml", stage / "_toc.yml")
    shutil.copyfile(book / "references.bib", stage / "references.bib")
    for folder in book.iterdir():  # pictures that pages name lie beside them
        if folder.is_dir() and folder.name not in ("_build", "assets") and not folder.name.startswith("."):
            shutil.copytree(folder, stage / folder.name, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.ipynb"))
    stage_assets(book / "assets", stage / "assets")
    return executed


def stage_assets(source: Path, target: Path) -> None:
    """Copy style sheets and scripts; unpack the gzipped ones; add the figures' own and plotly out of its package."""
    from plotly.offline import get_plotlyjs

    shutil.copytree(source, target)
    for packed in target.rglob("*.gz"):
        packed.with_suffix("").write_bytes(gzip.decompress(packed.read_bytes()))
        packed.unlink()
    for path in STATIC.iterdir():
        shutil.copyfile(path, target / path.name)
    (target / "plotly.min.js").write_text(get_plotlyjs(), encoding="utf-8")


def notebook_problems(source: Path, executed: Path) -> list[str]:
    """What is wrong with a notebook's executed copy, in words; empty where it can go on a page.

    Args:
        source: the notebook as it is edited, without outputs.
        executed: what ``handlib reproduce`` made of it.
    """
    remedy = f"run: handlib reproduce {source.stem}"
    if not executed.is_file():
        return [f"{source.name}: was not executed; {remedy}"]
    try:
        notebook = json.loads(executed.read_text(encoding="utf-8"))
        cells = notebook["cells"]
    except (ValueError, KeyError) as error:
        return [f"{executed}: is not a notebook ({error}); {remedy}"]
    stamp = notebook["metadata"].get("handlib", {}).get("parts", {})
    if stamp.get("source") != notebook_digest(json.loads(source.read_text(encoding="utf-8"))):
        return [f"{source.name}: was edited after it was executed; {remedy}"]
    return [f"{source.name}, cell {n}: {what}" for n, cell in enumerate(cells, 1) for what in cell_problems(cell)]


def cell_problems(cell: dict[str, Any]) -> list[str]:
    """What is wrong with one executed cell: it failed, was not run, or its figure does not appear."""
    if cell["cell_type"] != "code":
        return []
    code, outputs = "".join(cell["source"]), cell.get("outputs", [])
    if failed := [output for output in outputs if output["output_type"] == "error"]:
        return [f"failed with {failed[0]['ename']}: {failed[0]['evalue']}"]
    if code.strip() and cell.get("execution_count") is None:
        return ["was not executed"]
    problems = []
    data = [output.get("data", {}) for output in outputs]
    if any(PLOTLY_MIME in bundle and "text/html" not in bundle for bundle in data):
        problems.append("returns a plotly figure, which the page would drop; use handlib.viz.show(fig, alt=...)")
    if any("image/png" in bundle and FIGURE_MARK not in _html(bundle) for bundle in data):
        problems.append("shows a picture without alt text; use handlib.viz.show(fig, alt=...)")
    if any(re.match(r"<Figure size|\[?<matplotlib", _text(b)) and "text/html" not in b for b in data):
        problems.append("ends with a matplotlib object instead of a figure; use handlib.viz.show(fig, alt=...)")
    if SHOW_CALL.search(code) and "skip-figure" not in cell["metadata"].get("tags", []):
        if not any(FIGURE_MARK in _html(bundle) for bundle in data):
            problems.append("calls show() and no figure appeared")
    return problems


def figures_in_notebook(path: Path) -> int:
    """How many figures of :func:`handlib.viz.show` an executed notebook holds, hidden cells left out."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    kept = [cell for cell in cells if not {"remove-cell", "remove-output"} & set(cell["metadata"].get("tags", []))]
    return sum(_html(output.get("data", {})).count(FIGURE_MARK) for cell in kept for output in cell.get("outputs", []))


def _html(bundle: dict[str, Any]) -> str:
    return "".join(bundle.get("text/html", ""))


def _text(bundle: dict[str, Any]) -> str:
    return "".join(bundle.get("text/plain", ""))
