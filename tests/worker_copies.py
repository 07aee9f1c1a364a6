"""What arrives in a worker process of an object that is sent there."""

from multiprocessing.reduction import ForkingPickler
from typing import Any


def sent_to_worker(content: Any) -> Any:
    """The object as a data loader's worker gets it."""
    return ForkingPickler.loads(bytes(ForkingPickler.dumps(content)))
