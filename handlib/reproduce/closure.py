"""What code can run: the modules that a module imports, those that these import, and so on, and a digest of them.

A stored result is known by the code that could have had a part in it, not by the whole library: a loss of another
chapter may be edited without making last night's training a thing of the past. The imports are read, nothing is
executed. Read as conservatively as is useful:

- Imports inside functions count, and so does a string that names a module (``import_module("handlib.render.flow")``).
- ``from handlib.hand import HandModel`` leads through the package's ``__init__.py`` to the module that defines the
  name, where it is a plain re-export; to all that ``__init__.py`` imports, where it is not. That Python executes the
  ``__init__.py`` of each package on the way does not count.
- Packaged files count where a module of the same package names them or their folder (``"assets"``).
- Docstrings, comments and layout do not count, nor does the list ``EXPERIMENTS`` of a chapter: what a recipe's fields
  are is in a result's key already.
- :data:`UNCOUNTED` modules do not count: they store numbers and complain, and make none.
"""

import ast
import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import FunctionType
from typing import Any

import handlib
from handlib.reproduce.digest import digest_files, digest_json, files_below, library_digest

UNCOUNTED = ("handlib.errors", "handlib.files", "handlib.reproduce")
COUNTED_NONETHELESS = ("handlib.reproduce.profiles", "handlib.reproduce.random_state")


def code_modules(recipe: type, work: Callable[..., Any]) -> tuple[str, ...]:
    """Where the code of a run begins: the modules of the recipe's class and of its work.

    Returns:
        their names, sorted; none if one of the two lies outside of handlib (in a notebook, say) or is no plain class or
        function, so that nobody can tell what it reaches: then the whole library counts.
    """
    begins = {recipe.__module__, getattr(work, "__module__", None) if isinstance(work, FunctionType) else None}
    known = all(name is not None and name.startswith("handlib.") for name in begins)
    return tuple(sorted(name for name in begins if name)) if known else ()


def code_digest(modules: Iterable[str], package: Path | None = None) -> str:
    """Digest of all code and packaged files that some modules can reach, the same on every system and Python.

    Computed once in a process, because what was imported is what runs, whatever is edited meanwhile.

    Args:
        modules: names, ``handlib.experiments.s2hand``; none for the whole library, docstrings and all.
        package: the package folder; the running handlib by default.

    Returns:
        64 hexadecimal digits. A module that is not there has a digest too, which no code has.
    """
    return _code_digest(tuple(sorted(set(modules))), _folder(package))


def source_digest(modules: Iterable[str], package: Path | None = None) -> str:
    """Digest of the files, docstrings and all, that some modules can reach: what a notebook may print.

    Args:
        modules: names; here nothing is left uncounted.
        package: the package folder; the running handlib by default.
    """
    package = _folder(package)
    reached = _reachable(set(modules), package, frozenset())
    paths = {read.path for read in reached.values() if read is not None}
    return digest_files(package, paths | _packaged_files(package, reached))


def imported_modules(code: str, package: Path | None = None) -> set[str]:
    """The modules of handlib that a piece of code names, itself left out: re-exports are followed.

    Raises:
        SyntaxError: the code does not parse.
    """
    package = _folder(package)
    return _named(_read_tree(ast.parse(code), package / "__init__.py", package), package)


@dataclass(frozen=True)
class _Module:
    """What was read from one module: (module, name) of each import, plain re-exports, and strings."""

    path: Path
    imports: frozenset[tuple[str, str | None]]
    reexports: Mapping[str, tuple[str, str]]
    strings: frozenset[str]


def _folder(package: Path | None) -> Path:
    return Path(package or Path(handlib.__file__).parent)


@cache
def _code_digest(modules: tuple[str, ...], package: Path) -> str:
    if not modules:
        return library_digest(package)
    reached = _reachable(set(modules), package, frozenset(UNCOUNTED))
    code = {name: "not there" if read is None else _bare_digest(read.path) for name, read in reached.items()}
    return digest_json([code, digest_files(package, _packaged_files(package, reached))])


def _reachable(modules: set[str], package: Path, uncounted: frozenset[str]) -> dict[str, _Module | None]:
    """The modules and all that they reach, those that are not there as None."""
    reached: dict[str, _Module | None] = {}
    waiting = set(modules) | (set(COUNTED_NONETHELESS) if uncounted else set())
    while waiting:
        name = waiting.pop()
        reached[name] = read = _read(name, package)
        if read is not None:
            waiting |= {found for found in _named(read, package) - reached.keys() if _counts(found, uncounted)}
    return reached


def _counts(name: str, uncounted: frozenset[str]) -> bool:
    return name in COUNTED_NONETHELESS or not any(
        name == prefix or name.startswith(prefix + ".") for prefix in uncounted
    )


