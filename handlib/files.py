"""Writing files so that a reader of them never sees half a file, and saying so when the disk is full."""

import contextlib
import errno
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from handlib.errors import DiskFullError


@contextlib.contextmanager
def disk_full_names(path: Path) -> Iterator[None]:
    """Turn "no space left" inside the block into an error that names ``path`` and the way on.

    Args:
        path: the file that the block writes.

    Raises:
        DiskFullError: the block met ENOSPC or EDQUOT. Any other error passes unchanged.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise disk_full_error(path) from error


def disk_full_error(path: Path) -> DiskFullError:
    """The error for a file that found no room; what happened, what is safe, and the way on."""
    return DiskFullError(
        f"{path}: the disk is full, so this file was not written; everything stored earlier is intact. Free some space "
        "(HANDLIB_CACHE moves a run's checkpoints to another disk) and run the same command again"
    )


def atomic_write(path: Path, content: bytes) -> None:
    """Write ``content`` to ``path`` such that either the old or the new file is there, never a part of one.

    The bytes go to a temporary file in the same folder, are forced to the disk (fsync) and only then take the
    name; the folder is synced too, so that the new name survives a power cut.

    Args:
        path: the file; missing parent folders are made.
        content: the whole new content.

    Raises:
        DiskFullError: no room; the temporary file is removed and an older file of that name is untouched.
    """
    path = Path(path)
    temporary = None
    with disk_full_names(path):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
            temporary = Path(name)
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            # mkstemp makes private files; a result is as public as any file the user creates.
            temporary.chmod(0o666 & ~_umask())
            os.replace(temporary, path)
        except BaseException:
            if temporary is not None:
                temporary.unlink(missing_ok=True)
            raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Force a folder's list of names to the disk, where the system allows it (not on Windows)."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _umask() -> int:
    """The process's umask, which can only be read by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
