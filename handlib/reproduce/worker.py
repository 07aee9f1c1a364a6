"""The process that executes one notebook through papermill and tells the driver how far it is.

Started by :mod:`handlib.reproduce.driver` as ``python -m handlib.reproduce.worker JOB``. It writes one JSON event a
line to its standard output. Its standard input is the driver's hand on it: when that closes, because of Ctrl-C or
because the driver died, the worker takes its kernel down and leaves no file.
"""

import contextlib
import errno
import json
import os
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

KERNEL = "python3"
_BUILD_TAG = "injected-parameters"


def private_jupyter(folder: Path) -> dict[str, str]:
    """Environment in which the kernel ``python3`` is this interpreter and no setting of the user plays a part.

    A kernel of the same name in the user's home folder would otherwise win over the environment's own, and the
    book would run on another Python, with other packages.

    Args:
        folder: an empty folder, where the kernel's description and its connection files go.

    Returns:
        variables to set.
    """
    from ipykernel.kernelspec import write_kernel_spec

    (folder / "kernels").mkdir(parents=True)
    write_kernel_spec(folder / "kernels" / KERNEL)
    return {
        "JUPYTER_PATH": str(folder),
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
        "JUPYTER_PLATFORM_DIRS": "1",
        "IPYTHONDIR": str(folder / "ipython"),
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        "HANDLIB_BOOK": "1",  # figures leave their scripts to the page, sliders give way to a figure
    }


def execute(job: dict[str, Any], tell: Callable[..., None]) -> None:
    """Execute a notebook, reporting each cell as it starts.

    Args:
        job: ``notebook``, ``partial`` (where papermill saves after each cell), ``folder`` (the working directory)
            and ``parameters``.
        tell: called with each event: ``tell("cell", cell=n, of=m, source=...)``, and at the end one of ``done``,
            ``failed`` (with the cell reached, ``error`` and ``traceback``) or ``disk full`` (with ``file``).
    """
    from nbclient.exceptions import DeadKernelError
    from papermill.engines import NBClientEngine, papermill_engines
    from papermill.exceptions import PapermillExecutionError
    from papermill.execute import execute_notebook

    reached: dict[str, Any] = {"cell": 0, "of": 0, "source": ""}

    class ReportingEngine(NBClientEngine):
        """Papermill's own engine, with a word to the driver at every code cell."""

        @classmethod
        def execute_managed_notebook(cls, nb_man: Any, *args: Any, **kwargs: Any) -> Any:
            reached["of"] = sum(_is_counted(cell) for cell in nb_man.nb.cells)
            start = nb_man.cell_start

            def cell_start(cell: Any, *more: Any, **options: Any) -> Any:
                if _is_counted(cell):
                    reached.update(cell=reached["cell"] + 1, source=cell.source)
                    tell("cell", **reached)
                return start(cell, *more, **options)

            nb_man.cell_start = cell_start
            return super().execute_managed_notebook(nb_man, *args, **kwargs)

    papermill_engines.register("handlib", ReportingEngine)
    try:
        execute_notebook(
            job["notebook"],
            job["partial"],
            parameters=job["parameters"],
            engine_name="handlib",
            kernel_name=KERNEL,
            language="python",
            progress_bar=False,
            cwd=job["folder"],
        )
    except PapermillExecutionError as error:
        tell("failed", error=f"{error.ename}: {error.evalue}", traceback="\n".join(error.traceback), **reached)
    except DeadKernelError:
        tell("failed", error="the kernel died (out of memory?)", traceback="", **reached)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        tell("disk full", file=str(error.filename or job["partial"]))
    else:
        tell("done")


def main(job_json: str) -> None:
    """Execute the job, inside a private Jupyter, for as long as the driver holds on to our standard input."""
    # Whatever a library prints must not mix with the events: standard output becomes standard error.
    events = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def tell(event: str, **more: Any) -> None:
        events.write(json.dumps({"event": event, **more}) + "\n")
        events.flush()

    job = json.loads(job_json)
    with tempfile.TemporaryDirectory(prefix="handlib-kernel-", ignore_cleanup_errors=True) as folder:
        os.environ.update(private_jupyter(Path(folder)))
        threading.Thread(target=_leave_with_driver, args=(Path(job["partial"]), folder), daemon=True).start()
        execute(job, tell)


def _is_counted(cell: Any) -> bool:
    """Whether a cell is one of the reader's: code, and not papermill's own cell of injected parameters."""
    return cell.cell_type == "code" and _BUILD_TAG not in cell.metadata.get("tags", [])


def _leave_with_driver(partial: Path, folder: str) -> None:
    """Wait until the driver lets go, then stop the kernel and this process at once, leaving no file."""
    sys.stdin.buffer.read()
    for pid in _children():
        # The kernel leads a group of its own, which holds whatever a cell has started.
        with contextlib.suppress(OSError):
            os.killpg(pid, signal.SIGKILL)
    partial.unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(130)


def _children() -> list[int]:
    """Process ids of this process's children (Linux; elsewhere the kernel notices by itself, within a second)."""
    with contextlib.suppress(OSError, ValueError):
        return [int(pid) for path in Path("/proc/self/task").glob("*/children") for pid in path.read_text().split()]
    return []


if __name__ == "__main__":
    main(sys.argv[1])
