"""Executing notebooks: what is kept, what fails and how, and what an end in the middle leaves behind."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from reproduce_factory import write_notebook

from handlib.errors import DiskFullError, MissingExtraError
from handlib.reproduce import driver, jobs, worker
from handlib.reproduce.commands import describe_plans
from handlib.reproduce.driver import NotebookFailedError, execute_plans
from handlib.reproduce.notebooks import find_notebooks
from handlib.reproduce.plan import make_plans

CELLS = {
    "good": [
        "import sys, os, handlib",
        "print(sys.executable, profile, seed, handlib.__file__, os.getcwd())",
        "print(os.environ['HANDLIB_BOOK'], os.environ.get('HANDLIB_FORCE'), os.environ['PYTHONHASHSEED'])",
    ],
    "bad": ["before = 1", "# the boom\nraise ValueError('oh no')", "after = 1"],
    "dead": ["import os", "os._exit(3)"],
}


@pytest.fixture(scope="module", autouse=True)
def frozen_library():
    """Let no edit of the library in the middle of a test make its notebooks stale."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("handlib.reproduce.plan.notebook_library_digest", lambda content: "frozen")
        patch.delenv("HANDLIB_DATA", raising=False)
        yield patch


@pytest.fixture(scope="module")
def executed(tmp_path_factory, frozen_library):
    """A book of which one notebook runs, one fails and one kills its kernel: the folder and the error."""
    folder = tmp_path_factory.mktemp("checkout")
    frozen_library.setenv("HANDLIB_RESULTS", str(folder / "results"))
    # A user's own kernel of that name, which would run the book on something else.
    decoy = folder / "data" / "kernels" / "python3"
    decoy.mkdir(parents=True)
    (decoy / "kernel.json").write_text('{"argv": ["/bin/false"], "display_name": "decoy", "language": "python"}')
    book = folder / "book"
    for name, cells in CELLS.items():
        write_notebook(book / "part" / f"{name}.ipynb", *cells)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTER_DATA_DIR", str(folder / "data"))
        with pytest.raises(NotebookFailedError) as caught:
            execute_plans(book, plans_of(book, given={"seed": "7"}), jobs=2, show_progress=False)
    return book, str(caught.value)


def plans_of(book, *chapters, profile="smoke", given=None):
    return make_plans(book, find_notebooks(book, chapters), profile, given or {})


def load(book, name, folder="executed"):
    return json.loads((book / "_build" / folder / "part" / f"{name}.ipynb").read_text())


def test_notebook_runs_in_this_python_with_its_parameters_in_its_folder(executed):
    book, _ = executed
    content = load(book, "good")
    output = content["cells"][-2]["outputs"][0]["text"]
    text = "".join(output).split()
    assert text[:3] == [sys.executable, "smoke", "7"]
    assert Path(text[3]).resolve() == Path(jobs.handlib.__file__).resolve()
    assert text[4] == str(book / "part")


def test_notebook_knows_that_it_is_executed_for_the_book(executed):
    (output,) = load(executed[0], "good")["cells"][-1]["outputs"]
    assert "".join(output["text"]).split() == ["1", "None", "0"]


def test_force_and_threads_reach_the_kernel(monkeypatch):
    for name in ("OMP_NUM_THREADS", "HANDLIB_FORCE"):
        monkeypatch.delenv(name, raising=False)
    assert jobs.kernel_environment(2, True).items() >= {"OMP_NUM_THREADS": "2", "HANDLIB_FORCE": "1"}.items()
    assert not {"OMP_NUM_THREADS", "HANDLIB_FORCE"} & jobs.kernel_environment(None, False).keys()
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    assert jobs.kernel_environment(2, False)["OMP_NUM_THREADS"] == "5", "what the user has said counts"


def test_stamp_says_what_the_output_came_from(executed):
    stamp = load(executed[0], "good")["metadata"]["handlib"]
    assert stamp["parts"]["library"] == "frozen"
    assert stamp["parts"]["parameters"] == {"profile": "smoke", "seed": 7}
    assert stamp["seconds"] > 0 and stamp["finished"].endswith("+00:00")


def test_executed_notebook_names_no_absolute_path_and_hides_the_injected_cell(executed):
    content = load(executed[0], "good")
    assert content["metadata"]["papermill"]["input_path"] == "part/good.ipynb"
    injected = [cell for cell in content["cells"] if "injected-parameters" in cell["metadata"]["tags"]]
    assert len(injected) == 1 and "remove-cell" in injected[0]["metadata"]["tags"]


