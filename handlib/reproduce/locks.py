"""One process at a time: an advisory lock on a run, so that two terminals do not train the same network twice."""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows has none: there nothing is locked
    fcntl = None


@contextlib.contextmanager
def locked(path: Path, what: str) -> Iterator[bool]:
    """Hold a lock file; wait, and say so, while another process holds it.

    The system lets go of the lock of a process that ends, however it ends. The file stays; it is empty.

    Args:
        path: the lock file; its folder is made.
        what: is being done, for the message.

    Yields:
        whether another process held it before.
    """
    if os.environ.get("RANK", "0") != "0":  # of the processes that train one network together, the first locks for all
        yield False
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        yield fcntl is not None and _wait_for(descriptor, what)
    finally:
        os.close(descriptor)


def _wait_for(descriptor: int, what: str) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return False
    except BlockingIOError:
        print(
            f"{what}: another process is at it; waiting for its result (Ctrl-C to leave)", file=sys.stderr, flush=True
        )
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        return True
    except OSError:  # some network file systems have no locks
        return False
