"""Write the open benchmark to a folder: lossless pictures, labels, and a manifest with a checksum of everything.

The same arguments give the same bytes, whatever the number of workers. An interrupted run goes on where it stopped when
the same command is given again.

Examples:
    python data_scripts/make_open_benchmark.py open_source --domain source --size 5000
    python data_scripts/make_open_benchmark.py open_target_test --domain target --split test --workers 8
    python data_scripts/make_open_benchmark.py open_target_test --check
"""

import json
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from tqdm import tqdm

from handlib.data.benchmark_folder import (
    FORMAT,
    MANIFEST,
    SHARD_SIZE,
    BenchmarkFolder,
    read_manifest,
    shard_digest,
    write_shard,
)
from handlib.data.open_benchmark import OpenBenchmark
from handlib.data.photos import require_data
from handlib.errors import BadInputError, HandlibError
from handlib.files import atomic_write, disk_full_names
from handlib.reproduce.closure import code_digest
from handlib.reproduce.digest import folder_digest


def main(
    folder: Annotated[Path, typer.Argument(help="the data set's folder; made if it is not there")],
    domain: Annotated[str, typer.Option(help="source, target or target-photographs")] = "source",
    split: Annotated[str, typer.Option(help="train or test")] = "train",
    size: Annotated[int | None, typer.Option(help="samples [default: 20000 for train, 2000 for test]")] = None,
    seed: Annotated[int, typer.Option(help="names the data set")] = 0,
    image_px: Annotated[int, typer.Option(help="side of the pictures in pixels")] = 224,
    workers: Annotated[int, typer.Option(min=1, help="processes; the bytes are the same for any number")] = 1,
    check: Annotated[bool, typer.Option("--check", help="only compare what is there with its checksums")] = False,
) -> None:
    """Write the open benchmark to FOLDER, or go on with it."""
    try:
        if check:
            check_folder(folder)
        else:
            benchmark = OpenBenchmark(domain, size=size, seed=seed, image_px=image_px, split=split)
            make_folder(benchmark, folder, workers)
    except HandlibError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error
    except OSError as error:
        typer.echo(f"error: {error.filename or folder}: {error.strerror}: choose another folder", err=True)
        raise typer.Exit(1) from error
    except KeyboardInterrupt as error:
        typer.echo("\ninterrupted; what is whole is kept. Run the same command again to go on.", err=True)
        raise typer.Exit(130) from error


def make_folder(benchmark: OpenBenchmark, folder: Path, workers: int = 1) -> None:
    """Write the shards that are missing, then the finished manifest.

    Args:
        benchmark: the samples.
        folder: where to; a folder with another data set in it is refused.
        workers: processes.
    """
    manifest = _describe(benchmark)
    if (folder / MANIFEST).is_file():
        _refuse_another(read_manifest(folder), manifest, folder)
    elif folder.exists() and any(folder.iterdir()):
        raise BadInputError(f"{folder} holds other files and no {MANIFEST}: choose an empty folder")
    with disk_full_names(folder):
        _write_manifest(folder, manifest | {"shards": None})
        shards = range(-(-len(benchmark) // SHARD_SIZE))
        _write_all(partial(_write_one, benchmark, folder), shards, workers)
        _write_manifest(folder, manifest | {"shards": [shard_digest(folder, shard) for shard in shards]})
    typer.echo(f"{folder}: {len(benchmark)} samples of {benchmark.domain}/{benchmark.split}")


def check_folder(folder: Path) -> None:
    """Say whether every file is the one that was written.

    Raises:
        BadInputError: some are not.
    """
    damaged = BenchmarkFolder(folder).damaged()
    if damaged:
        raise BadInputError(
            f"{folder}: {len(damaged)} files are missing or changed, the first {damaged[0]}: delete the numbered "
            "folders that hold them and make the data set again"
        )
    typer.echo(f"{folder}: every file is as it was written")


def _describe(benchmark: OpenBenchmark) -> dict[str, Any]:
    """What decides the bytes of a data set."""
    return {
        "format": FORMAT,
        "domain": benchmark.domain,
        "split": benchmark.split,
        "seed": benchmark.seed,
        "size": len(benchmark),
        "image_px": benchmark.image_px,
        "code": code_digest(["handlib.data.open_benchmark", "handlib.data.benchmark_folder"]),
        "torch": torch.__version__,
        "photographs": folder_digest(require_data("backgrounds")) if "photographs" in benchmark.domain else None,
    }


def _refuse_another(there: dict[str, Any], wanted: dict[str, Any], folder: Path) -> None:
    differs = [key for key in wanted if there.get(key) != wanted[key]]
    if differs:
        raise BadInputError(
            f"{folder} holds another data set ({', '.join(differs)} differ): choose another folder, or delete this one"
        )


def _write_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    atomic_write(folder / MANIFEST, (json.dumps(manifest, indent=1) + "\n").encode())


def _write_one(benchmark: OpenBenchmark, folder: Path, shard: int) -> None:
    # Several processes with several threads each would only get in each other's way.
    torch.set_num_threads(1)
    write_shard(benchmark, folder, shard)


def _write_all(write: partial, shards: range, workers: int) -> None:
    bar = partial(tqdm, total=len(shards), desc="drawing", unit=f"x{SHARD_SIZE}")
    if workers == 1:
        for shard in bar(shards):
            write(shard)
        return
    # Forked processes would inherit torch's threads in an unknown state.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        try:
            for _ in bar(pool.map(write, shards)):
                pass
        except (KeyboardInterrupt, OSError, BrokenProcessPool):
            pool.shutdown(cancel_futures=True)
            raise


if __name__ == "__main__":
    typer.run(main)
