"""Artifacts: files that a run leaves behind, such as the weights of a network that it trained.

They lie in the cache, as they are too large for git, bound to the key of their run: weights of an older recipe are
never taken for those of the stored numbers.
"""

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from handlib.errors import BadInputError, MissingFileError
from handlib.files import atomic_write
from handlib.reproduce.places import run_folder, store_for
from handlib.reproduce.results import read_result, result_path

_KEY_FILE = "key.txt"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class ArtifactFolder:
    """What one run leaves behind.

    Attributes:
        folder: holds the files and the run's key.
        key: digest of all that determines the run.
    """

    folder: Path
    key: str

    def path(self, name: str) -> Path:
        """Where to write a file; what a run of another key had left in the folder is removed.

        Raises:
            BadInputError: the name is none of a file in this folder.
        """
        path = self._named(name)
        if not self.is_of_key():
            shutil.rmtree(self.folder, ignore_errors=True)
            atomic_write(self.folder / _KEY_FILE, f"{self.key}\n".encode())
        return path

    def find(self, name: str) -> Path | None:
        """A file that a run of this key has written; None if there is none.

        Raises:
            BadInputError: the name is none of a file in this folder.
        """
        path = self._named(name)
        return path if self.is_of_key() and path.is_file() else None

    def is_of_key(self) -> bool:
        """Whether the files that are there are of a run of this key."""
        note = self.folder / _KEY_FILE
        return note.is_file() and note.read_text(encoding="utf-8").strip() == self.key

    def _named(self, name: str) -> Path:
        if not _NAME.fullmatch(name) or name == _KEY_FILE:
            raise BadInputError(f"artifact {name!r}: expected a plain file name, for example 'network.safetensors'")
        return self.folder / name


def find_artifact(chapter: str, recipe: str, profile: str, seed: int, name: str, store: Path | None = None) -> Path:
    """A file that the run of a stored result has left on this machine.

    Args:
        chapter, recipe: names, as in the recipe.
        profile: smoke, laptop or full.
        seed: of the run.
        name: as the run's work gave it to ``RunContext.artifact_path``.
        store: where the result is; by default where results of the profile are.

    Raises:
        MissingFileError: the run was not done, or on another machine; the message has the command that does it.
        BadInputError: the stored result is damaged, or the name is none of a file.
    """
    command = f"handlib run {chapter} --recipe {recipe} --profile {profile} --seed {seed}"
    stored = result_path(store or store_for(profile), chapter, recipe, profile, seed)
    if not stored.is_file():
        raise MissingFileError(f"{name} of {recipe} ({profile}, seed {seed}): the run was not done; run: {command}")
    folder = ArtifactFolder(run_folder("artifacts", chapter, recipe, profile, seed), read_result(stored).key)
    path = folder.find(name)
    if path is None:
        raise MissingFileError(
            f"{folder.folder / name}: not there, although the run's result is stored: it was done on another machine, "
            f"or leaves no such file, or the cache was emptied; to do it again: {command} --force"
        )
    return path
