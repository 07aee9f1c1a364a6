"""``handlib ledger``: published numbers beside measured ones, and the papers' claims with a verdict."""

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from handlib.errors import BadInputError, MissingFileError
from handlib.reproduce.ledger import judge_claims, load_comparable, make_ledger
from handlib.reproduce.ledger_text import ledger_json, ledger_markdown, ledger_text
from handlib.reproduce.published import PAPERS, load_published


class Format(StrEnum):
    """How the ledger is printed."""

    TEXT = "text"
    MARKDOWN = "markdown"
    JSON = "json"


def register(app: typer.Typer) -> None:
    """Add ``ledger`` to the command line."""
    app.command()(ledger)


def ledger(
    chapter: Annotated[
        str | None, typer.Argument(help="A paper (s2hand) or a table of it (s2hand/table-2); all without one.")
    ] = None,
    form: Annotated[Format, typer.Option("--format", help="How to print it.")] = Format.TEXT,
    results: Annotated[Path | None, typer.Option(help="The results store [default: the checkout's].")] = None,
) -> None:
    """Print published numbers beside measured ones, and how the papers' claims fare here.

    A measured number comes from the results store, with its data, seeds and device; what was not run says so.

    \b
    Examples:
      handlib ledger                            everything
      handlib ledger s2hand/table-4             one table
      handlib ledger s2hand --format markdown   one paper, for a report
    """
    if results is not None and not results.is_dir():
        raise MissingFileError(f"--results {results}: no such folder")
    tables = load_published()
    chosen = [table for key, table in tables.items() if chapter in (None, table.paper, key)]
    if not chosen:
        raise BadInputError(f"{chapter!r} is no paper and no table: papers are {', '.join(PAPERS)}")
    stored = load_comparable(results)
    entries = make_ledger(stored, chosen)
    keys = {table.key for table in chosen}
    verdicts = [
        item for item in judge_claims(stored) if keys & {comparison.table for comparison in item.claim.comparisons}
    ]
    if form is Format.JSON:
        typer.echo(json.dumps(ledger_json(entries, verdicts), indent=1, ensure_ascii=False))
    else:
        typer.echo((ledger_text if form is Format.TEXT else ledger_markdown)(entries, verdicts))
