"""``handlib reproduce``: execute the book's notebooks."""

import os
from pathlib import Path
from typing import Annotated

import typer

from handlib.errors import BadInputError
from handlib.reproduce.driver import execute_plans
from handlib.reproduce.notebooks import find_book, find_notebooks
from handlib.reproduce.official import official_chapters, official_place
from handlib.reproduce.official_command import Data, Root, SkipBad, check_data_options, say_what_is_there
from handlib.reproduce.plan import Plan, make_plans
from handlib.reproduce.profiles import Profile
from handlib.reproduce.run_command import choose_runs, run_all

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
        int | None,
        typer.Option(
            min=1,
            help="Notebooks at a time; those of one chapter take turns [default: the cores, at most 4; 1 for full].",
        ),
    ] = None,
    list_only: Annotated[bool, typer.Option("--list", help="Say what would be run and why, and leave.")] = False,
    book: Annotated[Path | None, typer.Option(help="The book folder [default: found from here up].")] = None,
    data: Data = None,
    root: Root = None,
    skip_bad: SkipBad = False,
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

    With --data, a chapter's runs on an official data set come first, and its pages are executed again if these runs may
    stand beside published numbers.

    \b
      handlib reproduce s2hand --data freihand --root DIR --profile full
    """
    check_data_options(data, root, skip_bad)
    if data is not None:
        chapters = _run_on(data, root, skip_bad, chapters or [], profile, force)
        if not chapters:
            return
        # What is run on official data takes hours; the pages that show it are those of make book.
        profile, force = Profile.LAPTOP, False
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


def _run_on(
    data: str, root: Path | None, skip_bad: bool, chapters: list[str], profile: Profile, force: bool
) -> list[str]:
    """Run chapters on an official data set; the names of the pages that now have more to show."""
    runs = [run for chapter in chapters or official_chapters(data) for run in choose_runs(chapter, profile, data=data)]
    with official_place(data, root, skip_bad):
        whole = say_what_is_there([experiment.recipe for experiment, _ in runs], skip_bad)
        run_all(runs, profile, force=force)
    if not (whole and profile.is_comparable):
        return []
    prefixes = tuple({experiment.recipe.chapter for experiment, _ in runs})
    return [notebook.name for notebook in find_notebooks(find_book(), ()) if notebook.name.startswith(prefixes)]


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
