"""The register of the five papers' numbered equations: what each says, and where it is computed and tested.

Every equation has one function and one test once its chapter is written; until then both are None, and the book
says so.
"""

import ast
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from handlib.errors import BadInputError
from handlib.reproduce.published import PAPERS
from handlib.reproduce.registry_file import check_fields, check_text, read_registry

EQUATIONS_FILE = Path(__file__).parent / "equations.yml"


@dataclass(frozen=True)
class Symbol:
    """A symbol of an equation, in LaTeX, and what it stands for."""

    latex: str
    meaning: str


@dataclass(frozen=True)
class Equation:
    """One numbered equation of a paper.

    ``function`` is a dotted path, ``test`` a pytest node id ("tests/test_x.py::test_y") and ``page`` a page of the
    book; all three are None while the equation's chapter is not written. ``also`` names the same equation elsewhere,
    ``note`` says where the print needs care.
    """

    id: str
    paper: str
    number: int
    title: str
    latex: str
    symbols: tuple[Symbol, ...]
    function: str | None = None
    test: str | None = None
    page: str | None = None
    also: str | None = None
    note: str | None = None


@dataclass(frozen=True)
class RegisteredEquation:
    """An equation with its function imported: ``line`` is where the function begins in ``source``."""

    equation: Equation
    function: Callable[..., Any] | None
    source: str | None
    line: int | None


@cache
def load_equations() -> tuple[Equation, ...]:
    """Every numbered equation, by paper and number, in the order of ``equations.yml``.

    Raises:
        BadInputError: the file breaks the schema; the message names the equation and the remedy.
        MissingFileError: there is no such file.
    """
    return read_equations(EQUATIONS_FILE)


def read_equations(path: Path) -> tuple[Equation, ...]:
    """Read and check a file of equations.

    Args:
        path: a YAML file that maps each equation's id to its fields.

    Raises:
        BadInputError: the file breaks the schema; the message names the equation and the remedy.
        MissingFileError: there is no such file.
    """
    return tuple(_read_equation(name, entry) for name, entry in read_registry(path).items())


def equation_register(repository: Path | None = None) -> tuple[RegisteredEquation, ...]:
    """Every equation with its function imported and, given a checkout, its test looked up.

    Args:
        repository: the root of a checkout, to check that the tests exist; None (an installed package) skips that.

    Raises:
        BadInputError: a function does not import or is not callable, or a test is not there; the message names the
            equation.
    """
    return tuple(_register(equation, repository) for equation in load_equations())


def _register(equation: Equation, repository: Path | None) -> RegisteredEquation:
    if equation.test is not None and repository is not None:
        check_test_exists(equation, repository)
    if equation.function is None:
        return RegisteredEquation(equation, None, None, None)
    function = resolve_function(equation.function, f"equation {equation.id}")
    # Decorated functions (jaxtyping's checks) lead to the original, whose line is the one to read.
    original = function
    while hasattr(original, "__wrapped__"):
        original = original.__wrapped__
    source = equation.function.rpartition(".")[0].replace(".", "/") + ".py"
    return RegisteredEquation(equation, function, source, original.__code__.co_firstlineno)


def resolve_function(path: str, where: str) -> Callable[..., Any]:
    """Import the function at a dotted path such as "handlib.losses.keypoints.joint_location_loss".

    Args:
        path: module and function.
        where: who asks, for the message.

    Raises:
        BadInputError: the module does not import, has no such name, or the name is not a function.
    """
    module, _, name = path.rpartition(".")
    try:
        function = getattr(import_module(module), name)
    except (ImportError, ValueError, AttributeError) as error:
        raise BadInputError(f"{where}: {path!r} cannot be imported ({error}); correct or remove it.") from error
    if not hasattr(function, "__code__"):
        raise BadInputError(f"{where}: {path!r} is a {type(function).__name__}, expected a plain function.")
    return function


def check_test_exists(equation: Equation, repository: Path) -> None:
    """Raise ``BadInputError`` unless the equation's test is a function of a test file under ``repository``.

    Args:
        equation: an equation whose ``test`` is a node id.
        repository: the root of a checkout.

    Raises:
        BadInputError: there is no such file or no such test function in it.
    """
    file, _, name = (equation.test or "").partition("::")
    path = repository / file
    if not path.is_file():
        raise BadInputError(f"equation {equation.id}: there is no test file {file}; correct or remove it.")
    tests = [node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)]
    if name not in tests:
        raise BadInputError(f"equation {equation.id}: {file} has no test {name!r}; correct or remove it.")


def _read_equation(name: str, entry: Any) -> Equation:
    where = f"equation {name}"
    links = ("function", "test", "page")
    check_fields(entry, where, ("title", "latex", "symbols", *links), ("also", "note"))
    paper, _, number = name.rpartition("-")
    if paper not in PAPERS or not number.isdigit():
        raise BadInputError(f"{where}: an id is a paper and a number, such as 's2hand-3'; papers are {PAPERS}.")
    check_fields(entry["symbols"], f"{where}: symbols", (), entry["symbols"] or ())
    texts = {key: entry.get(key) and check_text(entry[key], f"{where}: {key}") for key in (*links, "also", "note")}
    if (texts["function"] is None) != (texts["test"] is None):
        raise BadInputError(f"{where}: a function comes with a test and a test with a function; give both or none.")
    return Equation(
        id=name,
        paper=paper,
        number=int(number),
        title=check_text(entry["title"], f"{where}: title"),
        latex=check_text(entry["latex"], f"{where}: latex"),
        symbols=tuple(
            Symbol(latex, check_text(meaning, f"{where}: {latex}")) for latex, meaning in entry["symbols"].items()
        ),
        **texts,
    )
