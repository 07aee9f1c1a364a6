"""Where results and checkpoints live."""

import os
from pathlib import Path

import handlib
from handlib.reproduce.profiles import read_profile


def checkout_folder(start: Path | None = None) -> Path | None:
    """The checkout around a folder: the nearest parent with ``pyproject.toml`` and ``book/``; else the library's.

    Args:
        start: where to look from; the current folder by default.

    Returns:
        the folder, or None where handlib is installed as a package and no checkout is around.
    """
    start = Path(start or Path.cwd()).resolve()
    for folder in (start, *start.parents, Path(handlib.__file__).resolve().parents[1]):
        if (folder / "pyproject.toml").is_file() and (folder / "book").is_dir():
            return folder
    return None


def results_folder(start: Path | None = None) -> Path:
    """The results store: HANDLIB_RESULTS, else ``results/`` in the checkout, else in the current folder."""
    if os.environ.get("HANDLIB_RESULTS"):
        return Path(os.environ["HANDLIB_RESULTS"])
    return (checkout_folder(start) or Path.cwd()) / "results"


def cache_folder() -> Path:
    """Where checkpoints and smoke results go: HANDLIB_CACHE, else ``.cache/handlib`` in the checkout.

    The folder is made, and hides itself from git.
    """
    if os.environ.get("HANDLIB_CACHE"):
        folder = Path(os.environ["HANDLIB_CACHE"])
    else:
        folder = (checkout_folder() or Path.cwd()) / ".cache" / "handlib"
    ignore = folder / ".gitignore"
    if not ignore.exists():
        folder.mkdir(parents=True, exist_ok=True)
        ignore.write_text("*\n", encoding="utf-8")
    return folder


def store_for(profile: str) -> Path:
    """Where results of a profile go: ``results/``, except smoke's, which mean nothing and go to the cache."""
    return results_folder() if read_profile(profile).is_comparable else cache_folder() / "results"


def run_folder(kind: str, chapter: str, recipe: str, profile: str, seed: int) -> Path:
    """A run's own folder in the cache, of a kind: ``checkpoints``, ``artifacts`` or ``locks``; it need not be there."""
    return cache_folder() / kind / chapter / recipe / f"{read_profile(profile)}-seed{seed}"
