"""The package's head that lifts detected keypoints: the released network's, taught what a real detector does wrong.

It was made by ``handlib run s2hand --recipe s2hand-detected-lifting`` and written by
``data_scripts/release_lifting_head.py``. The network itself keeps its own head, which lifts what it reads by itself.
"""

import copy
from functools import cache
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file

from handlib.errors import BadInputError, MissingFileError
from handlib.models.s2hand import S2HandNetwork
from handlib.pretrained import RELEASED, released_network

LIFTING_HEAD = RELEASED.with_name("s2hand_lifting_head.safetensors")


@cache
def released_lifter() -> S2HandNetwork:
    """The released network with that head; for keypoints of a detector, not for those that it reads by itself.

    Raises:
        MissingFileError: the package came without the network or without the head.
        BadInputError: the head's file is damaged.
    """
    weights = _require(LIFTING_HEAD)
    network = copy.deepcopy(released_network())
    try:
        # The glance at the picture, which the head is not given, is not in the file.
        network.geometry.load_state_dict({**network.geometry.state_dict(), **load_file(weights)})
    except (SafetensorError, RuntimeError) as error:
        raise BadInputError(f"{weights}: damaged, or of another version ({error}); install handlib again") from error
    return network


def lifter_card() -> str:
    """What the head was trained on, its licence, its scores and what it is bad at, as Markdown.

    Raises:
        MissingFileError: the package came without it.
    """
    return _require(LIFTING_HEAD.with_suffix(".md")).read_text(encoding="utf-8")


def _require(path: Path) -> Path:
    if not path.is_file():
        raise MissingFileError(
            f"{path}: not there; install handlib again, or leave the detector out (detector=False, --no-detector)"
        )
    return path
