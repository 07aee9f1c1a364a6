"""The command line: quick help, clear errors, exit codes, and commands that fail alone."""

import errno
import os
import socket
import subprocess
import sys

import pytest
import typer
from reproduce_factory import write_notebook
from typer.testing import CliRunner

from handlib import cli
from handlib.errors import BadInputError

runner = CliRunner()


@pytest.fixture
def command(monkeypatch):
    """Put a function behind a command of the name ``try``; returns a caller."""

    def call(function, *arguments, before=()):
        module = type(sys)("handlib_try")
        module.register = lambda app: app.command("try")(function)
        monkeypatch.setitem(sys.modules, "handlib_try", module)
        monkeypatch.setitem(cli.COMMANDS, "try", cli.CommandSource("handlib_try", "A command for a test."))
        app = typer.Typer(cls=cli.LazyGroup)
        app.callback()(cli.describe)
        app.command("try")(lambda: None)
        return runner.invoke(app, [*before, "try", *arguments])

    return call


def test_help_is_quick_and_imports_nothing_heavy():
    code = (
        "import sys\nfrom handlib.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
        "heavy = {'torch', 'numpy', 'yaml', 'papermill', 'cv2'} & set(sys.modules)\nassert not heavy, heavy\n"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert "Execute the book's notebooks." in done.stdout and "Examples:" in done.stdout


@pytest.mark.parametrize("name", [name for name, source in cli.COMMANDS.items() if source.is_there])
def test_every_command_has_help_with_its_options(name):
    done = runner.invoke(cli.app, [name, "--help"])
    assert done.exit_code == 0, done.output
    assert "Usage:" in done.output and "--help" in done.output


@pytest.mark.parametrize("name", ["reproduce", "ledger", "doctor"])
def test_help_shows_examples(name):
    assert f"Examples:\n    handlib {name}" in runner.invoke(cli.app, [name, "--help"]).output


def test_a_command_without_its_module_is_not_offered():
    assert not cli.CommandSource("handlib.not_written", "x").is_there
    assert cli.CommandSource("handlib.doctor", "x").is_there


def test_a_purposeful_error_is_one_message_and_exit_code_one(command):
    def fail():
        raise BadInputError("photo.jpg: no hand in it: try another")

    done = command(fail)
    assert done.exit_code == 1
    assert done.stderr == "handlib: error: photo.jpg: no hand in it: try another\n"


def test_debug_shows_the_traceback(command):
    def fail():
        raise BadInputError("photo.jpg")

    done = command(fail, before=["--debug"])
    assert isinstance(done.exception, BadInputError)


def test_a_programming_error_is_not_dressed_up(command):
    def fail():
        raise ZeroDivisionError

    assert isinstance(command(fail).exception, ZeroDivisionError)


def test_a_full_disk_anywhere_is_said(command):
    def fail():
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "mesh.obj")

    done = command(fail)
    assert done.exit_code == 1
    assert done.stderr == "handlib: error: mesh.obj: the disk is full: free some space and run this again\n"


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        (errno.EACCES, "check the permissions"),
        (errno.EROFS, "check the permissions"),
        (errno.EEXIST, "check the name"),
        (errno.ENOTDIR, "check the name"),
    ],
)
def test_what_the_system_refuses_is_named_with_a_remedy(command, code, remedy):
    def fail():
        raise OSError(code, os.strerror(code), "results/hand.obj")

    done = command(fail)
    assert done.exit_code == 1
    assert done.stderr.startswith(f"handlib: error: results/hand.obj: {os.strerror(code)}: {remedy}")
    assert done.stderr.count("\n") == 1
    assert isinstance(command(fail, before=["--debug"]).exception, OSError)


def test_a_system_error_about_no_file_keeps_its_traceback(command):
    def fail():
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))

    assert isinstance(command(fail).exception, OSError)


