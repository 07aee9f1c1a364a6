"""What the benchmarks share: tasks timed by turns in one process, so that a busy machine slows all of them alike."""

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor

Found = TypeVar("Found")
Task = Callable[[], Tensor | tuple[Tensor, ...]]


def time_once(task: Task) -> tuple[float, float]:
    """Seconds of one forward, and of forward and backward together; the loss is the sum of squares of all outputs."""
    start = time.perf_counter()
    outputs = task()
    forward = time.perf_counter() - start
    outputs = (outputs,) if isinstance(outputs, Tensor) else outputs
    sum(output.square().sum() for output in outputs).backward()
    return forward, time.perf_counter() - start


def take_turns(tasks: Mapping[str, Callable[[int], Found]], repeats: int, warm_up: int = 1) -> dict[str, list[Found]]:
    """What every task, told the round, gives in each of them, by name; the first ``warm_up`` rounds do not count."""
    found: dict[str, list[Found]] = {name: [] for name in tasks}
    for number in range(warm_up + repeats):
        for name, task in tasks.items():
            sample = task(number)
            if number >= warm_up:
                found[name].append(sample)
    return found


def race(tasks: Mapping[str, Task], repeats: int, warm_up: int = 1) -> dict[str, dict[str, float]]:
    """Milliseconds of every task by name: medians of ``forward`` and ``both``, and the ``least`` of both, which a busy
    machine leaves alone. The first ``warm_up`` rounds do not count."""
    timed = {name: lambda number, task=task: time_once(task) for name, task in tasks.items()}
    return {
        name: {
            "forward": 1e3 * statistics.median(forward for forward, _ in samples),
            "both": 1e3 * statistics.median(both for _, both in samples),
            "least": 1e3 * min(both for _, both in samples),
        }
        for name, samples in take_turns(timed, repeats, warm_up).items()
    }


def arguments(description: str, repeats: int, **numbers: int | tuple[int, ...]) -> argparse.Namespace:
    """The command line of a benchmark: its own ``numbers`` (of several defaults, several), then what all have."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    for name, default in numbers.items():
        count = "+" if isinstance(default, tuple) else None
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, nargs=count, default=default)
    parser.add_argument("--repeats", type=int, default=repeats)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path, help="also write the numbers to this file")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    return args


def setting_of(args: argparse.Namespace, what: str = "") -> str:
    """On what, and how, was timed."""
    how = f"CPU, {args.threads} threads, median of {args.repeats}, torch {torch.__version__}"
    return f"{what}, {how}" if what else how


def write_rows(args: argparse.Namespace, setting: str, rows: list[dict[str, Any]]) -> None:
    """Write the numbers where ``--json`` says, if it does."""
    if args.json:
        args.json.write_text(json.dumps({"setting": setting, "machine": platform.machine(), "rows": rows}, indent=2))
