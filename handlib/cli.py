"""The command line ``handlib``.

Each command lives in a module of its own with a function ``register(app)``, and is imported when it is called: help
is quick, and a command whose packages are missing does not stop the others. A new command is one line in ``COMMANDS``.
"""

import errno
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

import handlib
from handlib.errors import HandlibError


@dataclass(frozen=True)
class CommandSource:
    """Where a command comes from: the module that registers it, and its line in ``handlib --help``."""

    module: str
    summary: str

    @property
    def is_there(self) -> bool:
        """Whether the module's file exists; asked without importing anything."""
        path = Path(handlib.__file__).parent.joinpath(*self.module.split(".")[1:])
        return path.with_suffix(".py").is_file()


COMMANDS: dict[str, CommandSource] = {
    "demo": CommandSource("handlib.demo.command", "Turn photographs and films of hands into posed 3D hands."),
    "reproduce": CommandSource("handlib.reproduce.commands", "Execute the book's notebooks."),
    "run": CommandSource("handlib.reproduce.run_command", "Run the recipes behind the tables, in batch."),
    "ledger": CommandSource("handlib.reproduce.ledger_command", "Published numbers beside measured ones."),
    "data": CommandSource("handlib.data.commands", "List data sets, and say where they come from."),
    "book": CommandSource("handlib.book.commands", "Build the book's pages from executed notebooks."),
    "doctor": CommandSource("handlib.doctor", "Say what is installed and what is missing."),
}


class LazyGroup(TyperGroup):
    """A group whose commands are placeholders with a summary until one of them is called."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Put the real command in its placeholder's place, then go on as usual."""
        if args and args[0] in self.commands:
            collected = typer.Typer(rich_markup_mode=None)
            import_module(COMMANDS[args[0]].module).register(collected)
            self.commands[args[0]] = typer.main.get_group(collected).commands[args[0]]
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the command; an error that handlib raises on purpose is one clear message and exit code 1."""
        try:
            return super().invoke(ctx)
        except HandlibError as error:
            if _wants_traceback(ctx):
                raise
            typer.echo(f"handlib: error: {error}", err=True)
            raise typer.Exit(1) from error
        except KeyboardInterrupt as error:
            resume = shlex.join(["handlib", *sys.argv[1:]])
            typer.echo(f"\nhandlib: interrupted; no unfinished file is left. To go on: {resume}", err=True)
            raise typer.Exit(130) from error
        except OSError as error:
            # Without a file's name it is more likely a fault of ours, which needs its traceback.
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            if _wants_traceback(ctx) or not (full or error.filename):
                raise
            reason = "the disk is full: free some space and run this again" if full else _explain(error)
            place = f"{error.filename}: " if error.filename else ""
            typer.echo(f"handlib: error: {place}{reason}", err=True)
            raise typer.Exit(1) from error


def _show_version(wanted: bool | None) -> None:
    if wanted:
        typer.echo(f"handlib {handlib.__version__}")
        raise typer.Exit()


app = typer.Typer(
    cls=LazyGroup,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


@app.callback()
def describe(
    debug: Annotated[
        bool, typer.Option("--debug", envvar="HANDLIB_DEBUG", help="Show the traceback of an error.")
    ] = False,
    version: Annotated[
        bool | None, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = None,
) -> None:
    """Hands Without Labels: 3D hands learnt without 3D labels.

    \b
    Examples:
      handlib doctor                       what is installed, what is missing
      handlib demo photo.jpg --out out     a photograph to a posed 3D hand
      handlib reproduce --profile laptop   execute the book
      handlib COMMAND --help               what a command takes
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and leave with its exit code: 0, 1 (an error), 2 (bad usage) or 130 (interrupted).

    Args:
        arguments: without the program's name; the process's own by default.
    """
    app(args=None if arguments is None else list(arguments), prog_name="handlib")


def _explain(error: OSError) -> str:
    """What the system says of a file or folder, and the way on."""
    remedy = "check the permissions, or choose another place"
    if not isinstance(error, PermissionError) and error.errno != errno.EROFS:
        remedy = "check the name, or choose another place"
    return f"{error.strerror}: {remedy}"


def _wants_traceback(ctx: Any) -> bool:
    return bool(ctx.params.get("debug"))


def _add_placeholder(name: str, summary: str) -> None:
    app.command(name, help=summary)(lambda: None)


for _name, _source in COMMANDS.items():
    if _source.is_there:
        _add_placeholder(_name, _source.summary)

if __name__ == "__main__":
    main()
