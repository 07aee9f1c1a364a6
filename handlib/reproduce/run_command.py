"""``handlib run``: the recipes behind the tables, in batch."""

import contextlib
import traceback
from collections.abc import Iterable
from typing import Annotated

import typer

from handlib.errors import BadInputError, HandlibError
from handlib.reproduce.experiment import Experiment, chapters, experiments_of
from handlib.reproduce.identity import RunIdentity
from handlib.reproduce.ledger_text import format_duration
from handlib.reproduce.official import official_chapters, official_experiments, official_place
from handlib.reproduce.official_command import Data, Root, SkipBad, check_data_options, say_what_is_there
from handlib.reproduce.profiles import Profile
from handlib.reproduce.results import OtherSchemaError, Result, read_result

Run = tuple[Experiment, int]


class RunsFailedError(HandlibError):
    """At least one run of a batch did not come to its end."""


def register(app: typer.Typer) -> None:
    """Add ``run`` to the command line."""
    app.command("run")(run_recipes)


def run_recipes(
    chapter: Annotated[
        str | None, typer.Argument(help="Whose recipes; may be left out with --list, which then lists all.")
    ] = None,
    recipes: Annotated[
        list[str] | None, typer.Option("--recipe", metavar="NAME", help="Only this one; may be given again.")
    ] = None,
    profile: Annotated[Profile, typer.Option(help="How much to run.")] = Profile.LAPTOP,
    seeds: Annotated[
        list[int] | None,
        typer.Option("--seed", metavar="K", help="Only this one; may be given again [default: the recipe's]."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Run what is stored, too, and from the beginning.")] = False,
    list_only: Annotated[bool, typer.Option("--list", help="Say what is stored and what is not, and leave.")] = False,
    data: Data = None,
    root: Root = None,
    skip_bad: SkipBad = False,
) -> None:
    """Run the recipes behind a chapter's tables, those of which no result of today's code is stored.

    Results go to the folder results (of the profile smoke, to the cache). A run that was interrupted goes on from its
    last checkpoint; one that fails does not stop those after it; one that another process is at is waited for.

    \b
    Examples:
      handlib run --list                                     all recipes, and what is stored
      handlib run fitting_baseline --list --profile full     one chapter's
      handlib run fitting_baseline --profile full            all its runs: hours, on some chapters
      handlib run fitting_baseline --recipe target-fit-true --seed 3
      handlib run s2hand --data freihand --root DIR --profile full    on an official data set
    """
    check_data_options(data, root, skip_bad)
    if list_only:
        names = [chapter] if chapter is not None else chapters() if data is None else list(official_chapters(data))
        chosen = {name: choose_runs(name, profile, recipes or (), seeds or (), data) for name in names}
        with official_place(data, root, skip_bad) if data and root else contextlib.nullcontext():
            typer.echo("\n\n".join(describe_runs(name, profile, runs) for name, runs in chosen.items()))
    elif chapter is None:
        raise BadInputError(f"name a chapter to run ({', '.join(chapters())}), or ask for --list")
    else:
        runs = choose_runs(chapter, profile, recipes or (), seeds or (), data)
        with official_place(data, root, skip_bad) if data else contextlib.nullcontext():
            if data is not None:
                say_what_is_there([experiment.recipe for experiment, _ in runs], skip_bad)
            run_all(runs, profile, force=force)


def choose_runs(
    chapter: str, profile: Profile, recipes: Iterable[str] = (), seeds: Iterable[int] = (), data: str | None = None
) -> list[Run]:
    """The runs of a chapter, in its own order: first all recipes with the first seed, so that a table fills by columns.

    Args:
        chapter: by name.
        profile: which asks for seeds.
        recipes: by name; all without any.
        seeds: whatever the profile asks for without any.
        data: the official data set to run on; the open data by default.

    Raises:
        BadInputError: no such chapter, no such recipe in it, or no run on that data set.
    """
    wanted = set(recipes)
    experiments = experiments_of(chapter) if data is None else official_experiments(chapter, data)
    if missing := wanted - {experiment.recipe.name for experiment in experiments}:
        known = ", ".join(experiment.recipe.name for experiment in experiments)
        raise BadInputError(f"{chapter} has no recipe {', '.join(sorted(missing))}: choose of {known}")
    runs = [
        (position, experiment, seed)
        for experiment in experiments
        if not wanted or experiment.recipe.name in wanted
        for position, seed in enumerate(dict.fromkeys(seeds or experiment.seeds_for(profile)))
    ]
    return [(experiment, seed) for _, experiment, seed in sorted(runs, key=lambda run: run[0])]


def run_all(runs: list[Run], profile: Profile, *, force: bool = False) -> list[Result]:
    """Run them one after the other, a line for each; a failure does not stop the others.

    Raises:
        RunsFailedError: naming those that failed.
        DiskFullError: no room, which would stop the others too.
    """
    results: list[Result] = []
    failures: list[str] = []
    for number, (experiment, seed) in enumerate(runs, 1):
        name = f"{experiment.recipe.name}, {profile}, seed {seed}"
        try:
            stored = None if force else experiment.identify(profile, seed).stored()
            typer.echo(f"[{number}/{len(runs)}] {name}: {'is stored' if stored else 'running'}", err=True)
            result = stored or experiment.run(profile, seed, force=force)
        except Exception as error:
            if isinstance(error, OSError) and not isinstance(error, FileNotFoundError):
                raise
            if not isinstance(error, HandlibError):
                traceback.print_exc()
            failures.append(f"{name}: {type(error).__name__}: {error}")
            typer.echo(f"  failed: {error}", err=True)
            continue
        results.append(result)
        if not stored:
            typer.echo(f"  {outcome_line(result)}", err=True)
    typer.echo(f"{len(results)} of {len(runs)} runs are stored")
    if failures:
        raise RunsFailedError("\n  ".join([f"{len(failures)} of {len(runs)} runs failed:", *failures]))
    return results


def outcome_line(result: Result) -> str:
    """The first numbers of a result, or why there are none, and how long it took."""
    metrics = list(result.outcome.metrics.items())[:4]
    numbers = ", ".join(f"{name} {metric.value:.4g} {metric.unit}" for name, metric in metrics)
    found = numbers or f"not obtained: {result.outcome.not_obtained}"
    return f"done in {format_duration(result.provenance.seconds)}: {found}"


def describe_runs(chapter: str, profile: Profile, runs: list[Run]) -> str:
    """One line a run: recipe, seed, and whether its result is stored."""
    lines = [f"{chapter}, profile {profile}"]
    width = max((len(experiment.recipe.name) for experiment, _ in runs), default=0)
    for experiment, seed in runs:
        lines.append(f"  {experiment.recipe.name:<{width}}  seed {seed}  {run_state(experiment, profile, seed)}")
    return "\n".join(lines)


def run_state(experiment: Experiment, profile: Profile, seed: int) -> str:
    """Whether a run is stored, was interrupted, rests on something that has changed since, or cannot be done here."""
    try:
        identity = experiment.identify(profile, seed)
        if identity.checkpoints().newest() is not None:
            return "begun: goes on from its checkpoint"
        if not identity.path.is_file():
            return "not stored"
        result = read_result(identity.path)
    except OtherSchemaError:
        return "stored by another version of handlib: to be run again"
    except HandlibError as error:
        return f"not to be had here: {error}"
    made = result.provenance
    took = f"{made.finished[:10]}, {format_duration(made.seconds)}, {made.device}"
    changed = changes_since(result, identity)
    return f"stored, but {' and '.join(changed)} changed since ({took})" if changed else f"stored ({took})"


def changes_since(result: Result, identity: RunIdentity) -> list[str]:
    """What a stored result rests on that is otherwise today: recipe, code, data; none if the result is current."""
    made = result.provenance
    pairs = {
        "recipe": (result.parameters, identity.parameters),
        "code": (made.code_digest, identity.code),
        "data": (made.data_digest, identity.data),
    }
    changed = [name for name, (before, now) in pairs.items() if before != now]
    return changed or ([] if result.key == identity.key else ["recipe"])
