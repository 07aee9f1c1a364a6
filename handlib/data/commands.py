"""``handlib data``: what data there is, and where to get what is missing."""

import textwrap

import typer

from handlib.data.catalogue import DataSource, data_sources
from handlib.data.photos import data_folder

_INDENT = " " * 4


def register(app: typer.Typer) -> None:
    """Add ``data`` with its sub-commands to the command line."""
    data = typer.Typer(no_args_is_help=True, help="What data there is.", rich_markup_mode=None)
    # With a single command typer would drop the sub-command's name.
    data.callback()(_about)
    data.command("list")(list_data)
    app.add_typer(data, name="data")


def list_data() -> None:
    """List the data sets: what they are, their size and licence, whether they are here, and how to get them."""
    folder = data_folder()
    for source in data_sources():
        typer.echo(describe(source, source.found(folder)))
    named = (
        f"HANDLIB_DATA is {folder}" if folder else "HANDLIB_DATA is not set: everything marked 'missing' is optional"
    )
    typer.echo(f"\n{named}.")


def describe(source: DataSource, found: bool) -> str:
    """A data set in a few lines of text."""
    state = "here" if found else "missing"
    lines = [f"{source.what}; {source.size}; {source.licence}"]
    if not found or source.path is None:
        lines.append(f"from: {source.get}" + (f"; goes to HANDLIB_DATA/{source.path}" if source.path else ""))
    body = (textwrap.fill(line, 100, initial_indent=_INDENT, subsequent_indent=_INDENT) for line in lines)
    return "\n".join([f"{source.name:20s} {state}", *body])


def _about() -> None:
    """What data there is: the open benchmark, which needs nothing, and the sets in the folder of HANDLIB_DATA."""
