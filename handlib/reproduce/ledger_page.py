"""Two pages of the book that no one writes by hand: the ledger, and the register of equations.

They are made from the registries and the results store at every build, and fill as chapters come.
"""

import ast
import inspect
import re
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

from handlib.files import atomic_write
from handlib.reproduce.equations import Equation, RegisteredEquation, equation_register
from handlib.reproduce.ledger import judge_claims, load_comparable, make_ledger
from handlib.reproduce.ledger_text import escape_markdown, ledger_markdown
from handlib.reproduce.places import checkout_folder
from handlib.reproduce.published import PAPERS

PAPER_TITLES = {
    "fitting": "Training by fitting",
    "s2hand": "S2HAND",
    "s2hand-v": "S2HAND(V)",
    "seqhand": "SeqHAND",
    "tassn": "TASSN",
}

_LEDGER_OPENING = """\
(ledger)=
# The ledger

Every number of every results table of the five papers, and of the curves of which a number is stated, beside what was
measured here. A published number is printed as the paper prints it. A measured number comes from a stored run and from
nowhere else; the head of its column says on which data it was measured, and that is seldom the paper's: **numbers on
different data are not a comparison of methods**, only the differences *within* one column are. "not run" means that
nobody has run it yet on this checkout; "not obtained" means that it was run and gave no number, and why.
"""

_EQUATIONS_OPENING = """\
(equation-register)=
# The register of equations

Every numbered equation of the five papers, the function of `handlib` that computes it, and the test that holds it.
The code of both is folded below the equation, so that the way from formula to line to test needs no other page.
"""


def write_ledger_page(path: Path, results: Path | None = None) -> None:
    """Write the ledger as a MyST page.

    Args:
        path: the page, a ``.md`` file in the book's folder.
        results: the results store; the checkout's by default.

    Raises:
        BadInputError: a registry or a stored result is damaged.
    """
    path = Path(path)
    stored = load_comparable(results)
    entries, verdicts = make_ledger(stored), judge_claims(stored)
    run = {result.recipe for result in stored}
    published = {row.recipe for entry in entries for row in entry.table.rows if row.recipe}
    holding = sum(item.verdict == "holds" for item in verdicts)
    judged = sum(bool(item.sources) for item in verdicts)
    parts = [
        _LEDGER_OPENING,
        f"So far {len(run & published)} of the {len(published)} experiments that stand for published rows have a "
        f"stored run, and so have {len(run - published)} others (baselines, looks, rows of our own). Of "
        f"{len(verdicts)} claims {judged} could be judged, and {holding} of these hold here.\n",
    ]
    for paper in PAPERS:
        own = [entry for entry in entries if entry.table.paper == paper]
        claims = [item for item in verdicts if item.claim.paper == paper]
        citation = _citation(own[0].table.reference, path) if own else ""
        parts.append(f"## {PAPER_TITLES[paper]}\n\n{citation}{ledger_markdown(own, claims, level=3)}")
    atomic_write(path, "\n".join(parts).encode())


def write_equation_page(path: Path) -> None:
    """Write the register of equations as a MyST page.

    Args:
        path: the page, a ``.md`` file in the book's folder.

    Raises:
        BadInputError: the registry is damaged, or names a function or a test that is not there.
    """
    path = Path(path)
    checkout = checkout_folder(path.resolve().parent)
    register = equation_register(checkout)
    done = sum(item.function is not None for item in register)
    parts = [_EQUATIONS_OPENING, f"{done} of {len(register)} equations are computed and tested so far.\n"]
    for paper in PAPERS:
        parts.append(f"## {PAPER_TITLES[paper]}\n")
        parts += [_equation_section(item, path, checkout) for item in register if item.equation.paper == paper]
    atomic_write(path, "\n".join(parts).encode())


def _equation_section(item: RegisteredEquation, page: Path, checkout: Path | None) -> str:
    equation = item.equation
    lines = [
        f"(register-{equation.id})=",
        f"### Equation {equation.number}: {escape_markdown(equation.title)}",
        "",
        "$$",
        equation.latex.strip(),
        "$$",
        "",
        "; ".join(f"${symbol.latex}$: {escape_markdown(symbol.meaning)}" for symbol in equation.symbols) + ".",
        "",
    ]
    lines += [f"{escape_markdown(text)}\n" for text in (equation.also, equation.note) if text]
    if equation.page:
        lines.append(f"Derived in {_page_link(equation.page, page)}.\n")
    if item.function is None:
        lines.append("Not computed yet: its chapter is not written.\n")
    else:
        title = f"`{equation.function}`, {item.source} line {item.line}"
        lines.append(_folded(title, _source(item.function)))
        lines.append(_folded(f"`{equation.test}`", _test_source(equation, checkout)))
    return "\n".join(lines)


def _folded(title: str, code: str | None) -> str:
    """A block of code that opens on a click; the title alone where there is no code to show."""
    if code is None:
        return f"{title}\n"
    # Colons, because a title with backticks is none behind a fence of backticks.
    return f":::{{dropdown}} {title}\n````python\n{code.rstrip()}\n````\n:::\n"


def _source(function: Callable[..., Any]) -> str | None:
    try:
        return textwrap.dedent(inspect.getsource(inspect.unwrap(function)))
    except OSError:
        return None


def _test_source(equation: Equation, checkout: Path | None) -> str | None:
    """The text of a test function, read without running anything; None outside a checkout."""
    if checkout is None or equation.test is None:
        return None
    file, _, name = equation.test.partition("::")
    text = (checkout / file).read_text(encoding="utf-8")
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef) and node.name == name:
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            return textwrap.dedent("\n".join(text.splitlines()[first - 1 : node.end_lineno]))
    return None


def _page_link(name: str, page: Path) -> str:
    """A link to a page of the book; its bare name while that page is not written."""
    stem = name.removesuffix(".md").removesuffix(".ipynb")
    written = any((page.parent / f"{stem}{suffix}").exists() for suffix in (".md", ".ipynb"))
    return f"{{doc}}`{stem}`" if written else escape_markdown(stem)


def _citation(key: str, page: Path) -> str:
    """A line that cites the paper, where the book's bibliography has it."""
    for folder in (page.resolve().parent, *page.resolve().parents[1:3]):
        bibliography = folder / "references.bib"
        if bibliography.is_file():
            known = re.findall(r"@\w+\{\s*([^,\s]+)", bibliography.read_text(encoding="utf-8"))
            return f"Published in {{cite}}`{key}`.\n\n" if key in known else ""
    return ""
