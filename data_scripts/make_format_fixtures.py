"""Write tiny data sets in the formats of the official ones, drawn with the open hand: to see a pipeline run.

They show no real hand and are worth no number. Each lies in a folder of its own, to be given as --root; the hand that
they were drawn with, in MANO's format, is MANO_RIGHT.npz beside them. The same call writes the same files.

Examples:
    python data_scripts/make_format_fixtures.py fixtures
    python data_scripts/make_format_fixtures.py fixtures --only freihand --only stb
    handlib data check freihand --root fixtures/freihand
    handlib run s2hand --data freihand --root fixtures/freihand --profile smoke
"""

from pathlib import Path
from typing import Annotated

import typer
from fixture_formats import WRITERS, make_fixture
from fixture_hands import stand_in_hand
from tqdm import tqdm

from handlib.errors import BadInputError, HandlibError
from handlib.hand import write_mano_npz


def main(
    out: Annotated[Path, typer.Argument(help="the folder to fill")],
    only: Annotated[list[str] | None, typer.Option(help="some of them; all by default")] = None,
) -> None:
    """Write the data sets, each into an empty folder."""
    try:
        make_fixtures(out, only or list(WRITERS))
    except HandlibError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error
    except OSError as error:
        typer.echo(f"error: {error.filename or out}: {error.strerror}: choose another folder", err=True)
        raise typer.Exit(1) from error
    typer.echo(f"{out}: {', '.join(only or WRITERS)}, and the hand MANO_RIGHT.npz")


def make_fixtures(out: Path, names: list[str]) -> None:
    """Write the data sets of some names, and the hand; nothing is written if one of them cannot be.

    Raises:
        BadInputError: there is no data set of a name, or its folder is not empty.
    """
    for name in names:
        if name not in WRITERS:
            raise BadInputError(f"--only {name}: there are {', '.join(WRITERS)}")
        root = out / name
        if root.is_dir() and any(root.iterdir()):
            raise BadInputError(f"{root} is not empty: give another folder, or remove it first")
    for name in tqdm(names, desc="writing", unit="set"):
        make_fixture(name, out / name)
    write_mano_npz(stand_in_hand().file, out / "MANO_RIGHT.npz")


if __name__ == "__main__":
    typer.run(main)
