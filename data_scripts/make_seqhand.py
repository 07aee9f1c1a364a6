"""Write SeqHAND's films to a folder: pose flows of a database, rendered, with every label.

The same arguments give the same bytes, whatever the number of workers or machines. An interrupted run goes on where it
stopped when the same command is given again. The paper's 400,000 and 10,000 frames are the default sizes: some 45 GB.

Examples:
    python data_scripts/make_seqhand.py films --size 200 --image-px 128 --workers 8
    python data_scripts/make_seqhand.py films_stb --database stb
    python data_scripts/make_seqhand.py films_bighand --database bighand --walk snapped --scheduler tcp://head-node:8786
    python data_scripts/make_seqhand.py films --check
"""

from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from handlib.data.bighand_poses import bighand_poses
from handlib.data.film_folder import SHARD_FILMS, FilmFolder, begin_folder, finish_folder, write_shard
from handlib.data.pose_database import PoseDatabase, sampled_poses, stb_poses
from handlib.data.pose_flow import ALPHA, NUM_FRAMES
from handlib.data.seqhand_films import SeqHandFilms
from handlib.data.shard_workers import run_shards
from handlib.errors import BadInputError, HandlibError
from handlib.reproduce.closure import code_digest


class Database(StrEnum):
    """Where the poses come from."""

    sampled = "sampled"
    stb = "stb"
    bighand = "bighand"


def main(
    folder: Annotated[Path, typer.Argument(help="the data set's folder; made if it is not there")],
    database: Annotated[Database, typer.Option(help="stb and bighand need their files")] = Database.sampled,
    poses: Annotated[int, typer.Option(min=2, help="poses of the sampled database")] = 20_000,
    walk: Annotated[str, typer.Option(help="shown, snapped (the paper) or straight (released code)")] = "shown",
    alpha: Annotated[float, typer.Option(help="update size of a flow")] = ALPHA,
    frames: Annotated[int, typer.Option(min=1, help="of a film")] = NUM_FRAMES,
    split: Annotated[str, typer.Option(help="train or test")] = "train",
    size: Annotated[int | None, typer.Option(help="films [default: 40000 for train, 1000 for test]")] = None,
    seed: Annotated[int, typer.Option(help="names the data set")] = 0,
    image_px: Annotated[int, typer.Option(help="side of the frames in pixels")] = 224,
    photographs: Annotated[bool, typer.Option(help="backgrounds from the data folder")] = False,
    workers: Annotated[int, typer.Option(min=1, help="processes; the bytes are the same for any number")] = 1,
    scheduler: Annotated[str | None, typer.Option(help="a Dask scheduler (extra: cluster), not processes")] = None,
    check: Annotated[bool, typer.Option("--check", help="only compare what is there with its checksums")] = False,
) -> None:
    """Write SeqHAND's films to FOLDER, or go on with them."""
    try:
        if check:
            check_folder(folder)
            return
        films = SeqHandFilms(
            open_database(database, poses),
            size=size,
            split=split,
            seed=seed,
            image_px=image_px,
            num_frames=frames,
            alpha=alpha,
            walk=walk,
            photographs=photographs,
        )
        make_folder(films, folder, workers, scheduler)
    except HandlibError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error
    except OSError as error:
        typer.echo(f"error: {error.filename or folder}: {error.strerror}: choose another folder", err=True)
        raise typer.Exit(1) from error
    except KeyboardInterrupt as error:
        typer.echo("\ninterrupted; what is whole is kept. Run the same command again to go on.", err=True)
        raise typer.Exit(130) from error


def open_database(database: Database, poses: int = 20_000) -> PoseDatabase:
    """The poses of a name; ``poses`` of them where they are drawn."""
    if database is Database.stb:
        return stb_poses()
    return bighand_poses() if database is Database.bighand else sampled_poses(poses)


def make_folder(films: SeqHandFilms, folder: Path, workers: int = 1, scheduler: str | None = None) -> None:
    """Write the shards that are missing, then the finished manifest."""
    shards = begin_folder(films, folder, code_digest(["handlib.data.seqhand_films", "handlib.data.film_folder"]))
    write = partial(write_shard, films, folder.resolve())
    digests = run_shards(write, shards, workers=workers, scheduler=scheduler, unit=f" x{SHARD_FILMS} films")
    finish_folder(folder, digests)
    typer.echo(f"{folder}: {len(films)} films of {films.num_frames} frames, from {films.database.name}")


def check_folder(folder: Path) -> None:
    """Say whether every file is the one that was written; ``BadInputError`` if some are not."""
    if damaged := FilmFolder(folder).damaged():
        raise BadInputError(
            f"{folder}: {len(damaged)} files are missing or changed, the first {damaged[0]}: delete them and make the "
            "films again"
        )
    typer.echo(f"{folder}: every file is as it was written")


if __name__ == "__main__":
    typer.run(main)
