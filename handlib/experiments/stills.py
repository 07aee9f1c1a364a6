"""Where the pictures of trainings lie, drawn when they are first asked for."""

from pathlib import Path

from handlib.data.stills_cache import StillsName, draw_stills
from handlib.reproduce.closure import code_digest
from handlib.reproduce.places import cache_folder


def drawn(name: StillsName) -> Path:
    """The folder of these stills in the cache, drawn if they are not there: minutes for thousands, once."""
    # Pictures that older code drew lie in another folder, and are never taken for these.
    return draw_stills(name, cache_folder() / "stills" / code_digest(["handlib.data.stills_cache"])[:12])
