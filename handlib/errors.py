"""The errors that ``handlib`` raises on purpose.

Each message names the file or the argument, says what was met and what was expected, and ends with the remedy: a reader
should be able to go on without opening the source.
"""


class HandlibError(Exception):
    """Base of every error that ``handlib`` raises on purpose."""


class BadInputError(HandlibError, ValueError):
    """An argument or a file has the wrong shape, type, range or content."""


class MissingFileError(HandlibError, FileNotFoundError):
    """A file or folder that was asked for is not there."""


class MissingExtraError(HandlibError, ImportError):
    """An optional package is needed for what was asked and is not installed."""


class UnsafeFileError(HandlibError):
    """A file asks for more than reading numbers, and was refused before any of it ran."""


class DiskFullError(HandlibError, OSError):
    """The disk, or the user's quota on it, has no room for a file that was being written."""
