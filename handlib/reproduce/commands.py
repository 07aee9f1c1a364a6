"""``handlib reproduce``: execute the book's notebooks."""

import os
from pathlib import Path
from typing import Annotated

import typer

from handlib.errors import BadInputError
from handlib.reproduce.driver import execute_plans
from handlib.reproduce.notebooks import find_book, find_notebooks
from handlib.reproduce.plan import Plan, make_plans
from handlib.reproduce.profiles import Profile

_MOST_DEFAULT_JOBS = 4


def register(app: typer.Typer) -> None:
    """Add ``reproduce`` to the command line."""
    app.command()(reproduce)


def reproduce(
    chapters: Annotated[
        list[str] | None, typer.Argument(metavar="CHAPTER", help="Notebooks by name; all without one.")
    ] = None,
    profile: Annotated[Profile, typer.Option(help="How much to run.")] = Profile.LAPTOP,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Another parameter of the notebooks.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Run what is up to date, too.")] = False,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Notebooks at a time [default: the cores, at most 4; 1 for full].")
    ] = None,
    list_only: Annotated[bool, typer.Option("--list", help="Say what would be run and why, and leave.")] = False,
    book: Annotated[Path | None, typer.Option(help="The book folder [default: found from here up].")] = None,
) -> None:
    """Execute the book's notebooks, those that something has changed under.

    Executed copies go to book/_build/executed. A notebook is executed again when its source, its parameters, the
    library, the packages, the data folder or its stored results have changed.

    \b
    Examples:
      handlib reproduce                              the whole book, laptop size
      handlib reproduce --list                       what would be run, and why
      handlib reproduce hand_model --profile smoke   one chapter, in seconds
      handlib reproduce hand_model --set seed=3      another seed
    """
    folder = find_book(book)
    plans = make_plans(folder, find_notebooks(folder, chapters or ()), profile, read_settings(settings or []))
    if list_only:
        typer.echo(describe_plans(plans))
        return
    if jobs is None:
        jobs = 1 if profile is Profile.FULL else min(os.cpu_count() or 1, _MOST_DEFAULT_JOBS)
    executed = execute_plans(folder, plans, jobs=jobs, force=force)
    kept = len(plans) - len(executed)
    typer.echo(f"{len(executed)} executed, {kept} up to date: {folder / '_build' / 'executed'}")


def read_settings(settings: list[str]) -> dict[str, str]:
    """Read ``name=value`` pairs.

    Raises:
        BadInputError: one has no ``=`` or no name, or two have one name.
    """
    found: dict[str, str] = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals or not name.isidentifier():
            raise BadInputError(f"--set {setting}: expected NAME=VALUE, for example --set seed=3")
        if name in found:
            raise BadInputError(f"--set {name}: given twice, as {found[name]!r} and as {value!r}")
        found[name] = value
    return found


def describe_plans(plans: list[Plan]) -> str:
    """One line a chapter: its name, whether it is up to date or what changed, and how long it took last time."""
    width = max(len(plan.notebook.name) for plan in plans)
    lines = []
    for plan in plans:
        state = "up to date" if plan.is_fresh else "to run: " + ", ".join(plan.changed)
        took = "" if plan.seconds is None else f" (took {plan.seconds:.0f} s)"
        lines.append(f"{plan.notebook.name:<{width}}  {state}{took}")
    return "\n".join(lines)
