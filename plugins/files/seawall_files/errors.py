"""The errors of this plugin; what the system says stays an `OSError`."""

from seawall import SeawallError

_LONGEST_PATH = 200
"""Characters of a path in an error."""


class WorkspaceError(SeawallError):
    """A workspace refuses a path or a file; nothing was read or changed."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{shown(path)} {reason}")
        self.path = path
        self.reason = reason


class UnsuitableFileError(SeawallError):
    """A file is not what it is to be read as, or larger than the API or the caller takes."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{shown(path)} {reason}")
        self.path = path
        self.reason = reason


class JournalError(SeawallError):
    """A file that should be a journal is not read or written; it is as it was."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{shown(path)} {reason}")
        self.path = path
        self.reason = reason


class DamagedJournalError(JournalError):
    """A journal is damaged before it says what it is about; nothing in it can be used."""


class TargetLockedError(SeawallError):
    """Another call, of this process or another one, is saving to the same file; nothing was sent."""

    def __init__(self, path: str, holder: str, timeout: float) -> None:
        super().__init__(
            f"{shown(path)} is being saved to by {holder}; waited {timeout:g} s for it (lock_timeout). "
            "Wait until it ends, or save to another file"
        )
        self.path = path
        self.holder = holder
        self.timeout = timeout


def shown(path: str) -> str:
    """Return a path as an error shows it."""
    return repr(path if len(path) <= _LONGEST_PATH else path[: _LONGEST_PATH - 1] + "…")
