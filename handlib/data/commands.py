"""``handlib data``: what data there is, where to get what is missing, and looking after the official data sets."""

import textwrap
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from PIL import Image
from tqdm import tqdm

from handlib.data.catalogue import DataSource, data_sources
from handlib.data.contact_sheet import contact_sheet, describe_labels
from handlib.data.images import IMAGE_SUFFIXES
from handlib.data.official import OfficialDataset, root_variable
from handlib.data.official_sets import OFFICIAL_SETS, OfficialSet, official_set, open_official
from handlib.data.photos import data_folder
from handlib.data.prepare import prepare
from handlib.errors import BadInputError

_INDENT = " " * 4
SHEET_SAMPLES = 16

Root = Annotated[
    Path | None, typer.Option(help="The folder that the data set was unpacked into; else HANDLIB_<NAME> names it.")
]
Split = Annotated[str | None, typer.Option(help="One of its splits.")]
SkipBad = Annotated[bool, typer.Option("--skip-bad", help="Leave bad samples out, and report them.")]


def register(app: typer.Typer) -> None:
    """Add ``data`` with its sub-commands to the command line."""
    data = typer.Typer(no_args_is_help=True, help="What data there is.", rich_markup_mode=None)
    data.callback()(_about)
    data.command("list")(list_data)
    data.command("prepare")(prepare_data)
    data.command("check")(check_data)
    app.add_typer(data, name="data")


def list_data(name: Annotated[str | None, typer.Argument(help="One official data set.")] = None) -> None:
    """List the data sets: what they are, their size and licence, whether they are here, and how to get them."""
    if name is not None:
        typer.echo(describe_official(official_set(name)))
        return
    folder = data_folder()
    for source in data_sources():
        typer.echo(describe(source, source.found(folder)))
    typer.echo("\nOfficial data sets, each on registration with its authors:\n")
    for official in OFFICIAL_SETS.values():
        typer.echo(describe_official(official))
    named = (
        f"HANDLIB_DATA is {folder}" if folder else "HANDLIB_DATA is not set: everything marked 'missing' is optional"
    )
    typer.echo(f"\n{named}.")


def prepare_data(
    name: Annotated[str, typer.Argument(help="A data set, for instance freihand.")],
    root: Root = None,
    split: Split = None,
    skip_bad: SkipBad = False,
    pictures: Annotated[
        bool, typer.Option("--pictures/--no-pictures", help="Whether to read every picture, to find damaged ones.")
    ] = True,
) -> None:
    """Read an official data set's labels into a fast cache, count its samples, and look at every picture once.

    An interrupted run goes on where it stopped. Without --skip-bad the first bad sample is an error that says what to
    do.
    """
    source = official_set(name)

    def progress(indices: Iterable[int], title: str) -> Iterable[int]:
        return tqdm(indices, desc=title, unit="picture")

    splits = None if split is None else [split]
    results = prepare(source, root, splits, skip_bad=skip_bad, pictures=pictures, progress=progress)
    for result in results:
        typer.echo(result.describe())
        for left_out, why in (result.skipped or {}).items():
            typer.echo(f"{_INDENT}left out {left_out}: {why}")


def check_data(
    name: Annotated[str, typer.Argument(help="A data set, for instance freihand.")],
    root: Root = None,
    split: Split = None,
    out: Annotated[Path | None, typer.Option(help="The picture to write, or its folder.")] = None,
    skip_bad: SkipBad = False,
) -> None:
    """Draw sixteen samples with joints and axes, and print bone lengths and the hand's side.

    A wrong joint order, a flipped axis or another unit is seen in a second.
    """
    source = official_set(name)
    if out is not None and not out.is_dir() and out.suffix.lower() not in IMAGE_SUFFIXES:
        raise BadInputError(f"--out {out}: expected a picture's name ({', '.join(sorted(IMAGE_SUFFIXES))}) or a folder")
    dataset = open_official(name, root, split, on_bad="skip" if skip_bad else "raise")
    samples = spread_samples(dataset, SHEET_SAMPLES)
    sheet = f"{source.name}-{dataset.split}.png"
    path = Path(sheet) if out is None else out / sheet if out.is_dir() else out
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(contact_sheet(samples)).save(path)
    typer.echo(f"{source.name} {dataset.split}: {len(dataset):,} samples; {len(samples)} of them are in {path}")
    for line in describe_labels(samples):
        typer.echo(f"{_INDENT}{line}")
    for left_out, why in dataset.skipped.items():
        typer.echo(f"{_INDENT}left out {left_out}: {why}")


def spread_samples(dataset: OfficialDataset, count: int) -> list:
    """Samples spread evenly over a data set.

    Raises:
        BadInputError: none of them can be read.
    """
    chosen = np.unique(np.linspace(0, len(dataset) - 1, count).round().astype(int))
    samples = [sample for index in chosen if (sample := dataset.read(int(index))) is not None]
    if not samples:
        raise BadInputError(f"{dataset.root}: none of {len(chosen)} samples can be read: {dataset.remedy}")
    return samples


def describe(source: DataSource, found: bool) -> str:
    """A data set in a few lines of text."""
    state = "here" if found else "missing"
    lines = [f"{source.what}; {source.size}; {source.licence}"]
    if not found or source.path is None:
        lines.append(f"from: {source.get}" + (f"; goes to HANDLIB_DATA/{source.path}" if source.path else ""))
    return _block(f"{source.name:20s} {state}", lines)


def describe_official(source: OfficialSet) -> str:
    """An official data set in a few lines of text, with the commands that give its tables."""
    # The chapters' runs lie above the data, and what they need is loaded only where somebody asks for them.
    from handlib.reproduce.official import official_chapters

    sizes = ", ".join(f"{counts[0]:,} {split}" for split, counts in source.published.items() if counts)
    lines = [
        f"{source.what}; {sizes or 'splits: ' + ', '.join(source.published)}; {source.licence}",
        f"for: {source.unlocks}",
        f"from: {source.get}; its folder: --root DIR or {root_variable(source.name)}",
        *(f"run:  handlib run {name} --data {source.name} --root DIR" for name in official_chapters(source.name)),
    ]
    return _block(f"{source.name:20s} official", lines)


def _block(head: str, lines: list[str]) -> str:
    body = (textwrap.fill(line, 100, initial_indent=_INDENT, subsequent_indent=_INDENT) for line in lines)
    return "\n".join([head, *body])


def _about() -> None:
    """What data there is: the open benchmark, which needs nothing, the sets in HANDLIB_DATA, and the official ones."""
