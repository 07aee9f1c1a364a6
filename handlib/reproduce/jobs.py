"""One notebook in a process of its own, as the driver sees it."""

import json
import os
import queue
import site
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import handlib
from handlib.reproduce.plan import Plan

Event = dict[str, Any]
_SECONDS_TO_LEAVE = 5.0


@dataclass(eq=False)
class Job:
    """A worker process that executes one notebook.

    Attributes:
        plan: what is executed.
        partial: where papermill saves after every cell.
        started: the clock at the start, seconds.
        cells_begun: how many code cells it has told of.
    """

    plan: Plan
    partial: Path
    started: float = field(default_factory=time.monotonic)
    cells_begun: int = 0
    _process: Any = None
    _log: Any = None

    def start(self, environment: dict[str, str], events: "queue.Queue[tuple[Job, Event]]") -> None:
        """Start the process; its events come to the queue, the last one being no ``cell`` event.

        Args:
            environment: variables of the process and its kernel.
            events: where ``(self, event)`` goes.
        """
        self.partial.parent.mkdir(parents=True, exist_ok=True)
        notebook = self.plan.notebook
        job = {
            "notebook": str(notebook.path),
            "partial": str(self.partial),
            "folder": str(notebook.path.parent),
            "parameters": self.plan.parameters,
        }
        self._log = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")
        # A session of its own: Ctrl-C in the terminal reaches the driver only, which then takes this one down.
        self._process = subprocess.Popen(
            [sys.executable, "-m", "handlib.reproduce.worker", json.dumps(job)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            encoding="utf-8",
            env=environment,
            start_new_session=True,
        )
        threading.Thread(target=self._read_events, args=(events,), daemon=True).start()

    def stop(self) -> None:
        """Take the process and its kernel down and remove the partial notebook."""
        if self._process is None:
            return
        self._process.stdin.close()
        try:
            self._process.wait(_SECONDS_TO_LEAVE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self.partial.unlink(missing_ok=True)

    def _read_events(self, events: "queue.Queue[tuple[Job, Event]]") -> None:
        last: Event = {"event": "none"}
        for line in self._process.stdout:
            last = json.loads(line)
            if last["event"] == "cell":
                events.put((self, last))
        code = self._process.wait()
        if last["event"] in ("none", "cell"):
            self._log.seek(0)
            lines = self._log.read().strip().splitlines() or ["no message"]
            error = f"the process that ran it ended with exit code {code}: {lines[-1]}"
            last = {"event": "crashed", "error": error, "traceback": "\n".join(lines)}
        events.put((self, last))


def kernel_environment(threads: int | None, force: bool) -> dict[str, str]:
    """The environment of a worker and its kernel.

    Args:
        threads: the most threads a kernel takes for linear algebra, unless the user has said; None for no limit.
        force: recipes in the notebook are to run again as well.
    """
    environment = dict(os.environ, PYTHONHASHSEED="0")
    if threads is not None:
        environment.setdefault("OMP_NUM_THREADS", str(threads))
    if force:
        environment["HANDLIB_FORCE"] = "1"
    # The kernel works in the notebook's folder and must import the library whose digest stands in the stamp. The
    # packages' own folder must not come first: it would hide the standard library.
    library = Path(handlib.__file__).resolve().parents[1]
    if str(library) not in {str(Path(folder).resolve()) for folder in site.getsitepackages()}:
        paths = [str(library), *filter(None, [environment.get("PYTHONPATH")])]
        environment["PYTHONPATH"] = os.pathsep.join(paths)
    return environment
