"""The command ``handlib book``: build the HTML, look at it in a browser."""

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add ``handlib book`` to the command line."""
    group = typer.Typer(no_args_is_help=True, help="Build the book's pages from executed notebooks.")
    group.command("build")(build)
    group.command("serve")(serve)
    app.add_typer(group, name="book")


def build(
    pages: Annotated[list[str] | None, typer.Argument(help="Only these pages, for a quick look.")] = None,
    book: Annotated[Path | None, typer.Option(help="The book's folder; found from here by default.")] = None,
    lenient: Annotated[bool, typer.Option("--lenient", help="Warnings do not fail the build.")] = False,
) -> None:
    """Build book/_build/html from the prose pages and the notebooks that `handlib reproduce` executed."""
    from handlib.book.build import build_book
    from handlib.reproduce.notebooks import find_book

    built = build_book(find_book(book), pages or None, strict=not lenient)
    typer.echo(f"{built.pages} pages, {built.figures} figures in {built.seconds:.0f} s: {built.html / 'index.html'}")


def serve(
    book: Annotated[Path | None, typer.Option(help="The book's folder; found from here by default.")] = None,
    port: Annotated[int, typer.Option(min=1, max=65534, help="Port on this machine.")] = 8000,
) -> None:
    """Serve the built book on this machine only, until Ctrl-C."""
    from contextlib import suppress
    from functools import partial
    from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

    from handlib.errors import BadInputError, MissingFileError
    from handlib.reproduce.notebooks import find_book

    html = find_book(book) / "_build" / "html"
    if not (html / "index.html").is_file():
        raise MissingFileError(f"{html / 'index.html'}: the book is not built; run: make book")
    try:
        server = ThreadingHTTPServer(("127.0.0.1", port), partial(SimpleHTTPRequestHandler, directory=str(html)))
    except OSError as error:
        raise BadInputError(f"--port {port}: {error.strerror}; choose another, such as --port {port + 1}") from error
    with server:
        typer.echo(f"http://127.0.0.1:{port}/index.html (Ctrl-C to stop)")
        with suppress(KeyboardInterrupt):
            server.serve_forever()