def test_failure_names_notebook_cell_error_and_the_saved_notebook(executed):
    book, message = executed
    kept = book / "_build" / "failed" / "part" / "bad.ipynb"
    assert f"{book / 'part' / 'bad.ipynb'}: code cell 3 of 4 failed: ValueError: oh no" in message
    assert "the cell begins: # the boom" in message
    assert str(kept) in message and "\x1b" not in message
    sources = ["".join(cell["source"]) for cell in json.loads(kept.read_text())["cells"]]
    assert any("before = 1" in source for source in sources)
    assert not (book / "_build" / "executed" / "part" / "bad.ipynb").exists()


def test_dead_kernel_is_a_failure_like_any_other(executed):
    assert "dead.ipynb: code cell 3 of 3 failed: the kernel died" in executed[1]


def test_nothing_partial_is_left(executed):
    assert list((executed[0] / "_build" / "partial").iterdir()) == []


def test_unchanged_notebook_is_not_executed_again(executed):
    plans = plans_of(executed[0], "good", given={"seed": "7"})
    assert plans[0].is_fresh and plans[0].seconds > 0
    assert execute_plans(executed[0], plans) == []
    assert describe_plans(plans).startswith("good  up to date (took ")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("profile", "parameters"),
        ("setting", "parameters"),
        ("source", "source"),
        ("library", "library"),
        ("data", "data folder"),
        ("asset", "book assets"),
        ("result", "results"),
        ("package", "packages"),
    ],
)
def test_every_change_underneath_is_seen_and_named(executed, monkeypatch, tmp_path, change, reason):
    book, _ = executed
    given, profile = {"seed": "7"}, "smoke"
    source = book / "part" / "good.ipynb"
    before = source.read_text()
    asset, result = book / "part" / "picture.png", book.parent / "results" / "good" / "recipe" / "full-seed0.json"
    if change == "profile":
        profile = "laptop"
    elif change == "setting":
        given = {"seed": "8"}
    elif change == "source":
        source.write_text(before.replace("import sys", "import sys "))
    elif change == "library":
        monkeypatch.setattr("handlib.reproduce.plan.notebook_library_digest", lambda content: "edited")
    elif change == "package":
        monkeypatch.setattr("handlib.reproduce.plan.metadata.distributions", lambda: [])
    elif change == "data":
        (tmp_path / "new").write_text("1")
        monkeypatch.setenv("HANDLIB_DATA", str(tmp_path))
    elif change == "asset":
        asset.write_bytes(b"1")
    else:
        result.parent.mkdir(parents=True)
        result.write_text("{}")
    try:
        plan = plans_of(book, "good", profile=profile, given=given)[0]
    finally:
        source.write_text(before)
        asset.unlink(missing_ok=True)
        result.unlink(missing_ok=True)
    assert plan.changed == (reason,)
    assert describe_plans([plan]).startswith(f"good  to run: {reason}")


@pytest.mark.parametrize("damage", ["{", '{"metadata": {}}', '{"metadata": {"handlib": {"parts": 1}}}', "[]"])
def test_damaged_output_is_executed_again(tmp_path, damage):
    book = tmp_path / "book"
    write_notebook(book / "a.ipynb")
    output = book / "_build" / "executed" / "a.ipynb"
    output.parent.mkdir(parents=True)
    output.write_text(damage)
    assert plans_of(book)[0].changed == ("unreadable output",)


def test_full_disk_in_the_worker_is_told_with_the_file(monkeypatch, tmp_path):
    def fill(*_args, **_kwargs):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("papermill.execute.execute_notebook", fill)
    told = []
    job = {"notebook": "a.ipynb", "partial": "p.ipynb", "folder": str(tmp_path), "parameters": {}}
    worker.execute(job, lambda event, **more: told.append((event, more)))
    assert told == [("disk full", {"file": "p.ipynb"})]


class ScriptedJob(jobs.Job):
    """A job that tells a fixed event, without a process."""

    event = {"event": "disk full", "file": "partial.ipynb"}

    def start(self, environment, events):
        self.partial.parent.mkdir(parents=True, exist_ok=True)
        self.partial.write_text('{"metadata": {}, "cells": []}')
        events.put((self, self.event))


@pytest.mark.parametrize("place", ["worker", "driver"])
def test_full_disk_ends_the_build_and_leaves_the_older_copy(tmp_path, monkeypatch, place):
    def fill(*_args):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    book = tmp_path / "book"
    write_notebook(book / "a.ipynb")
    output = book / "_build" / "executed" / "a.ipynb"
    output.parent.mkdir(parents=True)
    output.write_text("the older copy")
    monkeypatch.setattr(driver, "Job", ScriptedJob)
    if place == "driver":
        monkeypatch.setattr(ScriptedJob, "event", {"event": "done"})
        monkeypatch.setattr("handlib.files.os.fsync", fill)
    name = "partial.ipynb" if place == "worker" else "executed/a.ipynb"
    with pytest.raises(DiskFullError, match=f"{name}: the disk is full.*Free some space"):
        execute_plans(book, plans_of(book), show_progress=False)
    assert output.read_text() == "the older copy"
    assert [path.name for path in (book / "_build").rglob("*") if path.is_file()] == ["a.ipynb"]


