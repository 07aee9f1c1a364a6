"""Ctrl-C that waits for the end of a step: in the middle of one, half of the weights would be new."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def finish_step_first() -> Iterator[Callable[[], bool]]:
    """Inside the block the first Ctrl-C only makes the given function answer True; a second one stops at once.

    In a thread that is not the main one Python allows no handler, and Ctrl-C does not arrive there anyway.
    """
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set
        return

    def note(number: int, frame: object) -> None:
        asked.set()
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, note)
    try:
        yield asked.is_set
    finally:
        signal.signal(signal.SIGINT, before)
