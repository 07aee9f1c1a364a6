"""The book's notebooks: where they are, and which parameters they take.

A chapter is a notebook below ``book/``, named by its file name without ``.ipynb``. Its parameters are the literals
that its first cell tagged ``parameters`` assigns; ``profile`` must be one of them. Papermill only warns about a
parameter that a notebook does not have, so a misspelt one would silently run the default: here it is an error.
"""

import ast
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from handlib.errors import BadInputError, MissingFileError

NOT_LITERAL = object()
"""Stands for a default that is an expression, whose value is known only to the kernel."""


@dataclass(frozen=True)
class Notebook:
    """A chapter's notebook.

    Attributes:
        name: the chapter, which is the file name without suffix.
        path: the source, absolute.
        relative: the path below the book folder, kept for the executed copy.
        content: the parsed ``.ipynb``.
        parameters: name to default, :data:`NOT_LITERAL` where the default is an expression.
    """

    name: str
    path: Path
    relative: Path
    content: dict[str, Any]
    parameters: dict[str, Any]

    @property
    def code_cells(self) -> int:
        """How many code cells it has, the parameter cell included."""
        return sum(cell["cell_type"] == "code" for cell in self.content["cells"])


def find_book(start: Path | None = None) -> Path:
    """The book folder: the nearest, from ``start`` up, that holds ``_toc.yml`` or has a ``book/`` with notebooks.

    Args:
        start: the folder to look from; the current one by default. It is the book itself where it holds notebooks
            and no other is found.

    Raises:
        MissingFileError: ``start`` is no folder, or no book from there up.
    """
    start = Path(start or Path.cwd()).resolve()
    if not start.is_dir():
        raise MissingFileError(f"{start}: no such folder: name the book's folder with --book")
    for folder in (start, *start.parents):
        if (folder / "_toc.yml").is_file():
            return folder
        book = folder / "book"
        if (book / "_toc.yml").is_file() or any(book.glob("**/*.ipynb")):
            return book
    if any(start.glob("**/*.ipynb")):
        return start
    raise MissingFileError(
        f"{start}: no book here or in a folder above (a folder `book` with `_toc.yml` or notebooks): "
        "change to the checkout, or name the folder with --book"
    )


def read_notebook(path: Path, book: Path) -> Notebook:
    """Read one notebook and the parameters it declares.

    Raises:
        BadInputError: the file is not a notebook, or its parameter cell is missing, does not parse or lacks
            ``profile``.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        cells = content["cells"]
        code = "".join(next(cell["source"] for cell in cells if "parameters" in _tags(cell)))
    except StopIteration:
        raise BadInputError(
            f'{path}: no cell is tagged `parameters`: tag the cell that sets `profile = "laptop"` and the like'
        ) from None
    except (ValueError, KeyError, TypeError) as error:
        raise BadInputError(
            f"{path}: not a readable notebook ({error}): restore the file from git, or save it again in Jupyter"
        ) from error
    try:
        parameters = read_parameters(code)
    except SyntaxError as error:
        raise BadInputError(f"{path}: its cell tagged `parameters` does not parse: {error}") from error
    if "profile" not in parameters:
        raise BadInputError(f'{path}: its cell tagged `parameters` sets no `profile`: add `profile = "laptop"`')
    return Notebook(path.stem, path, path.relative_to(book), content, parameters)


def read_parameters(code: str) -> dict[str, Any]:
    """The names that a parameter cell assigns at its top level, each with its default.

    Args:
        code: the source of the cell.

    Returns:
        name to default; :data:`NOT_LITERAL` where the default is no literal.

    Raises:
        SyntaxError: the cell is not Python.
    """
    found = {}
    for statement in ast.parse(code).body:
        if isinstance(statement, ast.Assign):
            targets = statement.targets
        elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
            targets = [statement.target]
        else:
            continue
        for target in targets:
            if isinstance(target, ast.Name):
                found[target.id] = _literal(statement.value)
    return found


def find_notebooks(book: Path, chapters: Iterable[str] = ()) -> list[Notebook]:
    """The chapters of that name, or every notebook of the book, sorted by path.

    Folders whose name begins with ``_`` or ``.`` are built or hidden, and not looked into.

    Raises:
        BadInputError: a chapter that is not there, two of one name, or a notebook that cannot be read.
        MissingFileError: the book has no notebook.
    """
    book = Path(book).resolve()
    paths = [
        path
        for path in sorted(book.glob("**/*.ipynb"))
        if not any(part.startswith(("_", ".")) for part in path.relative_to(book).parts)
    ]
    if not paths:
        raise MissingFileError(f"{book}: no notebook in this folder: name the book's folder with --book")
    by_name: dict[str, Path] = {}
    for path in paths:
        if path.stem in by_name:
            raise BadInputError(f"{path} and {by_name[path.stem]} have one name: rename one, a name is a chapter")
        by_name[path.stem] = path
    wanted = [name.removesuffix(".ipynb") for name in chapters]
    unknown = [name for name in wanted if name not in by_name]
    if unknown:
        raise BadInputError(
            f"no chapter is called {', '.join(map(repr, unknown))}; there are: {', '.join(sorted(by_name))}"
        )
    chosen = [path for name, path in by_name.items() if not wanted or name in wanted]
    return [read_notebook(path, book) for path in chosen]


def bind_parameters(notebook: Notebook, profile: str, given: Mapping[str, str]) -> dict[str, Any]:
    """The values to inject into a notebook: the profile, and what the user set, converted to the defaults' types.

    Args:
        notebook: whose parameters are bound.
        profile: the value of ``profile``.
        given: name to text, as typed behind ``--set``.

    Raises:
        BadInputError: the notebook has no such parameter, or the text is no value of the default's type.
    """
    if "profile" in given:
        raise BadInputError("--set profile=...: the profile is set by --profile")
    bound: dict[str, Any] = {"profile": str(profile)}
    for name, text in given.items():
        if name not in notebook.parameters:
            known = ", ".join(sorted(notebook.parameters))
            raise BadInputError(
                f"{notebook.path}: it has no parameter {name!r} (it has: {known}): correct the name, or name the "
                "chapters that the setting is for"
            )
        bound[name] = convert_value(name, text, notebook.parameters[name])
    return bound


def convert_value(name: str, text: str, default: Any) -> Any:
    """Read ``text`` as a value of the type of ``default``.

    Text stays text where the default is text; a whole number is taken where the default is a float; where the
    default is None or an expression any literal is taken, and anything else is text.

    Raises:
        BadInputError: the text is no value of that type.
    """
    if isinstance(default, str):
        return text
    value = {"true": True, "false": False}.get(text.lower(), None)
    if value is None:
        try:
            value = ast.literal_eval(text)
        except (ValueError, SyntaxError):
            value = text
    if default is None or default is NOT_LITERAL:
        return value
    if isinstance(default, float) and type(value) is int:
        return float(value)
    if type(value) is not type(default):
        raise BadInputError(
            f"--set {name}={text}: {type(value).__name__} given, the default {default!r} is {type(default).__name__}"
        )
    return value


def _tags(cell: Mapping[str, Any]) -> list[str]:
    return cell.get("metadata", {}).get("tags", [])


def _literal(value: ast.expr) -> Any:
    try:
        return ast.literal_eval(value)
    except ValueError:
        return NOT_LITERAL
