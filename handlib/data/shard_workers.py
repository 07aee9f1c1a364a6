"""The same work on many numbers: in this process, in several, or on the machines of a Dask cluster."""

from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from typing import Any

import torch
from tqdm import tqdm

from handlib.errors import MissingExtraError


def run_shards(
    work: Callable[[int], Any], shards: range, *, workers: int = 1, scheduler: str | None = None, unit: str = "shard"
) -> list[Any]:
    """What ``work`` gives for each number, in their order, with a progress bar.

    The work must depend on its number alone; then the number of workers changes nothing but the time.

    Args:
        work: can be pickled, unless it runs here.
        shards: the numbers.
        workers: processes on this machine; 1 works in this one.
        scheduler: address of a Dask scheduler, ``tcp://host:8786``, whose machines share this one's files and have
            handlib; instead of ``workers``.
        unit: what the bar counts.

    Raises:
        MissingExtraError: a scheduler is given, and Dask is not installed.
    """
    bar = partial(tqdm, total=len(shards), unit=unit)
    single = partial(_single_threaded, work)
    if scheduler is not None:
        with _dask_client(scheduler) as client:
            futures = client.map(single, list(shards), pure=False)
            return [future.result() for future in bar(futures)]
    if workers == 1:
        return [work(shard) for shard in bar(shards)]
    # Forked processes would inherit torch's threads in an unknown state.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        try:
            return list(bar(pool.map(single, shards)))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _single_threaded(work: Callable[[int], Any], shard: int) -> Any:
    # Several processes with several threads each would only get in each other's way.
    torch.set_num_threads(1)
    return work(shard)


@contextmanager
def _dask_client(address: str) -> Iterator[Any]:
    try:
        from dask.distributed import Client
    except ImportError as error:
        raise MissingExtraError(
            f"the scheduler {address} is Dask's, which is not installed: pip install distributed, or use --workers"
        ) from error
    with Client(address) as client:
        yield client