def _named(read: _Module, package: Path) -> set[str]:
    """The modules that a module names."""
    found = {target for module, name in read.imports for target in _definers(module, name, package)}
    for text in read.strings:
        if re.fullmatch(rf"{package.name}(\.\w+)+", text):
            found.add(text)
        elif re.fullmatch(rf"{package.name}(\.\w+)+\.", text):  # the beginning of a module's name, made at run time
            below = package.parent.joinpath(*text[:-1].split(".")).rglob("*.py")
            found |= {_module_name(path, package) for path in below}
    return {name for name in found if _path(name, package) is not None}


def _definers(module: str, name: str | None, package: Path, via: tuple[tuple[str, str], ...] = ()) -> set[str]:
    """The module that ``from module import name`` leads to: through packages that only pass the name on."""
    read = _read(module, package)
    if name is None or read is None or read.path.name != "__init__.py" or (module, name) in via:
        return {module}
    if name in read.reexports:
        return _definers(*read.reexports[name], package, (*via, (module, name)))
    submodule = f"{module}.{name}"
    return {module if _path(submodule, package) is None else submodule}


@cache
def _read(name: str, package: Path) -> _Module | None:
    path = _path(name, package)
    return None if path is None else _read_tree(ast.parse(path.read_bytes()), path, package)


def _read_tree(tree: ast.Module, path: Path, package: Path) -> _Module:
    own, imports, strings, bound = _module_name(path, package), set(), set(), set()
    base = own if path.name == "__init__.py" else own.rpartition(".")[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                parts = alias.name.split(".")
                # import a.b.c binds a, and so gives access to what a.b offers; of the outermost only by itself.
                imports |= {(".".join(parts[:end]), None) for end in range(min(2, len(parts)), len(parts) + 1)}
        elif isinstance(node, ast.ImportFrom):
            imports |= {(_origin(node, base), alias.name) for alias in node.names}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            strings.add(node.value)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            bound.add(node.id)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            bound.add(node.name)
    ours = frozenset(item for item in imports if item[0].split(".")[0] == package.name)
    plain = [(node, alias) for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names]
    reexports = {alias.asname or alias.name: (_origin(node, base), alias.name) for node, alias in plain}
    reexports = {name: origin for name, origin in reexports.items() if name not in bound and origin in ours}
    return _Module(path, ours, reexports, frozenset(strings))


def _origin(node: ast.ImportFrom, base: str) -> str:
    """The module that an import statement names, relative ones resolved."""
    if not node.level:
        return node.module or ""
    parts = base.split(".")
    return ".".join([*parts[: len(parts) - node.level + 1], *([node.module] if node.module else [])])


def _path(name: str, package: Path) -> Path | None:
    """The file of a module of the package; None if there is none."""
    place = package.parent.joinpath(*name.split("."))
    for path in (place / "__init__.py", place.with_name(place.name + ".py")):
        if path.is_file():
            return path
    return None


def _module_name(path: Path, package: Path) -> str:
    parts = path.relative_to(package.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _packaged_files(package: Path, reached: Mapping[str, _Module | None]) -> set[Path]:
    """Files and folders of data beside modules, or above them in the package, that these name."""
    files: set[Path] = set()
    for read in reached.values():
        folder, names = read and read.path.parent, {text.split("/")[0] for text in read.strings} if read else set()
        while folder is not None and folder.is_relative_to(package):
            files |= {file for entry in _data_beside(folder) if entry.name in names for file in _data_files(entry)}
            folder = folder.parent
    return files


@cache
def _data_beside(folder: Path) -> tuple[Path, ...]:
    entries = [entry for entry in folder.iterdir() if entry.suffix != ".py" and not entry.name.startswith((".", "__"))]
    return tuple(entry for entry in entries if not (entry / "__init__.py").is_file())


def _data_files(entry: Path) -> list[Path]:
    """The files of an entry, without those that are written for people."""
    files = files_below(entry) if entry.is_dir() else [entry]
    return [path for path in files if path.suffix != ".md" and not path.name.startswith("LICENSE")]


@cache
def _bare_digest(path: Path) -> str:
    """Digest of a module's code alone."""
    return hashlib.sha256(repr(_bare(ast.parse(path.read_bytes()))).encode()).hexdigest()


def _bare(node: Any) -> Any:
    """A syntax tree as nested lists, without what has no effect; alike in every Python that can parse it."""
    if isinstance(node, ast.AST):
        # Fields that newer Pythons add are empty for code that older ones can parse.
        fields = [(name, value) for name, value in ast.iter_fields(node) if value is not None and value != []]
        return [type(node).__name__, *[[name, _bare(value)] for name, value in fields if name not in ("ctx", "kind")]]
    if isinstance(node, list):
        return [_bare(item) for item in node if not _is_idle(item)]
    return repr(node)


def _is_idle(node: Any) -> bool:
    """Whether a statement is a docstring, or a chapter's list of experiments."""
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    if isinstance(node, ast.Assign | ast.AnnAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        return any(isinstance(target, ast.Name) and target.id == "EXPERIMENTS" for target in targets)
    return False
