"""Which notebooks have to be executed, and why.

An executed notebook carries the digests of what it came from in its metadata. It is taken as it is as long as these
are today's, so that an interrupted build goes on where it stopped.
"""

import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from handlib.reproduce import closure, digest
from handlib.reproduce.notebooks import Notebook, bind_parameters
from handlib.reproduce.places import results_folder

# Files of the book that a notebook may read; prose, settings and what dresses a page are read by the HTML build alone.
_PAGE_SUFFIXES = {".ipynb", ".md", ".bib", ".yml", ".yaml", ".css", ".js", ".svg", ".gz", ".woff"}


@dataclass(frozen=True)
class Plan:
    """What is to be done about one notebook.

    Attributes:
        notebook: the source.
        parameters: what papermill injects.
        output: where the executed notebook goes.
        parts: each thing that the output depends on, with its digest or value.
        changed: the names of the parts that differ from the executed notebook's; empty where that is up to date.
        seconds: how long the last execution took; None without one.
    """

    notebook: Notebook
    parameters: dict[str, Any]
    output: Path
    parts: dict[str, Any] = field(repr=False)
    changed: tuple[str, ...] = ()
    seconds: float | None = None

    @property
    def is_fresh(self) -> bool:
        """Whether the executed notebook is there and nothing under it has changed."""
        return not self.changed


def make_plans(
    book: Path, notebooks: Sequence[Notebook], profile: str, given: Mapping[str, str] | None = None
) -> list[Plan]:
    """Compare each notebook with its executed copy, below ``_build/executed`` in the book folder.

    Args:
        book: the book folder.
        notebooks: the chapters.
        profile: smoke, laptop or full.
        given: parameters as text, as typed behind ``--set``.

    Raises:
        BadInputError: a notebook has no such parameter, or not of that type.
    """
    shared = {
        "data folder": digest.data_fingerprint(),
        "book assets": digest.digest_files(book, _assets(book)),
        "packages": _packages_digest(),
    }
    plans = []
    for notebook in notebooks:
        parameters = bind_parameters(notebook, profile, given or {})
        parts = shared | {
            "library": notebook_library_digest(notebook.content),
            "source": digest.notebook_digest(notebook.content),
            "parameters": parameters,
            "results": chapter_results_digest(book, notebook),
        }
        output = book / "_build" / "executed" / notebook.relative
        changed, seconds = _compare(output, parts)
        plans.append(Plan(notebook, parameters, output, parts, changed, seconds))
    return plans


def notebook_library_digest(notebook: Mapping[str, Any]) -> str:
    """Digest of the part of the library that a notebook can reach, with the docstrings that it may print.

    It is the whole library where the notebook has a line for the shell, which may call any command.

    Args:
        notebook: the parsed ``.ipynb``.
    """
    cells = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    lines = [line for cell in cells for line in cell.splitlines()]
    shell = any(line.lstrip().startswith("!") for line in lines)
    try:
        modules = closure.imported_modules("\n".join(line for line in lines if not line.startswith("%")))
    except SyntaxError:
        shell = True
    return digest.library_digest() if shell else closure.source_digest(modules)


def chapter_results_digest(book: Path, notebook: Notebook) -> str:
    """Digest of the stored results that a chapter shows: ``results/s2hand`` for ``s2hand`` and ``s2hand_ablations``."""
    store = results_folder(book)
    files = [path for path in store.glob("*/**/*.json") if notebook.name.startswith(path.relative_to(store).parts[0])]
    return digest.digest_files(store, files)


def make_stamp(parts: Mapping[str, Any], seconds: float, finished: str) -> dict[str, Any]:
    """The record that goes into an executed notebook's metadata as ``handlib``.

    Args:
        parts: what the execution depended on.
        seconds: how long it took.
        finished: when it ended, ISO 8601.
    """
    return {
        "key": digest.digest_json(dict(parts)),
        "parts": dict(parts),
        "seconds": round(seconds, 1),
        "finished": finished,
    }


def _compare(output: Path, parts: dict[str, Any]) -> tuple[tuple[str, ...], float | None]:
    """What changed since ``output`` was executed, and how long that took."""
    try:
        stamp = json.loads(output.read_text(encoding="utf-8"))["metadata"]["handlib"]
        changed = tuple(name for name in parts if stamp["parts"].get(name) != parts[name])
        if not changed and stamp["key"] != digest.digest_json(parts):
            changed = ("stamp",)
        return changed, float(stamp["seconds"])
    except FileNotFoundError:
        return ("never executed",), None
    except (ValueError, KeyError, TypeError, AttributeError):
        return ("unreadable output",), None


def _assets(book: Path) -> list[Path]:
    """The pictures and numbers in the book that its notebooks may read."""
    return [
        path
        for path in book.glob("**/*")
        if path.is_file()
        and path.suffix not in _PAGE_SUFFIXES
        and not any(part.startswith(("_", ".")) for part in path.relative_to(book).parts)
    ]


def _packages_digest() -> str:
    """Digest of Python's and every package's version: pictures change with plotly, numbers with torch."""
    packages = sorted({f"{item.name}=={item.version}" for item in metadata.distributions()})
    return digest.digest_json([platform.python_version(), packages])