def test_ctrl_c_leaves_with_130_and_says_how_to_go_on(command, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["handlib", "try", "--profile", "full run"])

    def stop():
        raise KeyboardInterrupt

    done = command(stop)
    assert done.exit_code == 130
    assert "To go on: handlib try --profile 'full run'" in done.stderr


def test_a_command_that_does_not_import_stops_no_other(monkeypatch):
    monkeypatch.setitem(cli.COMMANDS, "demo", cli.CommandSource("handlib.no_such_module", "x"))
    assert runner.invoke(cli.app, ["--help"]).exit_code == 0
    assert runner.invoke(cli.app, ["reproduce", "--help"]).exit_code == 0


def test_unknown_command_and_wrong_option_are_bad_usage():
    assert runner.invoke(cli.app, ["reprodcue"]).exit_code == 2
    assert runner.invoke(cli.app, ["reproduce", "--profile", "huge"]).exit_code == 2
    assert runner.invoke(cli.app, ["reproduce", "--jobs", "0"]).exit_code == 2


def test_version():
    assert runner.invoke(cli.app, ["--version"]).output.startswith("handlib 0.")


def test_reproduce_lists_what_it_would_run(tmp_path, monkeypatch):
    monkeypatch.delenv("HANDLIB_DATA", raising=False)
    write_notebook(tmp_path / "book" / "hands.ipynb")
    done = runner.invoke(cli.app, ["reproduce", "--list", "--book", str(tmp_path / "book")])
    assert done.output == "hands  to run: never executed\n"
    done = runner.invoke(cli.app, ["reproduce", "feet", "--book", str(tmp_path)])
    assert (done.exit_code, done.stderr) == (1, "handlib: error: no chapter is called 'feet'; there are: hands\n")
    done = runner.invoke(cli.app, ["reproduce", "--set", "sed=3", "--book", str(tmp_path)])
    assert done.exit_code == 1 and "no parameter 'sed'" in done.stderr


def test_a_book_is_not_served_from_a_port_that_is_taken(tmp_path):
    built = tmp_path / "book" / "_build" / "html"
    built.mkdir(parents=True)
    (built / "index.html").write_text("a page")
    (tmp_path / "book" / "_toc.yml").write_text("root: index")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = runner.invoke(cli.app, ["book", "serve", "--book", str(tmp_path), "--port", str(port)])
    assert done.exit_code == 1
    assert done.stderr.startswith(f"handlib: error: --port {port}: ") and f"--port {port + 1}" in done.stderr


def test_ctrl_c_is_how_serving_ends(tmp_path, monkeypatch):
    built = tmp_path / "_build" / "html"
    built.mkdir(parents=True)
    (built / "index.html").write_text("a page")
    (tmp_path / "_toc.yml").write_text("root: index")

    def stop(_server):
        raise KeyboardInterrupt

    monkeypatch.setattr("http.server.ThreadingHTTPServer.serve_forever", stop)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    done = runner.invoke(cli.app, ["book", "serve", "--book", str(tmp_path), "--port", str(port)])
    assert done.exit_code == 0 and "Ctrl-C to stop" in done.output


def test_ledger_of_one_table_in_each_format(tmp_path):
    store = ["--results", str(tmp_path)]
    text = runner.invoke(cli.app, ["ledger", "s2hand/table-2", *store]).output
    assert "s2hand/table-2" in text and "1.18" in text and "not run" in text and "s2hand/table-3:" not in text
    assert (
        "### " not in text
        and "## Table 2" in runner.invoke(cli.app, ["ledger", "s2hand/table-2", "--format", "markdown", *store]).output
    )
    assert '"tables"' in runner.invoke(cli.app, ["ledger", "tassn", "--format", "json", *store]).output
    done = runner.invoke(cli.app, ["ledger", "nobody", *store])
    assert done.exit_code == 1 and "papers are fitting, s2hand" in done.stderr
    done = runner.invoke(cli.app, ["ledger", "--results", str(tmp_path / "none")])
    assert done.exit_code == 1 and "no such folder" in done.stderr
