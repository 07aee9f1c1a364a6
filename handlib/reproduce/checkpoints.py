"""The checkpoints of one run: a folder that keeps the newest two and survives a kill at any instant."""

import shutil
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from handlib.errors import BadInputError
from handlib.reproduce.state import read_state, write_state

_KEPT = 2


@dataclass(frozen=True)
class CheckpointFolder:
    """Numbered checkpoint files of one run, each bound to the run's key.

    Attributes:
        folder: holds nothing else.
        key: digest of all that determines the run; a checkpoint of another key is as good as none.
    """

    folder: Path
    key: str

    def add(self, content: Mapping[str, Any]) -> None:
        """Write the next checkpoint, then remove all but the newest two.

        Raises:
            BadInputError: the content holds something other than numbers and text.
            DiskFullError: no room; the older checkpoints are intact.
        """
        files = self._files()
        number = int(files[-1].stem) + 1 if files else 1
        write_state(self.folder / f"{number:08d}.safetensors", {"key": self.key, "content": content})
        for path in files[: 1 - _KEPT]:
            path.unlink(missing_ok=True)

    def newest(self) -> dict[str, Any] | None:
        """The newest checkpoint of this key that can be read; None if there is none.

        A damaged file (a disk error: writing is atomic) is warned of, and the one before it is taken.
        """
        for path in reversed(self._files()):
            try:
                saved = read_state(path)
            except BadInputError as error:
                warnings.warn(f"{error}; the checkpoint before it is taken", stacklevel=2)
                continue
            if saved.get("key") == self.key:
                return saved["content"]
        return None

    def remove(self) -> None:
        """Remove every checkpoint of the run."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _files(self) -> list[Path]:
        return sorted(path for path in self.folder.glob("*.safetensors") if path.stem.isdigit())
