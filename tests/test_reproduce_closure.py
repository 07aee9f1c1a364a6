"""The code that a run can reach: what of the library counts for a stored result, and what does not."""

import ast
import functools
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from reproduce_factory import ToyRecipe, notebook_content, toy_work

from handlib.experiments import fitting_baseline
from handlib.reproduce.closure import code_digest, code_modules, imported_modules, source_digest
from handlib.reproduce.digest import library_digest
from handlib.reproduce.plan import notebook_library_digest
from handlib.reproduce.recipe import Recipe

ROOT = "handlib.chapter"
FILES = {
    "__init__.py": "import handlib.unrelated\n",
    "chapter.py": '''"""A chapter."""
from handlib.net import Net
from handlib import losses
from handlib.errors import BadInputError
from handlib.reproduce.recipe import run

EXPERIMENTS = (1, 2)


def work(context):
    """Work."""
    from handlib import late

    return Net(), losses.first, late.value, __import__("importlib").import_module("handlib.by_name")
''',
    "unrelated.py": "x = 1\n",
    "late.py": "value = 1\n",
    "by_name.py": "value = 1\n",
    "errors.py": "class BadInputError(ValueError): pass\n",
    "net/__init__.py": "from handlib.net.model import Network as Net\nfrom handlib.net.other import other\n",
    "net/model.py": "from ..rings.a import go\n\nclass Network:\n    path = 'assets/weights.npz'\n",
    "net/other.py": "def other(): return 1\n",
    "net/assets/weights.npz": "1",
    "net/assets/README.md": "Weights.",
    "net/unnamed/picture.png": "1",
    "rings/__init__.py": "",
    "rings/a.py": "from .b import back\ndef go(): return back\n",
    "rings/b.py": "from handlib.rings import a\nback = a\n",
    "losses/__init__.py": "from handlib.losses.first import first\nfrom handlib.losses.second import second\n",
    "losses/first.py": "def first(): return 1\n",
    "losses/second.py": "def second(): return 1\n",
    "reproduce/recipe.py": "def run(): return 1\n",
    "reproduce/random_state.py": "def seed(): return 1\n",
}


def write_package(folder: Path, changes: dict[str, str | None] | None = None) -> Path:
    """A little handlib; a changed file that is None is left out."""
    for name, content in (FILES | (changes or {})).items():
        if content is not None:
            path = folder / "handlib" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
    return folder / "handlib"


def digest_with(folder: Path, changes: dict[str, str | None] | None = None) -> str:
    return code_digest([ROOT], write_package(folder, changes))


COUNTS = {
    "itself": {"chapter.py": FILES["chapter.py"].replace("Net(), ", "")},
    "what it imports, through a re-export under another name": {"net/model.py": FILES["net/model.py"] + "y = 2\n"},
    "what that imports, relatively": {"rings/a.py": FILES["rings/a.py"] + "y = 2\n"},
    "a ring of imports": {"rings/b.py": FILES["rings/b.py"] + "y = 2\n"},
    "an import inside a function": {"late.py": "value = 2\n"},
    "a module that a string names": {"by_name.py": "value = 2\n"},
    "all of a package that is imported whole": {"losses/second.py": "def second(): return 2\n"},
    "the rules of such a package": {"losses/__init__.py": FILES["losses/__init__.py"] + "first = second\n"},
    "packaged data": {"net/assets/weights.npz": "2"},
    "a new file of packaged data": {"net/assets/more.npz": "1"},
    "how random numbers are seeded": {"reproduce/random_state.py": "def seed(): return 2\n"},
    "a module that is gone": {"late.py": None},
    "a re-export that leads elsewhere": {
        "net/__init__.py": "from handlib.net.other import other as Net\n",
    },
}
DOES_NOT_COUNT = {
    "another module": {"unrelated.py": "x = 2\n"},
    "a new module": {"new.py": "x = 1\n"},
    "another module of the package": {"net/other.py": "def other(): return 2\n"},
    "what else a package re-exports": {
        "net/__init__.py": FILES["net/__init__.py"] + "from handlib.unrelated import x\n"
    },
    "the library's front": {"__init__.py": "import handlib.new\n"},
    "a docstring": {"chapter.py": FILES["chapter.py"].replace("Work.", "Hard work.").replace("A chapter", "The one")},
    "a comment and layout": {"late.py": "# why\nvalue   =  1  # so\n"},
    "the list of experiments": {"chapter.py": FILES["chapter.py"].replace("(1, 2)", "(1, 2, 3)")},
    "what only stores": {"reproduce/recipe.py": "def run(): return 2\n"},
    "what only complains": {"errors.py": "class BadInputError(ValueError): code = 1\n"},
    "words beside packaged data": {"net/assets/README.md": "Other words.", "net/assets/LICENSE.txt": "MIT"},
    "files that no module names": {"net/unnamed/picture.png": "2"},
}


@pytest.mark.parametrize("change", COUNTS.values(), ids=COUNTS)
def test_what_a_run_can_reach_changes_its_digest(tmp_path, change):
    assert digest_with(tmp_path / "1") != digest_with(tmp_path / "2", change)


