"""The trained network that comes with the package, and any other that is named.

What a run computes must not depend silently on what an earlier run has left here: a training that begins with this
network has the file's digest in its key.
"""

from functools import cache, lru_cache
from pathlib import Path

import torch

from handlib.errors import MissingFileError
from handlib.models.checkpoint_file import load_network
from handlib.models.s2hand import S2HandNetwork

RELEASED = Path(__file__).parent / "models" / "assets" / "s2hand_photographs.safetensors"


def find_network(checkpoint: str | Path | None = None) -> S2HandNetwork:
    """The network of a file, or the released one; read once for as long as the file stays as it is.

    Args:
        checkpoint: a file of :func:`handlib.models.save_network`; None for the released network.

    Raises:
        MissingFileError, BadInputError: as :func:`handlib.models.load_network`.
    """
    if checkpoint is None:
        return released_network()
    path = Path(checkpoint).resolve()
    return _read(path, path.stat().st_mtime_ns if path.is_file() else 0)


@cache
def released_network() -> S2HandNetwork:
    """The network that :func:`handlib.reconstruct` uses, trained for photographs; on the CPU, in evaluation mode.

    Raises:
        MissingFileError: the package came without it.
    """
    _require(RELEASED)
    return _read(RELEASED, RELEASED.stat().st_mtime_ns)


def released_card() -> str:
    """What the released network was trained on, its licence, its scores and what it is bad at, as Markdown.

    Raises:
        MissingFileError: the package came without it.
    """
    return _require(RELEASED.with_suffix(".md")).read_text(encoding="utf-8")


@lru_cache(maxsize=2)
def _read(path: Path, changed_ns: int) -> S2HandNetwork:
    """``changed_ns`` makes a file that was written again another entry of the cache."""
    network, _ = load_network(path)
    # Channels last is the order in which convolutions on the CPU are fastest.
    return network.to(memory_format=torch.channels_last)


def _require(path: Path) -> Path:
    if not path.is_file():
        raise MissingFileError(
            f"{path}: the trained network that belongs to handlib is not there; install handlib again, name another "
            "network (checkpoint=, --checkpoint), or fit keypoints without one (keypoints=, --fit)"
        )
    return path
