"""Execute the book's notebooks, each in a process of its own, and only those that something has changed under."""

import json
import os
import queue
import re
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from tqdm import tqdm

from handlib.errors import HandlibError, MissingExtraError
from handlib.files import atomic_write, disk_full_error
from handlib.reproduce.jobs import Event, Job, kernel_environment
from handlib.reproduce.plan import Plan, chapter_results_digest, make_stamp


class NotebookFailedError(HandlibError):
    """At least one notebook did not run to its end."""


def execute_plans(
    book: Path, plans: Sequence[Plan], *, jobs: int = 1, force: bool = False, show_progress: bool = True
) -> list[Plan]:
    """Execute the notebooks that are not up to date, ``jobs`` of them at a time.

    A notebook that fails does not stop the others, so that one long build shows every failure. Pages of one chapter
    take turns.

    Args:
        book: the book folder.
        plans: from :func:`handlib.reproduce.plan.make_plans`.
        jobs: how many processes.
        force: also those that are up to date, and the runs of recipes in them.
        show_progress: a bar that counts code cells, and a line for each finished notebook.

    Returns:
        the plans that were executed.

    Raises:
        NotebookFailedError: naming each notebook, cell, error and the saved partial notebook.
        DiskFullError: no room for an executed notebook; those that were finished before are kept.
        MissingExtraError: papermill or ipykernel is not installed.
        KeyboardInterrupt: passed on once every process is gone and every unfinished file is removed.
    """
    waiting = [plan for plan in plans if force or not plan.is_fresh]
    if not waiting:
        return []
    _require_papermill()
    _remove_leftovers(book)
    jobs = min(jobs, len(waiting))
    # Several kernels that each take every core would only wait for one another.
    environment = kernel_environment(max(1, (os.cpu_count() or 1) // jobs) if jobs > 1 else None, force)
    cells = sum(plan.notebook.code_cells for plan in waiting)
    failures: list[str] = []
    executed: list[Plan] = []
    running: list[Job] = []
    events: queue.Queue[tuple[Job, Event]] = queue.Queue()
    queued = list(waiting)
    # None: a bar on a terminal only; a log gets the line of each finished notebook.
    bar = tqdm(total=cells, unit="cell", disable=None if show_progress else True, leave=False, dynamic_ncols=True)
    try:
        while queued or running:
            while len(running) < jobs and (plan := _next_plan(queued, running)) is not None:
                queued.remove(plan)
                running.append(Job(plan, _partial_path(book, plan)))
                running[-1].start(environment, events)
            job, event = events.get()
            if event["event"] == "cell":
                _show_cell(bar, job, event)
                continue
            running.remove(job)
            seconds = time.monotonic() - job.started
            if event["event"] == "done":
                _store(book, job, seconds)
                executed.append(job.plan)
            elif event["event"] == "disk full":
                job.partial.unlink(missing_ok=True)
                raise disk_full_error(Path(event["file"]))
            else:
                failures.append(_keep_failure(book, job, event))
            if show_progress:
                end = "done in" if event["event"] == "done" else "FAILED after"
                line = f"{job.plan.notebook.name}: {job.cells_begun} cells, {end} {seconds:.1f} s"
                tqdm.write(line, file=sys.stderr)
    finally:
        bar.close()
        for job in running:
            job.stop()
    if failures:
        raise NotebookFailedError("\n".join(failures))
    return executed


def _next_plan(queued: Sequence[Plan], running: Sequence[Job]) -> Plan | None:
    """The first plan of a chapter of which no page runs; None where there is none.

    Pages of one chapter draw the same pictures into the same folder of the cache, which one process at a time may do.
    """
    busy = {_chapter_of(job.plan) for job in running}
    return next((plan for plan in queued if _chapter_of(plan) not in busy), None)


def _chapter_of(plan: Plan) -> str:
    """What a page's name begins with: "s2hand" for ``s2hand``, ``s2hand_training`` and ``s2hand_v``."""
    return plan.notebook.name.partition("_")[0]


def _show_cell(bar: tqdm, job: Job, event: Event) -> None:
    """Move the bar on; it counts cells that are over, and the event tells of one that begins."""
    bar.set_description_str(f"{job.plan.notebook.name}, cell {event['cell']} of {event['of']}")
    bar.update(event["cell"] - 1 - max(0, job.cells_begun - 1))
    job.cells_begun = event["cell"]


def _store(book: Path, job: Job, seconds: float) -> None:
    """Give a finished notebook its stamp and its name."""
    plan = job.plan
    content = json.loads(job.partial.read_text(encoding="utf-8"))
    # A notebook may have added results of its own: it is up to date with the store as it leaves it.
    parts = plan.parts | {"results": chapter_results_digest(book, plan.notebook)}
    content["metadata"]["handlib"] = make_stamp(parts, seconds, datetime.now(UTC).isoformat(timespec="seconds"))
    # Papermill notes absolute paths, which say nothing to a reader on another machine.
    content["metadata"].setdefault("papermill", {}).update(
        input_path=plan.notebook.relative.as_posix(), output_path=plan.output.relative_to(book).as_posix()
    )
    for cell in content["cells"]:
        if "injected-parameters" in cell["metadata"].get("tags", []):
            cell["metadata"]["tags"].append("remove-cell")
    try:
        atomic_write(plan.output, json.dumps(content, indent=1, ensure_ascii=False).encode())
    finally:
        job.partial.unlink(missing_ok=True)


def _keep_failure(book: Path, job: Job, event: Event) -> str:
    """Keep the notebook as far as it came, and say what happened where."""
    notebook = job.plan.notebook
    kept = book / "_build" / "failed" / notebook.relative
    lines = [f"{notebook.path}: {event['error']}"]
    if event.get("source"):
        first = next((line for line in event["source"].splitlines() if line.strip()), "")
        lines = [
            f"{notebook.path}: code cell {event['cell']} of {event['of']} failed: {event['error']}",
            f"  the cell begins: {first.strip()}",
        ]
    error_lines = re.sub(r"\x1b\[[0-9;]*m", "", event["traceback"]).strip().splitlines()
    lines += [f"  | {line}" for line in error_lines[-12:]]
    if job.partial.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        os.replace(job.partial, kept)
        lines.append(f"  the notebook as far as it came: {kept}")
    return "\n".join(lines)


def _partial_path(book: Path, plan: Plan) -> Path:
    return book / "_build" / "partial" / f"{plan.notebook.name}.{os.getpid()}.ipynb"


def _remove_leftovers(book: Path) -> None:
    """Remove partial notebooks of drivers that were killed outright, which had no chance to do it themselves."""
    for path in (book / "_build" / "partial").glob("*.*.ipynb"):
        pid = path.name.split(".")[-2]
        if pid.isdigit() and not _is_alive(int(pid)):
            path.unlink(missing_ok=True)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _require_papermill() -> None:
    for package in ("papermill", "ipykernel"):
        try:
            metadata.version(package)
        except metadata.PackageNotFoundError:
            raise MissingExtraError(
                f"executing notebooks needs {package}, which {sys.prefix} does not have: pip install -e '.[book]'"
            ) from None