def test_crashed_worker_is_reported_with_its_last_words(tmp_path, monkeypatch):
    monkeypatch.setattr(jobs.sys, "executable", "/bin/false")
    book = tmp_path / "book"
    write_notebook(book / "a.ipynb")
    with pytest.raises(NotebookFailedError, match="a.ipynb: the process that ran it ended with exit code 1"):
        execute_plans(book, plans_of(book), show_progress=False)


def test_missing_papermill_is_an_extra(tmp_path, monkeypatch):
    def absent(name):
        raise driver.metadata.PackageNotFoundError(name)

    book = tmp_path / "book"
    write_notebook(book / "a.ipynb")
    plans = plans_of(book)
    monkeypatch.setattr(driver.metadata, "version", absent)
    with pytest.raises(MissingExtraError, match=r"needs papermill.*pip install -e '\.\[book\]'"):
        execute_plans(book, plans)


def wait_for(condition, seconds=30.0):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.1)
    return False


def processes_with(text):
    found = subprocess.run(["ps", "-ewwo", "args"], capture_output=True, text=True).stdout
    return [line for line in found.splitlines() if text in line]


@pytest.mark.parametrize("end", ["SIGINT", "SIGKILL"])
def test_interrupted_build_leaves_no_process_and_no_file_and_goes_on(tmp_path, monkeypatch, end):
    book = tmp_path / f"book-{end}"
    marker = tmp_path / "begun"
    cell = f"import os, time\nfirst = not os.path.exists({str(marker)!r})\nopen({str(marker)!r}, 'w').close()\n"
    write_notebook(book / "slow.ipynb", cell + "time.sleep(60 * first)")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    command = [sys.executable, "-m", "handlib.cli", "reproduce", "--book", str(book)]
    process = subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        # A test started in the background ignores Ctrl-C, and so would its children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert wait_for(marker.exists), process.stderr.read()
    process.send_signal(getattr(signal, end))
    _, error = process.communicate(timeout=20)
    if end == "SIGINT":
        assert process.returncode == 130
        assert "interrupted; no unfinished file is left. To go on: handlib reproduce" in error
    assert wait_for(lambda: not processes_with(str(book)) and not processes_with(f"{tmp_path}/handlib-kernel-"))
    assert not [path for path in (book / "_build").rglob("*") if path.is_file()]
    assert wait_for(lambda: not list(tmp_path.glob("handlib-kernel-*")))
    if end == "SIGINT":
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0 and "1 executed, 0 up to date" in done.stdout
        assert (book / "_build" / "executed" / "slow.ipynb").is_file()


def test_leftovers_of_dead_drivers_are_removed_and_of_living_ones_kept(tmp_path):
    partial = tmp_path / "_build" / "partial"
    partial.mkdir(parents=True)
    ended = subprocess.Popen(["true"])
    ended.wait()
    (partial / f"a.{ended.pid}.ipynb").write_text("x")
    (partial / f"b.{os.getpid()}.ipynb").write_text("x")
    driver._remove_leftovers(tmp_path)
    assert [path.name for path in partial.iterdir()] == [f"b.{os.getpid()}.ipynb"]


def test_pages_of_one_chapter_take_turns_while_another_chapter_runs_beside_them(tmp_path, monkeypatch):
    monkeypatch.setenv("HANDLIB_RESULTS", str(tmp_path / "results"))
    monkeypatch.setenv("TIMES", str(tmp_path / "times"))
    (tmp_path / "times").mkdir()
    note = "import os, time, pathlib; pathlib.Path(os.environ['TIMES'], '{0}').write_text(str(time.time()))"
    for name in ("fit_one", "fit_two", "other"):
        cells = [note.format(f"{name} begins"), "import time; time.sleep(2)", note.format(f"{name} ends")]
        write_notebook(tmp_path / "book" / f"{name}.ipynb", *cells)
    assert len(execute_plans(tmp_path / "book", plans_of(tmp_path / "book"), jobs=2, show_progress=False)) == 3
    times = {path.name: float(path.read_text()) for path in (tmp_path / "times").iterdir()}
    assert times["fit_two begins"] > times["fit_one ends"]
    assert times["other begins"] < times["fit_one ends"]