@pytest.mark.parametrize("change", DOES_NOT_COUNT.values(), ids=DOES_NOT_COUNT)
def test_what_a_run_cannot_reach_leaves_its_digest(tmp_path, change):
    assert digest_with(tmp_path / "1") == digest_with(tmp_path / "2", change)


def test_a_name_that_the_package_defines_itself_or_binds_again_leads_to_the_package(tmp_path):
    asks = {"chapter.py": "from handlib.net import Net\n"}
    own = {"net/__init__.py": "from handlib.net.other import other\ndef Net(): return other\n"}
    again = {"net/__init__.py": "from handlib.net.model import Network as Net\nfrom handlib.net.other import other\n"}
    again["net/__init__.py"] += "Net = other(Net)\n"
    edit = {"net/other.py": "def other(): return 2\n"}
    for name, package in (("own", own), ("again", again)):
        first = digest_with(tmp_path / f"{name}1", asks | package)
        assert digest_with(tmp_path / f"{name}2", asks | package | edit) != first


def test_packages_that_pass_a_name_round_in_a_ring_come_to_an_end(tmp_path):
    ring = {
        "chapter.py": "from handlib.p import name\n",
        "p/__init__.py": "from handlib.q import name\n",
        "q/__init__.py": "from handlib.p import name\n",
    }
    assert len(digest_with(tmp_path, ring)) == 64


def test_a_string_that_begins_a_modules_name_counts_all_that_it_may_become(tmp_path):
    lazy = {"chapter.py": 'def get(name): return __import__(f"handlib.losses.{name}")\n'}
    edit = {"losses/second.py": "def second(): return 2\n"}
    assert digest_with(tmp_path / "1", lazy) != digest_with(tmp_path / "2", lazy | edit)


def test_the_digest_is_the_same_in_another_process_whatever_the_order_of_sets(tmp_path):
    package = write_package(tmp_path)
    code = f"from handlib.reproduce.closure import code_digest; print(code_digest([{ROOT!r}], {str(package)!r}))"
    found = {code_digest([ROOT], package)}
    for seed in ("1", "2"):
        environment = os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)}
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
        found.add(done.stdout.strip())
    assert len(found) == 1


def test_the_digest_knows_neither_line_ends_nor_the_order_of_roots(tmp_path):
    first = code_digest([ROOT, "handlib.unrelated"], write_package(tmp_path / "1"))
    crlf = {name: text.replace("\n", "\r\n") for name, text in FILES.items() if name.endswith(".py")}
    package = write_package(tmp_path / "2")
    for name, text in crlf.items():
        (package / name).write_bytes(text.encode())
    assert code_digest(["handlib.unrelated", ROOT, ROOT], package) == first


def test_fields_that_another_python_adds_to_syntax_trees_change_nothing(tmp_path, monkeypatch):
    first = digest_with(tmp_path / "1")
    monkeypatch.setattr(ast.FunctionDef, "_fields", (*ast.FunctionDef._fields, "news"))
    monkeypatch.setattr(ast.FunctionDef, "news", [], raising=False)
    assert digest_with(tmp_path / "2") == first


def test_no_root_is_the_whole_library(tmp_path):
    package = write_package(tmp_path)
    assert code_digest([], package) == library_digest(package)


def test_a_module_that_is_not_there_has_a_digest_of_its_own(tmp_path):
    assert code_digest(["handlib.gone"], write_package(tmp_path)) != digest_with(tmp_path)


def test_a_run_begins_where_its_class_and_its_work_are_defined():
    module = "handlib.experiments.fitting_baseline"
    work = fitting_baseline.measure_target_fit
    assert code_modules(fitting_baseline.TargetFit, work) == (module,)
    assert code_modules(Recipe, work) == (module, "handlib.reproduce.identity")
    for recipe, other in ((ToyRecipe, work), (Recipe, toy_work), (Recipe, functools.partial(work))):
        assert code_modules(recipe, other) == ()


def test_the_librarys_own_digests_hold_what_they_should():
    reached = code_digest(["handlib.experiments.fitting_baseline"])
    assert reached == code_digest(["handlib.experiments.fitting_baseline"]) != library_digest()
    assert reached != code_digest(["handlib.experiments.parity"])


def test_a_notebook_depends_on_what_its_cells_import_docstrings_and_all(tmp_path):
    def digest(folder: str, changes: dict[str, str | None]) -> str:
        package = write_package(tmp_path / folder, changes)
        return source_digest(imported_modules("import torch\nfrom handlib.net import Net", package), package)

    first = digest("1", {})
    assert digest("2", {"unrelated.py": "x = 2\n", "net/other.py": "def other(): return 2\n"}) == first
    assert digest("3", {"rings/b.py": '"""Prose."""\n' + FILES["rings/b.py"]}) != first
    assert digest("4", {"net/assets/weights.npz": "2"}) != first


def test_a_notebook_with_shell_lines_or_odd_ones_depends_on_all():
    def digest(cell: str) -> str:
        return notebook_library_digest(json.loads(json.dumps(notebook_content(cell))))

    plain = digest("from handlib import skeleton")
    assert digest("%matplotlib inline\nfrom handlib import skeleton") == plain != library_digest()
    assert digest("!handlib doctor") == digest("def broken(:") == library_digest()
